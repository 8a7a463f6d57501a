//! The standard plugins as components: built from source, taken by the sandbox, true to their golden vectors.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests state what they expect"
)]

use std::{path::PathBuf, sync::OnceLock};

use almoner_componentize::{BuildRequest, Built, build_workspace_guests};
use almoner_plugin_testkit::Kit;
use serde_json::json;

fn workspace() -> PathBuf {
    let root = PathBuf::from("../..");
    root.canonicalize().expect("the workspace is there")
}

/// The components, built once per run. Cargo does nothing when nothing changed.
fn guests() -> &'static [Built] {
    static GUESTS: OnceLock<Vec<Built>> = OnceLock::new();
    GUESTS.get_or_init(|| {
        let workspace = workspace();
        let target_dir = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| workspace.join("target"), PathBuf::from);
        let request = BuildRequest {
            out: target_dir.join("guests"),
            workspace,
            target_dir,
            packages: Vec::new(),
        };
        build_workspace_guests(&request).expect("the plugins build")
    })
}

#[test]
fn every_standard_plugin_holds_its_golden_vectors() {
    let kit = Kit::new().expect("the sandbox works");
    assert!(guests().len() >= 3);
    for built in guests() {
        let guest = kit.load(&built.path).expect("the component is taken");
        assert_eq!(guest.manifest().name, built.name);
        let golden = built.path.with_extension("golden.json");
        let held = guest
            .golden(&golden)
            .unwrap_or_else(|error| panic!("{}: {error}", built.name));
        assert!(held > 0);
    }
}

#[test]
fn every_settings_schema_refuses_what_it_does_not_know() {
    let kit = Kit::new().expect("the sandbox works");
    for built in guests() {
        let guest = kit.load(&built.path).expect("the component is taken");
        let schema: serde_json::Value =
            serde_json::from_str(guest.settings_schema()).expect("the schema is JSON");
        assert_eq!(
            schema["additionalProperties"],
            json!(false),
            "{}",
            built.name
        );
        assert!(
            guest.configure(&json!({"no such setting": 1})).is_err(),
            "{}",
            built.name
        );
    }
}

#[test]
fn a_detector_survives_hostile_text() {
    let phi = guests()
        .iter()
        .find(|built| built.name == "phi")
        .expect("phi is built");
    let guest = Kit::new()
        .unwrap()
        .load(&phi.path)
        .expect("the component is taken");
    let long_name = "Maria de la ".repeat(2_000);
    let capitals = "Aa ".repeat(20_000);
    let marks = ":-.'’\u{301}\u{200b}".repeat(5_000);
    let digits = "1-".repeat(20_000);
    let texts = [
        long_name.as_str(),
        &capitals,
        &marks,
        &digits,
        "\u{0}",
        "É’s",
        "St.",
        "MRN",
        "MRN: ",
        "1 1 1",
    ];
    guest
        .find(&json!({}), &texts)
        .expect("no trap, no missed deadline");
    guest
        .find(&json!({"profile": "strict"}), &texts)
        .expect("no trap, no missed deadline");
}
