//! Plugins that trap, loop, eat memory or rave while sessions are served: each failure is closed, named on
//! record and counted, and nobody else notices.

use std::time::{Duration, Instant};

use almoner_tests::hostile::{self, Role, TRIGGER};
use almoner_tests::{World, WorldPlan, driver};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);

/// Calls of a plugin with this outcome, so far.
fn calls(world: &World, plugin: &str, outcome: &str) -> f64 {
    let labels = [
        format!("plugin=\"{plugin}\""),
        format!("outcome=\"{outcome}\""),
    ];
    world
        .metric_sum(
            "almoner_plugin_calls_total",
            &[labels[0].as_str(), labels[1].as_str()],
        )
        .unwrap()
}

/// One that loops is ended soon; for the others even a busy machine must not be too slow.
fn deadline(name: &str) -> &'static str {
    if name == "loops" {
        "deadline = \"1s\"\n"
    } else {
        "deadline = \"10s\"\n"
    }
}

#[test]
fn a_guard_that_fails_denies_its_statement_and_the_session_lives_on() {
    let guards = [
        ("traps", hostile::guard(hostile::TRAPS), "trap"),
        ("loops", hostile::guard(hostile::LOOPS), "deadline"),
        ("eats", hostile::guard(hostile::EATS), "memory"),
        ("raves", hostile::guard(hostile::RAVES), "trap"),
        (
            "invents",
            hostile::guard_with_undeclared_code(),
            "bad-output",
        ),
        (
            "blathers",
            hostile::guard_with_endless_code(),
            "output-too-large",
        ),
    ];
    let plan = WorldPlan {
        patients: 5,
        ..WorldPlan::default()
    };
    let plan = guards.iter().fold(plan, |plan, (name, wasm, _)| {
        let keys = format!("{}memory = \"8 MiB\"", deadline(name));
        plan.plugin(name, Role::Guard, wasm, &keys)
    });
    let world = plan.start().unwrap();
    for (name, _, class) in &guards {
        let mut session = world.gateway.psql(name, "clinic").session().unwrap();
        let refused = session
            .ask(&format!("select '{TRIGGER}' as {name};"), LIMIT)
            .unwrap();
        assert!(
            refused.contains("ERROR") && refused.contains("could not judge"),
            "{name}: {refused}"
        );
        assert!(!refused.contains(TRIGGER), "{name}: {refused}");
        let lives = session
            .ask("select count(*) as patients from patients;", LIMIT)
            .unwrap();
        assert!(lives.contains('5') && !lives.contains("ERROR"), "{lives}");

        let denied = world.records_about("denied", name).unwrap();
        assert_eq!(denied.len(), 1, "{name}: {denied:?}");
        assert_eq!(denied[0]["code"], json!(format!("{name}/failed")));
        assert_eq!(denied[0]["fault"], "gateway");
        assert_eq!(
            denied[0]["plugin_failures"],
            json!({ *name: { *class: 1 } })
        );
        assert_eq!(calls(&world, name, class), 1.0, "{name}");
        assert!(calls(&world, name, "ok") >= 1.0, "{name}");
    }
}

