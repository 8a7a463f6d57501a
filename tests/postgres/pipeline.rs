//! Messages of the extended protocol in every order: one ReadyForQuery for each Sync and Query, errors in
//! their place, nothing done behind one, and no state in which both sides wait for each other.

use std::time::Duration;

use almoner_tests::extended::{
    bind, execute, flush, kinds, only_error, parse, query, rows, status, sync,
};
use almoner_tests::raw::{Message, Raw, message, strings};
use almoner_tests::{World, WorldPlan};

fn login(world: &World) -> Raw {
    let port = world.gateway.port();
    Raw::login(port, "ward-assistant", "ward-assistant-password", "clinic").unwrap()
}

fn close(what: char, name: &str) -> Vec<u8> {
    let mut body = vec![u8::try_from(what).unwrap()];
    body.extend(strings(&[name]));
    message('C', &body)
}

fn describe(what: char, name: &str) -> Vec<u8> {
    let mut body = vec![u8::try_from(what).unwrap()];
    body.extend(strings(&[name]));
    message('D', &body)
}

fn alive(raw: &mut Raw) {
    let answer = raw.ask(&[query("select 'alive' as state")]).unwrap();
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("TDCZ", 'I'));
    assert!(
        raw.is_silent(Duration::from_millis(100)).unwrap(),
        "something was left over"
    );
}

/// A Bind the server refuses: only it can tell that this is no number.
fn failing() -> Vec<u8> {
    [
        parse("", "select $1::int4"),
        bind("", "", &["no number"]),
        execute("", 0),
    ]
    .concat()
}

#[test]
fn what_is_held_behind_a_message_that_failed_is_withdrawn_and_the_session_goes_on() {
    let world = World::start().unwrap();
    let mut raw = login(&world);
    // A COPY is held for a manager; the server fails the Bind before it meanwhile.
    let held = [
        parse("c", "copy patients to stdout"),
        bind("c", "c", &[]),
        execute("c", 0),
    ]
    .concat();
    raw.send_bytes(&[failing(), held, flush()].concat())
        .unwrap();
    let mut before = raw.until('E').unwrap();
    assert_eq!(only_error(&before).0, "22P02");
    before.extend(raw.ask(&[sync()]).unwrap());
    assert_eq!(status(&before), 'I');
    assert_eq!(
        before.iter().filter(|one| one.kind == 'E').count(),
        1,
        "{before:?}"
    );
    alive(&mut raw);
    let waiting = world.json(&["approvals", "list"]).unwrap();
    assert_eq!(waiting.as_array().map(Vec::len), Some(0), "{waiting}");
}

#[test]
fn a_refusal_behind_a_message_that_failed_is_not_told() {
    let world = World::start().unwrap();
    for refused in [
        query("drop table patients"),
        [
            parse("x", "drop table patients"),
            bind("x", "x", &[]),
            execute("x", 0),
        ]
        .concat(),
        message('F', &[0; 12]),
        bind("", "no-such-statement", &[]),
    ] {
        let mut raw = login(&world);
        for pause in [false, true] {
            raw.send_bytes(&failing()).unwrap();
            if pause {
                raw.send_bytes(&flush()).unwrap();
                std::thread::sleep(Duration::from_millis(50));
            }
            raw.send_bytes(&[refused.clone(), sync()].concat()).unwrap();
            let answer = raw.until('Z').unwrap();
            let (code, _) = only_error(&answer);
            assert_eq!(
                (code.as_str(), status(&answer)),
                ("22P02", 'I'),
                "{answer:?}"
            );
            alive(&mut raw);
        }
    }
}

#[test]
fn a_pipeline_keeps_its_portals_while_the_one_before_it_is_answered() {
    let world = World::start().unwrap();
    let mut raw = login(&world);
    raw.ask(&[
        parse("s", "select patient_id from patients order by 1"),
        sync(),
    ])
    .unwrap();
    // The second pipeline's Bind is on its way while the first one's end comes in, well or badly.
    for first in [[bind("", "s", &[]), execute("", 0)].concat(), failing()] {
        raw.send_bytes(&[first, sync(), bind("p", "s", &[])].concat())
            .unwrap();
        let answer = raw.until('Z').unwrap();
        assert_eq!(status(&answer), 'I');
        raw.send_bytes(&flush()).unwrap();
        assert_eq!(raw.receive().unwrap().kind, '2');
        let answer = raw
            .ask(&[execute("p", 7), execute("p", 0), sync()])
            .unwrap();
        assert_eq!(kinds(&answer), "DsDCZ", "{answer:?}");
        assert_eq!(rows(&answer), world.clinic.patients.len());
    }
    alive(&mut raw);
}

