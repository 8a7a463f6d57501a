//! The waiting side: what an exchange holds while people decide.
//!
//! Dropping it is an answer, too: the request is withdrawn, and nobody can approve what no longer waits.

use std::sync::Arc;

use super::held::Held;
use super::store::Shared;
use super::{ApprovalId, Decision, Withdrawal};

/// A request that waits, owned by the exchange it holds.
pub struct Pending {
    held: Arc<Held>,
    /// What waits keeps the desk and its recorder.
    _desk: Arc<Shared>,
}

impl Pending {
    pub(super) fn new(held: Arc<Held>, desk: Arc<Shared>) -> Self {
        Self { held, _desk: desk }
    }

    /// Puts the asking on record.
    pub(super) async fn open(&self) -> Result<(), super::Unrecorded> {
        self.held.open().await
    }

    /// The request's name, for the caller and for approvers.
    pub fn id(&self) -> &ApprovalId {
        self.held.id()
    }

    /// When the wait ends, for timers.
    pub fn expires(&self) -> tokio::time::Instant {
        self.held.expires()
    }

    /// When the wait ends, for people.
    pub fn expires_at(&self) -> jiff::Timestamp {
        self.held.expires_at()
    }

    /// Waits until people have decided or the time is over. Can be dropped and called again; once decided, it
    /// answers the same every time.
    pub async fn decided(&mut self) -> Decision {
        loop {
            // Before the look, so that no change falls between look and wait.
            let changed = self.held.changed();
            if let Some(decision) = self.held.take() {
                return decision;
            }
            match self.held.wait_until() {
                Some(instant) => {
                    let _ = tokio::time::timeout_at(instant, changed).await;
                }
                // Time is over while somebody's word is being recorded: theirs came first.
                None => changed.await,
            }
        }
    }

    /// Ends the wait without a decision, for this reason. After a decision was taken it does nothing.
    pub fn withdraw(&self, why: Withdrawal) {
        self.held.withdraw(why);
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending")
            .field("id", self.id())
            .finish_non_exhaustive()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.held.withdraw(Withdrawal::Abandoned);
    }
}
