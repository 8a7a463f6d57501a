//! What an intruder with the database's own tools would do to a copy of a trail: for demonstrations and
//! tests of verification. It writes past the writer, on purpose. The gateway never calls it, and it cannot
//! open the store of a gateway that runs, which RocksDB keeps locked.

use std::path::Path;

use rocksdb::WriteBatch;

use crate::error::ReadError;
use crate::store::{self, Access, RECORDS, Store};

/// Replaces one record of the copy in `dir` by what `edit` makes of its line. `Ok(false)`: there is no
/// such record.
pub fn edit_record(
    dir: &Path,
    seq: u64,
    edit: impl FnOnce(Vec<u8>) -> Vec<u8>,
) -> Result<bool, ReadError> {
    let store = Store::open(dir, Access::Write).map_err(ReadError::Database)?;
    let Some(line) = store.line(seq).map_err(ReadError::Database)? else {
        return Ok(false);
    };
    let mut batch = WriteBatch::default();
    let records = store.family(RECORDS).map_err(ReadError::Database)?;
    batch.put_cf(records, store::record_key(seq), edit(line));
    store.write_synced(batch).map_err(ReadError::Database)?;
    Ok(true)
}