#[test]
fn closing_and_describing_what_does_not_exist_is_answered_as_a_server_does() {
    let world = World::start().unwrap();
    let mut raw = login(&world);
    let answer = raw
        .ask(&[close('S', "nothing"), close('P', "nothing"), sync()])
        .unwrap();
    assert_eq!(kinds(&answer), "33Z");
    for (missing, code) in [
        (describe('S', "nothing"), "26000"),
        (describe('P', "nothing"), "34000"),
        (execute("nothing", 0), "34000"),
        (bind("", "nothing", &[]), "26000"),
    ] {
        let answer = raw.ask(&[missing, parse("", "select 1"), sync()]).unwrap();
        assert_eq!(
            (kinds(&answer).as_str(), only_error(&answer).0.as_str()),
            ("EZ", code)
        );
    }
    alive(&mut raw);
}

#[test]
fn a_statement_of_a_taken_name_is_refused_and_the_first_one_stays() {
    let world = World::start().unwrap();
    let mut raw = login(&world);
    raw.ask(&[parse("s", "select 1"), sync()]).unwrap();
    let answer = raw.ask(&[parse("s", "select 2"), sync()]).unwrap();
    assert_eq!(only_error(&answer).0, "42P05");
    let answer = raw
        .ask(&[bind("", "s", &[]), execute("", 0), sync()])
        .unwrap();
    assert!(
        answer
            .iter()
            .any(|one| one.kind == 'D' && one.body.ends_with(b"1")),
        "{answer:?}"
    );
    // The unnamed ones are replaced; a closed name is free again.
    let answer = raw
        .ask(&[
            parse("", "select 1"),
            parse("", "select 22"),
            bind("", "", &[]),
            bind("", "", &[]),
            execute("", 0),
            close('S', "s"),
            parse("s", "select 3"),
            sync(),
        ])
        .unwrap();
    assert_eq!(kinds(&answer), "1122DC31Z", "{answer:?}");
    assert!(
        answer
            .iter()
            .any(|one| one.kind == 'D' && one.body.ends_with(b"22"))
    );
}

#[test]
fn rows_of_a_copy_that_are_sent_ahead_of_the_servers_request_are_stored() {
    let world = World::start().unwrap();
    let mut raw = login(&world);
    let row = |id: u32| {
        message(
            'd',
            format!("{id}\t1\t1\t2026-01-02 03:04:05\tglucose\t5.5\tmg/dL\tf\n").as_bytes(),
        )
    };
    let done = message('c', &[]);
    let copy = "copy lab_results from stdin";
    let answer = raw
        .ask(&[query(copy), row(900_001), row(900_002), done.clone()])
        .unwrap();
    assert_eq!(
        (kinds(&answer).as_str(), status(&answer)),
        ("GCZ", 'I'),
        "{answer:?}"
    );
    let answer = raw
        .ask(&[
            parse("", copy),
            bind("", "", &[]),
            execute("", 0),
            row(900_003),
            done.clone(),
            sync(),
        ])
        .unwrap();
    assert_eq!(
        (kinds(&answer).as_str(), status(&answer)),
        ("12GCZ", 'I'),
        "{answer:?}"
    );
    let stored = "select count(*) from lab_results where result_id > 900000";
    assert_eq!(world.direct(stored).unwrap().trim(), "3");
    // What follows the end of a COPY, or comes without one, is dropped.
    raw.send_bytes(&[row(900_004), done.clone(), done].concat())
        .unwrap();
    alive(&mut raw);
    assert_eq!(world.direct(stored).unwrap().trim(), "3");
}

