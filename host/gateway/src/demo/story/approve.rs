//! Step 3: an export waits for a manager.

use std::time::Duration;

use super::super::narrator::Narrator;
use super::super::scene::{MANAGER, Scene};
use super::super::{DemoError, Result};
use super::expect;

const STEP: &str = "3";
const LIMIT: Duration = Duration::from_secs(30);
const EXPORT: &str = "SELECT patient_id, mrn, birth_date, ward FROM patients";

pub(super) fn tell(narrator: &Narrator, scene: &Scene) -> Result<()> {
    narrator.heading("3  A large export waits for a person")?;
    narrator.say(
        "The policy lets one statement return 200 rows. The assistant asks for all patients:",
    )?;
    narrator.command(&format!(
        "psql {} --csv -o patients.csv -c \"{EXPORT}\"",
        scene.address(super::ASSISTANT)
    ))?;
    let mut export = scene.assistant().with_arguments(&["--csv"]).session()?;
    export.type_line(&format!(
        "\\o {}",
        scene.gateway.folder().join("patients.csv").display()
    ))?;
    export.type_line(&format!("{EXPORT};"))?;
    let notice = export.wait_for("\n", LIMIT)?;
    narrator.printed(&notice)?;

    narrator.say("It waits, and says so. The manager on call, in another terminal:")?;
    let listed = scene.almoner(narrator, "approvals list", None)?;
    let id = approval_id(&listed.stdout).ok_or_else(|| DemoError::Plot {
        step: STEP,
        what: "no approval is waiting".into(),
    })?;
    scene.almoner(narrator, &format!("approvals show {id}"), None)?;
    let approved = scene.almoner(
        narrator,
        &format!("approvals approve {id} --as {MANAGER}"),
        Some(&format!("{MANAGER}-password")),
    )?;
    expect(STEP, &format!("{:?}", approved.code), "Some(0)")?;

    narrator.say("Back at the assistant's psql, which was waiting all the while:")?;
    let rest = export.finish(LIMIT)?;
    narrator.printed(&rest)?;
    narrator.mark("One approval, for this statement with these parameters, by this login, once.")
}

fn approval_id(listed: &str) -> Option<String> {
    listed
        .lines()
        .nth(1)?
        .split_whitespace()
        .next()
        .map(str::to_owned)
}
