//! The disk of the audit trail is full, or takes no more: nothing is released unrecorded, the gateway says so,
//! and goes on where it can.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use almoner_audit::Reader;
use almoner_stage::Gateway;
use almoner_stage::wait::wait_until;
use almoner_tests::raw::{Raw, strings};
use almoner_tests::{World, WorldPlan, binary};

const LIMIT: Duration = Duration::from_secs(20);
/// What the gateway may use beyond the reserve: more than its store takes at once.
const ROOM: u64 = 384 << 20;

fn small() -> WorldPlan {
    WorldPlan {
        patients: 5,
        ..WorldPlan::default()
    }
}

fn free(folder: &Path) -> u64 {
    let disk = rustix::fs::statvfs(folder).unwrap();
    disk.f_bavail * disk.f_frsize
}

/// A folder on a disk that nobody else fills meanwhile: memory, where there is enough of it.
fn quiet_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() && free(memory) > 2 * ROOM + (64 << 20) {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

#[test]
fn a_full_disk_stops_everything_and_room_lets_it_go_on() {
    let disk = quiet_folder();
    let (postgres, clinic) = small().database().unwrap();
    let reserve = free(disk.path()) - ROOM;
    let mut setup = small().setup(postgres.port()).unwrap();
    setup.data = format!("reserve = \"{reserve} B\"\n");
    let mut gateway = Gateway::prepare(setup).unwrap();
    // What the stage has put there already is made again.
    let _ = std::fs::remove_dir_all(gateway.data_folder());
    symlink(disk.path(), gateway.data_folder()).unwrap();
    gateway.start_again().unwrap();
    let world = World {
        gateway,
        postgres,
        clinic,
    };
    let query = "select patient_id, mrn from patients order by patient_id";
    let ask = || {
        let psql = world.gateway.psql("ward-assistant", "clinic");
        psql.run(&["-A", "-t", "-c", query], "").unwrap()
    };
    let mut session = world
        .gateway
        .psql("ward-assistant", "clinic")
        .session()
        .unwrap();
    assert!(
        session
            .ask(&format!("{query};"), LIMIT)
            .unwrap()
            .contains("mrn-")
    );
    assert_eq!(ask().code, Some(0));

    let filler = disk.path().join("filler");
    let file = std::fs::File::create(&filler).unwrap();
    let bytes = free(disk.path()) - reserve + (16 << 20);
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes).unwrap();
    let red = wait_until(LIMIT, || {
        let (status, why) = world.gateway.get("/readyz").unwrap();
        (status == 503).then_some(why)
    });
    assert!(red.unwrap().contains("disk is full"));
    let (alive, _) = world.gateway.get("/healthz").unwrap();
    assert_eq!(alive, 200, "it is alive, and says that it is not ready");
    assert_eq!(world.metric_sum("almoner_audit_healthy", &[]).unwrap(), 0.0);
    let status = world.gateway.almoner(&["status"], &[]).unwrap();
    assert_eq!(status.code, Some(1), "{status:?}");
    // An open session, and one that would be: no byte of a row.
    session.type_line(&format!("{query};")).unwrap();
    let refused = session.wait_for("could not be recorded", LIMIT).unwrap() + &session.fresh();
    assert!(
        !refused.contains("mrn-") && !refused.contains("5 rows"),
        "{refused}"
    );
    let refused = ask();
    assert_ne!(refused.code, Some(0));
    assert_eq!(refused.stdout, "");
    let written = "select count(*) from patients where ward = 'Annex'";
    let write = world
        .gateway
        .psql("ward-assistant", "clinic")
        .query("update patients set ward = 'Annex' where patient_id = 1")
        .unwrap();
    assert_ne!(write.code, Some(0), "{write:?}");
    assert_eq!(world.direct(written).unwrap().trim(), "0");

    drop(file);
    std::fs::remove_file(&filler).unwrap();
    let green = wait_until(LIMIT, || {
        let (status, _) = world.gateway.get("/readyz").unwrap();
        (status == 200).then_some(())
    });
    assert!(
        green.is_some(),
        "there is room again: {}",
        world.gateway.log()
    );
    let again = ask();
    assert_eq!((again.code, again.stdout.lines().count()), (Some(0), 5));
    let (code, said) = world.verify(&[]).unwrap();
    assert_eq!(code, Some(0), "{said}");
}

