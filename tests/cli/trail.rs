//! What every record of an exchange says, however many there are.

use almoner_tests::WorldPlan;

use crate::json;

#[test]
fn every_record_of_an_exchange_names_subject_and_actor() {
    let world = WorldPlan::default()
        .edit("10-plugins.toml", "rows = 200", "rows = 100000")
        .start()
        .unwrap();
    let psql = world.gateway.psql("ward-assistant", "clinic");
    // Several windows of rows, and a write with its intent.
    for statement in [
        "select a.patient_id from patients a, patients b, (values (1), (2)) c",
        "update patients set ward = 'Annex' where patient_id = 1",
    ] {
        let finished = psql.query(statement).unwrap();
        assert_eq!(finished.code, Some(0), "{finished:?}");
    }
    let found = world
        .gateway
        .almoner(&["audit", "search", "--json", "-n", "500"], &[])
        .unwrap();
    let found = json(&found.stdout);
    let records = found.as_array().unwrap();
    let mut seen = [("part", 0), ("intent", 0), ("outcome", 0)];
    for record in records.iter().map(|view| &view["record"]) {
        let kind = record["kind"].as_str().unwrap();
        if let Some((_, count)) = seen.iter_mut().find(|(name, _)| *name == kind) {
            *count += 1;
            assert_eq!(record["subject"], "maria.santos", "{record}");
            assert_eq!(record["actor"], "ward-assistant", "{record}");
        }
    }
    let [(_, parts), (_, intents), (_, outcomes)] = seen;
    assert!(parts >= 3 && intents == 1 && outcomes == 2, "{seen:?}");
}
