//! Opening, recovering and closing the trail.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use almoner_ledger::VerifierKey;

use crate::append::{Durable, Entry, Pending};
use crate::error::{AuditError, OpenError};
use crate::read::Reader;
use crate::session::SessionLog;

/// How the trail is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// The log's name, the first part of every record's origin, such as `gateway-1.hospital.example`.
    pub name: String,
    /// Bytes that must stay free on the disk; below that, appending is refused.
    pub reserve_bytes: u64,
    /// Where the head anchor lies; `None`: in the trail's folder. Best on another disk.
    pub anchor: Option<PathBuf>,
    /// How often a checkpoint is signed at most.
    pub checkpoint_every: Duration,
    /// How long an append may take before the caller is told that it failed.
    pub append_wait_max: Duration,
}

impl Options {
    /// The usual options for a log of this name.
    pub fn new(name: impl Into<String>) -> Options {
        Options {
            name: name.into(),
            reserve_bytes: 256 << 20,
            anchor: None,
            checkpoint_every: Duration::from_secs(1),
            append_wait_max: Duration::from_secs(10),
        }
    }
}

/// How the trail is doing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// The log's name and epoch.
    pub origin: String,
    /// The last durable record.
    pub durable_seq: u64,
    /// Its hash.
    pub durable_hash: almoner_ledger::Hash,
    /// Records that wait to become durable.
    pub waiting: u64,
    /// How many records the last signed checkpoint covers.
    pub signed_size: u64,
    /// Bytes free on the trail's disk.
    pub disk_free_bytes: u64,
    /// Whether appending is refused for want of space.
    pub disk_full: bool,
    /// Why nothing can be recorded any more, if so.
    pub failed: Option<String>,
}

/// What `recover` found and did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Recovery {
    /// The last record that is there, if any.
    pub last_seq: Option<u64>,
    /// The last record known to have been acknowledged, if the anchor could be read.
    pub anchor_seq: Option<u64>,
    /// The origin of the epoch that was opened.
    pub origin: String,
    /// The recovery record's place.
    pub seq: u64,
}

/// An open trail. Clones share it; the last one dropped closes it.
#[derive(Clone)]
pub struct Audit {
    _private: (),
}

impl Audit {
    /// Opens the trail in `dir`, or begins one. Blocks. Must be called where the process may end up waiting
    /// for the disk: before serving.
    pub fn open(_dir: &Path, _options: Options) -> Result<Audit, OpenError> {
        todo!()
    }

    /// Opens an epoch after a loss: writes down what is missing. `by` is the operator, `reason` theirs.
    /// Blocks. The trail is closed again afterwards.
    pub fn recover(
        _dir: &Path,
        _options: Options,
        _by: &str,
        _reason: &str,
    ) -> Result<Recovery, OpenError> {
        todo!()
    }

    /// Appends and waits until the record is on stable storage.
    pub async fn append(&self, entry: impl Into<Entry>) -> Result<Durable, AuditError> {
        self.enqueue(entry).await?.await
    }

    /// Gives the record its place and returns; await the result before releasing anything. Waits only for
    /// room in the queue.
    pub async fn enqueue(&self, _entry: impl Into<Entry>) -> Result<Pending, AuditError> {
        todo!()
    }

    /// A log for one session.
    pub fn session(&self, _id: impl Into<String>) -> SessionLog {
        todo!()
    }

    /// A view for reading, which never blocks appends. Its methods block; call them off the runtime.
    pub fn reader(&self) -> Reader {
        todo!()
    }

    /// Resolves when the trail has failed and the process should end.
    pub fn fatal(&self) -> impl Future<Output = AuditError> + Send + 'static {
        std::future::pending()
    }

    /// Signs a checkpoint that covers every record acknowledged so far, and returns the signed note.
    pub async fn checkpoint_now(&self) -> Result<String, AuditError> {
        todo!()
    }

    /// How the trail is doing.
    pub fn status(&self) -> Status {
        todo!()
    }

    /// The key that checkpoints of this epoch verify with.
    pub fn verifier_key(&self) -> VerifierKey {
        todo!()
    }

    /// Takes no more records, makes what is queued durable, signs a checkpoint, and writes the anchor.
    pub async fn close(&self) -> Result<(), AuditError> {
        todo!()
    }
}
