//! The database: column families, keys, and one atomic write per batch.
//!
//! RocksDB opens happily after losing synced data at the end of its log, in the one recovery mode that
//! allows log files to be recycled (which saves a metadata write per sync). The anchor makes that loss
//! visible, so that mode is chosen here. Nothing in this file changes or deletes a record.

use std::path::{Path, PathBuf};

use almoner_ledger::tree::Frontier;
use almoner_ledger::{Hash, Head};
use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, Direction,
    IteratorMode, LogLevel, Options, ReadOptions, WriteBatch, WriteOptions,
};

use crate::error::ReadError;

/// The layout of the database that this version reads and writes.
pub(crate) const FORMAT: &str = "almoner audit store 1";
/// The database's folder within the trail's.
pub(crate) const DATABASE: &str = "db";

/// Records by place: 8 bytes of sequence number, big-endian, to the line.
pub(crate) const RECORDS: &str = "records";
/// Bodies: 8 bytes of the record's place and 4 of the body's, to its bytes.
pub(crate) const BODIES: &str = "bodies";
/// Signed notes: 8 bytes of epoch and 8 of size, so that the last is the latest.
pub(crate) const CHECKPOINTS: &str = "checkpoints";
/// Format, origin, key and head.
pub(crate) const META: &str = "meta";
/// Exchanges with an intent and no outcome: the exchange, to the intent's place.
pub(crate) const OPEN: &str = "open";

const FAMILIES: [&str; 5] = [RECORDS, BODIES, CHECKPOINTS, META, OPEN];

/// Bodies of this size and more lie in files of their own, so that compaction does not copy them around.
const BLOB_BYTES_MIN: u64 = 4 * 1024;
/// Log files kept for use again. Four cover a memtable that is being flushed while the next ones fill.
const LOGS_RECYCLED: usize = 4;
/// Memory for records not yet in a table file, and so the most that a start has to replay.
const MEMTABLE_BYTES: usize = 64 << 20;
/// All logs together; a quiet column family may not keep old ones alive for ever.
const LOGS_BYTES_MAX: u64 = 512 << 20;
/// The database's own log of what it does, in files and bytes.
const INFO_LOGS_MAX: usize = 4;
const INFO_LOG_BYTES_MAX: usize = 4 << 20;
/// Table files held open. Beyond this they are opened on demand; a trail of years has thousands.
const FILES_OPEN_MAX: i32 = 512;

/// A key and its value.
pub(crate) type Pair = (Box<[u8]>, Box<[u8]>);

/// The open database.
pub(crate) struct Store {
    db: DB,
}

/// How a database is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Write,
    Read,
}

impl Store {
    pub(crate) fn open(dir: &Path, access: Access) -> Result<Store, String> {
        let options = database_options(access);
        let families = || {
            FAMILIES
                .iter()
                .map(|name| ColumnFamilyDescriptor::new(*name, family_options(name)))
        };
        let path = path(dir);
        let db = match access {
            Access::Write => DB::open_cf_descriptors(&options, path, families()),
            Access::Read => DB::open_cf_descriptors_read_only(&options, path, families(), false),
        };
        db.map(|db| Store { db })
            .map_err(|error| error.into_string())
    }

    /// Names of column families that this version does not know; there should be none.
    pub(crate) fn strangers(dir: &Path) -> Result<Vec<String>, String> {
        let mut names =
            DB::list_cf(&Options::default(), path(dir)).map_err(|error| error.into_string())?;
        names.retain(|name| name != "default" && !FAMILIES.contains(&name.as_str()));
        Ok(names)
    }

    pub(crate) fn family(&self, name: &str) -> Result<&ColumnFamily, String> {
        self.db
            .cf_handle(name)
            .ok_or_else(|| format!("column family {name} is missing"))
    }

    /// Makes a batch durable. An error is final: whether the batch is there afterwards is unknown.
    pub(crate) fn write_synced(&self, batch: WriteBatch) -> Result<(), String> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db
            .write_opt(batch, &options)
            .map_err(|error| error.into_string())
    }

    pub(crate) fn get(&self, family: &str, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        self.db
            .get_cf(self.family(family)?, key)
            .map_err(|error| error.into_string())
    }

    /// Entries of a family from a key on, in either direction. `until` bounds a scan forward.
    pub(crate) fn scan<'s>(
        &'s self,
        family: &str,
        from: &[u8],
        direction: Direction,
        until: Option<&[u8]>,
    ) -> Result<impl Iterator<Item = Result<Pair, String>> + use<'s>, String> {
        let scan = self.db.iterator_cf_opt(
            self.family(family)?,
            bounded(until),
            IteratorMode::From(from, direction),
        );
        Ok(scan.map(|entry| entry.map_err(|error| error.into_string())))
    }

    /// The place of the first record from here on. `None` if there is none, or if it cannot be told.
    pub(crate) fn next_record(&self, from: u64) -> Option<u64> {
        let mut scan = self
            .scan(RECORDS, &record_key(from), Direction::Forward, None)
            .ok()?;
        record_seq(&scan.next()?.ok()?.0)
    }

    /// Hands every entry between two keys to `each`, without copying it.
    pub(crate) fn for_each(
        &self,
        family: &str,
        from: &[u8],
        until: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut entries = self
            .db
            .raw_iterator_cf_opt(self.family(family)?, bounded(Some(until)));
        entries.seek(from);
        while let Some((key, value)) = entries.item() {
            each(key, value)?;
            entries.next();
        }
        entries.status().map_err(|error| error.into_string())
    }

    /// The last key of a family.
    pub(crate) fn last_key(&self, family: &str) -> Result<Option<Box<[u8]>>, String> {
        let mut scan = self.db.iterator_cf(self.family(family)?, IteratorMode::End);
        scan.next()
            .transpose()
            .map(|entry| entry.map(|(key, _)| key))
            .map_err(|error| error.into_string())
    }

    pub(crate) fn line(&self, seq: u64) -> Result<Option<Vec<u8>>, String> {
        self.get(RECORDS, &record_key(seq))
    }

    /// The last durable record, and the tree over all.
    pub(crate) fn head(&self) -> Result<Option<(Head, Frontier)>, String> {
        let Some(bytes) = self.get(META, b"head")? else {
            return Ok(None);
        };
        let read = || {
            let (seq, rest) = bytes.split_first_chunk::<8>()?;
            let (hash, tree) = rest.split_first_chunk::<32>()?;
            let head = Head {
                seq: Some(u64::from_be_bytes(*seq)),
                hash: Hash(*hash),
            };
            let tree = Frontier::from_bytes(tree)?;
            (tree.size() == head.next_seq()).then_some((head, tree))
        };
        read()
            .map(Some)
            .ok_or_else(|| "the head entry is malformed".to_owned())
    }

    /// Writes memtables into tables.
    pub(crate) fn flush(&self) -> Result<(), String> {
        let families = FAMILIES
            .iter()
            .map(|name| self.family(name))
            .collect::<Result<Vec<_>, _>>()?;
        self.db
            .flush_cfs_opt(&families, &rocksdb::FlushOptions::default())
            .map_err(|error| error.into_string())
    }

    /// A consistent copy in `dir`, which must not exist.
    pub(crate) fn copy_to(&self, dir: &Path) -> Result<(), ReadError> {
        let failed = |error: rocksdb::Error| ReadError::Database(error.into_string());
        rocksdb::checkpoint::Checkpoint::new(&self.db)
            .map_err(failed)?
            .create_checkpoint(dir)
            .map_err(failed)
    }
}

