//! An approval is for one exchange, once: not for other values of the same statement, not for the same
//! portal run again, not for the same words sent again.

use almoner_tests::extended::{
    bind, execute, flush, kinds, only_error, parse, query, rows, status, sync,
};
use almoner_tests::people::{EXPORT, HOLD_UPDATES, PLUGINS, approval_id, plugins};
use almoner_tests::raw::Raw;
use almoner_tests::{World, WorldPlan, driver};

const MOVE: &str = "update patients set ward = $1 where patient_id = $2::int";

fn world() -> World {
    let guard = format!(
        "{HOLD_UPDATES}\n[[plugin.settings.tables]]\ntables = [\"lab_results\"]\nkinds = [\"select\"]\naction = \"hold\""
    );
    WorldPlan::default()
        .policy(PLUGINS, &plugins(&guard, EXPORT))
        .start()
        .unwrap()
}

fn login(world: &World) -> Raw {
    let port = world.gateway.port();
    Raw::login(port, "ward-assistant", "ward-assistant-password", "clinic").unwrap()
}

fn wards(world: &World) -> String {
    let sql = "select string_agg(patient_id || ':' || ward, ' ' order by patient_id) from patients where ward like 'Annex%'";
    world.direct(sql).unwrap().trim().to_owned()
}

#[test]
fn values_changed_after_an_approved_parse_are_asked_for_anew() {
    let world = world();
    let mut raw = login(&world);
    let first = [
        parse("move", MOVE),
        bind("", "move", &["Annex A", "1"]),
        execute("", 0),
        sync(),
    ];
    raw.send_bytes(&first.concat()).unwrap();
    let (before, approved) = raw.held().unwrap();
    world.approve(&approved).unwrap();
    let answer = [before, raw.until('Z').unwrap()].concat();
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("12CZ", 'I'));
    assert_eq!(wards(&world), "1:Annex A");

    // The same statement, other values.
    raw.send_bytes(&[bind("", "move", &["Annex B", "2"]), execute("", 0), sync()].concat())
        .unwrap();
    let (before, other) = raw.held().unwrap();
    assert_ne!(other, approved);
    assert_ne!(
        world.request(&other).unwrap()["fingerprint"],
        world.request(&approved).unwrap()["fingerprint"]
    );
    assert_eq!(wards(&world), "1:Annex A");
    world.deny(&other).unwrap();
    let answer = [before, raw.until('Z').unwrap()].concat();
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("2EZ", 'I'));
    assert_eq!(only_error(&answer).0, "42501");
    assert_eq!(wards(&world), "1:Annex A");
}

#[test]
fn in_one_pipeline_each_set_of_values_is_asked_for_and_all_or_none_of_it_lasts() {
    let world = world();
    let mut raw = login(&world);
    let pipeline = [
        parse("move", MOVE),
        bind("", "move", &["Annex A", "1"]),
        execute("", 0),
        bind("", "move", &["Annex B", "2"]),
        execute("", 0),
        sync(),
    ]
    .concat();
    for (last, expected, status_after) in [
        ("deny", "12C2EZ", ""),
        ("approve", "2C2CZ", "1:Annex A 2:Annex B"),
    ] {
        let skip = if last == "deny" {
            0
        } else {
            parse("move", MOVE).len()
        };
        raw.send_bytes(&pipeline[skip..]).unwrap();
        let (mut answer, first) = raw.held().unwrap();
        world.approve(&first).unwrap();
        let (more, second) = raw.held().unwrap();
        answer.extend(more);
        assert_ne!(first, second);
        world
            .say(last, &second, almoner_tests::people::MANAGER)
            .unwrap();
        answer.extend(raw.until('Z').unwrap());
        assert_eq!(
            (kinds(&answer).as_str(), status(&answer)),
            (expected, 'I'),
            "{last}"
        );
        assert_eq!(wards(&world), status_after, "{last}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_that_binds_other_values_in_binary_is_asked_anew() {
    let world = world();
    let client = driver::connect(&world, "ward-assistant", "clinic")
        .await
        .unwrap();
    let statement = client
        .prepare("update patients set ward = $1 where patient_id = $2")
        .await
        .unwrap();
    let client = std::sync::Arc::new(client);
    let run = |ward: &'static str, patient: i32| {
        let (client, statement) = (std::sync::Arc::clone(&client), statement.clone());
        tokio::spawn(async move { client.execute(&statement, &[&ward, &patient]).await })
    };
    let waiting = || {
        let listed = world.json(&["approvals", "list"]).unwrap();
        listed[0]["id"].as_str().map(str::to_owned)
    };
    let held =
        || almoner_stage::wait::wait_until(almoner_tests::people::PATIENCE, waiting).unwrap();

    let first = run("Annex A", 1);
    world.approve(&held()).unwrap();
    assert_eq!(first.await.unwrap().unwrap(), 1);
    let second = run("Annex B", 1);
    world.deny(&held()).unwrap();
    let refused = second.await.unwrap().unwrap_err();
    assert_eq!(
        refused.code().map(|code| code.code()),
        Some("42501"),
        "{refused:?}"
    );
    assert_eq!(wards(&world), "1:Annex A");
    let row = client
        .query_one("select 1 + $1::int", &[&1_i32])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i32>(0), 2);
}

#[test]
fn the_same_portal_run_twice_is_held_twice() {
    let world = world();
    let mut raw = login(&world);
    let opening = [
        query("begin"),
        parse(
            "labs",
            "select result_id, test from lab_results where patient_id < $1::int order by 1",
        ),
        bind("p", "labs", &["30"]),
        flush(),
    ];
    raw.send_bytes(&opening.concat()).unwrap();
    raw.until('2').unwrap();
    let mut ids = Vec::new();
    for expected in [3, 4] {
        raw.send_bytes(&[execute("p", expected), flush()].concat())
            .unwrap();
        let (_, id) = raw.held().unwrap();
        world.approve(&id).unwrap();
        let answer = raw.until('s').unwrap();
        assert_eq!(rows(&answer), expected as usize);
        ids.push(id);
    }
    raw.send_bytes(&[execute("p", 5), sync()].concat()).unwrap();
    let (_, id) = raw.held().unwrap();
    ids.push(id.clone());
    world.deny(&id).unwrap();
    let answer = raw.until('Z').unwrap();
    // Refused before it ran; the transaction has failed, as after any error.
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("EZ", 'E'));
    ids.dedup();
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert_eq!(status(&raw.ask(&[query("rollback")]).unwrap()), 'I');
}

#[test]
fn the_same_query_sent_twice_is_held_twice() {
    let world = world();
    let mut raw = login(&world);
    let twice = query("update patients set ward = 'Annex' where patient_id = 1");
    // Both at once: the second is not let in by the first one's approval.
    raw.send_bytes(&[twice.clone(), twice].concat()).unwrap();
    let (_, first) = raw.held().unwrap();
    world.approve(&first).unwrap();
    let answer = raw.until('Z').unwrap();
    assert_eq!(kinds(&answer), "CZ");
    // The notice of the second may have overtaken the answer to the first.
    let told = answer
        .iter()
        .find(|one| one.kind == 'N')
        .and_then(|notice| notice.field('M'));
    let second = match told {
        Some(text) => approval_id(&text).unwrap(),
        None => raw.held().unwrap().1,
    };
    assert_ne!(first, second);
    world.deny(&second).unwrap();
    assert_eq!(only_error(&raw.until('Z').unwrap()).0, "42501");
    let done = world.direct("select ward = 'Annex' from patients where patient_id = 1");
    assert_eq!(done.unwrap().trim(), "t");
}
