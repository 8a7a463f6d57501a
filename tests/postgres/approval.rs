//! An exchange waits for a person: what the caller is told, what the person is shown, and what becomes of
//! it. The commands are the real ones, for people and with `--json`.

use almoner_tests::people::{
    EXPORT, HOLD_UPDATES, MANAGER, PATIENCE, PLUGINS, approval_id, plugins,
};
use almoner_tests::{World, WorldPlan};

const ADMIT: &str = "update patients set ward = 'Annex' where patient_id = 1;";

fn world() -> World {
    WorldPlan::default()
        .policy(PLUGINS, &plugins(HOLD_UPDATES, EXPORT))
        .start()
        .unwrap()
}

fn in_annex(world: &World) -> String {
    let count = "select count(*) from patients where ward = 'Annex'";
    world.direct(count).unwrap().trim().to_owned()
}

fn hold(world: &World) -> (almoner_stage::PsqlSession, String, String) {
    let psql = world.gateway.psql("ward-assistant", "clinic");
    let mut session = psql.session().unwrap();
    session.type_line(ADMIT).unwrap();
    let notice = session.wait_for("HINT:", PATIENCE).unwrap();
    let notice = notice + &session.wait_for("\n", PATIENCE).unwrap();
    let id = approval_id(&notice).unwrap();
    (session, notice, id)
}

#[test]
fn psql_is_told_at_once_and_goes_on_when_a_manager_has_said_yes() {
    let world = world();
    let (mut session, notice, id) = hold(&world);
    for part in [
        &format!("NOTICE:  almoner: waiting for approval {id} by 1 of managers: "),
        "DETAIL:  Exchange s",
        "The request expires in 15 min; nothing more is sent until it is decided.",
        &format!("HINT:  An approver runs: almoner approvals approve {id}."),
    ] {
        assert!(notice.contains(part), "{part} is not in\n{notice}");
    }
    assert_eq!(in_annex(&world), "0");

    let listed = world.almoner(&["approvals", "list"]).unwrap();
    let shown = world.almoner(&["approvals", "show", &id]).unwrap();
    for (finished, parts) in [
        (
            &listed,
            ["ward-assistant for maria.santos", "1 of managers"],
        ),
        (
            &shown,
            ["rule care, policy generation 1", "it would do, as masked:"],
        ),
    ] {
        assert_eq!(finished.code, Some(0), "{finished:?}");
        for part in [id.as_str(), "update patients set ward", "clinic"]
            .into_iter()
            .chain(parts)
        {
            assert!(
                finished.stdout.contains(part),
                "{part} is not in\n{}",
                finished.stdout
            );
        }
        // An approver sees what would be done, and no value.
        assert!(!finished.stdout.contains("Annex"), "{}", finished.stdout);
    }
    let listed = world.json(&["approvals", "list"]).unwrap();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(listed[0], world.request(&id).unwrap());
    assert_eq!(listed[0]["state"], "pending");
    assert_eq!(listed[0]["requester"]["actor"], "ward-assistant");

    let finished = world.say("approve", &id, MANAGER).unwrap();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let said = format!("{id}: approved; the exchange goes on (audit record ");
    assert!(finished.stdout.contains(&said), "{finished:?}");
    assert_eq!(session.finish(PATIENCE).unwrap(), "UPDATE 1\n");
    assert_eq!(in_annex(&world), "1");

    let listed = world.almoner(&["approvals", "list"]).unwrap();
    assert_eq!(listed.stdout, "no requests wait for approval\n");
    let listed = world.almoner(&["approvals", "list", "--all"]).unwrap();
    assert!(
        listed.stdout.contains(&id) && listed.stdout.contains("approved"),
        "{listed:?}"
    );
    let exchange = world.request(&id).unwrap()["exchange"]
        .as_str()
        .unwrap()
        .to_owned();
    let intent = world
        .records(&["--exchange", &exchange, "--kind", "intent"])
        .unwrap();
    assert_eq!(intent[0]["approvals"][0]["id"], id.as_str(), "{intent:?}");
    assert_eq!(
        intent[0]["approvals"][0]["approvers"][0], MANAGER,
        "{intent:?}"
    );
}

#[test]
fn a_request_is_decided_once() {
    let world = world();
    let (mut session, _, id) = hold(&world);
    world.approve(&id).unwrap();
    session.finish(PATIENCE).unwrap();
    for verb in ["approve", "deny"] {
        let again = world.say(verb, &id, MANAGER).unwrap();
        assert_eq!(again.code, Some(1), "{again:?}");
        assert!(
            again.stderr.contains("already decided: approved"),
            "{again:?}"
        );
    }
    // The yes of one exchange is none for the next one, even of the same words.
    session.type_line(ADMIT).unwrap();
    let notice = session.wait_for("HINT:", PATIENCE).unwrap();
    let next = approval_id(&notice).unwrap();
    assert_ne!(next, id);
    world.deny(&next).unwrap();
    let again = world.say("approve", &next, MANAGER).unwrap();
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(
        again.stderr.contains("already decided: denied"),
        "{again:?}"
    );
}

