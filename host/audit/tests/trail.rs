//! A trail in its ordinary life: begun, filled, read, copied, exported, opened again.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod support;

use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};

use almoner_audit::{
    Audit, AuditError, Entry, Filter, OpenError, Options, VerifyStore, export, now, verify_export,
    verify_store,
};
use almoner_ledger::{Checkpoint, Draft, Kind, Verdict, VerifierKey};
use serde_json::json;
use support::{closed_trail, database_files, intent, open, options, outcome, verify};

#[tokio::test]
async fn a_trail_begins_with_genesis_and_key_and_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("audit");
    closed_trail(&dir, 5).await;
    let audit = open(&dir);
    assert_eq!(audit.append(outcome(9)).await.unwrap().seq, 7);
    let reader = audit.reader();
    let kinds: Vec<_> = reader
        .range(0, 3)
        .unwrap()
        .iter()
        .map(|stored| stored.value().unwrap()["kind"].clone())
        .collect();
    assert_eq!(kinds, [json!("genesis"), json!("key"), json!("outcome")]);
    assert_eq!(reader.last_seq(), Some(7));
    assert_eq!(reader.tail(2).unwrap()[1].seq, 7);
    assert_eq!(reader.get(8).unwrap(), None);
    audit.close().await.unwrap();
    drop((audit, reader));
    let report = verify(&dir);
    assert_eq!(
        (report.verdict, report.records, report.bodies.checked),
        (Verdict::Verified, 8, 6),
        "{report:#?}"
    );
}

#[tokio::test]
async fn the_folder_and_the_keys_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("audit");
    closed_trail(&dir, 1).await;
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("signing.key")), 0o600);
    assert_eq!(mode(&dir.join("anchor")), 0o600);
}

#[tokio::test]
async fn one_process_at_a_time_has_the_trail() {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(folder.path());
    assert!(matches!(
        Audit::open(folder.path(), options()),
        Err(OpenError::Locked(_))
    ));
    drop(audit);
    drop(open(folder.path()));
}

#[tokio::test]
async fn another_name_or_another_key_does_not_open_it() {
    let folder = tempfile::tempdir().unwrap();
    closed_trail(folder.path(), 1).await;
    let other = Audit::open(folder.path(), Options::new("elsewhere.example"));
    assert!(matches!(other, Err(OpenError::Origin(_))));
    let key = folder.path().join("signing.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    assert!(matches!(
        Audit::open(folder.path(), options()),
        Err(OpenError::Key { .. })
    ));
    let stranger = tempfile::tempdir().unwrap();
    closed_trail(stranger.path(), 1).await;
    std::fs::copy(stranger.path().join("signing.key"), &key).unwrap();
    assert!(Audit::open(folder.path(), options()).is_err());
    std::fs::write(&key, kept).unwrap();
    drop(open(folder.path()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_get_places_and_session_numbers_without_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(folder.path());
    let mut tasks = Vec::new();
    for session in 0..8 {
        let log = audit.session(format!("s-{session}"));
        for i in 0..50 {
            let log = log.clone();
            tasks.push(tokio::spawn(async move {
                log.append(outcome(i)).await.unwrap().seq
            }));
        }
    }
    let mut places = Vec::new();
    for task in tasks {
        places.push(task.await.unwrap());
    }
    places.sort_unstable();
    assert_eq!(places, (2..402).collect::<Vec<_>>());
    audit.close().await.unwrap();
    drop(audit);
    let report = verify(folder.path());
    assert_eq!(
        (report.verdict, report.sessions),
        (Verdict::Verified, 8),
        "{report:#?}"
    );
}

#[tokio::test]
async fn searches_find_what_is_indexed_and_what_is_not_yet() {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(folder.path());
    let log = audit.session("s-1");
    let before = now();
    for i in 0..20 {
        log.append(outcome(i)).await.unwrap();
        if i == 10 {
            // The index follows within this time; the rest is found without it.
            tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        }
    }
    let reader = audit.reader();
    let seqs = |filter: Filter| {
        reader
            .search(&filter)
            .unwrap()
            .iter()
            .map(|found| found.seq)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        seqs(Filter {
            exchange: Some("x-3".into()),
            ..Filter::default()
        }),
        [5]
    );
    assert_eq!(
        seqs(Filter {
            exchange: Some("x-19".into()),
            ..Filter::default()
        }),
        [21]
    );
    assert_eq!(
        seqs(Filter {
            session: Some("s-1".into()),
            limit: 2,
            ..Filter::default()
        }),
        [21, 20]
    );
    assert_eq!(
        seqs(Filter {
            session: Some("s-1".into()),
            before: Some(4),
            ..Filter::default()
        }),
        [3, 2]
    );
    assert_eq!(
        seqs(Filter {
            subject: Some("user-0".into()),
            ..Filter::default()
        }),
        [20, 17, 14, 11, 8, 5, 2]
    );
    assert_eq!(
        seqs(Filter {
            kind: Some(Kind::Key),
            ..Filter::default()
        }),
        [1]
    );
    assert_eq!(
        seqs(Filter {
            verdict: Some("deny".into()),
            ..Filter::default()
        }),
        [] as [u64; 0]
    );
    assert_eq!(
        seqs(Filter {
            until: Some(before),
            ..Filter::default()
        }),
        [1, 0]
    );
    assert_eq!(
        seqs(Filter {
            from: Some(before),
            ..Filter::default()
        })
        .len(),
        20
    );
    let page = reader
        .search_page(&Filter {
            session: Some("s-1".into()),
            limit: 3,
            ..Filter::default()
        })
        .unwrap();
    let rest = Filter {
        session: Some("s-1".into()),
        before: page.more_before,
        ..Filter::default()
    };
    assert_eq!(page.records.len() + reader.search(&rest).unwrap().len(), 20);
}

#[tokio::test]
async fn an_exchange_is_open_from_its_intent_to_its_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(folder.path());
    let log = audit.session("s-1");
    assert!(!log.is_open("s-1.1"));
    // From the moment it has its place, even if whoever asked for it does not wait.
    drop(log.enqueue(intent("s-1.1")).await.unwrap());
    assert!(log.is_open("s-1.1") && !log.is_open("s-1.2"));
    let done = Draft::new(Kind::Outcome, now()).with("exchange", "s-1.1");
    log.append(done).await.unwrap();
    assert!(!log.is_open("s-1.1"));
}

