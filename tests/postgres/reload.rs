//! Policies are files: a saved one is obeyed by sessions that are open, a broken one changes nothing and is
//! seen by everybody who looks.

use almoner_tests::people::{EXPORT, PATIENCE, PLUGINS, plugins};
use almoner_tests::world::POLICIES;
use almoner_tests::{World, driver};
use serde_json::Value;

const TREATMENTS: &str = "40-treatments.toml";
const LAST4: &str =
    "\n[[treatment]]\nkind = \"phi.phone\"\ngroups = [\"nurses\"]\nuse = \"last4\"\n";
const PHONE: &str = "select phone from patients where patient_id = 1";

fn treatments() -> &'static str {
    POLICIES
        .iter()
        .find(|(name, _)| *name == TREATMENTS)
        .unwrap()
        .1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_sessions_obey_a_saved_policy_at_their_next_statement() {
    let world = World::start().unwrap();
    let mut psql = world
        .gateway
        .psql("ward-assistant", "clinic")
        .session()
        .unwrap();
    let client = driver::connect(&world, "ward-assistant", "clinic")
        .await
        .unwrap();
    let prepared = client.prepare(PHONE).await.unwrap();
    let end = &world.clinic.patients[0].phone;
    let end = &end[end.len() - 4..];
    for (text, expected) in [
        (None, "[PHONE]".to_owned()),
        (Some(treatments().to_owned() + LAST4), end.to_owned()),
        (Some(treatments().to_owned()), "[PHONE]".to_owned()),
    ] {
        if let Some(text) = text {
            world.save_policy(TREATMENTS, &text).unwrap();
        }
        let answer = psql.ask(&format!("{PHONE};"), PATIENCE).unwrap();
        assert!(answer.contains(&expected), "{expected} is not in {answer}");
        // A statement that was prepared under another generation as well.
        let row = client.query_one(&prepared, &[]).await.unwrap();
        assert!(row.get::<_, &str>(0).ends_with(&expected), "{row:?}");
        world.assert_masked(&answer);
    }
    // A file beside the others, and one that is gone, are changes like any other.
    let tag = "[[column]]\ncolumn = \"patients.ward\"\nkind = \"phi.ward\"\n";
    world.save_policy("50-wards.toml", tag).unwrap();
    let ward = "select ward from patients where patient_id = 1;";
    assert!(psql.ask(ward, PATIENCE).unwrap().contains("[WARD]"));
    std::fs::remove_file(world.gateway.policy_folder().join("50-wards.toml")).unwrap();
    world
        .wait_for_metric("almoner_policy_generation", 5.0)
        .unwrap();
    assert!(!psql.ask(ward, PATIENCE).unwrap().contains("[WARD]"));
}

/// Broken policies: the file, its text, and what is said of it.
fn broken() -> Vec<(&'static str, String, &'static str)> {
    let rules = POLICIES
        .iter()
        .find(|(name, _)| *name == "20-rules.toml")
        .unwrap()
        .1;
    vec![
        (
            "20-rules.toml",
            rules.replacen("guards = [\"sql-guard\"]", "guards = [\"sql-gaurd\"]", 1),
            "20-rules.toml:8: rule \"care\": guard \"sql-gaurd\" is not defined. Did you mean \"sql-guard\"?",
        ),
        (
            TREATMENTS,
            treatments().replace("[[treatment]]", "[[treatment]"),
            "40-treatments.toml:5:",
        ),
        // Both of them, not the first alone.
        (
            PLUGINS,
            plugins("kinds = { update = \"perhaps\" }", "rows = 0"),
            "10-plugins.toml:7: plugin \"bulk-export\": ",
        ),
    ]
}

