//! Builds the plugins of a policy set as a reload would: components found and verified, imports allowed,
//! settings taken, golden vectors held. Nothing is kept: compiled code goes nowhere.

use std::path::Path;

use super::super::workshop;
use super::Found;
use crate::config::policy::PolicySet;
use crate::plugins::Builder;

/// What came of it.
pub(super) enum Built {
    /// So many components, all usable.
    Usable(usize),
    /// Everything that is wrong with them.
    Wrong(Vec<Found>),
    /// This machine does not let plugins run; says why.
    Unchecked(String),
}

/// Builds them all. Takes a second or so for each component.
pub(super) fn build(set: &PolicySet, dir: &Path) -> Built {
    let mut builder = match workshop::host() {
        Ok(host) => Builder::new(host),
        Err(error) => return Built::Unchecked(error.to_string()),
    };
    match builder.build_or_explain(set, 0, dir) {
        Ok(_) => Built::Usable(set.plugins.len()),
        Err(problems) => Built::Wrong(problems.into_iter().map(Found::from).collect()),
    }
}
