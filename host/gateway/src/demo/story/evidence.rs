//! Step 5: the evidence holds, and does not hold once somebody touches it.

use super::super::Result;
use super::super::narrator::Narrator;
use super::super::scene::Scene;

pub(super) fn tell(narrator: &Narrator, scene: &Scene) -> Result<()> {
    narrator.heading("5  Everything is on record, and the record cannot be changed unnoticed")?;
    scene.almoner(narrator, "audit verify", None)?;
    Ok(())
}
