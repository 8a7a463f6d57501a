//! Trails for the tests to open, fill and break.
#![allow(
    unreachable_pub,
    reason = "shared by test files, each a crate of its own"
)]
#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests state what they expect"
)]

use std::path::{Path, PathBuf};

use almoner_audit::{Audit, Entry, Options, VerifyStore, now, verify_store};
use almoner_ledger::{Draft, Kind, Report};

/// Options with a reserve that a test machine's disk can hold.
pub fn options() -> Options {
    Options {
        reserve_bytes: 1 << 20,
        ..Options::new("hospital.example/audit")
    }
}

pub fn open(dir: &Path) -> Audit {
    Audit::open(dir, options()).unwrap()
}

/// What a reply would leave behind.
pub fn outcome(i: u64) -> Entry {
    let draft = Draft::new(Kind::Outcome, now())
        .with("exchange", format!("x-{i}"))
        .with("subject", format!("user-{}", i % 3))
        .with("resource", "ehr")
        .with("verdict", "allow")
        .with("action", "select name from patients where id = $1")
        .with("rows", i);
    Entry::new(draft).body("response", "application/json", format!("{{\"row\":{i}}}"))
}

pub fn intent(exchange: &str) -> Entry {
    Entry::new(
        Draft::new(Kind::Intent, now())
            .with("exchange", exchange)
            .with("resource", "ehr"),
    )
}

/// A trail of `count` records of two sessions besides its first two, closed.
pub async fn closed_trail(dir: &Path, count: u64) {
    let audit = open(dir);
    let sessions = [audit.session("s-even"), audit.session("s-odd")];
    for i in 0..count {
        sessions[(i % 2) as usize].append(outcome(i)).await.unwrap();
    }
    audit.close().await.unwrap();
}

pub fn verify(dir: &Path) -> Report {
    verify_store(dir, &VerifyStore::default(), &mut |_| ()).unwrap()
}

/// A folder's copy, as an evidence bag would hold it.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The database's files with this ending.
pub fn database_files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir.join("db"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|found| found == ending));
    files.sort();
    files
}
