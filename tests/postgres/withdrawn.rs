//! A caller who cancels or leaves while it is held takes the request along: nobody can approve what no
//! longer waits, and nothing of it was done.

use almoner_tests::extended::{bind, execute, kinds, only_error, parse, query, rows, status, sync};
use almoner_tests::people::{
    EXPORT, HOLD_UPDATES, MANAGER, PATIENCE, PLUGINS, approval_id, plugins,
};
use almoner_tests::raw::Raw;
use almoner_tests::{World, WorldPlan};

const ADMIT: &str = "update patients set ward = 'Annex' where patient_id = 1";
const ALL: &str = "select patient_id from patients order by 1";

fn world() -> World {
    let export = EXPORT.replace("200", "10");
    WorldPlan::default()
        .policy(PLUGINS, &plugins(HOLD_UPDATES, &export))
        .start()
        .unwrap()
}

/// A session, and the message that cancels what it does.
fn login(world: &World) -> (Raw, Vec<u8>) {
    let mut raw = Raw::open(world.gateway.port()).unwrap();
    raw.startup(
        196_608,
        &[("user", "ward-assistant"), ("database", "clinic")],
    )
    .unwrap();
    raw.authenticate("ward-assistant-password").unwrap();
    let greeting = raw.until('Z').unwrap();
    let key = greeting.iter().find(|message| message.kind == 'K').unwrap();
    let mut cancel = 16_u32.to_be_bytes().to_vec();
    cancel.extend(80_877_102_u32.to_be_bytes());
    cancel.extend(&key.body);
    (raw, cancel)
}

fn cancel(world: &World, request: &[u8]) {
    let mut other = Raw::open(world.gateway.port()).unwrap();
    other.send_bytes(request).unwrap();
    assert!(other.closed().unwrap());
}

/// The request is withdrawn, and no word counts any more.
fn assert_withdrawn(world: &World, id: &str, why: &str) {
    world.wait_for_state(id, "withdrawn").unwrap();
    let request = world.request(id).unwrap();
    assert_eq!(request["withdrawn"], why, "{request}");
    let late = world.say("approve", id, MANAGER).unwrap();
    assert_eq!(late.code, Some(1), "{late:?}");
    assert!(
        late.stderr.contains("already decided: withdrawn"),
        "{late:?}"
    );
    assert_eq!(
        world
            .json(&["approvals", "list"])
            .unwrap()
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    let done = world
        .direct("select count(*) from patients where ward = 'Annex'")
        .unwrap();
    assert_eq!(done.trim(), "0");
}

fn exchange(world: &World, id: &str) -> String {
    world.request(id).unwrap()["exchange"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn ctrl_c_in_a_held_psql_withdraws_the_request() {
    let world = world();
    let mut session = world
        .gateway
        .psql("ward-assistant", "clinic")
        .session()
        .unwrap();
    session.ask("\\set VERBOSITY verbose", PATIENCE).unwrap();
    session.type_line(&format!("{ADMIT};")).unwrap();
    let notice = session
        .wait_for("Cancel (Ctrl-C) to withdraw.", PATIENCE)
        .unwrap();
    let id = approval_id(&notice).unwrap();
    session.interrupt().unwrap();
    session
        .wait_for(
            "ERROR:  57014: almoner: canceling statement due to user request",
            PATIENCE,
        )
        .unwrap();
    assert_withdrawn(&world, &id, "cancelled");
    let denied = world
        .records(&["--exchange", &exchange(&world, &id), "--kind", "denied"])
        .unwrap();
    assert_eq!(denied[0]["code"], "caller/canceled", "{denied:?}");
}

#[test]
fn a_cancel_request_ends_what_is_held_before_it_is_sent() {
    let world = world();
    let (mut raw, request) = login(&world);
    raw.send_bytes(&query(ADMIT)).unwrap();
    let (_, id) = raw.held().unwrap();
    cancel(&world, &request);
    let answer = raw.until('Z').unwrap();
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("EZ", 'I'));
    assert_eq!(only_error(&answer).0, "57014");
    assert_withdrawn(&world, &id, "cancelled");

    // In a pipeline as well, which fails as a whole.
    let pipeline = [parse("", ADMIT), bind("", "", &[]), execute("", 0), sync()];
    raw.send_bytes(&pipeline.concat()).unwrap();
    let (before, id) = raw.held().unwrap();
    cancel(&world, &request);
    let answer = [before, raw.until('Z').unwrap()].concat();
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("12EZ", 'I'));
    assert_eq!(only_error(&answer).0, "57014");
    assert_withdrawn(&world, &id, "cancelled");
    assert_eq!(kinds(&raw.ask(&[query("select 1")]).unwrap()), "TDCZ");
}

#[test]
fn a_cancel_request_ends_what_is_held_in_mid_result() {
    let world = world();
    let (mut raw, request) = login(&world);
    for again in 0..3 {
        raw.send_bytes(&query(ALL)).unwrap();
        let (before, id) = raw.held().unwrap();
        cancel(&world, &request);
        let answer = [before, raw.until('Z').unwrap()].concat();
        assert_eq!(
            (kinds(&answer).as_str(), status(&answer)),
            ("TDEZ", 'I'),
            "{again}"
        );
        assert_eq!(
            (rows(&answer), only_error(&answer).0.as_str()),
            (10, "57014")
        );
        // What is sent at once behind it is not what the cancel hits.
        assert_eq!(
            kinds(&raw.ask(&[query("select pg_sleep(0.05)")]).unwrap()),
            "TDCZ"
        );
        assert_withdrawn(&world, &id, "cancelled");
    }
}

#[test]
fn a_stranger_without_the_key_cancels_nothing() {
    let world = world();
    let (mut raw, request) = login(&world);
    raw.send_bytes(&query(ADMIT)).unwrap();
    let (_, id) = raw.held().unwrap();
    let mut forged = request.clone();
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    cancel(&world, &forged);
    assert_eq!(world.request(&id).unwrap()["state"], "pending");
    world.approve(&id).unwrap();
    assert_eq!(kinds(&raw.until('Z').unwrap()), "CZ");
}

#[test]
fn a_caller_who_leaves_while_held_takes_the_request_along() {
    let world = world();
    for held_in in [ADMIT, ALL] {
        let (mut raw, _) = login(&world);
        raw.send_bytes(&query(held_in)).unwrap();
        let (_, id) = raw.held().unwrap();
        drop(raw);
        assert_withdrawn(&world, &id, "abandoned");
        // The record of the exchange is closed, and says how.
        let exchange = exchange(&world, &id);
        let of = ["--exchange", exchange.as_str()];
        let closed = |record: &serde_json::Value| {
            record["code"] == "caller/abandoned" || record["outcome"] == "abandoned"
        };
        let record = world.wait_for_record(&of, closed).unwrap();
        let kind = if held_in == ADMIT {
            "denied"
        } else {
            "outcome"
        };
        assert_eq!(record["kind"], kind, "{record}");
    }
    world
        .wait_for_metric("almoner_approvals_pending", 0.0)
        .unwrap();
    world
        .wait_for_metric("almoner_sessions{resource=\"clinic\"}", 0.0)
        .unwrap();
}
