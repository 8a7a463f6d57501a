//! What happens to a trail that somebody or something has damaged: it is found, and never served from.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod support;

use std::path::Path;

use almoner_audit::{Audit, OpenError, VerifyStore, verify_store};
use almoner_ledger::{BreakCode, Verdict};
use rocksdb::{DB, Options as RocksOptions};
use support::{closed_trail, copy_folder, database_files, open, options, outcome, verify};

/// Opens the database behind the trail's back, as somebody with access to the disk would.
fn tamper(dir: &Path, change: impl FnOnce(&DB)) {
    let path = dir.join("db");
    let names = DB::list_cf(&RocksOptions::default(), &path).unwrap();
    let db = DB::open_cf(&RocksOptions::default(), &path, names).unwrap();
    change(&db);
    db.flush().unwrap();
}

#[tokio::test]
async fn a_record_edited_through_the_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    closed_trail(folder.path(), 20).await;
    tamper(folder.path(), |db| {
        let records = db.cf_handle("records").unwrap();
        let key = 9_u64.to_be_bytes();
        let line = String::from_utf8(db.get_cf(records, key).unwrap().unwrap()).unwrap();
        db.put_cf(records, key, line.replace("user-1", "user-9"))
            .unwrap();
    });
    let report = verify(folder.path());
    assert_eq!(
        (report.exit_code, report.first_bad_seq),
        (1, Some(9)),
        "{:?}",
        report.failures
    );
    assert_eq!(report.good, [(0, 8), (10, 21)]);
}

#[tokio::test]
async fn a_record_removed_or_added_through_the_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    closed_trail(folder.path(), 20).await;
    tamper(folder.path(), |db| {
        db.delete_cf(db.cf_handle("records").unwrap(), 9_u64.to_be_bytes())
            .unwrap();
        db.put_cf(db.cf_handle("bodies").unwrap(), [9_u8; 12], b"x")
            .unwrap();
    });
    let report = verify(folder.path());
    assert_eq!(report.exit_code, 1);
    assert!(
        report
            .failures
            .iter()
            .any(|found| found.code == BreakCode::SeqGap && found.seq == Some(9))
    );
    let extras = report
        .failures
        .iter()
        .filter(|found| found.code == BreakCode::Extra)
        .count();
    assert_eq!(
        extras, 2,
        "the body without a record, and the one beyond the end: {:?}",
        report.failures
    );
}

#[tokio::test]
async fn a_body_edited_through_the_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    closed_trail(folder.path(), 20).await;
    tamper(folder.path(), |db| {
        let mut key = [0; 12];
        key[7] = 9;
        db.put_cf(db.cf_handle("bodies").unwrap(), key, b"other")
            .unwrap();
    });
    let report = verify(folder.path());
    assert_eq!((report.exit_code, report.first_bad_seq), (1, Some(9)));
    assert_eq!(report.failures[0].code, BreakCode::Body);
}

#[tokio::test]
async fn a_store_behind_its_anchor_is_not_served_from_until_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, early) = (folder.path().join("audit"), folder.path().join("early"));
    closed_trail(&dir, 3).await;
    copy_folder(&dir, &early);
    {
        let audit = open(&dir);
        for i in 3..9 {
            audit.append(outcome(i)).await.unwrap();
        }
        audit.close().await.unwrap();
    }
    // The database of the past under the anchor of the present: a restored backup, or a log cut short.
    std::fs::copy(dir.join("anchor"), early.join("anchor")).unwrap();
    let refused = Audit::open(&early, options());
    assert!(
        matches!(
            refused,
            Err(OpenError::BehindAnchor {
                found: Some(4),
                anchor: 10
            })
        ),
        "{refused:?}"
    );
    let report = verify(&early);
    assert_eq!(
        (report.exit_code, report.failures[0].code),
        (1, BreakCode::Truncated)
    );

    let recovery = Audit::recover(
        &early,
        options(),
        "ops@hospital.example",
        "restored after a disk failure",
    )
    .unwrap();
    assert_eq!(
        (recovery.last_seq, recovery.anchor_seq, recovery.seq),
        (Some(4), Some(10), 5)
    );
    assert_eq!(recovery.origin, "hospital.example/audit/2");
    assert!(matches!(
        Audit::recover(&early, options(), "x", "x"),
        Err(OpenError::NothingToRecover)
    ));
    let audit = open(&early);
    audit.append(outcome(10)).await.unwrap();
    audit.close().await.unwrap();
    drop(audit);
    let report = verify(&early);
    assert_eq!(
        (report.verdict, report.exit_code),
        (Verdict::Incomplete, 3),
        "{report:#?}"
    );
    assert!(
        report
            .limits
            .iter()
            .any(|limit| limit.contains("records 5 to 10"))
    );
    // Somebody who kept the last checkpoint of the lost epoch is told that the loss was declared.
    let kept = almoner_audit::Reader::open_copy(&dir)
        .unwrap()
        .checkpoint()
        .unwrap()
        .unwrap();
    let options = VerifyStore {
        checkpoints: vec![kept],
        ..VerifyStore::default()
    };
    assert_eq!(
        verify_store(&early, &options, &mut |_| ())
            .unwrap()
            .exit_code,
        3
    );
}

