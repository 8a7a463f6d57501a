//! The records of one session, numbered without gaps.

use std::sync::Arc;

use crate::append::{Durable, Entry, Pending};
use crate::error::AuditError;
use crate::queue::{Queue, SessionCount};

/// Appends for one session: each record gets `session` and a number `n` within it, given in the order in
/// which the records take their places in the chain, and only to records that take one. Clones count
/// together; make one log for each session.
#[derive(Clone)]
pub struct SessionLog {
    queue: Arc<Queue>,
    count: Arc<SessionCount>,
}

impl SessionLog {
    pub(crate) fn new(queue: Arc<Queue>, id: String) -> SessionLog {
        SessionLog {
            queue,
            count: Arc::new(SessionCount::new(id.into(), 0)),
        }
    }

    /// The session's identity.
    pub fn id(&self) -> &str {
        &self.count.id
    }

    /// Whether an exchange has an intent on record, or on its way there, and no outcome.
    pub fn is_open(&self, exchange: &str) -> bool {
        self.queue.lock().is_open(exchange)
    }

    /// Appends and waits until the record is on stable storage.
    pub async fn append(&self, entry: impl Into<Entry>) -> Result<Durable, AuditError> {
        self.enqueue(entry).await?.await
    }

    /// Gives the record its place and returns; await the result before releasing anything.
    pub async fn enqueue(&self, entry: impl Into<Entry>) -> Result<Pending, AuditError> {
        self.queue.enqueue(entry.into(), Some(&self.count)).await
    }
}

impl std::fmt::Debug for SessionLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SessionLog").field(&self.count.id).finish()
    }
}
