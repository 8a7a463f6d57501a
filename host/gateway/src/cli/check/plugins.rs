//! Builds the plugins of a policy set as a reload would: components found and verified, imports allowed,
//! settings taken, golden vectors held. Nothing is kept: compiled code goes nowhere.

use std::path::Path;

use almoner_sandbox::{Capacity, Host, HostSettings};

use super::Found;
use crate::config::policy::PolicySet;
use crate::plugins::Builder;

/// Instances alive at once while checking: each plugin is called by itself, detectors stay warm.
const INSTANCES: u32 = 64;

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
    let capacity = Capacity {
        instances: INSTANCES,
        ..Capacity::default()
    };
    let settings = HostSettings {
        capacity,
        ..HostSettings::default()
    };
    let mut builder = match Host::new(settings) {
        Ok(host) => Builder::new(host),
        Err(error) => return Built::Unchecked(error.to_string()),
    };
    match builder.build_or_explain(set, 0, dir) {
        Ok(_) => Built::Usable(set.plugins.len()),
        Err(problems) => Built::Wrong(problems.into_iter().map(Found::from).collect()),
    }
}
