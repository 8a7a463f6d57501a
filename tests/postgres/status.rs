//! `almoner status`: what an operator sees of a gateway at work.

use almoner_tests::people::{EXPORT, HOLD_UPDATES, PLUGINS, plugins};
use almoner_tests::raw::Raw;
use almoner_tests::{WorldPlan, extended};

#[test]
fn status_shows_generation_plugins_sessions_and_what_is_held() {
    let world = WorldPlan::default()
        .policy(PLUGINS, &plugins(HOLD_UPDATES, EXPORT))
        .start()
        .unwrap();
    let login = |user: &str| {
        Raw::login(
            world.gateway.port(),
            user,
            &format!("{user}-password"),
            "clinic",
        )
        .unwrap()
    };
    let (mut held, _idle) = (login("ward-assistant"), login("claims-assistant"));
    let update = extended::query("update patients set ward = 'Annex' where patient_id = 1");
    held.send_bytes(&update).unwrap();
    let (_, id) = held.held().unwrap();

    let status = world.json(&["status"]).unwrap();
    assert_eq!(status["ready"], true, "{status}");
    assert_eq!(status["policy"]["generation"], 1, "{status}");
    assert_eq!(status["approvals_pending"], 1, "{status}");
    assert_eq!(status["resources"][0]["sessions"], 2, "{status}");
    let plugins = status["policy"]["plugins"].as_array().unwrap();
    let names: Vec<_> = plugins
        .iter()
        .map(|plugin| plugin["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["sql-guard", "bulk-export", "phi"]);
    // The digests are those that decisions are recorded with.
    let recorded = world.records(&["--kind", "generation"]).unwrap();
    let digests = |plugins: &serde_json::Value| -> Vec<String> {
        let plugins = plugins.as_array().unwrap();
        plugins
            .iter()
            .map(|plugin| plugin["sha256"].as_str().unwrap().to_owned())
            .collect()
    };
    let sha256 = digests(&status["policy"]["plugins"]);
    assert_eq!(sha256, digests(&recorded[0]["plugins"]));
    assert!(sha256.iter().all(|digest| digest.len() == 64), "{sha256:?}");

    let printed = world.almoner(&["status", "--sessions"]).unwrap();
    assert_eq!(printed.code, Some(0), "{printed:?}");
    let out = &printed.stdout;
    let doing = format!("waiting for approval {id}");
    for part in [
        "ready: exchanges are guarded, masked and recorded\n",
        "resource   clinic (postgres), 2 live sessions\n",
        "policy     generation 1 (",
        "approvals  1 waiting; see `almoner approvals list`\n",
        "ward-assistant for maria.santos",
        "claims-assistant for ben.okafor",
        &doing,
    ]
    .into_iter()
    .chain(sha256.iter().filter_map(|digest| digest.get(..12)))
    {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
    let sessions = world.json(&["status", "--sessions"]).unwrap()["sessions"].clone();
    assert_eq!(
        (&sessions[0]["doing"], &sessions[1]["doing"]),
        (&doing.into(), &"serving".into())
    );

    // Decided and left: nothing of it stays.
    world.deny(&id).unwrap();
    held.until('Z').unwrap();
    drop(held);
    world
        .wait_for_metric("almoner_sessions{resource=\"clinic\"}", 1.0)
        .unwrap();
    let status = world.json(&["status"]).unwrap();
    assert_eq!(
        (
            &status["approvals_pending"],
            &status["resources"][0]["sessions"]
        ),
        (&0.into(), &1.into())
    );
}

#[test]
fn status_of_a_gateway_that_is_not_there_fails_and_says_what_to_do() {
    let mut world = WorldPlan::default().start().unwrap();
    world.gateway.stop().unwrap();
    for arguments in [
        &["status"][..],
        &["approvals", "list"],
        &["--json", "status"],
    ] {
        let finished = world.almoner(arguments).unwrap();
        assert_eq!(
            (finished.code, finished.stdout.as_str()),
            (Some(1), ""),
            "{finished:?}"
        );
        assert!(finished.stderr.contains("almoner serve"), "{finished:?}");
    }
}
