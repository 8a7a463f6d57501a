//! Ways out of a server other than rows: settings it reports, names and codes of its errors, notices without
//! end. The rule of these worlds lets everything through, so that masking alone stands in the way.

use std::time::Duration;

use almoner_tests::extended::{bind, execute, kinds, parse, query, status, sync};
use almoner_tests::raw::{Message, Raw};
use almoner_tests::{World, WorldPlan};

fn open_world(patients: u32) -> World {
    WorldPlan {
        patients,
        ..WorldPlan::default()
    }
    .policy(
        "20-rules.toml",
        "[[rule]]\nname = \"open\"\nresources = [\"clinic\"]\ngroups = [\"nurses\"]\nguards = []\ndetectors = [\"phi\"]\nopaque = \"allow\"\n\
         approval = { group = \"managers\", count = 1, ttl = \"15m\" }\n",
    )
    .start()
    .unwrap()
}

fn login(world: &World) -> Raw {
    let port = world.gateway.port();
    Raw::login(port, "ward-assistant", "ward-assistant-password", "clinic").unwrap()
}

fn text(messages: &[Message]) -> String {
    let bodies: Vec<u8> = messages.iter().flat_map(|one| one.body.clone()).collect();
    String::from_utf8_lossy(&bodies).into_owned()
}

fn both(raw: &mut Raw, sql: &str) -> Vec<Message> {
    let mut all = raw.ask(&[query(sql)]).unwrap();
    all.extend(
        raw.ask(&[parse("", sql), bind("", "", &[]), execute("", 0), sync()])
            .unwrap(),
    );
    all
}

#[test]
fn a_setting_that_takes_a_value_is_not_reported_with_it() {
    let world = open_world(10);
    let mut raw = login(&world);
    for sql in [
        "select set_config('application_name', ssn, false) from patients where patient_id = 1",
        "select set_config('timezone', '<' || ssn || '>0', false) from patients where patient_id = 2",
        "do $$ begin perform set_config('application_name', (select ssn from patients where patient_id = 3), false); end $$",
    ] {
        let answer = both(&mut raw, sql);
        world.assert_masked(&text(&answer));
        assert!(
            !answer.iter().any(|one| one.kind == 'S'),
            "{sql}: {answer:?}"
        );
    }
    // What the caller sets itself is reported as ever.
    let answer = raw.ask(&[query("set application_name = 'me'")]).unwrap();
    assert!(text(&answer).contains("me"), "{answer:?}");
}

#[test]
fn an_error_raised_by_a_rows_value_does_not_quote_it() {
    let world = open_world(10);
    let mut raw = login(&world);
    let names: Vec<String> = world
        .clinic
        .patients
        .iter()
        .map(|one| one.family_name.to_lowercase())
        .collect();
    for sql in [
        "select family_name::regclass from patients",
        "select ('public.' || family_name)::regclass from patients",
        "select family_name::regtype from patients",
        "select family_name::regproc from patients",
        "select family_name::regrole from patients",
        "select family_name::regconfig from patients",
        "select has_table_privilege(family_name, 'select') from patients",
        "select ssn::int from patients",
        "select now() at time zone family_name from patients",
    ] {
        let answer = both(&mut raw, sql);
        let shown = text(&answer).to_lowercase();
        assert!(kinds(&answer).contains('E'), "{sql}: {answer:?}");
        for name in &names {
            assert!(!shown.contains(name), "{sql}: {shown}");
        }
        world.assert_masked(&text(&answer));
    }
    // An error of the text itself is told whole.
    let answer = raw.ask(&[query("select 1 from no_such_table")]).unwrap();
    assert!(text(&answer).contains("no_such_table"), "{answer:?}");
}

#[test]
fn an_error_that_code_raises_says_no_more_than_what_kind_it_is() {
    let world = open_world(10);
    let mut raw = login(&world);
    let ssn = &world.clinic.patients[0].ssn;
    let digits: String = ssn.chars().filter(char::is_ascii_digit).take(5).collect();
    let raise = |using: &str| {
        format!(
            "do $$ declare v text; begin select ssn into v from patients where patient_id = 1; raise exception 'x' using {using}; end $$"
        )
    };
    for using in [
        "column = v",
        "table = v, constraint = v, schema = v, datatype = v",
        "message = v, detail = v, hint = v",
        "errcode = substr(replace(v, '-', ''), 1, 5)",
    ] {
        let answer = raw.ask(&[query(&raise(using))]).unwrap();
        let shown = text(&answer);
        world.assert_masked(&shown);
        assert!(!shown.contains(&digits), "{using}: {shown}");
        assert_eq!(status(&answer), 'I');
    }
    let records = world.records(&[]).unwrap();
    assert!(!format!("{records:?}").contains(&format!("error:{digits}")));
}

#[test]
fn notices_without_end_are_passed_on_within_bounded_memory() {
    let world = open_world(5);
    let pid = world.gateway.pid().unwrap();
    let peak = || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let mut raw = login(&world);
    raw.ask(&[query("select 1")]).unwrap();
    let before = peak();
    let count = 60_000;
    let sql = format!(
        "do $$ begin for i in 1..{count} loop raise notice '%', repeat('word ', 800); end loop; end $$"
    );
    raw.send_bytes(&query(&sql)).unwrap();
    // Whoever reads slowly must not fill the gateway either.
    std::thread::sleep(Duration::from_secs(3));
    let answer = raw.until('Z').unwrap();
    assert_eq!(answer.iter().filter(|one| one.kind == 'N').count(), count);
    let grown = (peak() - before) / 1024;
    assert!(grown < 100, "{grown} MiB more for {count} notices of 4 KB");
}
