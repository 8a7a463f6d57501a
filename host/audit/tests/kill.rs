//! A gateway that is killed at any moment loses nothing that it acknowledged.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use almoner_audit::Reader;
use almoner_ledger::Hash;
use support::{intent, open, outcome, verify};

/// Tells the child which folder to fill.
const FOLDER: &str = "ALMONER_TEST_AUDIT_FOLDER";
/// How often to kill; more by hand, with this variable.
const ROUNDS: &str = "ALMONER_TEST_KILLS";

/// Not a test by itself: the process that gets killed. Prints what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_until_killed() {
    let Some(dir) = std::env::var_os(FOLDER) else {
        return;
    };
    let audit = open(Path::new(&dir));
    let out = Arc::new(Mutex::new(std::io::stdout()));
    let mut tasks = Vec::new();
    for task in 0..8 {
        let log = audit.session(format!("s-{}-{task}", std::process::id()));
        let out = Arc::clone(&out);
        tasks.push(tokio::spawn(async move {
            for i in 0_u64.. {
                let exchange = format!("x-{}-{task}-{i}", std::process::id());
                log.append(intent(&exchange)).await.unwrap();
                let mut entry = outcome(i);
                entry.draft = entry.draft.with("exchange", exchange);
                let durable = log.append(entry).await.unwrap();
                writeln!(
                    out.lock().unwrap(),
                    "acknowledged {} {}",
                    durable.seq,
                    durable.hash
                )
                .unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let rounds = std::env::var(ROUNDS)
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(8);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("audit");
    let mut acknowledged: Vec<(u64, Hash)> = Vec::new();
    for round in 0..rounds {
        acknowledged.extend(run_and_kill(
            &dir,
            Duration::from_millis(150 + 37 * (round % 11)),
        ));
        // Whoever only looks finds all of it, in a log that ends anywhere.
        let reader = Reader::open_copy(&dir).unwrap();
        for (seq, hash) in &acknowledged {
            let stored = reader
                .get(*seq)
                .unwrap()
                .unwrap_or_else(|| panic!("record {seq} was acknowledged and is gone"));
            assert_eq!(stored.hash(), *hash);
        }
        drop(reader);
        let report = verify(&dir);
        assert!(matches!(report.exit_code, 0 | 3), "{report:#?}");
    }
    assert!(
        acknowledged.len() > 8,
        "{} acknowledged",
        acknowledged.len()
    );
    // A last start closes what was cut off, and then everything is in order to the end.
    let audit = open(&dir);
    drop(audit);
    let report = verify(&dir);
    assert_eq!(
        (report.exit_code, report.failures_total),
        (0, 0),
        "{report:#?}"
    );
}

fn run_and_kill(dir: &Path, after: Duration) -> Vec<(u64, Hash)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "appends_until_killed",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(FOLDER, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let listener =
        std::thread::spawn(move || out.lines().map_while(Result::ok).collect::<Vec<_>>());
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    // The last line may be cut short; it is complete if its hash is.
    let lines = listener.join().unwrap();
    let words = lines
        .iter()
        .filter_map(|line| line.strip_prefix("acknowledged ")?.split_once(' '));
    words
        .filter_map(|(seq, hash)| Some((seq.parse().ok()?, Hash::from_hex(hash.as_bytes())?)))
        .collect()
}
