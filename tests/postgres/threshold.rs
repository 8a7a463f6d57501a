//! A result reaches the row count at which somebody is asked: the stream pauses there, and goes on or ends
//! with what that person says.

use std::time::Duration;

use almoner_tests::extended::{bind, execute, kinds, only_error, parse, query, rows, status, sync};
use almoner_tests::people::{PLUGINS, plugins};
use almoner_tests::raw::Raw;
use almoner_tests::{World, WorldPlan};

const ALL: &str = "select patient_id, ward from patients order by 1";

fn plan(export: &str) -> WorldPlan {
    WorldPlan::default().policy(PLUGINS, &plugins("", export))
}

fn login(world: &World) -> Raw {
    let port = world.gateway.port();
    Raw::login(port, "ward-assistant", "ward-assistant-password", "clinic").unwrap()
}

/// Sends it and reads the notice and so many rows, which may come in any order.
fn ask(raw: &mut Raw, messages: &[Vec<u8>], rows_out: usize) -> String {
    raw.send_bytes(&messages.concat()).unwrap();
    let (before, id) = raw.held().unwrap();
    for _ in rows(&before)..rows_out {
        while raw.receive().unwrap().kind != 'D' {}
    }
    id
}

#[test]
fn rows_up_to_the_threshold_are_out_and_the_rest_waits() {
    let world = plan("rows = 15\nmax_rows = 20").start().unwrap();
    let mut raw = login(&world);
    let id = ask(&mut raw, &[query(ALL)], 15);
    assert!(raw.is_silent(Duration::from_millis(100)).unwrap());
    let request = world.request(&id).unwrap();
    assert_eq!(
        (&request["rows_so_far"], &request["max_rows"]),
        (&15.into(), &35.into())
    );
    world.approve(&id).unwrap();
    // One approval covers so many rows, the next ones need another.
    let (more, next) = raw.held().unwrap();
    let mut answer = more;
    assert_ne!(id, next);
    assert_eq!(world.request(&next).unwrap()["rows_so_far"], 35);
    world.approve(&next).unwrap();
    answer.extend(raw.until('Z').unwrap());
    assert_eq!((kinds(&answer).as_str(), rows(&answer)), ("DCZ", 25));
    let exchange = request["exchange"].as_str().unwrap().to_owned();
    let outcome = world
        .records(&["--exchange", &exchange, "--kind", "outcome"])
        .unwrap();
    assert_eq!(
        (&outcome[0]["outcome"], &outcome[0]["rows"]),
        (&"ok".into(), &40.into())
    );
    let approvals = outcome[0]["approvals"].as_array().unwrap();
    assert_eq!(approvals.len(), 2, "{approvals:?}");
}

#[test]
fn a_denial_in_mid_result_is_one_native_error_and_the_session_lives_on() {
    let world = plan("rows = 15").start().unwrap();
    let mut raw = login(&world);
    // A short result is there already when it is stopped, a long one is canceled at the server.
    let long = "select g, repeat('x', 900) from generate_series(1, 200000) g";
    for sql in [ALL, long] {
        for extended in [false, true] {
            let messages = if extended {
                vec![parse("", sql), bind("", "", &[]), execute("", 0), sync()]
            } else {
                vec![query(sql)]
            };
            let id = ask(&mut raw, &messages, 15);
            world.deny(&id).unwrap();
            let answer = raw.until('Z').unwrap();
            assert_eq!(
                (kinds(&answer).as_str(), status(&answer)),
                ("EZ", 'I'),
                "{sql} {extended}"
            );
            let (code, text) = only_error(&answer);
            assert_eq!(code, "42501", "{text}");
            assert!(
                text.contains(&format!("approval {id} was denied by olivia.grant")),
                "{text}"
            );
            let answer = raw.ask(&[query("select 7")]).unwrap();
            assert_eq!((kinds(&answer).as_str(), status(&answer)), ("TDCZ", 'I'));
            let exchange = world.request(&id).unwrap()["exchange"]
                .as_str()
                .unwrap()
                .to_owned();
            let outcome = world
                .records(&["--exchange", &exchange, "--kind", "outcome"])
                .unwrap();
            assert_eq!(
                (&outcome[0]["outcome"], &outcome[0]["rows"]),
                (&"stopped".into(), &15.into())
            );
        }
    }
}

