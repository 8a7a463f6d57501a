//! The search index: which records a session, an exchange or a subject has.
//!
//! It is derived from the records and never believed: a search reads the record and looks again. It is
//! written behind the writer's back, past the log, and caught up after a start, so that appending does not
//! pay for it. Its keys are hashes of names, so it holds nothing of what records say.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use almoner_ledger::canonical;
use almoner_ledger::record::field;
use rocksdb::{
    DB, DBCompressionType, Direction, IteratorMode, LogLevel, Options, ReadOptions, WriteBatch,
};

use crate::store::{RECORDS, Store, record_key, record_seq};

/// The index's folder within the trail's.
const INDEX: &str = "index";
/// Memory for rows not yet in a table file, and so how much a start has to index again: 100,000 records.
const MEMTABLE_BYTES: usize = 16 << 20;
/// Table files held open.
const FILES_OPEN_MAX: i32 = 64;

/// How often the index follows the records. A search scans what it does not cover yet.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);
/// Records indexed in one write.
const BATCH: u64 = 4096;
/// The key under which the index says how far it goes.
const COVERED: &[u8] = b"\0covered";

/// What can be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Session,
    Exchange,
    Subject,
}

impl By {
    const ALL: [By; 3] = [By::Session, By::Exchange, By::Subject];

    fn field(self) -> &'static str {
        match self {
            By::Session => field::SESSION,
            By::Exchange => field::EXCHANGE,
            By::Subject => field::SUBJECT,
        }
    }

    fn tag(self) -> u8 {
        match self {
            By::Session => b's',
            By::Exchange => b'x',
            By::Subject => b'u',
        }
    }
}

/// The index's own database, in a folder of its own: RocksDB takes no unlogged writes where it recycles logs.
pub(crate) struct Index {
    db: DB,
}

impl Index {
    /// Opens the index of the trail in `dir`. One that cannot be opened, or that covers records which are
    /// not there, is made anew.
    pub(crate) fn open(dir: &Path, durable: u64) -> Result<Index, String> {
        let path = dir.join(INDEX);
        let index = Index::open_or_make(&path);
        match index {
            Ok(index) if index.covered()? <= durable => return Ok(index),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the search index is damaged, and made anew"),
        }
        Index::discard(dir)?;
        Index::open_or_make(&path)
    }

    /// Removes the index of the trail in `dir`, for one that starts over.
    pub(crate) fn discard(dir: &Path) -> Result<(), String> {
        match std::fs::remove_dir_all(dir.join(INDEX)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("removing the search index: {error}"))
            }
            _ => Ok(()),
        }
    }

    fn open_or_make(path: &Path) -> Result<Index, String> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_write_buffer_size(MEMTABLE_BYTES);
        options.set_max_open_files(FILES_OPEN_MAX);
        options.set_keep_log_file_num(2);
        options.set_max_log_file_size(1 << 20);
        options.set_log_level(LogLevel::Warn);
        options.set_stats_dump_period_sec(0);
        DB::open(&options, path)
            .map(|db| Index { db })
            .map_err(|error| error.into_string())
    }

    /// Indexes what is durable and not covered.
    pub(crate) fn catch_up(
        &self,
        store: &Store,
        durable: u64,
        stop: &AtomicBool,
    ) -> Result<(), String> {
        let mut from = self.covered()?;
        while from < durable && !stop.load(Ordering::Acquire) {
            let to = durable.min(from + BATCH);
            let mut writes = WriteBatch::default();
            for entry in store.scan(
                RECORDS,
                &record_key(from),
                Direction::Forward,
                Some(&record_key(to)),
            )? {
                let (key, line) = entry?;
                let Some(seq) = record_seq(&key) else {
                    continue;
                };
                for prefix in prefixes(&line) {
                    writes.put(row(prefix, seq), b"");
                }
            }
            writes.put(COVERED, to.to_be_bytes());
            self.db
                .write_without_wal(writes)
                .map_err(|error| error.into_string())?;
            from = to;
        }
        Ok(())
    }

    /// The place before which every record is indexed.
    pub(crate) fn covered(&self) -> Result<u64, String> {
        let value = self.db.get(COVERED).map_err(|error| error.into_string())?;
        Ok(value.and_then(|value| record_seq(&value)).unwrap_or(0))
    }

    /// Places of records that may have this name in this field, newest first, from before `before` on.
    pub(crate) fn places(
        &self,
        by: By,
        name: &str,
        before: u64,
    ) -> impl Iterator<Item = Result<u64, String>> + use<'_> {
        let mut encoded = Vec::new();
        canonical::write_string(name, &mut encoded);
        let prefix = prefix(by, &encoded);
        // Exclusive at the top: an upper bound, and a walk back from it.
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(row(prefix, 0));
        options.set_iterate_upper_bound(row(prefix, before));
        let rows = self.db.iterator_opt(IteratorMode::End, options);
        rows.map(|row| {
            let (key, _) = row.map_err(|error| error.into_string())?;
            key.get(17..)
                .and_then(record_seq)
                .ok_or_else(|| "the search index is malformed".to_owned())
        })
    }

    /// Follows the records until told to stop.
    fn follow(&self, store: &Store, durable: &AtomicU64, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            // A failed index slows searches down and harms nothing else.
            if let Err(error) = self.catch_up(store, durable.load(Ordering::Acquire), stop) {
                tracing::warn!(%error, "indexing the audit trail");
            }
            std::thread::park_timeout(FOLLOW_EVERY);
        }
    }
}

fn prefixes(line: &[u8]) -> Vec<[u8; 17]> {
    let mut found = Vec::new();
    // A line that cannot be read is the verifier's business; it is found by its place.
    let _ = canonical::walk(line, |key, value| {
        if let Some(by) = By::ALL.into_iter().find(|by| by.field().as_bytes() == key) {
            found.push(prefix(by, value));
        }
    });
    found
}

/// A tag, and half the hash of the name as it is written in the record.
fn prefix(by: By, encoded: &[u8]) -> [u8; 17] {
    let mut prefix = [by.tag(); 17];
    for (slot, byte) in prefix
        .iter_mut()
        .skip(1)
        .zip(blake3::hash(encoded).as_bytes())
    {
        *slot = *byte;
    }
    prefix
}

fn row(prefix: [u8; 17], seq: u64) -> [u8; 25] {
    let mut row = [0; 25];
    let (name, place) = row.split_at_mut(17);
    name.copy_from_slice(&prefix);
    place.copy_from_slice(&seq.to_be_bytes());
    row
}

/// The thread that follows.
pub(crate) struct Follower {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Follower {
    pub(crate) fn start(
        index: Arc<Index>,
        store: Arc<Store>,
        queue: Arc<crate::queue::Queue>,
    ) -> std::io::Result<Follower> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("audit-index".to_owned())
            .spawn(move || {
                step_back();
                index.follow(&store, &queue.durable, &stopped);
            })?;
        Ok(Follower {
            stop,
            thread: Some(thread),
        })
    }
}

/// The index takes the processor when nobody else wants it: under load it may lag, and searches scan what it
/// does not cover, rather than that records wait for it.
fn step_back() {
    // Elsewhere than on Linux this would be about the whole process. A system that refuses changes nothing.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 19);
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
