//! Approvals inside transactions and pipelines: whatever a person says, the transaction status stays the
//! truth, and nothing lasts that the caller believes has failed.

use almoner_tests::extended::{
    bind, execute, flush, kinds, only_error, parse, query, rows, status, sync,
};
use almoner_tests::people::{HOLD_UPDATES, PATIENCE, PLUGINS, plugins};
use almoner_tests::raw::{Message, Raw};
use almoner_tests::{World, WorldPlan};

const ALL: &str = "select patient_id from patients order by 1";
const INSERT: &str =
    "insert into lab_results values (900001, 1, 1, '2024-01-01', 'Added', 1, 'g', false)";

fn world() -> World {
    WorldPlan::default()
        .policy(
            PLUGINS,
            &plugins(HOLD_UPDATES, "rows = 15\nmax_rows = 5000"),
        )
        .start()
        .unwrap()
}

fn login(world: &World) -> Raw {
    let port = world.gateway.port();
    Raw::login(port, "ward-assistant", "ward-assistant-password", "clinic").unwrap()
}

fn added(world: &World) -> String {
    let sql = "select count(*) from lab_results where test = 'Added'";
    world.direct(sql).unwrap().trim().to_owned()
}

fn one(raw: &mut Raw, sql: &str) -> (String, char) {
    let answer = raw.ask(&[query(sql)]).unwrap();
    (kinds(&answer), status(&answer))
}

/// Sends messages, has what is held decided, and answers all that came back.
fn decided(world: &World, raw: &mut Raw, messages: &[Vec<u8>], verb: &str) -> Vec<Message> {
    raw.send_bytes(&messages.concat()).unwrap();
    let (before, id) = raw.held().unwrap();
    world.say(verb, &id, "olivia.grant").unwrap();
    [before, raw.until('Z').unwrap()].concat()
}

#[test]
fn a_denial_before_the_statement_fails_the_transaction_it_is_in() {
    let world = world();
    let mut raw = login(&world);
    assert_eq!(one(&mut raw, "begin"), ("CZ".into(), 'T'));
    assert_eq!(one(&mut raw, INSERT), ("CZ".into(), 'T'));
    assert_eq!(one(&mut raw, "savepoint s"), ("CZ".into(), 'T'));
    let update = query("update patients set ward = 'Annex' where patient_id = 1");
    let answer = decided(&world, &mut raw, std::slice::from_ref(&update), "deny");
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("EZ", 'E'));
    let aborted = raw.ask(&[query("select 1")]).unwrap();
    assert_eq!(
        (only_error(&aborted).0.as_str(), status(&aborted)),
        ("25P02", 'E')
    );
    // As after any error, a savepoint brings the transaction back.
    assert_eq!(one(&mut raw, "rollback to s"), ("CZ".into(), 'T'));
    let answer = decided(&world, &mut raw, &[update], "approve");
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("CZ", 'T'));
    assert_eq!(one(&mut raw, "commit"), ("CZ".into(), 'I'));
    assert_eq!(added(&world), "1");
}

#[test]
fn a_denial_in_mid_result_fails_the_transaction_it_is_in() {
    let world = world();
    let mut raw = login(&world);
    let long = "select g, repeat('x', 900) from generate_series(1, 100000) g";
    for sql in [ALL, long] {
        let simple = vec![query(sql)];
        let extended = vec![parse("", sql), bind("", "", &[]), execute("", 0), sync()];
        for messages in [simple, extended] {
            assert_eq!(one(&mut raw, "begin"), ("CZ".into(), 'T'));
            assert_eq!(one(&mut raw, INSERT), ("CZ".into(), 'T'));
            let answer = decided(&world, &mut raw, &messages, "deny");
            assert!(kinds(&answer).ends_with("DEZ"), "{sql}: {}", kinds(&answer));
            assert_eq!((rows(&answer), status(&answer)), (15, 'E'), "{sql}");
            assert_eq!(only_error(&answer).0, "42501");
            // What the caller commits now is rolled back, as after any error.
            let commit = raw.ask(&[query("commit")]).unwrap();
            assert_eq!(
                (status(&commit), commit[0].body.as_slice()),
                ('I', b"ROLLBACK\0".as_slice())
            );
            assert_eq!(added(&world), "0", "{sql}");
        }
    }
    // And after a yes the transaction goes on.
    assert_eq!(one(&mut raw, "begin"), ("CZ".into(), 'T'));
    assert_eq!(one(&mut raw, INSERT), ("CZ".into(), 'T'));
    let answer = decided(&world, &mut raw, &[query(ALL)], "approve");
    assert_eq!((rows(&answer), status(&answer)), (40, 'T'));
    assert_eq!(one(&mut raw, "commit"), ("CZ".into(), 'I'));
    assert_eq!(added(&world), "1");
}

