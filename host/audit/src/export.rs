//! Exports: the trail as plain files that anyone can check.

use std::path::Path;

use almoner_ledger::Report;

use crate::error::ReadError;
use crate::offline::{Progress, VerifyStore};
use crate::read::Reader;

/// Writes the whole trail into `dir`, which must not exist: `records.jsonl`, `bodies.jsonl`,
/// `checkpoints.txt`, `verifier.key`. Returns the number of records.
pub fn export(_reader: &Reader, _dir: &Path) -> Result<u64, ReadError> {
    todo!()
}

/// Verifies an export.
pub fn verify_export(
    _dir: &Path,
    _options: &VerifyStore,
    _progress: &mut dyn FnMut(Progress),
) -> Result<Report, ReadError> {
    todo!()
}