/// Epoch and size in a checkpoint's key.
pub(crate) fn checkpoint_place(key: &[u8]) -> Option<(u64, u64)> {
    let (epoch, size) = key.split_first_chunk::<8>()?;
    Some((
        u64::from_be_bytes(*epoch),
        u64::from_be_bytes(size.try_into().ok()?),
    ))
}

/// What `META` holds under `head`.
pub(crate) fn head_value(head: &Head, tree: &Frontier) -> Vec<u8> {
    let mut value = head.next_seq().saturating_sub(1).to_be_bytes().to_vec();
    value.extend_from_slice(&head.hash.0);
    value.extend_from_slice(&tree.to_bytes());
    value
}

pub(crate) fn record_key(seq: u64) -> [u8; 8] {
    seq.to_be_bytes()
}

/// The place in a record's key.
pub(crate) fn record_seq(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

pub(crate) fn body_key(seq: u64, index: u32) -> [u8; 12] {
    let mut key = [0; 12];
    let (place, rest) = key.split_at_mut(8);
    place.copy_from_slice(&seq.to_be_bytes());
    rest.copy_from_slice(&index.to_be_bytes());
    key
}

/// The record's place and the body's in a body's key.
pub(crate) fn body_place(key: &[u8]) -> Option<(u64, u32)> {
    let (seq, index) = key.split_first_chunk::<8>()?;
    Some((
        u64::from_be_bytes(*seq),
        u32::from_be_bytes(index.try_into().ok()?),
    ))
}

pub(crate) fn checkpoint_key(epoch: u64, size: u64) -> [u8; 16] {
    ((u128::from(epoch) << 64) | u128::from(size)).to_be_bytes()
}

fn bounded(until: Option<&[u8]>) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_verify_checksums(true);
    if let Some(until) = until {
        options.set_iterate_upper_bound(until);
        // A scan over many records reads ahead, and leaves the cache to those who look things up.
        options.set_readahead_size(1 << 20);
        options.fill_cache(false);
    }
    options
}

fn path(dir: &Path) -> PathBuf {
    dir.join(DATABASE)
}

fn database_options(access: Access) -> Options {
    let mut options = Options::default();
    let write = access == Access::Write;
    options.create_if_missing(write);
    options.create_missing_column_families(write);
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_recycle_log_file_num(LOGS_RECYCLED);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_paranoid_checks(true);
    options.set_use_fsync(false);
    options.set_max_total_wal_size(LOGS_BYTES_MAX);
    options.set_max_open_files(FILES_OPEN_MAX);
    options.set_keep_log_file_num(INFO_LOGS_MAX);
    options.set_max_log_file_size(INFO_LOG_BYTES_MAX);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options
}

fn family_options(name: &str) -> Options {
    let mut options = Options::default();
    options.set_compression_type(DBCompressionType::Lz4);
    match name {
        RECORDS => options.set_write_buffer_size(MEMTABLE_BYTES),
        BODIES => {
            options.set_write_buffer_size(MEMTABLE_BYTES);
            options.set_enable_blob_files(true);
            options.set_min_blob_size(BLOB_BYTES_MIN);
            options.set_blob_compression_type(DBCompressionType::Lz4);
        }
        _ => options.set_write_buffer_size(MEMTABLE_BYTES / 8),
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_places_do() {
        assert!(body_key(1, 2) < body_key(1, 3) && body_key(1, u32::MAX) < body_key(2, 0));
        assert!(
            checkpoint_key(1, 9) < checkpoint_key(2, 1)
                && checkpoint_key(2, 1) < checkpoint_key(2, 2)
        );
        assert_eq!(body_place(&body_key(7, 3)), Some((7, 3)));
        assert_eq!(record_seq(&record_key(u64::MAX)), Some(u64::MAX));
        assert_eq!(record_seq(b"short"), None);
    }
}
