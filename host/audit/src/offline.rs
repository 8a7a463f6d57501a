//! Verifying a copy of the store.

use std::path::Path;

use almoner_ledger::{Report, VerifierKey};

use crate::error::ReadError;

/// How to verify.
#[derive(Debug, Clone, Default)]
pub struct VerifyStore {
    /// Keys that are known from elsewhere. With none, the trail's own key is taken, and the report says so.
    pub keys: Vec<VerifierKey>,
    /// Signed notes that were kept elsewhere, to be held against the trail.
    pub checkpoints: Vec<String>,
    /// Whether bodies are read and hashed.
    pub bodies: bool,
    /// Threads; 0 means one for each core.
    pub jobs: usize,
}

/// How far a verification has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Records read.
    pub records: u64,
    /// Records there are, if known.
    pub total: Option<u64>,
}

/// Verifies a copy of a trail (see [`crate::Reader::copy_to`]), or the folder of a gateway that is not running.
pub fn verify_store(
    _dir: &Path,
    _options: &VerifyStore,
    _progress: &mut dyn FnMut(Progress),
) -> Result<Report, ReadError> {
    todo!()
}
