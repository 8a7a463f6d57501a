//! What can go wrong with the audit trail, whose fault it is, and what to do about it.
//!
//! No error holds anything that a record says.

use std::path::PathBuf;

use almoner_ledger::DraftError;

/// Why a record was not acknowledged. In every case the caller must release nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The draft cannot be a record. The caller's fault; the trail is well.
    #[error("recording: {0}")]
    Draft(#[from] DraftError),
    /// Too large even after long fields were moved into bodies. The caller's fault; the trail is well.
    #[error(
        "recording: the record takes {bytes} bytes, and no field is left that could be stored beside it"
    )]
    TooLarge {
        /// What it would take.
        bytes: usize,
    },
    /// A body, or all bodies of the record together, exceed what one record may carry.
    #[error(
        "recording: bodies of {bytes} bytes exceed the {max} that one record may carry; record windows of the reply instead"
    )]
    BodyTooLarge {
        /// Their length.
        bytes: usize,
        /// The most there may be.
        max: usize,
    },
    /// Too little space is left on the trail's disk. Free some; appending goes on by itself.
    #[error(
        "recording: {free} bytes are free on the audit disk, less than the reserve of {reserve}; free some space"
    )]
    DiskFull {
        /// What is free, in bytes.
        free: u64,
        /// What must stay free, in bytes.
        reserve: u64,
    },
    /// Not durable within the time allowed. It may become durable later.
    #[error(
        "recording: not on stable storage after {waited_ms} ms; the audit disk is too slow or stuck"
    )]
    Timeout {
        /// How long was waited.
        waited_ms: u64,
    },
    /// A write failed. Nothing can be recorded until the process has been started again.
    #[error("recording: the audit store failed ({0}); the gateway must stop")]
    Poisoned(String),
    /// The trail was closed.
    #[error("recording: the audit trail is closed")]
    Closed,
}

/// Why the trail cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "opening the audit trail: {0} is in use by another process; read a live trail through the gateway"
    )]
    Locked(PathBuf),
    /// A file could not be read or written.
    #[error("opening the audit trail: {doing} {path}: {error}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// RocksDB could not open or read it.
    #[error("opening the audit trail: the database in {path}: {error}")]
    Database {
        /// Where it is.
        path: PathBuf,
        /// What it said.
        error: String,
    },
    /// The store ends before the place up to which records were acknowledged.
    #[error(
        "opening the audit trail: the store ends at record {}, but records up to {anchor} were acknowledged. \
         Keep a copy of the folder, then run `almoner audit recover`", found.map_or_else(|| "none".to_owned(), |seq| seq.to_string())
    )]
    BehindAnchor {
        /// The last record found, if any.
        found: Option<u64>,
        /// The last record known to have been acknowledged.
        anchor: u64,
    },
    /// The store and the anchor tell of different pasts.
    #[error(
        "opening the audit trail: record {seq} is not the one that was acknowledged. Keep a copy of the folder, then run `almoner audit recover`"
    )]
    AnchorMismatch {
        /// Where they differ.
        seq: u64,
    },
    /// The anchor is gone, or neither of its slots can be believed.
    #[error(
        "opening the audit trail: the head anchor {0} is missing or damaged. Keep a copy of the folder, then run `almoner audit recover`"
    )]
    AnchorLost(PathBuf),
    /// The signing key is missing, damaged, or not the trail's.
    #[error("opening the audit trail: the signing key {path}: {why}")]
    Key {
        /// Where it should be.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// The store holds something it cannot hold.
    #[error(
        "opening the audit trail: the store is damaged at record {seq}: {why}. Run `almoner audit verify` on a copy"
    )]
    Damaged {
        /// Where.
        seq: u64,
        /// What.
        why: &'static str,
    },
    /// The store's format is not known.
    #[error("opening the audit trail: its format is {0:?}, which this version does not know")]
    Format(String),
    /// The configured name cannot be an origin, or is not the trail's.
    #[error("opening the audit trail: {0}")]
    Origin(String),
    /// The first record could not be made durable.
    #[error("opening the audit trail: {0}")]
    Append(#[from] AuditError),
    /// There is nothing to recover.
    #[error(
        "recovering the audit trail: the store reaches its anchor; there is nothing to recover"
    )]
    NothingToRecover,
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// RocksDB could not read it.
    #[error("reading the audit trail: {0}")]
    Database(String),
    /// A file could not be read or written.
    #[error("reading the audit trail: {doing} {path}: {error}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The store holds something it cannot hold.
    #[error("reading the audit trail: damaged at record {seq}: {why}")]
    Damaged {
        /// Where.
        seq: u64,
        /// What.
        why: &'static str,
    },
    /// The trail has stopped.
    #[error("reading the audit trail: {0}")]
    Audit(#[from] AuditError),
}

impl ReadError {
    /// The exit code of `audit verify` that goes with it: 4, unreadable, or 5 for a trail that has stopped.
    pub fn exit_code(&self) -> u8 {
        match self {
            ReadError::Database(_) | ReadError::Io { .. } | ReadError::Damaged { .. } => 4,
            ReadError::Audit(_) => 5,
        }
    }
}
