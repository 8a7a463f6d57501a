//! A login that changes while it has sessions: the next message obeys the users file as it is then.

use almoner_stage::wait::wait_until;
use almoner_tests::World;
use almoner_tests::extended::{bind, execute, kinds, parse, query, sync};
use almoner_tests::people::PATIENCE;
use almoner_tests::raw::Raw;

fn login(world: &World) -> Raw {
    let port = world.gateway.port();
    Raw::login(port, "ward-assistant", "ward-assistant-password", "clinic").unwrap()
}

fn change_users(world: &World, from: &str, to: &str) {
    let path = world.gateway.folder().join("users.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
}

/// Asks until the session is ended.
fn ended(raw: &mut Raw, message: &[u8]) {
    let gone = || {
        let answer = raw.send_bytes(message).and_then(|()| raw.until('Z'));
        answer.is_err().then_some(())
    };
    wait_until(PATIENCE, gone).expect("the session ends");
}

#[test]
fn a_session_ends_with_its_login() {
    for (from, to) in [
        (
            "name = \"ward-assistant\"",
            "name = \"ward-assistant\"\ndisabled = true",
        ),
        ("name = \"ward-assistant\"", "name = \"somebody-else\""),
        ("groups = [\"nurses\"]", "groups = [\"visitors\"]"),
        ("groups = [\"nurses\"]", "groups = [\"billing\"]"),
        ("subject = \"maria.santos\"", "subject = \"somebody.else\""),
    ] {
        let world = World::start().unwrap();
        let mut simple = login(&world);
        let mut extended = login(&world);
        let run = [
            parse("", "select 1"),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ]
        .concat();
        assert_eq!(
            kinds(&extended.ask(std::slice::from_ref(&run)).unwrap()),
            "12DCZ"
        );
        change_users(&world, from, to);
        ended(&mut simple, &query("select 1"));
        ended(&mut extended, &run);
        let ends = world
            .wait_for_record(&["--kind", "session"], |one| one["why"] == "login changed")
            .unwrap();
        assert_eq!(ends["event"], "end");
    }
}

#[test]
fn what_waits_for_approval_is_refused_if_its_login_is_gone_by_then() {
    let world = World::start().unwrap();
    let mut raw = login(&world);
    raw.send_bytes(&query("copy patients to stdout")).unwrap();
    let (_, id) = raw.held().unwrap();
    change_users(
        &world,
        "name = \"ward-assistant\"",
        "name = \"ward-assistant\"\ndisabled = true",
    );
    std::thread::sleep(std::time::Duration::from_millis(600));
    world.approve(&id).unwrap();
    let denied = world
        .wait_for_record(&["--kind", "denied"], |one| {
            one["code"] == "identity/changed"
        })
        .unwrap();
    assert_eq!(denied["verdict"], "deny");
    let mut got = Vec::new();
    while let Ok(one) = raw.receive() {
        let last = one.kind == 'Z';
        got.push(one);
        if last {
            break;
        }
    }
    assert!(
        !got.iter().any(|one| one.kind == 'd' || one.kind == 'H'),
        "{got:?}"
    );
    assert!(got.iter().any(|one| one.kind == 'E'), "{got:?}");
}
