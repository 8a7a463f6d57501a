//! Step 2: statements that destroy are refused, and the session lives on.

use std::time::Duration;

use super::super::Result;
use super::super::narrator::Narrator;
use super::super::scene::Scene;
use super::expect;

const STEP: &str = "2";
const LIMIT: Duration = Duration::from_secs(20);

pub(super) fn tell(narrator: &Narrator, scene: &Scene) -> Result<()> {
    narrator.heading("2  The assistant errs, and nothing happens")?;
    narrator.say(
        "The assistant keeps one session open, as assistants do. The database would let this login drop tables; the \
         policy does not.",
    )?;
    narrator.command(&format!("psql {}", scene.address(super::ASSISTANT)))?;
    let mut session = scene.assistant().session()?;
    for statement in ["DROP TABLE patients;", "DELETE FROM lab_results;"] {
        narrator.typed(statement)?;
        let answer = session.ask(statement, LIMIT)?;
        narrator.printed(&answer)?;
        expect(STEP, &answer, "ERROR")?;
    }
    let statement = "SELECT count(*) FROM patients;";
    narrator.typed(statement)?;
    let answer = session.ask(statement, LIMIT)?;
    narrator.printed(&answer)?;
    expect(STEP, &answer, &scene.clinic.patients.len().to_string())?;
    narrator.mark("Refused before the database saw it, in words the assistant can act on. The session lives on.")
}
