//! From the first byte to the first ReadyForQuery: versions, encryption, cancel requests, and strangers.

use std::time::{Duration, Instant};

use almoner_tests::extended::{only_error, query};
use almoner_tests::people::PATIENCE;
use almoner_tests::raw::{Message, Raw};
use almoner_tests::{World, WorldPlan};

const PASSWORD: &str = "ward-assistant-password";
const WHO: [(&str, &str); 2] = [("user", "ward-assistant"), ("database", "clinic")];
const SSL: u32 = 80_877_103;
const CANCEL: u32 = 80_877_102;

/// All that comes between the startup packet of this version and the first ReadyForQuery.
fn begin(world: &World, version: u32, parameters: &[(&str, &str)]) -> (Raw, Vec<Message>) {
    let mut raw = Raw::open(world.gateway.port()).unwrap();
    raw.startup(version, parameters).unwrap();
    let mut before = Vec::new();
    if raw.peek().unwrap() == b'v' {
        before.push(raw.receive().unwrap());
    }
    raw.authenticate(PASSWORD).unwrap();
    before.extend(raw.until('Z').unwrap());
    (raw, before)
}

fn key_of(messages: &[Message]) -> Vec<u8> {
    let key = messages.iter().find(|one| one.kind == 'K').unwrap();
    key.body.clone()
}

fn cancel(world: &World, key: &[u8]) -> Raw {
    let mut raw = Raw::open(world.gateway.port()).unwrap();
    let mut packet = u32::try_from(8 + key.len()).unwrap().to_be_bytes().to_vec();
    packet.extend(CANCEL.to_be_bytes());
    packet.extend(key);
    raw.send_bytes(&packet).unwrap();
    raw
}

#[test]
fn a_newer_version_is_brought_down_to_the_newest_in_the_number_that_drivers_read() {
    let world = World::start().unwrap();
    for (asked, extra, told) in [
        (0x0003_0000_u32, None, None),
        (0x0003_0002, None, None),
        (0x0003_0009, None, Some(0x0003_0002_u32)),
        (0x0003_0000, Some(("_pq_.made_up", "1")), Some(0x0003_0000)),
    ] {
        let parameters: Vec<_> = WHO.into_iter().chain(extra).collect();
        let (_, messages) = begin(&world, asked, &parameters);
        let negotiated = messages.iter().find(|one| one.kind == 'v');
        let version = negotiated.map(|one| u32::from_be_bytes(*one.body.first_chunk().unwrap()));
        assert_eq!(version, told, "{asked:x} {extra:?}");
        let named = negotiated
            .is_some_and(|one| String::from_utf8_lossy(&one.body).contains("_pq_.made_up"));
        assert_eq!(named, extra.is_some());
        let key = key_of(&messages).len() - 4;
        assert_eq!(key, if asked >= 0x0003_0002 { 32 } else { 4 }, "{asked:x}");
    }
}

#[test]
fn bytes_in_the_clear_behind_a_request_for_tls_do_not_pass_for_encrypted() {
    let world = World::start().unwrap();
    let mut raw = Raw::open(world.gateway.port()).unwrap();
    let mut bytes = [8_u32.to_be_bytes(), SSL.to_be_bytes()].concat();
    bytes.extend([0, 0, 0, 45]);
    bytes.extend(196_608_u32.to_be_bytes());
    bytes.extend(b"user\0ward-assistant\0database\0clinic\0\0");
    raw.send_bytes(&bytes).unwrap();
    assert!(raw.closed().unwrap());
}

#[test]
fn a_cancel_request_takes_the_right_key_of_the_right_session() {
    let world = World::start().unwrap();
    for version in [0x0003_0000, 0x0003_0002] {
        let (mut raw, messages) = begin(&world, version, &WHO);
        let key = key_of(&messages);
        let started = Instant::now();
        raw.send_bytes(&query("select count(*) from pg_sleep(5)"))
            .unwrap();
        std::thread::sleep(Duration::from_millis(300));
        let mut wrong = key.clone();
        *wrong.last_mut().unwrap() ^= 1;
        let mut other = key.clone();
        other[3] ^= 1;
        let mut longer = key.clone();
        longer.push(0);
        for bad in [wrong, other, longer, key[..key.len() - 1].to_vec()] {
            assert!(cancel(&world, &bad).closed().unwrap());
        }
        assert!(
            raw.is_silent(Duration::from_millis(300)).unwrap(),
            "a wrong key cancels nothing"
        );
        // The right one, and as often as anybody likes.
        for _ in 0..50 {
            drop(cancel(&world, &key));
        }
        let answer = raw.until('Z').unwrap();
        assert_eq!(only_error(&answer).0, "57014");
        assert!(started.elapsed() < Duration::from_secs(4));
        std::thread::sleep(Duration::from_millis(500));
        let answer = raw.ask(&[query("select 1")]).unwrap();
        assert!(
            answer.iter().any(|one| one.kind == 'D' || one.kind == 'E'),
            "{answer:?}"
        );
    }
}

