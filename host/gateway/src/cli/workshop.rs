//! A sandbox for commands: the gateway's engine and limits, with few instances and nothing kept.

use almoner_sandbox::{Capacity, Host, HostError, HostSettings};

/// Instances alive at once: commands call plugins one after another, and detectors stay warm.
const INSTANCES: u32 = 64;

/// Starts it. The engine proves first that its limits hold on this machine.
pub(super) fn host() -> Result<Host, HostError> {
    let capacity = Capacity {
        instances: INSTANCES,
        ..Capacity::default()
    };
    Host::new(HostSettings {
        capacity,
        ..HostSettings::default()
    })
}