#[test]
fn a_threshold_that_nobody_decides_about_ends_the_result_with_an_error() {
    let world = plan("rows = 15\nttl_seconds = 1").start().unwrap();
    let mut raw = login(&world);
    let id = ask(&mut raw, &[query(ALL)], 15);
    let answer = raw.until('Z').unwrap();
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("EZ", 'I'));
    let (code, text) = only_error(&answer);
    assert!(
        code == "42501" && text.contains(&format!("nobody decided approval {id} in time")),
        "{code} {text}"
    );
    assert_eq!(kinds(&raw.ask(&[query("select 7")]).unwrap()), "TDCZ");
}

#[test]
fn what_is_released_after_the_decision_is_withheld_until_then() {
    let world = plan("rows = 15")
        .edit(
            "20-rules.toml",
            "approvals = [\"bulk-export\"]",
            "approvals = [\"bulk-export\"]\nrelease = \"after-decision\"",
        )
        .start()
        .unwrap();
    let mut raw = login(&world);
    for (verb, expected, count) in [("deny", "EZ", 0), ("approve", "TDCZ", 40)] {
        let id = ask(&mut raw, &[query(ALL)], 0);
        assert!(raw.is_silent(Duration::from_millis(100)).unwrap());
        world.say(verb, &id, "olivia.grant").unwrap();
        let answer = raw.until('Z').unwrap();
        assert_eq!(
            (kinds(&answer).as_str(), rows(&answer)),
            (expected, count),
            "{verb}"
        );
    }
    // Below the threshold nobody is asked.
    let answer = raw
        .ask(&[query("select patient_id from patients limit 14")])
        .unwrap();
    assert_eq!((kinds(&answer).as_str(), rows(&answer)), ("TDCZ", 14));
}

#[test]
fn a_copy_waits_before_its_first_row() {
    let world = plan("rows = 15\ncopy = \"hold\"").start().unwrap();
    let mut raw = login(&world);
    let copy = query("copy (select patient_id, ssn from patients order by 1) to stdout");
    let id = ask(&mut raw, std::slice::from_ref(&copy), 0);
    assert!(raw.is_silent(Duration::from_millis(100)).unwrap());
    world.deny(&id).unwrap();
    assert_eq!(kinds(&raw.until('Z').unwrap()), "EZ");
    let id = ask(&mut raw, &[copy], 0);
    world.approve(&id).unwrap();
    let answer = raw.until('Z').unwrap();
    assert!(
        kinds(&answer).starts_with('H') && kinds(&answer).ends_with("CZ"),
        "{}",
        kinds(&answer)
    );
    for message in &answer {
        world.assert_masked(&String::from_utf8_lossy(&message.body));
    }
}

#[test]
fn a_large_result_that_waits_takes_no_memory() {
    /// What is out already, buffers of both sockets, and what an allocator keeps.
    const GROWTH_BYTES_MAX: u64 = 48 << 20;
    // Every KiB of a row counts as one: the fiftieth row, of 98, reaches it.
    let world = plan("rows = 4900\nmax_rows = 100000").start().unwrap();
    let mut raw = login(&world);
    let warm = query("select g, repeat('x', 100000) from generate_series(1, 49) g");
    assert_eq!(kinds(&raw.ask(&[warm]).unwrap()), "TDCZ");
    let before = resident_bytes(&world);
    // 400 MB if it were read to its end.
    let large = query("select g, repeat('x', 100000) from generate_series(1, 4000) g");
    raw.send_bytes(&large).unwrap();
    let (_, id) = raw.held().unwrap();
    while !raw.is_silent(Duration::from_secs(1)).unwrap() {
        assert_eq!(raw.receive().unwrap().kind, 'D');
    }
    for _ in 0..5 {
        assert!(raw.is_silent(Duration::from_millis(50)).unwrap());
        let grown = resident_bytes(&world).saturating_sub(before);
        assert!(grown < GROWTH_BYTES_MAX, "grown by {} MiB", grown >> 20);
    }
    world.deny(&id).unwrap();
    let answer = raw.until('Z').unwrap();
    assert_eq!(kinds(&answer), "EZ");
    let grown = resident_bytes(&world).saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "grown by {} MiB", grown >> 20);
}

fn resident_bytes(world: &World) -> u64 {
    let pid = world.gateway.pid().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    kib << 10
}
