//! Step 3: an export waits for a manager.

use std::time::Duration;

use super::super::narrator::Narrator;
use super::super::scene::{MANAGER, Scene};
use super::super::{DemoError, Result};
use super::{expect, expect_code};

const STEP: &str = "3";
const LIMIT: Duration = Duration::from_secs(30);
const EXPORT: &str = "SELECT patient_id, mrn, birth_date, ward FROM patients";
/// The last line of the gateway's notice begins so.
const NOTICE_END: &str = "HINT:";

pub(super) fn tell(narrator: &Narrator, scene: &Scene) -> Result<()> {
    narrator.heading("3  A large export waits for a person")?;
    narrator.say(
        "The policy lets one statement return 200 rows. The assistant asks for all patients:",
    )?;
    let address = scene.address(super::ASSISTANT);
    narrator.command(&format!(
        "psql {address} --csv -o patients.csv -c \"{EXPORT}\""
    ))?;
    let file = scene
        .gateway
        .folder()
        .join("patients.csv")
        .display()
        .to_string();
    let mut export = scene
        .assistant()
        .with_arguments(&["--csv", "-o", &file])
        .session()?;
    export.type_line(&format!("{EXPORT};"))?;
    let notice = export.wait_for(NOTICE_END, LIMIT)? + &export.wait_for("\n", LIMIT)?;
    narrator.printed(&notice)?;

    narrator.say(&format!(
        "It waits, and says so. {MANAGER} is the manager on call. In another terminal, in the gateway's folder:"
    ))?;
    let listed = scene.almoner(narrator, "approvals list", None)?;
    let id = approval_id(&listed.stdout).ok_or_else(|| DemoError::Plot {
        step: STEP,
        what: "no approval is waiting".into(),
    })?;
    let password = format!("{MANAGER}-password");
    let line = format!("approvals approve {id} --user {MANAGER}");
    let approved = scene.almoner(narrator, &line, Some(&password))?;
    expect_code(STEP, approved.code, 0)?;

    narrator.say(
        "The psql that was waiting all the while goes on where it stopped, and the file is whole:",
    )?;
    export.finish_into_file(LIMIT)?;
    let lines = scene.shell(narrator, "wc -l patients.csv && head -n 3 patients.csv")?;
    // A heading and a line for each patient.
    expect(
        STEP,
        &lines,
        &format!("{} patients.csv", scene.clinic.patients.len() + 1),
    )?;
    narrator.mark("One approval, for exactly this statement, by this login, once. Nobody approves their own requests.")
}

/// The second line of the list begins with it.
fn approval_id(listed: &str) -> Option<String> {
    listed
        .lines()
        .nth(1)?
        .split_whitespace()
        .next()
        .map(str::to_owned)
}
