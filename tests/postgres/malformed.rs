//! Messages that no driver sends. The gateway closes such a connection, and stays up.

use almoner_tests::World;
use almoner_tests::raw::{Raw, strings};

fn still_serves(world: &World) {
    let finished = world
        .gateway
        .psql("ward-assistant", "clinic")
        .query("select 'fine' as state")
        .unwrap();
    assert!(finished.stdout.contains("fine"), "{finished:?}");
}

#[test]
fn a_length_that_cannot_be_closes_the_connection() {
    let world = World::start().unwrap();
    for first in [
        &[0, 0, 0, 3][..],
        &[0, 0, 0, 0],
        &[0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0],
        &[0xff; 16],
    ] {
        let mut raw = Raw::open(world.gateway.port()).unwrap();
        raw.send_bytes(first).unwrap();
        while !raw.closed().unwrap() {}
    }
    still_serves(&world);
}

#[test]
fn an_oversized_message_is_refused_before_it_is_read() {
    let world = World::start().unwrap();
    let mut raw = Raw::login(
        world.gateway.port(),
        "ward-assistant",
        "ward-assistant-password",
        "clinic",
    )
    .unwrap();
    // A Query of a gigabyte, announced.
    raw.send_bytes(b"Q\x40\x00\x00\x00select 1").unwrap();
    while !raw.closed().unwrap() {}
    still_serves(&world);
}

#[test]
fn an_unknown_message_ends_the_session() {
    let world = World::start().unwrap();
    let mut raw = Raw::login(
        world.gateway.port(),
        "ward-assistant",
        "ward-assistant-password",
        "clinic",
    )
    .unwrap();
    raw.send('!', b"what").unwrap();
    while !raw.closed().unwrap() {}
    still_serves(&world);
}

#[test]
fn a_statement_that_is_no_text_is_refused() {
    let world = World::start().unwrap();
    let mut raw = Raw::login(
        world.gateway.port(),
        "ward-assistant",
        "ward-assistant-password",
        "clinic",
    )
    .unwrap();
    raw.send('Q', b"select '\xff\xfe'\0").unwrap();
    let answer = raw.until('Z').unwrap();
    assert!(
        answer.iter().any(|message| message.kind == 'E'),
        "{answer:?}"
    );
    raw.send('Q', &strings(&["select 1"])).unwrap();
    assert!(
        raw.until('Z')
            .unwrap()
            .iter()
            .any(|message| message.kind == 'D')
    );
}

#[test]
fn a_password_message_out_of_place_ends_the_session() {
    let world = World::start().unwrap();
    let mut raw = Raw::open(world.gateway.port()).unwrap();
    raw.startup(
        196_608,
        &[("user", "ward-assistant"), ("database", "clinic")],
    )
    .unwrap();
    raw.send('Q', &strings(&["select ssn from patients"]))
        .unwrap();
    while !raw.closed().unwrap() {}
    still_serves(&world);
}
