//! `almoner keys`: a rotation reaches open sessions, and is on record.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use almoner_stage::psql::PsqlSession;
use almoner_tests::World;

use crate::json;

const LIMIT: Duration = Duration::from_secs(15);

/// The pseudonym of one patient's record number, as the session sees it.
fn token(session: &mut PsqlSession) -> String {
    let answer = session
        .ask("select mrn from patients where patient_id = 1;", LIMIT)
        .unwrap();
    let token = answer
        .split_whitespace()
        .find(|word| word.starts_with("mrn-"));
    token
        .unwrap_or_else(|| panic!("no pseudonym in {answer}"))
        .to_owned()
}

#[test]
fn a_rotated_key_is_recorded_and_the_next_exchange_of_an_open_session_has_other_tokens() {
    let mut world = World::start().unwrap();
    let mut session = world
        .gateway
        .psql("ward-assistant", "clinic")
        .session()
        .unwrap();
    let before = token(&mut session);
    assert_eq!(token(&mut session), before);

    let rotated = world
        .gateway
        .almoner(&["keys", "rotate", "--json"], &[])
        .unwrap();
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    let told = json(&rotated.stdout);
    assert_eq!(
        (&told["active"], &told["replaces"], &told["gateway"]),
        (&"k2".into(), &"k1".into(), &"in use".into())
    );
    let after = token(&mut session);
    assert_ne!(after, before);
    assert_eq!(token(&mut session), after);

    let seq = told["record"].as_u64().unwrap().to_string();
    let shown = world
        .gateway
        .almoner(&["audit", "show", &seq, "--json"], &[])
        .unwrap();
    let record = &json(&shown.stdout)[0]["record"];
    assert_eq!(
        (&record["event"], &record["key"], &record["replaces"]),
        (&"pseudonym-key".into(), &"k2".into(), &"k1".into()),
        "{shown:?}"
    );

    let listed = world
        .gateway
        .almoner(&["keys", "list", "--json"], &[])
        .unwrap();
    let keys = json(&listed.stdout);
    let state = |at: usize| (keys[at]["id"].clone(), keys[at]["active"].clone());
    assert_eq!(state(0), ("k1".into(), false.into()));
    assert_eq!(state(1), ("k2".into(), true.into()));
    let file = world.gateway.data_folder().join("keys");
    let secrets = std::fs::read_to_string(&file).unwrap();
    for line in secrets.lines().filter(|line| line.starts_with("secret")) {
        let secret = line.split('"').nth(1).unwrap();
        assert!(!listed.stdout.contains(secret) && !rotated.stdout.contains(secret));
    }
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    world.gateway.stop().unwrap();
    let alone = world.gateway.almoner(&["keys", "rotate"], &[]).unwrap();
    assert_eq!(alone.code, Some(0), "{alone:?}");
    assert!(alone.stdout.contains("from its next start"), "{alone:?}");
    world.gateway.start_again().unwrap();
    let status = world.gateway.almoner(&["status"], &[]).unwrap();
    assert!(status.stdout.contains("made with k3"), "{status:?}");
}

#[test]
fn a_key_file_that_others_can_read_or_that_is_gone_is_not_touched() {
    let world = World::start().unwrap();
    let file = world.gateway.data_folder().join("keys");
    let kept = std::fs::read(&file).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    for command in ["list", "rotate"] {
        let refused = world.gateway.almoner(&["keys", command], &[]).unwrap();
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains("chmod 600"), "{refused:?}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), kept);

    std::fs::remove_file(&file).unwrap();
    let refused = world.gateway.almoner(&["keys", "rotate"], &[]).unwrap();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    // The gateway goes on with the key it has, and makes no other in its place.
    let mut session = world
        .gateway
        .psql("ward-assistant", "clinic")
        .session()
        .unwrap();
    let token = token(&mut session);
    assert!(token.starts_with("mrn-"));
    std::thread::sleep(Duration::from_secs(1));
    assert!(!file.exists());
}