#[test]
fn a_broken_policy_changes_nothing_and_everybody_who_looks_is_told_where_and_what_to_do() {
    let world = World::start().unwrap();
    let mut psql = world
        .gateway
        .psql("ward-assistant", "clinic")
        .session()
        .unwrap();
    let before = psql.ask(&format!("{PHONE};"), PATIENCE).unwrap();
    let folder = format!("{}/", world.gateway.folder().display());
    let generation = || world.json(&["status"]).unwrap()["policy"]["generation"].clone();
    for (nr, (file, text, said)) in (1_u32..).zip(broken()) {
        world.gateway.save_policy(file, &text).unwrap();
        world
            .wait_for_metric(
                "almoner_policy_reloads_total{outcome=\"refused\"}",
                f64::from(nr),
            )
            .unwrap();

        // In the status, for people and for programs; the record comes first, the status last.
        let refused = || {
            let status = world.json(&["status"]).ok()?;
            let problems = status["policy_refused"]["problems"].as_array()?.clone();
            let new = problems
                .iter()
                .any(|one| one.as_str().is_some_and(|one| one.contains(said)));
            new.then_some((status, problems))
        };
        let (status, problems) = almoner_stage::wait::wait_until(PATIENCE, refused)
            .unwrap_or_else(|| panic!("{said}: {:?}", world.json(&["status"])));
        assert_eq!(status["ready"], true);
        let printed = world.almoner(&["status"]).unwrap();
        assert_eq!(printed.code, Some(0), "{printed:?}");
        assert!(
            printed.stdout.contains("refused    a newer policy"),
            "{printed:?}"
        );

        // In the log and in the trail; and `almoner check` says the same words, and exits with 2.
        let record = world
            .records(&["--kind", "generation"])
            .unwrap()
            .swap_remove(0);
        assert_eq!(record["status"], "refused", "{record}");
        assert_eq!(record["in_force"], nr, "{record}");
        assert_eq!(record["problems"], Value::from(problems.clone()));
        let check = world.almoner(&["check"]).unwrap();
        assert_eq!(check.code, Some(2), "{check:?}");
        let checked: Vec<String> = check
            .stderr
            .lines()
            .filter_map(|line| line.strip_prefix("error: "))
            .map(|line| line.replace(&folder, ""))
            .collect();
        let refused: Vec<String> = problems
            .iter()
            .map(|one| one.as_str().unwrap_or_default().replace(&folder, ""))
            .collect();
        assert_eq!(checked, refused);
        for problem in &refused {
            assert!(
                printed.stdout.replace(&folder, "").contains(problem),
                "{problem}: {printed:?}"
            );
            let logged = world.gateway.log().replace(&folder, "").replace('\\', "");
            assert!(logged.contains(problem), "{problem}: {logged}");
        }

        // Nothing has changed.
        assert_eq!(generation(), nr);
        assert_eq!(psql.ask(&format!("{PHONE};"), PATIENCE).unwrap(), before);
        let (_, good) = POLICIES.iter().find(|(name, _)| *name == file).unwrap();
        restore(&world, file, good);
    }
}

/// The file as it was: the refusal is over, and the policy in force the same, under a number of its own.
fn restore(world: &World, file: &str, text: &str) {
    world.gateway.save_policy(file, text).unwrap();
    let over = || {
        world.json(&["status"]).ok()?["policy_refused"]
            .is_null()
            .then_some(())
    };
    almoner_stage::wait::wait_until(PATIENCE, over)
        .unwrap_or_else(|| panic!("{:?}", world.json(&["status"])));
}

/// Calls of `sql-guard` with this outcome, so far.
fn judged(world: &World, outcome: &str) -> f64 {
    let label = format!("outcome=\"{outcome}\"");
    let labels = ["plugin=\"sql-guard\"", label.as_str()];
    world
        .metric_sum("almoner_plugin_calls_total", &labels)
        .unwrap()
}

#[test]
fn what_a_guard_answered_is_remembered_until_the_policy_changes() {
    let world = World::start().unwrap();
    let mut psql = world
        .gateway
        .psql("ward-assistant", "clinic")
        .session()
        .unwrap();
    let mut ask = || psql.ask(&format!("{PHONE};"), PATIENCE).unwrap();
    assert!(ask().contains("[PHONE]"));
    let (called, spared) = (judged(&world, "ok"), judged(&world, "remembered"));
    assert!(ask().contains("[PHONE]"));
    assert!(ask().contains("[PHONE]"));
    assert_eq!(judged(&world, "ok"), called, "it was called again");
    assert_eq!(judged(&world, "remembered"), spared + 2.0);
    // Every read is on record, called or not, and names the guard.
    let reads = world.records_of("outcome").unwrap();
    assert!(reads.len() >= 3, "{reads:?}");
    let named = reads.iter().map(|read| read["plugins"].to_string());
    assert!(
        named
            .into_iter()
            .all(|plugins| plugins.contains("sql-guard"))
    );

    world
        .save_policy(PLUGINS, &plugins("kinds = { select = \"deny\" }", EXPORT))
        .unwrap();
    let denied = ask();
    assert!(!denied.contains("[PHONE]"), "{denied}");
}
