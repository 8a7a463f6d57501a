//! The policy changes between the steps of one statement, or while it waits for a person: what runs obeys
//! the newest.

use almoner_tests::extended::{
    bind, execute, flush, kinds, only_error, parse, query, status, sync,
};
use almoner_tests::people::{DENY_UPDATES, EXPORT, HOLD_UPDATES, PLUGINS, plugins};
use almoner_tests::raw::{Message, Raw};
use almoner_tests::world::POLICIES;
use almoner_tests::{World, WorldPlan};

const MOVE: &str = "update patients set ward = $1 where patient_id = 1";
const ALLOW_UPDATES: &str = "kinds = { update = \"allow\" }";

fn world(guard: &str) -> World {
    WorldPlan::default()
        .policy(PLUGINS, &plugins(guard, EXPORT))
        .start()
        .unwrap()
}

fn login(world: &World) -> Raw {
    let port = world.gateway.port();
    Raw::login(port, "ward-assistant", "ward-assistant-password", "clinic").unwrap()
}

fn save(world: &World, guard: &str) {
    world.save_policy(PLUGINS, &plugins(guard, EXPORT)).unwrap();
}

fn assert_moved(world: &World, moved: bool) {
    let count = world
        .direct("select count(*) from patients where ward = 'Annex'")
        .unwrap();
    assert_eq!(count.trim() == "1", moved, "{count}");
}

fn assert_denied(answer: &[Message], expected: &str) {
    assert_eq!(
        (kinds(answer).as_str(), status(answer)),
        (expected, 'I'),
        "{answer:?}"
    );
    let (code, text) = only_error(answer);
    assert!(
        code == "42501" && text.contains("rule \"care\""),
        "{code} {text}"
    );
}

#[test]
fn a_statement_prepared_under_a_milder_policy_does_not_run_under_a_stricter_one() {
    let world = world(ALLOW_UPDATES);
    let mut raw = login(&world);
    assert_eq!(
        kinds(&raw.ask(&[parse("move", MOVE), sync()]).unwrap()),
        "1Z"
    );
    save(&world, DENY_UPDATES);
    let run = [bind("", "move", &["Annex"]), execute("", 0), sync()];
    assert_denied(&raw.ask(&run).unwrap(), "EZ");
    assert_moved(&world, false);

    save(&world, HOLD_UPDATES);
    raw.send_bytes(&run.concat()).unwrap();
    let (before, id) = raw.held().unwrap();
    assert_moved(&world, false);
    world.approve(&id).unwrap();
    let answer = [before, raw.until('Z').unwrap()].concat();
    assert_eq!(kinds(&answer), "2CZ");
    assert_moved(&world, true);
}

#[test]
fn a_portal_bound_under_a_milder_policy_does_not_run_under_a_stricter_one() {
    let world = world(ALLOW_UPDATES);
    let mut raw = login(&world);
    let ready = [parse("move", MOVE), bind("", "move", &["Annex"]), flush()].concat();
    raw.send_bytes(&ready).unwrap();
    raw.until('2').unwrap();
    save(&world, DENY_UPDATES);
    assert_denied(&raw.ask(&[execute("", 0), sync()]).unwrap(), "EZ");
    assert_moved(&world, false);

    save(&world, ALLOW_UPDATES);
    raw.send_bytes(&[bind("", "move", &["Annex"]), flush()].concat())
        .unwrap();
    raw.until('2').unwrap();
    save(&world, HOLD_UPDATES);
    raw.send_bytes(&[execute("", 0), sync()].concat()).unwrap();
    let (_, id) = raw.held().unwrap();
    assert_moved(&world, false);
    world.approve(&id).unwrap();
    assert_eq!(kinds(&raw.until('Z').unwrap()), "CZ");
    assert_moved(&world, true);
}

#[test]
fn what_was_approved_is_judged_again_under_the_policy_that_came_meanwhile() {
    let world = world(HOLD_UPDATES);
    let mut raw = login(&world);
    let update = query("update patients set ward = 'Annex' where patient_id = 1");

    raw.send_bytes(&update).unwrap();
    let (_, id) = raw.held().unwrap();
    save(&world, DENY_UPDATES);
    world.approve(&id).unwrap();
    assert_denied(&raw.until('Z').unwrap(), "EZ");
    assert_moved(&world, false);

    // Somebody else is to be asked by now: the first yes does not do.
    save(&world, HOLD_UPDATES);
    raw.send_bytes(&update).unwrap();
    let (_, first) = raw.held().unwrap();
    save(
        &world,
        &format!("{HOLD_UPDATES}\nhold = {{ all_of = [{{ group = \"visitors\" }}] }}"),
    );
    world.approve(&first).unwrap();
    let (_, second) = raw.held().unwrap();
    assert_ne!(first, second);
    assert_moved(&world, false);
    world.approve(&second).unwrap();
    let stranger = world.say("approve", &second, "stranger").unwrap();
    assert_eq!(stranger.code, Some(0), "{stranger:?}");
    assert_eq!(kinds(&raw.until('Z').unwrap()), "CZ");
    assert_moved(&world, true);
}

