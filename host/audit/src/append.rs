//! What callers hand in and get back.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use almoner_ledger::{Draft, Hash};
use bytes::Bytes;

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

/// A record that has its place in the chain and is on its way to stable storage.
#[must_use = "a record counts only once it is durable"]
pub struct Pending {
    _private: (),
}

impl Future for Pending {
    type Output = Result<Durable, AuditError>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        todo!()
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