#[test]
fn what_is_sent_behind_a_result_that_is_stopped_is_not_done() {
    let world = world();
    for verb in ["deny", "approve"] {
        let mut raw = login(&world);
        let pipeline = [
            parse("", ALL),
            bind("all", "", &[]),
            execute("all", 0),
            parse("", INSERT),
            bind("", "", &[]),
            execute("", 0),
            parse("", "select 1"),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ];
        let answer = decided(&world, &mut raw, &pipeline, verb);
        if verb == "deny" {
            // Up to the error and not beyond it.
            assert!(kinds(&answer).ends_with("EZ"), "{}", kinds(&answer));
            assert_eq!(
                (only_error(&answer).0.as_str(), rows(&answer)),
                ("42501", 15)
            );
            assert_eq!(added(&world), "0");
        } else {
            assert_eq!(
                (kinds(&answer).matches('C').count(), rows(&answer)),
                (3, 41)
            );
            assert_eq!(added(&world), "1");
        }
        assert_eq!(status(&answer), 'I');
        assert_eq!(one(&mut raw, "select 7"), ("TDCZ".into(), 'I'));
    }
}

#[test]
fn what_was_done_before_a_result_that_is_stopped_does_not_last_either() {
    let world = world();
    for verb in ["deny", "approve"] {
        let mut raw = login(&world);
        let pipeline = [
            parse("", INSERT),
            bind("", "", &[]),
            execute("", 0),
            parse("", ALL),
            bind("", "", &[]),
            execute("", 0),
            sync(),
        ];
        let answer = decided(&world, &mut raw, &pipeline, verb);
        let (expected, lasting) = if verb == "deny" {
            ("12C12DEZ", "0")
        } else {
            ("12C12DCZ", "1")
        };
        assert_eq!(
            (kinds(&answer).as_str(), status(&answer)),
            (expected, 'I'),
            "{verb}"
        );
        assert_eq!(added(&world), lasting, "{verb}");
    }
}

#[test]
fn rows_that_a_change_returns_are_stopped_with_the_change() {
    let world = world();
    let returning = "insert into lab_results select 900000 + g, 1, 1, '2024-01-01', 'Added', 1, 'g', false \
                     from generate_series(1, 40) g returning result_id";
    let mut raw = login(&world);
    let pipeline = [
        parse("", returning),
        bind("", "", &[]),
        execute("", 0),
        sync(),
    ];
    let answer = decided(&world, &mut raw, &pipeline, "deny");
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("12DEZ", 'I'));
    assert_eq!(added(&world), "0");
    // A simple query ends its transaction by itself: then the caller is told so.
    let answer = decided(&world, &mut raw, &[query(returning)], "deny");
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("TDEZ", 'I'));
    let (code, text) = only_error(&answer);
    assert!(
        code == "42501" && text.ends_with("; what it changed stands"),
        "{code} {text}"
    );
    assert_eq!(added(&world), "40");
}

#[test]
fn a_caller_that_only_flushes_gets_rows_a_decision_and_the_rest() {
    let world = world();
    let mut raw = login(&world);
    let open = [parse("", ALL), bind("", "", &[]), execute("", 0), flush()].concat();
    raw.send_bytes(&open).unwrap();
    let (_, id) = raw.held().unwrap();
    world.deny(&id).unwrap();
    let answer = raw.until('E').unwrap();
    assert_eq!(only_error(&answer).0, "42501");
    // Dropped until Sync, as the protocol has it.
    let answer = raw.ask(&[query("select 1"), sync()]).unwrap();
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("Z", 'I'));
    assert_eq!(one(&mut raw, "select 7"), ("TDCZ".into(), 'I'));
}

#[test]
fn psql_in_a_transaction_sees_what_it_would_see_after_any_error() {
    let world = world();
    let mut session = world
        .gateway
        .psql("ward-assistant", "clinic")
        .session()
        .unwrap();
    session.ask(&format!("begin; {INSERT};"), PATIENCE).unwrap();
    session
        .type_line("update patients set ward = 'Annex' where patient_id = 1;")
        .unwrap();
    let notice = session.wait_for("HINT:", PATIENCE).unwrap();
    world
        .deny(&almoner_tests::people::approval_id(&notice).unwrap())
        .unwrap();
    session.finish(PATIENCE).unwrap();
    let answer = session.ask("select 1;", PATIENCE).unwrap();
    assert!(
        answer.contains("current transaction is aborted"),
        "{answer}"
    );
    assert_eq!(session.ask("commit;", PATIENCE).unwrap(), "ROLLBACK\n");
    assert_eq!(added(&world), "0");
}
