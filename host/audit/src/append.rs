//! What callers hand in and get back.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use almoner_ledger::{Draft, Hash};
use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::error::AuditError;

/// Bytes that are stored beside a record, which refers to them by length and hash.
#[derive(Clone)]
pub struct Body {
    /// What they are to the record: `request`, `response`, …; unique within the record.
    pub name: String,
    /// Media type, such as `application/json`.
    pub media: String,
    /// The bytes, masked.
    pub bytes: Bytes,
}

/// A record to be appended, with its bodies.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What the record says.
    pub draft: Draft,
    /// What is stored beside it.
    pub bodies: Vec<Body>,
}

/// A record that is on stable storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Durable {
    /// Its place in the chain.
    pub seq: u64,
    /// The hash of its line.
    pub hash: Hash,
}

/// A record that has its place in the chain and is on its way to stable storage. Dropping it does not take
/// the record back.
#[must_use = "a record counts only once it is durable"]
pub struct Pending {
    outcome: oneshot::Receiver<Result<Durable, AuditError>>,
    wait_max: Duration,
    /// Set when first waited for.
    deadline: Option<Pin<Box<Sleep>>>,
    seq: u64,
}

impl Pending {
    pub(crate) fn new(
        outcome: oneshot::Receiver<Result<Durable, AuditError>>,
        wait_max: Duration,
        seq: u64,
    ) -> Pending {
        Pending {
            outcome,
            wait_max,
            deadline: None,
            seq,
        }
    }

    /// The place the record will have, once it is durable.
    pub fn seq(&self) -> u64 {
        self.seq
    }
}

impl Future for Pending {
    type Output = Result<Durable, AuditError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(outcome) = Pin::new(&mut self.outcome).poll(cx) {
            // A writer that went away without a word has failed.
            return Poll::Ready(
                outcome.unwrap_or_else(|_| {
                    Err(AuditError::Poisoned("the writer has gone".to_owned()))
                }),
            );
        }
        let wait_max = self.wait_max;
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(wait_max)));
        deadline.as_mut().poll(cx).map(|()| Err(timeout(wait_max)))
    }
}

/// Fails closed: the record may still become durable, but nobody may act on it.
pub(crate) fn timeout(waited: Duration) -> AuditError {
    AuditError::Timeout {
        waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("seq", &self.seq).finish()
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body")
            .field("name", &self.name)
            .field("media", &self.media)
            .field("len", &self.bytes.len())
            .finish()
    }
}

impl From<Draft> for Entry {
    fn from(draft: Draft) -> Entry {
        Entry {
            draft,
            bodies: Vec::new(),
        }
    }
}

impl Entry {
    /// A record without bodies.
    pub fn new(draft: Draft) -> Entry {
        draft.into()
    }

    /// The same record with one more body.
    #[must_use]
    pub fn body(mut self, name: &str, media: &str, bytes: impl Into<Bytes>) -> Entry {
        self.bodies.push(Body {
            name: name.to_owned(),
            media: media.to_owned(),
            bytes: bytes.into(),
        });
        self
    }
}
