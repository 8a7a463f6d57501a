//! How many instances sessions may keep warm. Some of the pool is kept back, so that sessions can never
//! take the last instance from the calls that need a fresh one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Instances kept for calls: workers and threads of a large machine, each with one call at a time.
const KEPT_BACK: u32 = 128;

pub(crate) struct WarmSlots {
    free: AtomicU32,
}

impl WarmSlots {
    /// For a pool of so many instances; a small pool is halved.
    pub(crate) fn new(instances: u32) -> Arc<Self> {
        let free = instances - KEPT_BACK.min(instances.div_ceil(2));
        Arc::new(Self {
            free: AtomicU32::new(free),
        })
    }

    /// The right to keep an instance between calls, until dropped. `None`: use it for one call only.
    pub(crate) fn take(self: &Arc<Self>) -> Option<WarmSlot> {
        let one_less = |free: u32| free.checked_sub(1);
        self.free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .ok()?;
        Some(WarmSlot(Arc::clone(self)))
    }
}

pub(crate) struct WarmSlot(Arc<WarmSlots>);

impl Drop for WarmSlot {
    fn drop(&mut self) {
        self.0.free.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]

    use super::*;

    #[test]
    fn sessions_never_take_the_instances_kept_for_calls() {
        let slots = WarmSlots::new(KEPT_BACK + 130);
        let taken: Vec<_> = std::iter::from_fn(|| slots.take()).collect();
        assert_eq!(taken.len(), 130);
        drop(taken);
        assert!(slots.take().is_some());
    }

    #[test]
    fn a_small_pool_is_halved() {
        let slots = WarmSlots::new(9);
        let taken: Vec<_> = std::iter::from_fn(|| slots.take()).collect();
        assert_eq!(taken.len(), 4);
    }
}