#[test]
fn a_copy_that_the_caller_gives_up_or_syncs_within_stores_nothing_or_all() {
    let world = World::start().unwrap();
    let mut raw = login(&world);
    let row = message(
        'd',
        b"900001\t1\t1\t2026-01-02 03:04:05\tglucose\t5.5\tmg/dL\tf\n",
    );
    raw.send_bytes(&query("copy lab_results from stdin"))
        .unwrap();
    raw.until('G').unwrap();
    let answer = raw
        .ask(&[row.clone(), message('f', &strings(&["no more"]))])
        .unwrap();
    assert_eq!(only_error(&answer).0, "57014", "{answer:?}");
    alive(&mut raw);
    // Sync and Flush are ignored while data is copied, as a server ignores them.
    raw.send_bytes(
        &[
            parse("", "copy lab_results from stdin"),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ]
        .concat(),
    )
    .unwrap();
    raw.until('G').unwrap();
    let answer = raw
        .ask(&[row, sync(), flush(), message('c', &[]), sync()])
        .unwrap();
    assert_eq!(
        (kinds(&answer).as_str(), status(&answer)),
        ("CZ", 'I'),
        "{answer:?}"
    );
    alive(&mut raw);
}

#[test]
fn a_query_within_a_pipeline_ends_it_and_every_end_is_told_once() {
    let world = World::start().unwrap();
    let mut raw = login(&world);
    let messages = [
        parse("", "select 1"),
        bind("", "", &[]),
        execute("", 0),
        query("select 2; select 3"),
        sync(),
        sync(),
        query(""),
    ];
    raw.send_bytes(&messages.concat()).unwrap();
    let mut all: Vec<Message> = Vec::new();
    for _ in 0..4 {
        all.extend(raw.until('Z').unwrap());
    }
    assert_eq!(kinds(&all), "12DCTDCTDCZZZIZ", "{all:?}");
    alive(&mut raw);
}

#[test]
fn a_pipeline_cut_at_every_byte_is_answered_as_if_it_came_at_once() {
    let world = World::start().unwrap();
    let mut raw = login(&world);
    let whole = [
        parse("", "select patient_id from patients where patient_id = $1"),
        describe('S', ""),
        bind("", "", &["3"]),
        describe('P', ""),
        execute("", 0),
        close('P', ""),
        sync(),
    ]
    .concat();
    let expected = raw.ask(std::slice::from_ref(&whole)).unwrap();
    assert_eq!(kinds(&expected), "1tT2TDC3Z");
    for at in 1..whole.len() {
        raw.send_bytes(&whole[..at]).unwrap();
        if at % 16 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        raw.send_bytes(&whole[at..]).unwrap();
        assert_eq!(raw.until('Z').unwrap(), expected, "cut at {at}");
    }
}

#[test]
fn a_long_pipeline_without_a_sync_is_answered_and_not_stuck() {
    let world = World::start().unwrap();
    let mut raw = login(&world);
    let one = [parse("", "select 1"), bind("", "", &[]), execute("", 0)].concat();
    let count = 6_000;
    raw.send_bytes(&one.repeat(count)).unwrap();
    let answer = raw.ask(&[sync()]).unwrap();
    assert_eq!(rows(&answer), count);
    alive(&mut raw);
}

#[test]
fn an_error_within_the_query_of_a_copy_is_told() {
    let world = WorldPlan::default()
        .edit("10-plugins.toml", "copy = \"hold\"", "copy = \"allow\"")
        .start()
        .unwrap();
    let mut raw = login(&world);
    let sql = "copy (select no_such_column from patients) to stdout";
    let extended = [parse("", sql), bind("", "", &[]), execute("", 0), sync()];
    for messages in [vec![query(sql)], extended.to_vec()] {
        let answer = raw.ask(&messages).unwrap();
        assert_eq!(
            (only_error(&answer).0.as_str(), status(&answer)),
            ("42703", 'I')
        );
        alive(&mut raw);
    }
}

#[test]
fn a_gateway_that_stops_does_not_wait_for_people() {
    let mut world = World::start().unwrap();
    let mut raw = login(&world);
    raw.send_bytes(&query("copy patients to stdout")).unwrap();
    let (_, id) = raw.held().unwrap();
    let started = std::time::Instant::now();
    world.gateway.stop().unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "{:?}",
        started.elapsed()
    );
    let told = raw.until('E').unwrap();
    assert_eq!(only_error(&told).0, "57P01", "{told:?}");
    world.gateway.start_again().unwrap();
    let records = world.records(&["--kind", "approval"]).unwrap();
    let of_it: Vec<_> = records
        .iter()
        .filter(|one| one["approval"] == id.as_str())
        .collect();
    assert!(
        of_it.iter().any(|one| one["event"] == "withdrawn"),
        "{of_it:?}"
    );
    let denied = world.records(&["--kind", "denied"]).unwrap();
    assert!(
        denied.iter().any(|one| one["code"] == "caller/stopping"),
        "{denied:?}"
    );
}
