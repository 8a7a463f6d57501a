//! Whose word counts: a person of the group asked for, who proves who they are and is not behind the
//! request. Everybody else is refused, the request goes on waiting, and the attempt is on record.

use almoner_stage::User;
use almoner_tests::people::{EXPORT, HOLD_UPDATES, MANAGER, PLUGINS, plugins};
use almoner_tests::raw::Raw;
use almoner_tests::{WorldPlan, extended};

/// The requester's person with other logins, agents and strangers, most of them managers.
fn plan() -> WorldPlan {
    let mut plan = WorldPlan::default().policy(PLUGINS, &plugins(HOLD_UPDATES, EXPORT));
    plan.users.extend([
        User::new("nina.keller", &["nurses", "managers"]),
        User::new("nina.oncall", &["managers"]).of_person("nina.keller"),
        User::new("nina.agent", &["managers"]).acting_for("nina.keller"),
        User::new("ward-copilot", &["nurses", "managers"]).acting_for("nina.keller"),
        User::new("olivia.agent", &["managers"]).acting_for(MANAGER),
    ]);
    plan
}

const OWN: &str = "nobody decides on their own request, or on that of an agent acting for them";
const AGENT: &str = "an agent's login cannot decide on requests; log in as the person";
const GROUP: &str = "the word of one of these groups is needed: managers";

/// Who asks, and who may not say yes to it, and why.
const REFUSED: [(&str, &[(&str, &str)]); 2] = [
    (
        "nina.keller",
        &[
            ("nina.keller", OWN),
            ("nina.oncall", OWN),
            ("nina.agent", AGENT),
            ("olivia.agent", AGENT),
            ("claims-assistant", AGENT),
            ("stranger", GROUP),
        ],
    ),
    (
        "ward-copilot",
        &[
            ("ward-copilot", AGENT),
            ("nina.keller", OWN),
            ("nina.oncall", OWN),
            ("nina.agent", AGENT),
        ],
    ),
];

#[test]
fn nobody_behind_a_request_decides_on_it_under_whatever_login() {
    let world = plan().start().unwrap();
    for (requester, refused) in REFUSED {
        let password = format!("{requester}-password");
        let mut raw = Raw::login(world.gateway.port(), requester, &password, "clinic").unwrap();
        let update = extended::query("update patients set ward = 'Annex' where patient_id = 1");
        raw.send_bytes(&update).unwrap();
        let (_, id) = raw.held().unwrap();
        for (login, why) in refused {
            let verbs: &[&str] = if *why == GROUP {
                &["approve", "deny"]
            } else {
                &["approve"]
            };
            for verb in verbs {
                let finished = world.say(verb, &id, login).unwrap();
                assert_eq!(finished.code, Some(1), "{login}: {finished:?}");
                assert!(finished.stderr.contains(why), "{login}: {finished:?}");
            }
        }
        let request = world.request(&id).unwrap();
        assert_eq!(request["state"], "pending", "{request}");
        assert_eq!(
            request["approvals"].as_array().map(Vec::len),
            Some(0),
            "{request}"
        );
        let recorded = world.records(&["--kind", "approval"]).unwrap();
        for (login, _) in refused {
            let is_theirs = |record: &&serde_json::Value| {
                record["approval"] == id.as_str()
                    && record["event"] == "refused"
                    && (record["approver"]["subject"] == *login || record["refusal"] == "agent")
            };
            assert!(
                recorded.iter().any(|record| is_theirs(&record)),
                "{login}: {recorded:?}"
            );
        }
        // Somebody else's word counts.
        world.approve(&id).unwrap();
        let answer = raw.until('Z').unwrap();
        assert_eq!(extended::kinds(&answer), "CZ");
    }
}

#[test]
fn who_does_not_prove_who_they_are_decides_nothing_and_learns_nothing() {
    let world = plan().start().unwrap();
    let mut raw = Raw::login(
        world.gateway.port(),
        "ward-assistant",
        "ward-assistant-password",
        "clinic",
    )
    .unwrap();
    raw.send_bytes(&extended::query(
        "update patients set ward = 'Annex' where patient_id = 1",
    ))
    .unwrap();
    let (_, id) = raw.held().unwrap();
    let said: Vec<String> = [
        (MANAGER, "not-the-password"),
        (MANAGER, "ward-assistant-password"),
        ("nobody.known", "not-the-password"),
    ]
    .iter()
    .map(|(login, password)| {
        let finished = world
            .say_with(&["approve", &id, "--user", login], password)
            .unwrap();
        assert_eq!(finished.code, Some(1), "{login}: {finished:?}");
        assert!(!finished.stderr.contains(password), "{finished:?}");
        finished.stderr
    })
    .collect();
    // A login that is not there and a password that is wrong look the same.
    assert!(said.iter().all(|one| one == &said[0]), "{said:?}");
    assert_eq!(world.request(&id).unwrap()["state"], "pending");
    assert!(
        world
            .metric("almoner_login_failures_total{door=\"admin\"}")
            .unwrap()
            > 2.5
    );
    world.approve(&id).unwrap();
    assert_eq!(extended::kinds(&raw.until('Z').unwrap()), "CZ");
}