#[test]
fn an_approval_outlives_a_policy_that_asks_for_the_same() {
    let world = world(HOLD_UPDATES);
    let mut raw = login(&world);
    raw.send_bytes(&query(
        "update patients set ward = 'Annex' where patient_id = 1",
    ))
    .unwrap();
    let (_, id) = raw.held().unwrap();
    save(
        &world,
        &format!("{HOLD_UPDATES}\nmissing_where = \"deny\"\nread_only = false"),
    );
    world.approve(&id).unwrap();
    let answer = raw.until('Z').unwrap();
    assert_eq!(kinds(&answer), "CZ", "{answer:?}");
    assert!(answer.iter().all(|one| one.kind != 'N'), "{answer:?}");
    assert_moved(&world, true);
    // The records say what was judged when.
    let exchange = world.request(&id).unwrap()["exchange"]
        .as_str()
        .unwrap()
        .to_owned();
    let records = world.records(&["--exchange", &exchange]).unwrap();
    let of = |kind: &str| {
        records
            .iter()
            .find(|record| record["kind"] == kind)
            .unwrap()["generation"]
            .clone()
    };
    assert_eq!(
        (of("approval"), of("intent")),
        (1.into(), 2.into()),
        "{records:?}"
    );
}

#[test]
fn a_rule_that_is_gone_ends_access_for_what_waits_and_for_what_comes() {
    let world = world(HOLD_UPDATES);
    let mut raw = login(&world);
    raw.send_bytes(&query(
        "update patients set ward = 'Annex' where patient_id = 1",
    ))
    .unwrap();
    let (_, id) = raw.held().unwrap();
    let rules = POLICIES
        .iter()
        .find(|(name, _)| *name == "20-rules.toml")
        .unwrap()
        .1;
    world
        .save_policy(
            "20-rules.toml",
            &rules.replace("groups = [\"nurses\"]", "groups = [\"doctors\"]"),
        )
        .unwrap();
    world.approve(&id).unwrap();
    for answer in [
        raw.until('Z').unwrap(),
        raw.ask(&[query("select 1")]).unwrap(),
    ] {
        assert_eq!(kinds(&answer), "EZ");
        let (code, text) = only_error(&answer);
        assert_eq!(
            (code.as_str(), text.as_str()),
            ("42501", "almoner: no rule lets you use this resource")
        );
    }
    assert_moved(&world, false);
}

#[test]
fn rows_to_come_after_a_wait_obey_the_guards_of_the_newest_policy() {
    let export = "rows = 10\nmax_rows = 5000";
    let world = WorldPlan::default()
        .policy(PLUGINS, &plugins(ALLOW_UPDATES, export))
        .start()
        .unwrap();
    let mut raw = login(&world);
    raw.send_bytes(&query("select patient_id from patients order by 1"))
        .unwrap();
    let (before, id) = raw.held().unwrap();
    let closed = "[[plugin.settings.tables]]\ntables = [\"patients\"]\nkinds = [\"select\"]\naction = \"deny\"";
    world
        .save_policy(PLUGINS, &plugins(closed, export))
        .unwrap();
    world.approve(&id).unwrap();
    let answer = [before, raw.until('Z').unwrap()].concat();
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("TDEZ", 'I'));
    assert_eq!(almoner_tests::extended::rows(&answer), 10);
    assert_eq!(only_error(&answer).0, "42501");

    // Without a change meanwhile nobody is asked twice.
    world
        .save_policy(PLUGINS, &plugins(ALLOW_UPDATES, export))
        .unwrap();
    raw.send_bytes(&query("select patient_id from patients order by 1"))
        .unwrap();
    let (before, id) = raw.held().unwrap();
    world.approve(&id).unwrap();
    let answer = [before, raw.until('Z').unwrap()].concat();
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("TDCZ", 'I'));
}
