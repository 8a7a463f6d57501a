//! Probes, metrics, logs and status: they tell what the gateway does, and nothing of what passes through it.

use std::time::Duration;

use almoner_stage::wait::wait_until;
use almoner_tests::hostile::{self, Role, TRIGGER};
use almoner_tests::raw::{Raw, strings};
use almoner_tests::{World, WorldPlan, driver};

const LIMIT: Duration = Duration::from_secs(20);

/// All that the gateway is asked to count.
const FAMILIES: [(&str, &str); 17] = [
    ("almoner_exchanges_total", "counter"),
    ("almoner_masked_findings_total", "counter"),
    ("almoner_approvals_total", "counter"),
    ("almoner_plugin_calls_total", "counter"),
    ("almoner_policy_reloads_total", "counter"),
    ("almoner_login_failures_total", "counter"),
    ("almoner_approvals_pending", "gauge"),
    ("almoner_sessions", "gauge"),
    ("almoner_audit_queue", "gauge"),
    ("almoner_audit_seq", "gauge"),
    ("almoner_audit_healthy", "gauge"),
    ("almoner_audit_disk_free_bytes", "gauge"),
    ("almoner_policy_generation", "gauge"),
    ("almoner_phase_seconds", "histogram"),
    ("almoner_plugin_call_seconds", "histogram"),
    ("almoner_audit_sync_seconds", "histogram"),
    ("almoner_approval_wait_seconds", "histogram"),
];

/// A world with one guard that can be made to fail, and 300 patients: more than may leave without approval.
fn plan() -> WorldPlan {
    WorldPlan {
        patients: 300,
        ..WorldPlan::default()
    }
    .plugin("traps", Role::Guard, &hostile::guard(hostile::TRAPS), "")
}

/// A session that does a bit of everything, with values in all the wrong places.
async fn busy_day(world: &World) {
    let psql = world.gateway.psql("ward-assistant", "clinic");
    let patient = &world.clinic.patients[3];
    for query in [
        "select * from patients where patient_id < 50".to_owned(),
        "select body from notes order by note_id limit 40".to_owned(),
        format!(
            "select count(*) from patients where ssn = '{}'",
            patient.ssn
        ),
        format!(
            "select * from patients where email = '{}' -- {}",
            patient.email, patient.phone
        ),
        format!("delete from patients; -- {}", patient.mrn),
        format!("select '{}'::int", patient.ssn),
        format!("do $$ begin raise exception '{}'; end $$", patient.ssn),
        format!("this is no sql '{}'", patient.phone),
        format!("drop table \"{}\"", patient.ssn),
        format!(
            "insert into patients (patient_id, mrn, given_name, family_name, sex, birth_date) \
             values (1, '{}', 'a', 'b', 'F', '2000-01-01')",
            patient.mrn
        ),
        format!(
            "update patients set ward = 'Annex' where ssn = '{}'",
            patient.ssn
        ),
    ] {
        // Most of them fail, which is what they are for.
        psql.query(&query).unwrap();
    }
    let traps = world.gateway.psql("traps", "clinic");
    traps
        .query(&format!("select '{TRIGGER} {}'", patient.ssn))
        .unwrap();
    // Somebody takes a patient's number for a login, and for a resource.
    for (user, database) in [
        (patient.ssn.as_str(), "clinic"),
        ("ward-assistant", patient.mrn.as_str()),
    ] {
        assert!(Raw::login(world.gateway.port(), user, "wrong", database).is_err());
    }
    let mut raw = Raw::login(
        world.gateway.port(),
        "ward-assistant",
        "ward-assistant-password",
        "clinic",
    )
    .unwrap();
    // An unknown message with a value in it.
    raw.send('y', &strings(&[&patient.ssn])).unwrap();
    while !raw.closed().unwrap() {}

    let client = driver::connect(world, "ward-assistant", "clinic")
        .await
        .unwrap();
    let statement = "select mrn, ssn, phone from patients where ssn = $1";
    client.query(statement, &[&patient.ssn]).await.unwrap();
    let bad = "select 1 from patients where patient_id = cast($1::text as int)";
    client.query(bad, &[&patient.email]).await.unwrap_err();
}