#[tokio::test]
async fn bodies_come_back_and_long_fields_become_bodies() {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(folder.path());
    let long = "select 1 -- ".repeat(4_000);
    let entry = Entry::new(
        Draft::new(Kind::Intent, now())
            .with("exchange", "x")
            .with("action", long.clone()),
    )
    .body("request", "application/json", "{}");
    let seq = audit.append(entry).await.unwrap().seq;
    let reader = audit.reader();
    let record = reader.get(seq).unwrap().unwrap();
    assert!(record.line.len() < 16 * 1024);
    assert_eq!(record.value().unwrap()["action"], json!({"body": 1}));
    assert_eq!(
        reader.body(seq, "field:action").unwrap().unwrap().1,
        long.as_bytes()
    );
    assert_eq!(
        reader.body(seq, "request").unwrap().unwrap().1,
        "{}".as_bytes()
    );
    assert_eq!(reader.body(seq, "absent").unwrap(), None);
    let huge = Entry::new(Draft::new(Kind::Intent, now()).with("subject", "x".repeat(20_000)));
    assert!(matches!(
        audit.append(huge).await,
        Err(AuditError::TooLarge { .. })
    ));
    assert_eq!(
        audit.append(outcome(0)).await.unwrap().seq,
        seq + 1,
        "a refused record takes no place"
    );
}

#[tokio::test]
async fn an_exchange_cut_off_after_its_intent_is_closed_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    {
        let audit = open(folder.path());
        let log = audit.session("s-1");
        log.append(intent("x-done")).await.unwrap();
        log.append(outcome(0)).await.unwrap();
        log.append(intent("x-cut")).await.unwrap();
        log.append(Draft::new(Kind::Outcome, now()).with("exchange", "x-done"))
            .await
            .unwrap();
        audit.append(intent("x-alone")).await.unwrap();
        audit.close().await.unwrap();
    }
    let audit = open(folder.path());
    let found = audit
        .reader()
        .search(&Filter {
            kind: Some(Kind::Interrupted),
            ..Filter::default()
        })
        .unwrap();
    let found: Vec<_> = found.iter().map(|found| found.value().unwrap()).collect();
    assert_eq!(found.len(), 2);
    assert_eq!(
        (&found[0]["exchange"], found[0].get("session")),
        (&json!("x-alone"), None)
    );
    assert_eq!(
        (&found[1]["exchange"], &found[1]["session"], &found[1]["n"]),
        (&json!("x-cut"), &json!("s-1"), &json!(4))
    );
    assert_eq!(found[1]["intent_seq"], 4);
    audit.close().await.unwrap();
    drop(audit);
    drop(open(folder.path()));
    let report = verify(folder.path());
    assert_eq!(
        (report.verdict, report.records),
        (Verdict::Verified, 9),
        "each is closed once: {report:#?}"
    );
}