#[test]
fn an_approval_plugin_that_fails_has_the_rules_own_approvers_asked() {
    let plan = WorldPlan {
        patients: 5,
        ..WorldPlan::default()
    };
    let mut plan = plan.plugin(
        "traps",
        Role::Approval,
        &hostile::approval(hostile::TRAPS),
        "",
    );
    plan.users
        .push(almoner_stage::User::new("peter.lund", &["managers"]));
    let world = plan.start().unwrap();
    let mut session = world.gateway.psql("traps", "clinic").session().unwrap();
    let quick = session.ask("select 7 as seven;", LIMIT).unwrap();
    assert!(quick.contains('7') && !quick.contains("NOTICE"), "{quick}");

    session
        .type_line(&format!(
            "select count(*) as held, '{TRIGGER}' as shown from patients;"
        ))
        .unwrap();
    let notice = session.wait_for("2 of managers", LIMIT).unwrap();
    assert!(!notice.contains("(1 row)"), "{notice}");
    let listed = world.json(&["approvals", "list"]).unwrap();
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    assert!(
        listed[0]["reasons"]
            .to_string()
            .contains("could not judge it"),
        "{listed}"
    );
    for manager in ["olivia.grant", "peter.lund"] {
        assert!(!session.fresh().contains("(1 row)"), "one is not enough");
        let approved = world.gateway.almoner(
            &["approvals", "approve", &id, "--user", manager],
            &[("ALMONER_PASSWORD", &format!("{manager}-password"))],
        );
        assert_eq!(approved.as_ref().unwrap().code, Some(0), "{approved:?}");
    }
    let flows = session.finish(LIMIT).unwrap();
    assert!(
        flows.contains(TRIGGER) && flows.contains("(1 row)"),
        "{flows}"
    );

    let outcome = world.records_about("outcome", "held").unwrap();
    // Judged before the wait and after it.
    assert_eq!(outcome[0]["plugin_failures"]["traps"]["trap"], json!(1));
    assert_eq!(
        outcome[0]["approvals"][0]["approvers"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(calls(&world, "traps", "trap"), 2.0);
}

/// Remarks with a social security number each; the one in `at` sets plugins off.
fn remarks(rows: u32, at: u32) -> String {
    format!(
        "create table remarks (remark_id int primary key, body text not null);
         insert into remarks select n, 'remark ' || n || ', SSN 912-45-' || (1000 + n)
           || case n when {at} then ' {TRIGGER}' else '' end from generate_series(1, {rows}) n;
         alter table remarks owner to clinic_owner;"
    )
}

const ROWS: u32 = 3_000;
const AT: u32 = 2_500;
const UNVERIFIED: &str = "[UNVERIFIED]";

/// Every row is there, in order; those searched are shown with their finding masked, the batch that was not
/// searched is masked whole; nothing raw anywhere. Answers how many were not searched.
fn assert_one_batch_unverified(shown: &[(i32, String)]) -> usize {
    assert_eq!(shown.len(), ROWS as usize);
    for ((id, body), expected) in shown.iter().zip(1..) {
        assert_eq!(*id, expected);
        let searched = format!("remark {id}, SSN [SSN]");
        assert!(*body == searched || body == UNVERIFIED, "{id}: {body}");
    }
    let whole: Vec<i32> = shown
        .iter()
        .filter(|(_, body)| body == UNVERIFIED)
        .map(|(id, _)| *id)
        .collect();
    assert!(whole.contains(&(AT as i32)), "{whole:?}");
    assert!(!whole.contains(&1), "the first windows were searched");
    let in_a_row = whole.windows(2).all(|pair| pair[1] == pair[0] + 1);
    assert!(in_a_row, "one batch: {whole:?}");
    whole.len()
}

fn by_psql(world: &World, user: &str, query: &str) -> Vec<(i32, String)> {
    let finished = world
        .gateway
        .psql(user, "clinic")
        .run(&["-A", "-t", "-c", query], "")
        .unwrap();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let rows = finished.stdout.lines().map(|line| {
        let (id, body) = line.split_once('|').unwrap();
        (id.parse().unwrap(), body.to_owned())
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_detector_that_fails_in_mid_result_has_its_batch_masked_whole() {
    let detectors = [
        ("traps", hostile::searching(hostile::TRAPS), "trap"),
        ("loops", hostile::searching(hostile::LOOPS), "deadline"),
        ("eats", hostile::searching(hostile::EATS), "memory"),
        ("raves", hostile::searching(hostile::RAVES), "trap"),
    ];
    let plan = WorldPlan {
        patients: 5,
        sql: remarks(ROWS, AT),
        ..WorldPlan::default()
    };
    let plan = detectors.iter().fold(plan, |plan, (name, wasm, _)| {
        plan.plugin(name, Role::Detector, wasm, deadline(name))
    });
    let world = tokio::task::spawn_blocking(|| plan.start().unwrap())
        .await
        .unwrap();
    for (name, _, class) in &detectors {
        let started = Instant::now();
        let query = format!("select remark_id, body as {name} from remarks order by remark_id");
        let masked = assert_one_batch_unverified(&by_psql(&world, name, &query));
        assert!(started.elapsed() < Duration::from_secs(10), "{name}");

        let outcome = world.records_about("outcome", name).unwrap();
        let [outcome] = outcome.as_slice() else {
            // The reply's first window holds the statement, its last one the outcome.
            let parts = world.records_about("part", name).unwrap();
            let exchange = parts[0]["exchange"].as_str().unwrap();
            assert_failed_once(&of_exchange(&world, exchange), name, class, masked);
            continue;
        };
        assert_failed_once(outcome, name, class, masked);
    }
    // The other road: prepared, in binary, with an instance that was warm before.
    let client = driver::connect(&world, "traps", "clinic").await.unwrap();
    let statement = client
        .prepare("select remark_id, body from remarks where remark_id <= $1 order by remark_id")
        .await
        .unwrap();
    let before = client.query(&statement, &[&100_i32]).await.unwrap();
    assert_eq!(before[0].get::<_, &str>(1), "remark 1, SSN [SSN]");
    let rows = client.query(&statement, &[&(ROWS as i32)]).await.unwrap();
    let shown: Vec<_> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_one_batch_unverified(&shown);
    // And the session goes on, searched again.
    let after = client.query(&statement, &[&1_i32]).await.unwrap();
    assert_eq!(after[0].get::<_, &str>(1), "remark 1, SSN [SSN]");
    let unverified = world
        .metric_sum(
            "almoner_masked_findings_total",
            &["kind=\"phi.unverified\""],
        )
        .unwrap();
    assert!(unverified >= 5.0, "{unverified}");
}

/// The record that closes an exchange.
fn of_exchange(world: &World, exchange: &str) -> Value {
    let all = world.records_of("outcome").unwrap();
    all.into_iter()
        .find(|record| record["exchange"] == exchange)
        .unwrap()
}

fn assert_failed_once(outcome: &Value, name: &str, class: &str, masked: usize) {
    assert_eq!(outcome["plugin_failures"], json!({ name: { class: 1 } }));
    assert_eq!(outcome["findings"]["phi.unverified"], json!(masked));
    assert_eq!(outcome["rows"], json!(ROWS));
}

#[test]
fn a_copy_that_a_detector_fails_in_is_masked_as_rows_are() {
    let plan = WorldPlan {
        patients: 5,
        sql: remarks(ROWS, AT),
        ..WorldPlan::default()
    };
    let world = plan
        .plugin(
            "traps",
            Role::Detector,
            &hostile::searching(hostile::TRAPS),
            "",
        )
        .start()
        .unwrap();
    let copied = world
        .gateway
        .psql("traps", "clinic")
        .query("copy (select remark_id, body from remarks order by remark_id) to stdout")
        .unwrap();
    let rows: Vec<(i32, String)> = copied
        .stdout
        .lines()
        .map(|line| {
            let (id, body) = line.split_once('\t').unwrap();
            (id.parse().unwrap(), body.to_owned())
        })
        .collect();
    assert_one_batch_unverified(&rows);
}

#[test]
fn a_plugin_that_spins_delays_nobodys_exchange_but_its_own() {
    const DEADLINE: Duration = Duration::from_millis(2_000);
    let plan = WorldPlan {
        patients: 5,
        ..WorldPlan::default()
    };
    let world = plan
        .plugin(
            "loops",
            Role::Guard,
            &hostile::guard(hostile::LOOPS),
            "deadline = \"2s\"",
        )
        .start()
        .unwrap();
    let mut honest = world
        .gateway
        .psql("ward-assistant", "clinic")
        .session()
        .unwrap();
    let mut ask = || {
        let started = Instant::now();
        let answer = honest
            .ask("select count(*) as patients from patients;", LIMIT)
            .unwrap();
        assert!(answer.contains('5'), "{answer}");
        started.elapsed()
    };
    ask();
    let spinning: Vec<_> = (0..4)
        .map(|_| {
            let psql = world.gateway.psql("loops", "clinic");
            std::thread::spawn(move || {
                let started = Instant::now();
                let finished = psql.query(&format!("select '{TRIGGER}'")).unwrap();
                (finished, started.elapsed())
            })
        })
        .collect();
    let (mut worst, mut asked) = (Duration::ZERO, 0);
    while spinning.iter().any(|spinning| !spinning.is_finished()) {
        worst = worst.max(ask());
        asked += 1;
    }
    for spinning in spinning {
        let (finished, took) = spinning.join().unwrap();
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(took >= DEADLINE, "it spun: {took:?}");
    }
    assert!(asked > 5, "asked {asked} times while the others spun");
    // What the spinning ones waited for is their deadline; nobody else does.
    assert!(worst < DEADLINE / 2, "an honest exchange took {worst:?}");
}

/// Waits until a policy was refused, and answers why; what was in force stays in force.
fn refused(world: &World, generation: u64) -> String {
    let problems = almoner_stage::wait::wait_until(LIMIT, || {
        let status = world.json(&["status"]).unwrap();
        assert_eq!(
            status["policy"]["generation"],
            json!(generation),
            "{status}"
        );
        let problems = status["policy_refused"]["problems"].clone();
        problems.is_array().then(|| problems.to_string())
    });
    problems.expect("the policy is refused")
}

fn generation(world: &World) -> u64 {
    world.json(&["status"]).unwrap()["policy"]["generation"]
        .as_u64()
        .unwrap()
}

/// Waits until a generation after this one is in force.
fn activated(world: &World, after: u64) {
    let later =
        almoner_stage::wait::wait_until(LIMIT, || (generation(world) > after).then_some(()));
    assert!(later.is_some(), "{}", world.gateway.log());
}

#[test]
fn a_component_that_imports_what_is_not_offered_is_refused_by_name() {
    let foreign = almoner_componentize::testing::parsed(
        r#"(component (import "wasi:clocks/wall-clock@0.2.0" (instance (export "resolution" (func (result u64))))))"#,
    );
    let world = WorldPlan {
        patients: 5,
        ..WorldPlan::default()
    }
    .start()
    .unwrap();
    let before = generation(&world);
    world.gateway.save_policy("foreign.wasm", &foreign).unwrap();
    world
        .gateway
        .save_policy(
            "10-plugins.toml",
            hostile::plugins_with("foreign", &foreign),
        )
        .unwrap();
    let checked = world.gateway.almoner(&["check"], &[]).unwrap();
    assert_eq!(checked.code, Some(2), "{checked:?}");
    let said = checked.stdout + &checked.stderr;
    assert!(
        said.contains("wasi:clocks/wall-clock@0.2.0") && said.contains("10-plugins.toml"),
        "{said}"
    );
    let why = refused(&world, before);
    assert!(why.contains("wasi:clocks/wall-clock@0.2.0"), "{why}");
    let on_record = world.records_of("generation").unwrap();
    let last = on_record.last().unwrap();
    assert_eq!(last["status"], "refused");
    assert!(
        last["problems"].to_string().contains("wasi:clocks"),
        "{last}"
    );
    // And without it the same files are fine again.
    let [(name, text), ..] = almoner_tests::world::POLICIES;
    world
        .gateway
        .save_policy(name, format!("{text}\n"))
        .unwrap();
    activated(&world, before);
}

#[test]
fn a_component_that_is_not_the_one_the_policy_pins_is_refused() {
    let (pinned, other) = (
        hostile::guard(hostile::TRAPS),
        hostile::guard(hostile::LOOPS),
    );
    let plan = WorldPlan {
        patients: 5,
        ..WorldPlan::default()
    };
    let world = plan
        .plugin("pinned", Role::Guard, &pinned, "")
        .start()
        .unwrap();
    let before = generation(&world);
    let mut session = world.gateway.psql("pinned", "clinic").session().unwrap();
    assert!(
        session
            .ask("select 7 as seven;", LIMIT)
            .unwrap()
            .contains('7')
    );

    // Somebody puts another component in its place.
    world.gateway.save_policy("pinned.wasm", &other).unwrap();
    let why = refused(&world, before);
    for part in [
        "pinned.wasm",
        &hostile::sha256(&pinned),
        &hostile::sha256(&other),
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let checked = world.gateway.almoner(&["check"], &[]).unwrap();
    assert_eq!(checked.code, Some(2), "{checked:?}");
    assert!(
        (checked.stdout + &checked.stderr).contains("SHA-256"),
        "says what is wrong"
    );
    // What was loaded goes on to judge: the trap, not the loop.
    let refused = session.ask(&format!("select '{TRIGGER}';"), LIMIT).unwrap();
    assert!(refused.contains("could not judge"), "{refused}");
    assert_eq!(calls(&world, "pinned", "trap"), 1.0);
}

#[test]
fn golden_vectors_that_do_not_hold_keep_a_policy_from_being_activated() {
    let wasm = hostile::guard(hostile::TRAPS);
    let golden = |expected: &str| {
        let case = json!({
            "name": "what the author promises",
            "guard": {"verb": "select", "targets": [], "text": format!("select '{TRIGGER}'")},
            "expect": expected_of(expected),
        });
        json!({ "cases": [case] }).to_string()
    };
    let world = WorldPlan {
        patients: 5,
        ..WorldPlan::default()
    }
    .start()
    .unwrap();
    let before = generation(&world);
    world.gateway.save_policy("golden.wasm", &wasm).unwrap();
    world
        .gateway
        .save_policy("golden.golden.json", golden("allow"))
        .unwrap();
    world
        .gateway
        .save_policy("10-plugins.toml", hostile::plugins_with("golden", &wasm))
        .unwrap();
    let why = refused(&world, before);
    assert!(
        why.contains("golden vectors do not hold") && why.contains("what the author promises"),
        "{why}"
    );
    let checked = world.gateway.almoner(&["check"], &[]).unwrap();
    assert_eq!(checked.code, Some(2), "{checked:?}");
    assert!((checked.stdout + &checked.stderr).contains("what the author promises"));
    assert!(
        world
            .metric_sum("almoner_policy_reloads_total", &["outcome=\"refused\""])
            .unwrap()
            >= 1.0
    );

    world
        .gateway
        .save_policy("golden.golden.json", golden("trap"))
        .unwrap();
    activated(&world, before);
}

fn expected_of(what: &str) -> Value {
    match what {
        "allow" => json!({"verdict": "allow"}),
        failure => json!({"failure": failure}),
    }
}