/// Holds an export and has it denied, with a patient's number for a reason.
fn held(world: &World) {
    let mut session = world
        .gateway
        .psql("ward-assistant", "clinic")
        .session()
        .unwrap();
    session
        .type_line("select patient_id, mrn from patients order by patient_id;")
        .unwrap();
    session.wait_for("managers", LIMIT).unwrap();
    assert_eq!(
        world.metric_sum("almoner_approvals_pending", &[]).unwrap(),
        1.0
    );
    let listed = world.json(&["approvals", "list"]).unwrap();
    let id = listed[0]["id"].as_str().unwrap();
    let denied = world.gateway.almoner(
        &["approvals", "deny", id, "--user", "olivia.grant"],
        &[("ALMONER_PASSWORD", "olivia.grant-password")],
    );
    assert_eq!(denied.as_ref().unwrap().code, Some(0), "{denied:?}");
    assert!(session.finish(LIMIT).unwrap().contains("denied by"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_family_of_metrics_is_there_and_moves() {
    let world = tokio::task::block_in_place(|| plan().start().unwrap());
    let (_, before) = world.gateway.get("/metrics").unwrap();
    for (name, kind) in &FAMILIES[..13] {
        assert!(
            before.contains(&format!("# TYPE {name} {kind}\n")),
            "{name} is not there at the start:\n{before}"
        );
    }
    let metric = |name: &str, labels: &[&str]| world.metric_sum(name, labels).unwrap();
    let (seq, generation) = (
        metric("almoner_audit_seq", &[]),
        metric("almoner_policy_generation", &[]),
    );
    busy_day(&world).await;
    tokio::task::block_in_place(|| held(&world));

    let clinic = "resource=\"clinic\"";
    for verdict in ["allow", "deny", "error"] {
        let label = format!("verdict=\"{verdict}\"");
        let count = metric("almoner_exchanges_total", &[clinic, &label]);
        assert!(count >= 1.0, "{verdict}: {count}");
    }
    for kind in [
        "phi.ssn",
        "phi.name",
        "phi.mrn",
        "phi.phone",
        "phi.date.birth",
    ] {
        let count = metric(
            "almoner_masked_findings_total",
            &[&format!("kind=\"{kind}\"")],
        );
        assert!(count >= 1.0, "{kind}: {count}");
    }
    for outcome in ["asked", "denied"] {
        let label = format!("outcome=\"{outcome}\"");
        assert_eq!(
            metric("almoner_approvals_total", &[&label]),
            1.0,
            "{outcome}"
        );
    }
    assert_eq!(metric("almoner_approval_wait_seconds_count", &[]), 1.0);
    for plugin in ["sql-guard", "bulk-export", "phi", "traps"] {
        let label = format!("plugin=\"{plugin}\"");
        let ok = metric("almoner_plugin_calls_total", &[&label, "outcome=\"ok\""]);
        assert!(ok >= 1.0 || plugin == "traps", "{plugin}: {ok}");
        let timed = metric("almoner_plugin_call_seconds_count", &[&label]);
        let all = metric("almoner_plugin_calls_total", &[&label]);
        // Whoever answered an equal question before was not called.
        let spared = metric(
            "almoner_plugin_calls_total",
            &[&label, "outcome=\"remembered\""],
        );
        assert!(
            timed >= 1.0 && timed == all - spared,
            "{plugin}: {timed} of {all}, {spared} spared"
        );
    }
    let trapped = ["plugin=\"traps\"", "outcome=\"trap\""];
    assert_eq!(metric("almoner_plugin_calls_total", &trapped), 1.0);
    for phase in [
        "guard", "approve", "intent", "upstream", "mask", "record", "release",
    ] {
        let label = format!("phase=\"{phase}\"");
        let count = metric("almoner_phase_seconds_count", &[&label]);
        let seconds = metric("almoner_phase_seconds_sum", &[&label]);
        assert!(
            count >= 1.0 && seconds > 0.0,
            "{phase}: {count}, {seconds} s"
        );
    }
    assert!(metric("almoner_audit_seq", &[]) > seq);
    assert!(metric("almoner_audit_sync_seconds_count", &[]) > 10.0);
    assert!(metric("almoner_audit_sync_seconds_sum", &[]) > 0.0);
    assert_eq!(metric("almoner_audit_healthy", &[]), 1.0);
    assert!(metric("almoner_audit_disk_free_bytes", &[]) > 0.0);
    let failures = metric("almoner_login_failures_total", &["door=\"postgres\""]);
    assert!(failures >= 1.0, "{failures}");

    let (_, after) = world.gateway.get("/metrics").unwrap();
    for (name, kind) in FAMILIES {
        assert!(after.contains(&format!("# TYPE {name} {kind}\n")), "{name}");
        assert!(after.contains(&format!("# HELP {name} ")), "{name}");
    }
    // A session counts as long as it lives; what waits for the disk is soon none.
    let session = driver::connect(&world, "ward-assistant", "clinic")
        .await
        .unwrap();
    assert!(metric("almoner_sessions", &[clinic]) >= 1.0);
    drop(session);
    let rests = tokio::task::block_in_place(|| {
        wait_until(LIMIT, || {
            let idle = metric("almoner_sessions", &[clinic]) + metric("almoner_audit_queue", &[]);
            (idle == 0.0).then_some(())
        })
    });
    assert!(rests.is_some());
    let saved = world
        .gateway
        .save_policy("90-more.toml", "# nothing more\n");
    saved.unwrap();
    let moved = tokio::task::block_in_place(|| {
        wait_until(LIMIT, || {
            (metric("almoner_policy_generation", &[]) > generation).then_some(())
        })
    });
    assert!(moved.is_some());
    let activated = metric("almoner_policy_reloads_total", &["outcome=\"activated\""]);
    assert_eq!(activated, 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_watches_tells_a_value_of_traffic() {
    let mut plan = plan();
    // As talkative as it gets.
    plan.environment
        .push(("ALMONER_LOG".into(), "trace".into()));
    let world = tokio::task::block_in_place(|| plan.start().unwrap());
    busy_day(&world).await;
    tokio::task::block_in_place(|| held(&world));
    world
        .gateway
        .save_policy("90-more.toml", "nonsense = \n")
        .unwrap();
    tokio::task::block_in_place(|| {
        wait_until(LIMIT, || {
            let refused = world
                .metric_sum("almoner_policy_reloads_total", &["outcome=\"refused\""])
                .unwrap();
            (refused > 0.0).then_some(())
        })
    })
    .expect("the policy is refused");

    let status = world
        .gateway
        .almoner(&["status", "--sessions"], &[])
        .unwrap();
    let json = world.json(&["status", "--sessions"]).unwrap();
    let (_, ready) = world.gateway.get("/readyz").unwrap();
    let (_, metrics) = world.gateway.get("/metrics").unwrap();
    let log = world.gateway.log();
    for (what, text) in [
        ("the status", status.stdout + &status.stderr),
        ("the status for programs", json.to_string()),
        ("the probe", ready),
        ("the metrics", metrics),
        ("the log", log.clone()),
    ] {
        assert!(!text.is_empty(), "{what}");
        world.assert_masked(&text);
        assert!(!text.contains(TRIGGER), "{what}: {text}");
        for patient in &world.clinic.patients {
            let name = format!("{} {}", patient.given_name, patient.family_name);
            assert!(!text.contains(&name), "{what} names a patient:\n{text}");
            assert!(
                !text.contains(&patient.birth_date.to_string()),
                "{what} holds a birth date:\n{text}"
            );
        }
        for secret in [
            almoner_tests::world::UPSTREAM_PASSWORD,
            "ward-assistant-password",
            "olivia.grant-password",
        ] {
            assert!(!text.contains(secret), "{what} holds a password:\n{text}");
        }
    }
    // It did say something: one JSON document a line, with what happened by name.
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let trap = lines.iter().find(|line| line["plugin"] == "traps");
    let trap = trap.unwrap_or_else(|| panic!("the failing guard is not in the log:\n{log}"));
    assert_eq!(trap["level"], "WARN", "{trap}");
    assert!(
        trap["timestamp"].is_string() && trap["message"].is_string(),
        "{trap}"
    );
}

#[test]
fn the_probes_tell_life_from_readiness() {
    let mut world = WorldPlan {
        patients: 5,
        ..WorldPlan::default()
    }
    .start()
    .unwrap();
    assert_eq!(
        world.gateway.get("/healthz").unwrap(),
        (200, "alive\n".into())
    );
    assert_eq!(
        world.gateway.get("/readyz").unwrap(),
        (200, "ready\n".into())
    );
    assert_eq!(world.gateway.get("/nothing").unwrap().0, 404);
    // The database's troubles are not the gateway's: it answers callers, with an error.
    world.postgres.stop().unwrap();
    assert_eq!(world.gateway.get("/readyz").unwrap().0, 200);
    world.gateway.stop().unwrap();
    assert!(world.gateway.get("/healthz").is_err());
}
