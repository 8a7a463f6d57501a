//! Where a plugin's calls run, and how many of them at once.
//!
//! A call runs on its caller's thread as long as the plugin's calls are short: a hop to another thread costs
//! as much as the call. There it is given a slice of [`SLICE`]; a call that overruns it is ended, and run
//! again on the dedicated threads with its whole deadline. That is sound because calls are pure: no clock,
//! no random numbers, a fresh or stateless instance, so that the second run is the same. If it used its slice
//! up, rather than lie idle on a busy machine, the plugin's calls go to the threads from then on, until enough
//! of them in a row were quick.
//!
//! On the threads a plugin has fewer places than there are threads, so that one that spins leaves room
//! for the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::failure::Failure;

/// The longest a plugin may hold its caller's thread, give or take a tick. A runtime's worker may be
/// held up so long without anyone noticing.
pub(crate) const SLICE: Duration = Duration::from_millis(2);
/// A call this short would have done well on its caller's thread.
const QUICK: Duration = Duration::from_millis(1);
/// Larger inputs go to the threads: a detector at 50 MB/s needs more than a millisecond for them.
pub(crate) const INLINE_BYTES_MAX: usize = 64 * 1024;
/// Quick calls in a row that bring a plugin back from the threads; doubled each time, up to the second
/// number, so that a plugin which is slow now and then wastes little.
const QUICK_CALLS: (u32, u32) = (256, 65_536);
/// Callers of one plugin that may wait for a place. Beyond, more waiting only means missed deadlines.
const WAITING_MAX: u32 = 256;

/// One plugin's way to the threads.
pub(crate) struct Gate {
    pub(crate) places: Arc<Semaphore>,
    waiting: AtomicU32,
    /// 0: calls run on their caller's thread. Else so many quick calls are still wanted.
    wanted: AtomicU32,
    next_wanted: AtomicU32,
}

impl Gate {
    /// For a host with so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places(threads))),
            waiting: AtomicU32::new(0),
            wanted: AtomicU32::new(0),
            next_wanted: AtomicU32::new(QUICK_CALLS.0),
        }
    }

    /// Whether a call with this much input runs on its caller's thread.
    pub(crate) fn inline(&self, input_bytes: usize) -> bool {
        input_bytes <= INLINE_BYTES_MAX && self.wanted.load(Ordering::Relaxed) == 0
    }

    /// A call overran its slice, having kept its thread busy for so long.
    pub(crate) fn overran(&self, busy: Duration) {
        if busy <= QUICK {
            return;
        }
        let wanted = self.next_wanted.load(Ordering::Relaxed);
        self.wanted.store(wanted, Ordering::Relaxed);
        self.next_wanted.store(
            wanted.saturating_mul(2).min(QUICK_CALLS.1),
            Ordering::Relaxed,
        );
    }

    /// A call on the threads kept its thread busy for so long.
    pub(crate) fn took(&self, time: Duration) {
        let wanted = self.wanted.load(Ordering::Relaxed);
        if wanted == 0 {
            return;
        }
        let wanted = if time <= QUICK {
            wanted - 1
        } else {
            self.next_wanted.load(Ordering::Relaxed) / 2
        };
        self.wanted.store(wanted, Ordering::Relaxed);
    }

    /// A place among those who wait, until dropped.
    pub(crate) fn queue(&self) -> Result<Waiting<'_>, Failure> {
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX {
            Ok(waiting)
        } else {
            Err(Failure::QueueFull(
                "too many calls of this plugin are waiting",
            ))
        }
    }
}

/// A quarter: three plugins that spin leave a place for the fourth.
fn places(threads: usize) -> usize {
    (threads / 4).max(1)
}

pub(crate) struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_that_overran_comes_back_after_enough_quick_calls() {
        let gate = Gate::new(8);
        assert!(gate.inline(10));
        gate.overran(SLICE);
        for _ in 0..QUICK_CALLS.0 - 1 {
            gate.took(Duration::from_micros(10));
        }
        assert!(!gate.inline(10));
        gate.took(Duration::from_micros(10));
        assert!(gate.inline(10));
    }

    #[test]
    fn a_call_that_lay_idle_on_a_busy_machine_is_not_held_against_its_plugin() {
        let gate = Gate::new(8);
        gate.overran(QUICK);
        assert!(gate.inline(10));
    }

    #[test]
    fn a_slow_call_starts_the_count_again() {
        let gate = Gate::new(8);
        gate.overran(SLICE);
        for _ in 0..QUICK_CALLS.0 - 1 {
            gate.took(Duration::from_micros(10));
        }
        gate.took(Duration::from_millis(5));
        gate.took(Duration::from_micros(10));
        assert!(!gate.inline(10));
    }

    #[test]
    fn large_inputs_never_run_on_the_callers_thread() {
        assert!(!Gate::new(8).inline(INLINE_BYTES_MAX + 1));
    }

    #[test]
    fn the_queue_is_bounded_and_a_place_is_given_back() {
        let gate = Gate::new(8);
        let waiting: Vec<_> = (0..WAITING_MAX).map_while(|_| gate.queue().ok()).collect();
        assert_eq!(waiting.len(), WAITING_MAX as usize);
        assert!(gate.queue().is_err());
        drop(waiting);
        assert!(gate.queue().is_ok());
    }
}