#[test]
fn a_denial_reaches_the_caller_and_the_trail_and_the_session_lives_on() {
    let world = world();
    let (mut session, _, id) = hold(&world);
    let denying = [
        "--json",
        "deny",
        &id,
        "--user",
        MANAGER,
        "--reason",
        "not on this ward",
    ];
    let finished = world.say_with(&denying, "olivia.grant-password").unwrap();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let denied: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(
        (&denied["complete"], &denied["approval"]["state"]),
        (&true.into(), &"denied".into())
    );

    let answer = session.finish(PATIENCE).unwrap();
    let error =
        format!("ERROR:  almoner: refused by rule \"care\": approval {id} was denied by {MANAGER}");
    assert!(answer.contains(&error), "{answer}");
    assert!(answer.contains("reason approval/denied"), "{answer}");
    assert_eq!(in_annex(&world), "0");
    let answer = session
        .ask("select count(*) from patients;", PATIENCE)
        .unwrap();
    assert!(answer.contains("40"), "{answer}");

    let word = world
        .records(&["--kind", "approval", "--verdict", "deny"])
        .unwrap();
    assert_eq!(word[0]["reason"], "not on this ward", "{word:?}");
    assert_eq!(word[0]["approver"]["subject"], MANAGER, "{word:?}");
    let denied = world.records(&["--kind", "denied"]).unwrap();
    assert_eq!(denied[0]["code"], "approval/denied", "{denied:?}");
    assert_eq!(denied[0]["exchange"], word[0]["exchange"]);
}

#[test]
fn a_request_that_nobody_decides_expires_and_the_session_lives_on() {
    let guard = format!("{HOLD_UPDATES}\nhold = {{ ttl_seconds = 1 }}");
    let world = WorldPlan::default()
        .policy(PLUGINS, &plugins(&guard, EXPORT))
        .start()
        .unwrap();
    let (mut session, _, id) = hold(&world);
    let answer = session.finish(PATIENCE).unwrap();
    let error = format!("nobody decided approval {id} in time");
    assert!(
        answer.contains("ERROR") && answer.contains(&error),
        "{answer}"
    );
    assert_eq!(in_annex(&world), "0");
    let late = world.say("approve", &id, MANAGER).unwrap();
    assert_eq!(late.code, Some(1), "{late:?}");
    assert!(late.stderr.contains("already decided: expired"), "{late:?}");
    let answer = session.ask("select 7 as seven;", PATIENCE).unwrap();
    assert!(answer.contains('7'), "{answer}");
}

#[test]
fn a_request_that_is_not_there_cannot_be_decided() {
    let world = world();
    for arguments in [
        ["approve", "A-0000-0000"],
        ["deny", "A-0000-0000"],
        ["show", "A-0000-0000"],
    ] {
        let finished = world.say_with(&arguments, "olivia.grant-password").unwrap();
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(
            finished
                .stderr
                .contains("no request for approval A-0000-0000 is known here"),
            "{finished:?}"
        );
    }
    let finished = world.say("approve", "no-such-id", MANAGER).unwrap();
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished.stderr.contains("they look like A-7K3Q-9FM2"),
        "{finished:?}"
    );
}

#[test]
fn two_of_a_group_means_two_people() {
    let guard =
        format!("{HOLD_UPDATES}\nhold = {{ all_of = [{{ group = \"managers\", count = 2 }}] }}");
    let mut plan = WorldPlan::default().policy(PLUGINS, &plugins(&guard, EXPORT));
    let users = [
        almoner_stage::User::new("olivia.second", &["managers"]).of_person(MANAGER),
        almoner_stage::User::new("nadia.weiss", &["managers"]),
    ];
    plan.users.extend(users);
    let world = plan.start().unwrap();
    let (mut session, notice, id) = hold(&world);
    assert!(notice.contains("by 2 of managers"), "{notice}");
    let first = world.say("approve", &id, MANAGER).unwrap();
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(
        first
            .stdout
            .contains("your approval counts; still needed: 2 of managers (1 so far)"),
        "{first:?}"
    );
    for login in [MANAGER, "olivia.second"] {
        let again = world.say("approve", &id, login).unwrap();
        assert_eq!(again.code, Some(1), "{again:?}");
        assert!(
            again.stderr.contains("you approved this request already"),
            "{again:?}"
        );
    }
    assert_eq!(in_annex(&world), "0");
    let second = world.say("approve", &id, "nadia.weiss").unwrap();
    assert_eq!(second.code, Some(0), "{second:?}");
    assert_eq!(session.finish(PATIENCE).unwrap(), "UPDATE 1\n");
    world
        .wait_for_metric("almoner_approvals_pending", 0.0)
        .unwrap();
}