/// Starts the gateway with a limit on the size of files, if the file `limit` says one: a write beyond it
/// fails as a full disk lets it fail.
const LIMITED: &str =
    "#!/bin/sh\ntrap '' XFSZ\n[ -f limit ] && ulimit -f \"$(cat limit)\"\nexec REAL \"$@\"\n";
/// In the shell's blocks of 512 or 1,024 bytes: compiled plugins fit, a few replies do not.
const BLOCKS: u32 = 16_384;

#[test]
fn a_write_that_fails_ends_the_gateway_and_nothing_unrecorded_was_released() {
    let folder = tempfile::tempdir().unwrap();
    let limited = folder.path().join("limited");
    let real = format!("'{}'", binary::almoner().unwrap().display());
    std::fs::write(&limited, LIMITED.replace("REAL", &real)).unwrap();
    std::fs::set_permissions(&limited, PermissionsExt::from_mode(0o755)).unwrap();
    let (postgres, clinic) = small().database().unwrap();
    // Nobody is asked about replies of this size.
    let plan = small().edit(
        "20-rules.toml",
        "approvals = [\"bulk-export\"]",
        "approvals = []",
    );
    let mut setup = plan.setup(postgres.port()).unwrap();
    setup.binary = limited;
    let mut gateway = Gateway::prepare(setup).unwrap();
    let limit = gateway.folder().join("limit");
    std::fs::write(&limit, BLOCKS.to_string()).unwrap();
    gateway.start_again().unwrap();

    let mut caller = Raw::login(
        gateway.port(),
        "ward-assistant",
        "ward-assistant-password",
        "clinic",
    )
    .unwrap();
    // About 900 KB each, in several windows.
    let query =
        "select repeat('abcdefgh ', 1000) as filling from generate_series(1, 100) limit 100";
    let (mut rows, mut whole) = (0, 0);
    let last_words = 'talking: {
        for _ in 0..100 {
            if caller.send('Q', &strings(&[query])).is_err() {
                break 'talking None;
            }
            loop {
                match caller.receive() {
                    Ok(message) if message.kind == 'D' => rows += 1,
                    Ok(message) if message.kind == 'E' => break 'talking message.field('M'),
                    Ok(message) if message.kind == 'Z' => break,
                    Ok(_) => {}
                    Err(_) => break 'talking None,
                }
            }
            whole += 1;
        }
        panic!("the limit was never met");
    };
    assert!(whole > 2, "{whole} replies fit");
    if let Some(words) = last_words {
        assert!(
            words.contains("recorded") || words.contains("stopping"),
            "{words}"
        );
    }
    let ended = gateway.wait(LIMIT).unwrap().expect("it ends by itself");
    assert!(!ended.success());
    assert!(gateway.get("/readyz").is_err(), "nothing answers any more");
    assert!(gateway.log().contains("audit"), "{}", gateway.log());
    assert_rows_on_record(&gateway, rows);

    std::fs::remove_file(&limit).unwrap();
    gateway.start_again().unwrap();
    let world = World {
        gateway,
        postgres,
        clinic,
    };
    let again = world.gateway.psql("ward-assistant", "clinic").query(query);
    assert_eq!(again.unwrap().code, Some(0));
    let (code, said) = world.verify(&[]).unwrap();
    assert_eq!(code, Some(0), "{said}");
}

/// At least so many rows are on record as released.
fn assert_rows_on_record(gateway: &Gateway, received: u64) {
    let reader = Reader::open_copy(&gateway.data_folder().join("audit")).unwrap();
    let mut rows = std::collections::HashMap::new();
    for stored in reader.range(0, 10_000).unwrap() {
        let record = stored.value().unwrap();
        let so_far = record["rows"].as_u64().or(record["rows_so_far"].as_u64());
        if let (Some(exchange), Some(so_far)) = (record["exchange"].as_str(), so_far) {
            rows.insert(exchange.to_owned(), so_far);
        }
    }
    let recorded: u64 = rows.values().sum();
    assert!(
        recorded >= received,
        "{received} rows were released, {recorded} are on record"
    );
}