#[test]
fn strangers_do_not_take_the_places_of_sessions_and_the_last_place_can_be_canceled() {
    let world = WorldPlan {
        more: "[limits]\nsessions = 2\n".into(),
        ..WorldPlan::default()
    }
    .start()
    .unwrap();
    let strangers: Vec<Raw> = (0..40)
        .map(|_| Raw::open(world.gateway.port()).unwrap())
        .collect();
    let (mut first, messages) = begin(&world, 196_608, &WHO);
    let second = begin(&world, 196_608, &WHO);
    let mut third = Raw::open(world.gateway.port()).unwrap();
    third.startup(196_608, &WHO).unwrap();
    third.authenticate(PASSWORD).unwrap();
    let refused = third.receive().unwrap();
    assert_eq!(
        (refused.kind, refused.field('C').as_deref()),
        ('E', Some("53300")),
        "{refused:?}"
    );
    first
        .send_bytes(&query("select count(*) from pg_sleep(10)"))
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    drop(cancel(&world, &key_of(&messages)));
    assert_eq!(only_error(&first.until('Z').unwrap()).0, "57014");
    drop(second);
    let free = almoner_stage::wait::wait_until(Duration::from_secs(10), || {
        let mut again = Raw::open(world.gateway.port()).ok()?;
        again.startup(196_608, &WHO).ok()?;
        again.authenticate(PASSWORD).ok()?;
        (again.receive().ok()?.kind == 'S').then_some(())
    });
    assert!(free.is_some(), "a place that was left can be taken");
    drop(strangers);
}

#[test]
fn names_that_cannot_be_are_refused_and_what_is_recorded_of_them_is_bounded() {
    let world = World::start().unwrap();
    let long = "x".repeat(4_000);
    let odd = "\u{1}\u{2}\"}\u{202e}".repeat(300);
    for name in [long.as_str(), odd.as_str()] {
        let mut raw = Raw::open(world.gateway.port()).unwrap();
        raw.startup(196_608, &[("user", name), ("database", name)])
            .unwrap();
        let refused = raw.authenticate("whatever");
        assert!(refused.is_err(), "{refused:?}");
    }
    let recorded = almoner_stage::wait::wait_until(PATIENCE, || {
        let denied = world.records(&["--kind", "denied"]).ok()?;
        (denied.len() == 2).then_some(denied)
    });
    for one in recorded.expect("both are on record") {
        let login = one["login"].as_str().unwrap();
        assert!(login.chars().count() <= 63, "{login}");
    }
    // A name that is no text.
    let mut raw = Raw::open(world.gateway.port()).unwrap();
    raw.send_bytes(&[0, 0, 0, 19, 0, 3, 0, 0]).unwrap();
    raw.send_bytes(b"user\0a\xff\xfeb\0\0").unwrap();
    assert_eq!(raw.receive().unwrap().kind, 'E');
    assert!(raw.closed().unwrap());
}

#[test]
fn a_wrong_proof_is_on_record_even_if_its_sender_reads_no_answer() {
    let world = WorldPlan {
        more: "[limits]\nhandshake = \"1s\"\n".into(),
        ..WorldPlan::default()
    }
    .start()
    .unwrap();
    for login in ["ward-assistant", "nobody-here"] {
        let mut raw = Raw::open(world.gateway.port()).unwrap();
        raw.startup(196_608, &[("user", login), ("database", "clinic")])
            .unwrap();
        assert!(raw.authenticate("a wrong guess").is_err());
        world
            .wait_for_record(&["--kind", "denied"], |one| one["login"] == login)
            .unwrap();
    }
}
