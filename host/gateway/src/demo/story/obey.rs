//! Step 4: a policy file is edited, and a session that is already open obeys.

use std::fs;
use std::time::Duration;

use almoner_stage::PsqlSession;
use almoner_stage::wait::wait_until;

use super::super::narrator::Narrator;
use super::super::scene::{Scene, TREATMENTS_FILE};
use super::super::{DemoError, Result};
use super::expect;

const STEP: &str = "4";
const LIMIT: Duration = Duration::from_secs(20);
/// A saved policy is in force within a second; this is patience with a busy machine.
const RELOAD_LIMIT: Duration = Duration::from_secs(10);
const PHONES: &str = "SELECT ward, phone FROM patients ORDER BY patient_id LIMIT 3;";
const EDIT: &str = "
# Nurses call families back: they see the last four digits.
[[treatment]]
kind = \"phi.phone\"
groups = [\"nurses\"]
use = \"last4\"
";

pub(super) fn tell(narrator: &Narrator, scene: &Scene) -> Result<()> {
    narrator.heading("4  The policy changes, and a session that is already open obeys")?;
    narrator.command(&format!("psql {}", scene.address(super::ASSISTANT)))?;
    let mut session = scene.assistant().session()?;
    ask(narrator, &mut session, "[PHONE]")?;

    let file = scene.gateway.policy_folder().join(TREATMENTS_FILE);
    let before = fs::read_to_string(&file).map_err(|source| DemoError::Io {
        doing: "reading a policy file",
        source,
    })?;
    narrator.say("The privacy officer adds four lines to a policy file, in another terminal:")?;
    narrator.command(&format!("cat >> {} <<'END'{EDIT}END", file.display()))?;
    let generation_before =
        generation(scene).ok_or_else(|| plot("the gateway tells no policy generation"))?;
    scene
        .gateway
        .save_policy(TREATMENTS_FILE, &(before + EDIT))?;

    narrator
        .say("Nobody restarts or reconnects anything. The same session, the same statement:")?;
    // Asked of the gateway and not of the session, which would leave a record each time.
    let in_force = wait_until(RELOAD_LIMIT, || {
        (generation(scene)? > generation_before).then_some(())
    });
    in_force.ok_or_else(|| plot("the edited policy did not come into force"))?;
    ask(narrator, &mut session, "*")?;
    narrator.mark("In force within a second of saving, for every session. A file with a mistake in it changes nothing.")
}

/// The number of the policy in force.
fn generation(scene: &Scene) -> Option<u64> {
    let status = scene.gateway.almoner(&["status", "--json"], &[]).ok()?;
    let status: serde_json::Value = serde_json::from_str(&status.stdout).ok()?;
    status.pointer("/policy/generation")?.as_u64()
}

fn plot(what: &str) -> DemoError {
    DemoError::Plot {
        step: STEP,
        what: what.to_owned(),
    }
}

fn ask(narrator: &Narrator, session: &mut PsqlSession, part: &str) -> Result<()> {
    narrator.typed(PHONES)?;
    let answer = session.ask(PHONES, LIMIT)?;
    narrator.printed(&answer)?;
    expect(STEP, &answer, part)
}
