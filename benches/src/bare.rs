//! RocksDB with nothing around it: the least that durable records cost.
//!
//! The options that decide the price of a sync are those of the audit trail: log files are used again, and
//! a flush writes LZ4. There is one column family, no chain, no tree, no signature, no anchor.

use std::path::Path;

use anyhow::Context;
use rocksdb::{
    DB, DBCompressionType, DBRecoveryMode, IteratorMode, Options, ReadOptions, WriteBatch,
    WriteOptions,
};

use crate::sample::timed;

const MEMTABLE_BYTES: usize = 64 << 20;
const LOGS_RECYCLED: usize = 4;
/// What the trail writes beside each batch: its head and the tree's edge.
const HEAD_BYTES: usize = 200;
/// The record of the comparison with one client.
const RECORD_BYTES: usize = 1024;

/// An open database for writing.
pub(crate) struct Bare {
    db: DB,
    next: u64,
}

impl Bare {
    /// Opens one in this folder, or begins it.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
        options.set_recycle_log_file_num(LOGS_RECYCLED);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_write_buffer_size(MEMTABLE_BYTES);
        let db = DB::open(&options, folder).context("opening a bare database")?;
        Ok(Self { db, next: 0 })
    }

    /// Writes these records in one batch, and syncs it.
    pub(crate) fn write(&mut self, lines: &[Vec<u8>]) -> anyhow::Result<()> {
        let mut batch = WriteBatch::default();
        for line in lines {
            batch.put(self.next.to_be_bytes(), line);
            self.next += 1;
        }
        batch.put(b"head", [0; HEAD_BYTES]);
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db
            .write_opt(batch, &options)
            .context("writing to a bare database")
    }

    /// Microseconds of single synced writes of 1 KiB, so many of them.
    pub(crate) fn single_writes(&mut self, count: usize) -> anyhow::Result<Vec<f64>> {
        let line = [vec![0x61; RECORD_BYTES]];
        (0..count)
            .map(|_| {
                let (written, us) = timed(|| self.write(&line));
                written.map(|()| us)
            })
            .collect()
    }
}

/// A closed trail's database, for reading.
pub(crate) struct Lines {
    db: DB,
}

impl Lines {
    /// Opens the database of the trail in this folder.
    pub(crate) fn open(trail: &Path) -> anyhow::Result<Self> {
        let mut options = Options::default();
        // The trail's manifest lists its logs. Opened without this, RocksDB wants to strike them out, even
        // where it may not write, and crashes.
        options.set_track_and_verify_wals_in_manifest(true);
        let db = DB::open_cf_for_read_only(&options, trail.join("db"), ["records"], false);
        Ok(Self {
            db: db.context("opening a trail's database")?,
        })
    }

    /// Hands every record's line, in order.
    pub(crate) fn each(&self, mut take: impl FnMut(&[u8])) -> anyhow::Result<()> {
        let family = self
            .db
            .cf_handle("records")
            .context("a trail has records")?;
        let mut options = ReadOptions::default();
        options.set_readahead_size(1 << 20);
        options.fill_cache(false);
        for entry in self
            .db
            .iterator_cf_opt(family, options, IteratorMode::Start)
        {
            let (_, line) = entry.context("reading a trail's records")?;
            take(&line);
        }
        Ok(())
    }

    /// Single writes that were ever made, over all column families.
    pub(crate) fn writes(&self) -> u64 {
        self.db.latest_sequence_number()
    }
}