#[tokio::test]
async fn a_store_of_another_past_or_without_its_anchor_is_not_served_from() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, other) = (folder.path().join("audit"), folder.path().join("other"));
    closed_trail(&dir, 3).await;
    copy_folder(&dir, &other);
    for (dir, i) in [(&dir, 3), (&other, 4)] {
        let audit = open(dir);
        audit.append(outcome(i)).await.unwrap();
        audit.close().await.unwrap();
    }
    std::fs::copy(dir.join("anchor"), other.join("anchor")).unwrap();
    assert!(matches!(
        Audit::open(&other, options()),
        Err(OpenError::AnchorMismatch { seq: 5 })
    ));
    std::fs::remove_file(dir.join("anchor")).unwrap();
    assert!(matches!(
        Audit::open(&dir, options()),
        Err(OpenError::AnchorLost(_))
    ));
    std::fs::write(dir.join("anchor"), b"nonsense").unwrap();
    assert!(matches!(
        Audit::open(&dir, options()),
        Err(OpenError::AnchorLost(_))
    ));
    let recovery = Audit::recover(&dir, options(), "ops", "anchor lost").unwrap();
    assert_eq!((recovery.anchor_seq, recovery.last_seq), (None, Some(5)));
    drop(open(&dir));
}

#[tokio::test]
async fn a_lost_database_is_recovered_into_an_epoch_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    closed_trail(folder.path(), 3).await;
    std::fs::remove_dir_all(folder.path().join("db")).unwrap();
    assert!(matches!(
        Audit::open(folder.path(), options()),
        Err(OpenError::BehindAnchor {
            found: None,
            anchor: 4
        })
    ));
    let recovery = Audit::recover(folder.path(), options(), "ops", "disk replaced").unwrap();
    assert_eq!((recovery.last_seq, recovery.seq), (None, 0));
    let audit = open(folder.path());
    audit.append(outcome(1)).await.unwrap();
    audit.close().await.unwrap();
    drop(audit);
    let report = verify(folder.path());
    assert_eq!(
        (report.exit_code, report.failures.len()),
        (3, 0),
        "{report:#?}"
    );
}

#[tokio::test]
async fn a_lost_signing_key_is_replaced_by_a_recovery_alone() {
    let folder = tempfile::tempdir().unwrap();
    closed_trail(folder.path(), 3).await;
    std::fs::remove_file(folder.path().join("signing.key")).unwrap();
    assert!(matches!(
        Audit::open(folder.path(), options()),
        Err(OpenError::Key { .. })
    ));
    Audit::recover(folder.path(), options(), "ops", "key lost").unwrap();
    let audit = open(folder.path());
    audit.append(outcome(1)).await.unwrap();
    audit.close().await.unwrap();
    drop(audit);
    let report = verify(folder.path());
    assert_eq!(
        (report.exit_code, report.failures.len()),
        (3, 0),
        "{report:#?}"
    );
}

/// A byte changed in any file of the database, at many places, never leads to a good verdict on the records.
#[tokio::test]
async fn a_byte_changed_in_the_databases_own_files_never_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("audit");
    closed_trail(&dir, 200).await;
    // As it lies after a stop, most records are in a log; in a copy they are in tables.
    let tables = folder.path().join("tables");
    almoner_audit::Reader::open_copy(&dir).unwrap();
    {
        let audit = open(&dir);
        let (reader, to) = (audit.reader(), tables.clone());
        tokio::task::spawn_blocking(move || reader.copy_to(&to))
            .await
            .unwrap()
            .unwrap();
        audit.close().await.unwrap();
    }
    let mut tried = 0;
    for (source, ending) in [(&tables, "sst"), (&dir, "log"), (&tables, "blob")] {
        for file in database_files(source, ending) {
            let bytes = std::fs::read(&file).unwrap();
            for at in (0..bytes.len()).step_by((bytes.len() / 12).max(1)) {
                let victim = folder.path().join("victim");
                copy_folder(source, &victim);
                let mut changed = bytes.clone();
                changed[at] ^= 0x10;
                let path = victim.join("db").join(file.file_name().unwrap());
                std::fs::write(&path, changed).unwrap();
                // The index's table and a log's unused end hold no evidence; then nothing was lost either.
                match verify_store(&victim, &VerifyStore::default(), &mut |_| ()) {
                    Ok(report) if report.exit_code == 0 => {
                        assert_eq!(report.records, 202);
                        assert_eq!(report.bodies.checked, 200);
                    }
                    Ok(report) => assert!(matches!(report.exit_code, 1 | 3 | 4), "{report:#?}"),
                    Err(error) => assert_eq!(error.exit_code(), 4),
                }
                std::fs::remove_dir_all(&victim).unwrap();
                tried += 1;
            }
        }
    }
    assert!(tried > 40, "{tried}");
}

#[tokio::test]
async fn a_record_at_the_far_end_of_all_numbers_is_found_without_counting_up_to_it() {
    for far in [1 << 52, u64::MAX - 1, u64::MAX] {
        let folder = tempfile::tempdir().unwrap();
        closed_trail(folder.path(), 20).await;
        tamper(folder.path(), |db| {
            let records = db.cf_handle("records").unwrap();
            let line = db.get_cf(records, 9_u64.to_be_bytes()).unwrap().unwrap();
            db.put_cf(records, far.to_be_bytes(), line).unwrap();
            let mut between = [0_u8; 12];
            between[3] = 1;
            db.put_cf(db.cf_handle("bodies").unwrap(), between, b"x")
                .unwrap();
        });
        let started = std::time::Instant::now();
        let report = verify(folder.path());
        assert_eq!(report.exit_code, 1, "{:?}", report.failures);
        assert!(
            report
                .failures
                .iter()
                .any(|found| found.code == BreakCode::Extra),
            "the body in the hole: {:?}",
            report.failures
        );
        assert!(started.elapsed() < std::time::Duration::from_secs(20));
    }
}
