//! Step 1: a nurse's assistant reads patients and notes.

use super::super::Result;
use super::super::narrator::Narrator;
use super::super::scene::Scene;
use super::{expect, expect_none};

const STEP: &str = "1";
const PATIENT: &str = "SELECT given_name, family_name, birth_date, ssn, mrn, phone, email, street, city, zip, ward \
                       FROM patients WHERE patient_id = 2";
const NOTE: &str = "SELECT body FROM notes WHERE patient_id = 2 ORDER BY note_id LIMIT 1";

pub(super) fn tell(narrator: &Narrator, scene: &Scene) -> Result<()> {
    narrator.heading("1  The assistant reads, and identifiers are masked")?;
    narrator.say(
        "This is what the database holds. (Only the gateway has this login; we peek behind it.)",
    )?;
    narrator.command(&format!(
        "psql {} -x -c \"{PATIENT}\"",
        scene.behind_address()
    ))?;
    narrator.printed(&scene.behind().run(&["-x", "-c", PATIENT], "")?.stdout)?;

    narrator.say("The assistant asks the same through Almoner. Same psql, another address:")?;
    narrator.command(&format!(
        "psql {} -x -c \"{PATIENT}\"",
        scene.address(super::ASSISTANT)
    ))?;
    let answer = scene.assistant().run(&["-x", "-c", PATIENT], "")?;
    narrator.printed(&format!("{}{}", answer.stdout, answer.stderr))?;
    let patient = scene.patient()?;
    expect(STEP, &answer.stdout, "[SSN]")?;
    expect_none(STEP, &answer.stdout, patient.identifiers())?;
    narrator.mark(
        "Types survive: a date stays a date, so programs keep working. The record number became a token: always the \
         same for the same patient, and worthless to anybody else.",
    )?;

    narrator.say(
        "Notes are free text; nothing marks the identifiers in them. First the note itself:",
    )?;
    narrator.command(&format!("psql {} -t -c \"{NOTE}\"", scene.behind_address()))?;
    narrator.printed(&folded(
        &scene.behind().run(&["-t", "-A", "-c", NOTE], "")?.stdout,
    ))?;
    narrator.say("and as the assistant gets it:")?;
    narrator.command(&format!(
        "psql {} -t -c \"{NOTE}\"",
        scene.address(super::ASSISTANT)
    ))?;
    let note = scene.assistant().run(&["-t", "-A", "-c", NOTE], "")?;
    narrator.printed(&folded(&format!("{}{}", note.stdout, note.stderr)))?;
    expect_none(STEP, &note.stdout, patient.identifiers())?;
    expect_none(
        STEP,
        &note.stdout,
        [
            patient.given_name.as_str(),
            &patient.family_name,
            &patient.kin.given_name,
        ],
    )?;
    narrator.mark(
        "What the nurse needs is still there; who it is about is not. (No detector finds everything in free text. Where \
         that is too little, a policy masks the whole column.)",
    )
}

/// A long line, broken for reading; psql prints it in one.
fn folded(text: &str) -> String {
    const WIDTH: usize = 94;
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            lines.push('\n');
            column = 0;
        }
        if column > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += length;
    }
    lines
}
