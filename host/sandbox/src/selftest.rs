//! Proof, at every start, that the limits hold on this machine: a component that loops, one that eats
//! memory and one that traps are each stopped, in time, and an honest call after them still answers.
//!
//! Code that is trusted to interrupt calls has been known not to run at all. If a limit does not hold, there
//! is no host.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::configured::{Configured, Grant};
use crate::failure::Failure;
use crate::guard::GuardPlugin;
use crate::host::Host;
use crate::limits::CallLimits;
use crate::types::{CallContext, Operation, Verdict};

/// Made from `hostile.wat` by the test of the same name.
const HOSTILE: &[u8] = include_bytes!("../selftest/hostile.wasm");
/// Deadline of the looping call.
const DEADLINE: Duration = Duration::from_millis(20);
/// Memory of the call that eats it.
const MEMORY_BYTES: usize = 4 * 1024 * 1024;
/// When the test itself is given up. Far above the deadline, for machines that are slow to start.
const PATIENCE: Duration = Duration::from_secs(10);

/// The limits do not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the sandbox's self-test failed: {behaviour}: expected {expected}, got {found}; plugins would not be contained, so nothing is served"
)]
pub struct SelfTestFailed {
    /// What the component did.
    pub behaviour: &'static str,
    /// How it should have ended.
    pub expected: &'static str,
    /// How it ended.
    pub found: String,
}

/// Runs all of it.
pub(crate) fn run(host: &Host) -> Result<(), SelfTestFailed> {
    expect(host, "loop", "deadline")?;
    expect(host, "grow", "memory")?;
    expect(host, "trap", "trap")?;
    expect(host, "allow", "an answer")
}

fn expect(
    host: &Host,
    behaviour: &'static str,
    expected: &'static str,
) -> Result<(), SelfTestFailed> {
    let failed = |found: String| SelfTestFailed {
        behaviour,
        expected,
        found,
    };
    let guard = guard(host, behaviour).map_err(failed)?;
    // On a thread of its own: if nothing interrupts the call, nobody waits for it.
    let (answer, answered) = mpsc::sync_channel(1);
    let call = move || {
        let found = guard.inspect_blocking(&CallContext::default(), &Operation::default());
        // Before the answer: whoever has it finds nothing of the self-test alive.
        drop(guard);
        answer.send(found)
    };
    let started = thread::Builder::new()
        .name("sandbox-selftest".into())
        .spawn(call);
    started.map_err(|error| failed(error.to_string()))?;
    let found = match answered.recv_timeout(PATIENCE) {
        Ok(Ok(Verdict::Allow)) => "an answer",
        Ok(Ok(_)) => "another answer",
        Ok(Err(failure)) => failure.class(),
        Err(_) => "nothing: it is still running",
    };
    if found == expected {
        Ok(())
    } else {
        Err(failed(found.to_owned()))
    }
}

fn guard(host: &Host, behaviour: &'static str) -> Result<GuardPlugin, String> {
    let plugin = host.load(HOSTILE).map_err(|error| error.to_string())?;
    let limits = CallLimits {
        deadline: DEADLINE,
        memory_bytes: MEMORY_BYTES,
        ..CallLimits::default()
    };
    let grant = Grant {
        limits,
        ..Grant::default()
    };
    match host.configure(&plugin, &behaviour.into(), grant) {
        Ok(Configured::Guard(guard)) => Ok(guard),
        Ok(_) => Err(Failure::NotLoaded.to_string()),
        Err(errors) => Err(errors.to_string()),
    }
}
