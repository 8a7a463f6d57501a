//! The story in five steps. Each checks what it tells: a demo that shows something else than it says
//! fails instead.

mod approve;
mod evidence;
mod look;
mod obey;
mod refuse;
pub(super) mod stay;

use super::narrator::Narrator;
use super::scene::{ASSISTANT, NURSE, Scene};
use super::{DemoError, Result};

/// Who stands between whom.
pub(super) fn opening(narrator: &Narrator) -> Result<()> {
    narrator
        .heading("Almoner stands between AI assistants and the systems that hold health records")?;
    narrator.say(&format!(
        "{NURSE} is a nurse. Her AI assistant queries the clinic's database for her with a login of its own, \
         {ASSISTANT}. It talks to Almoner, which judges every statement, masks every answer and records both, before \
         the assistant sees a byte. All people here are made up; all commands are real."
    ))?;
    narrator.say("Setting the scene:")
}

/// The five steps.
pub(super) fn tell(narrator: &Narrator, scene: &mut Scene) -> Result<()> {
    look::tell(narrator, scene)?;
    refuse::tell(narrator, scene)?;
    approve::tell(narrator, scene)?;
    obey::tell(narrator, scene)?;
    evidence::tell(narrator, scene)
}

/// Fails the step unless `seen` contains `part`.
fn expect(step: &'static str, seen: &str, part: &str) -> Result<()> {
    if seen.contains(part) {
        return Ok(());
    }
    Err(DemoError::Plot {
        step,
        what: format!("{part:?} is missing from what was printed"),
    })
}

/// Fails the step if `seen` contains any of the values.
fn expect_none<'a>(
    step: &'static str,
    seen: &str,
    values: impl IntoIterator<Item = &'a str>,
) -> Result<()> {
    match values.into_iter().find(|value| seen.contains(value)) {
        None => Ok(()),
        // Which kind of value, the output above shows.
        Some(_) => Err(DemoError::Plot {
            step,
            what: "an identifier came through unmasked".into(),
        }),
    }
}

/// Fails the step unless the command ended like this.
fn expect_code(step: &'static str, code: Option<i32>, expected: i32) -> Result<()> {
    if code == Some(expected) {
        return Ok(());
    }
    Err(DemoError::Plot {
        step,
        what: format!("the command ended with {code:?} instead of {expected}"),
    })
}
