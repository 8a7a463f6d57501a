//! How long a call kept its thread busy, as opposed to how long it took.
//!
//! On a busy machine a thread may lie idle in mid-call for longer than the whole call needs. Whether a plugin
//! is slow is told by what it used, or every plugin would seem slow when the machine is; deadlines stay
//! deadlines, and know nothing of this.

use std::time::Duration;

use cpu_time::ThreadTime;

/// Since when.
pub(crate) struct Busy(Option<ThreadTime>);

impl Busy {
    pub(crate) fn begin() -> Self {
        Self(ThreadTime::try_now().ok())
    }

    /// Processor time of this thread since then. Only on the thread it began on; where the system cannot tell,
    /// a call counts as slow.
    pub(crate) fn spent(self) -> Duration {
        self.0
            .and_then(|began| began.try_elapsed().ok())
            .unwrap_or(Duration::MAX)
    }
}