#[tokio::test]
async fn a_copy_of_a_live_trail_verifies_and_reading_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(&folder.path().join("live"));
    for i in 0..10 {
        audit.append(outcome(i)).await.unwrap();
    }
    let copy = folder.path().join("copy");
    let (reader, to) = (audit.reader(), copy.clone());
    tokio::task::spawn_blocking(move || reader.copy_to(&to))
        .await
        .unwrap()
        .unwrap();
    audit.append(outcome(10)).await.unwrap();
    assert!(!copy.join("signing.key").exists());
    let options = VerifyStore {
        keys: vec![audit.verifier_key()],
        jobs: 3,
        ..VerifyStore::default()
    };
    let report = verify_store(&copy, &options, &mut |_| ()).unwrap();
    assert_eq!(
        (report.verdict, report.records),
        (Verdict::Verified, 12),
        "{report:#?}"
    );
    // A later copy is held against a checkpoint of the first one that somebody kept.
    let kept = almoner_audit::Reader::open_copy(&copy)
        .unwrap()
        .checkpoint()
        .unwrap()
        .unwrap();
    let (reader, to) = (audit.reader(), folder.path().join("later"));
    tokio::task::spawn_blocking(move || reader.copy_to(&to))
        .await
        .unwrap()
        .unwrap();
    let options = VerifyStore {
        checkpoints: vec![kept],
        ..options
    };
    let report = verify_store(&folder.path().join("later"), &options, &mut |_| ()).unwrap();
    assert_eq!(
        (report.verdict, report.records),
        (Verdict::Verified, 13),
        "{report:#?}"
    );
}

#[tokio::test]
async fn whatever_is_done_to_a_copy_cannot_reach_the_trail() {
    let folder = tempfile::tempdir().unwrap();
    let (live, copy) = (folder.path().join("live"), folder.path().join("copy"));
    let audit = open(&live);
    for i in 0..10 {
        audit.append(outcome(i)).await.unwrap();
    }
    let (reader, to) = (audit.reader(), copy.clone());
    tokio::task::spawn_blocking(move || reader.copy_to(&to))
        .await
        .unwrap()
        .unwrap();
    let tables = database_files(&copy, "sst");
    assert!(!tables.is_empty());
    for file in std::fs::read_dir(copy.join("db")).unwrap().flatten() {
        let path = file.path();
        assert_eq!(file.metadata().unwrap().nlink(), 1, "{}", path.display());
        // Over the bytes in place, as a forger would.
        let size = file.metadata().unwrap().len();
        let target = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        target
            .write_all_at(&vec![0x55; usize::try_from(size).unwrap()], 0)
            .unwrap();
    }
    assert!(verify_store(&copy, &VerifyStore::default(), &mut |_| ()).is_err());
    // Nothing is left of how it was made, and the trail is as it was.
    let left = std::fs::read_dir(&live).unwrap().flatten();
    assert!(
        left.map(|entry| entry.file_name())
            .all(|name| !name.to_string_lossy().starts_with("copy-"))
    );
    audit.close().await.unwrap();
    let report = verify(&live);
    assert_eq!(
        (report.verdict, report.records),
        (Verdict::Verified, 12),
        "{report:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_and_an_export_of_a_busy_trail_are_signed_to_their_end() {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(&folder.path().join("live"));
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut tasks = Vec::new();
    for task in 0..4 {
        let (log, stop) = (
            audit.session(format!("s-{task}")),
            std::sync::Arc::clone(&stop),
        );
        tasks.push(tokio::spawn(async move {
            for i in 0.. {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    return i;
                }
                log.append(outcome(i)).await.unwrap();
            }
            0
        }));
    }
    let (reader, root) = (audit.reader(), folder.path().to_owned());
    let reports = tokio::task::spawn_blocking(move || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        reader.copy_to(&root.join("copy")).unwrap();
        export(&reader, &root.join("export")).unwrap();
        let options = VerifyStore::default();
        let copied = verify_store(&root.join("copy"), &options, &mut |_| ()).unwrap();
        (
            copied,
            verify_export(&root.join("export"), &options, &mut |_| ()).unwrap(),
        )
    });
    let (copied, exported) = reports.await.unwrap();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for task in tasks {
        assert!(task.await.unwrap() > 0);
    }
    assert_eq!(copied.verdict, Verdict::Verified, "{copied:#?}");
    assert_eq!(exported.verdict, Verdict::Verified, "{exported:#?}");
    assert!(copied.records > 2 && exported.records >= copied.records);
}

