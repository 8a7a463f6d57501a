//! Builds the plugins of a policy set as a reload would: components found and verified, imports allowed,
//! settings taken, golden vectors held. Nothing is kept: compiled code goes nowhere.

use std::path::Path;

use almoner_sandbox::{Capacity, Host, HostSettings};

use super::Found;
use crate::config::policy::{Place, PolicySet};
use crate::config::problem::shown;
use crate::plugins::{BuildError, Builder};

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
    let Err(first) = builder.build(set.clone(), 0) else {
        return Built::Usable(set.plugins.len());
    };
    // A build ends at the first failure; each plugin by itself shows the others.
    let alone = set.plugins.iter().filter_map(|plugin| {
        let set = PolicySet {
            plugins: vec![plugin.clone()],
            rules: Vec::new(),
            ..set.clone()
        };
        builder.build(set, 0).err()
    });
    let mut found: Vec<Found> = alone.map(|error| finding(&error, dir)).collect();
    if found.is_empty() {
        found.push(finding(&first, dir));
    }
    Built::Wrong(found)
}

fn finding(error: &BuildError, dir: &Path) -> Found {
    let place = match error {
        BuildError::Read { place, .. }
        | BuildError::Digest { place, .. }
        | BuildError::Plugin { place, .. }
        | BuildError::World { place, .. } => place,
    };
    let what = error.to_string();
    let what = what.strip_prefix(&format!("{place}: ")).unwrap_or(&what);
    let Place { file, line } = place;
    let file = shown(&dir.join(file));
    Found {
        text: format!("{file}:{line}: {what}"),
        what: what.to_owned(),
        remedy: String::new(),
        line: *line,
        column: 0,
        file,
    }
}
