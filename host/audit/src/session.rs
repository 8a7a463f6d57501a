//! The records of one session, numbered without gaps.

use crate::append::{Durable, Entry, Pending};
use crate::error::AuditError;

/// Appends for one session: each record gets `session` and a number `n` within it, given in the order in
/// which the records take their places in the chain. Clones count together.
#[derive(Clone)]
pub struct SessionLog {
    _private: (),
}

impl SessionLog {
    /// The session's identity.
    pub fn id(&self) -> &str {
        todo!()
    }

    /// Appends and waits until the record is on stable storage.
    pub async fn append(&self, entry: impl Into<Entry>) -> Result<Durable, AuditError> {
        self.enqueue(entry).await?.await
    }

    /// Gives the record its place and returns; await the result before releasing anything.
    pub async fn enqueue(&self, _entry: impl Into<Entry>) -> Result<Pending, AuditError> {
        todo!()
    }
}