#[tokio::test]
async fn an_export_verifies_and_names_what_was_changed_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(&folder.path().join("live"));
    let log = audit.session("s-1");
    for i in 0..40 {
        log.append(outcome(i)).await.unwrap();
    }
    let dir = folder.path().join("export");
    let (reader, to) = (audit.reader(), dir.clone());
    assert_eq!(
        tokio::task::spawn_blocking(move || export(&reader, &to))
            .await
            .unwrap()
            .unwrap(),
        42
    );
    let check = || verify_export(&dir, &VerifyStore::default(), &mut |_| ()).unwrap();
    let report = check();
    assert_eq!(
        (report.verdict, report.bodies.checked),
        (Verdict::Verified, 40),
        "{report:#?}"
    );

    let records = std::fs::read(dir.join("records.jsonl")).unwrap();
    let lines: Vec<_> = records.split_inclusive(|&byte| byte == b'\n').collect();
    for (line, offset) in [(2, 30), (17, 100), (40, 5)] {
        let mut changed = records.clone();
        let at = lines[..line].iter().map(|line| line.len()).sum::<usize>() + offset;
        changed[at] ^= 1;
        std::fs::write(dir.join("records.jsonl"), changed).unwrap();
        let report = check();
        assert_eq!(
            (report.exit_code, report.first_bad_seq),
            (1, Some(line as u64)),
            "{:?}",
            report.failures
        );
    }
    std::fs::write(dir.join("records.jsonl"), &records).unwrap();
    let bodies = std::fs::read_to_string(dir.join("bodies.jsonl")).unwrap();
    let other = bodies
        .lines()
        .nth(4)
        .unwrap()
        .replace("\"seq\":6", "\"seq\":7");
    std::fs::write(
        dir.join("bodies.jsonl"),
        bodies.replacen(bodies.lines().nth(5).unwrap(), &other, 1),
    )
    .unwrap();
    assert_eq!((check().exit_code, check().first_bad_seq), (1, Some(7)));
    std::fs::write(dir.join("bodies.jsonl"), bodies.split_once('\n').unwrap().1).unwrap();
    assert_eq!(
        (check().exit_code, check().first_bad_seq),
        (1, Some(2)),
        "a body that is gone without a tombstone"
    );
    let without = VerifyStore {
        bodies: false,
        ..VerifyStore::default()
    };
    assert_eq!(
        verify_export(&dir, &without, &mut |_| ())
            .unwrap()
            .exit_code,
        3
    );
    std::fs::write(dir.join("records.jsonl"), b"").unwrap();
    std::fs::write(dir.join("bodies.jsonl"), b"").unwrap();
    std::fs::write(dir.join("checkpoints.txt"), b"").unwrap();
    assert_eq!(check().exit_code, 3, "nothing is never verified");
}

#[tokio::test]
async fn a_checkpoint_covers_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(folder.path());
    let durable = audit.append(outcome(1)).await.unwrap();
    let note = audit.checkpoint_now().await.unwrap();
    let key: VerifierKey = audit.verifier_key();
    let says = Checkpoint::open(&note, &key).unwrap();
    assert_eq!(
        (says.size, says.origin.as_str()),
        (durable.seq + 1, "hospital.example/audit/1")
    );
    assert_eq!(
        std::fs::read_to_string(folder.path().join("verifier.key"))
            .unwrap()
            .trim()
            .parse::<VerifierKey>()
            .unwrap(),
        key
    );
    let status = audit.status();
    assert_eq!(
        (status.durable_seq, status.durable_hash, status.signed_size),
        (2, durable.hash, 3)
    );
}

#[tokio::test]
async fn a_full_disk_refuses_before_the_database_does() {
    let folder = tempfile::tempdir().unwrap();
    closed_trail(folder.path(), 1).await;
    let audit = Audit::open(
        folder.path(),
        Options {
            reserve_bytes: u64::MAX,
            ..options()
        },
    )
    .unwrap();
    assert!(matches!(
        audit.append(outcome(1)).await,
        Err(AuditError::DiskFull { .. })
    ));
    assert!(audit.status().disk_full);
    drop(audit);
    let audit = open(folder.path());
    audit.append(outcome(1)).await.unwrap();
}

#[tokio::test]
async fn a_closed_trail_takes_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(folder.path());
    let pending = audit.enqueue(outcome(1)).await.unwrap();
    audit.close().await.unwrap();
    assert_eq!(
        pending.await.unwrap().seq,
        2,
        "what was queued became durable"
    );
    assert_eq!(audit.append(outcome(2)).await, Err(AuditError::Closed));
    assert_eq!(audit.checkpoint_now().await, Err(AuditError::Closed));
}
