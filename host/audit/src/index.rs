//! The search index: which records a session, an exchange or a subject has.
//!
//! It is derived from the records and never believed: a search reads the record and looks again. It is
//! written behind the writer's back, past the log, and caught up after a start, so that appending does not
//! pay for it. Its keys are hashes of names, so it holds nothing of what records say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use almoner_ledger::canonical;
use almoner_ledger::record::field;
use rocksdb::{Direction, WriteBatch};

use crate::store::{INDEX, RECORDS, Store, record_key, record_seq};

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

/// Follows the records until told to stop.
pub(crate) fn follow(store: &Store, durable: &AtomicU64, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        // A failed index slows searches down and harms nothing else.
        if let Err(error) = catch_up(store, durable.load(Ordering::Acquire), stop) {
            tracing::warn!(%error, "indexing the audit trail");
        }
        std::thread::park_timeout(FOLLOW_EVERY);
    }
}

/// Indexes what is durable and not covered.
pub(crate) fn catch_up(store: &Store, durable: u64, stop: &AtomicBool) -> Result<(), String> {
    let mut from = covered(store)?;
    while from < durable && !stop.load(Ordering::Acquire) {
        let to = durable.min(from + BATCH);
        let mut writes = WriteBatch::default();
        let family = store.family(INDEX)?;
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
                writes.put_cf(family, row(prefix, seq), b"");
            }
        }
        writes.put_cf(family, COVERED, to.to_be_bytes());
        store.write_unlogged(writes)?;
        from = to;
    }
    Ok(())
}

/// The place before which every record is indexed.
pub(crate) fn covered(store: &Store) -> Result<u64, String> {
    let value = store.get(INDEX, COVERED)?;
    Ok(value.and_then(|value| record_seq(&value)).unwrap_or(0))
}

/// Places of records that may have this name in this field, newest first, from before `before` on.
pub(crate) fn places<'s>(
    store: &'s Store,
    by: By,
    name: &str,
    before: u64,
) -> Result<impl Iterator<Item = Result<u64, String>> + use<'s>, String> {
    let mut encoded = Vec::new();
    canonical::write_string(name, &mut encoded);
    let prefix = prefix(by, &encoded);
    let start = row(prefix, before.saturating_sub(1));
    let rows = store.scan(INDEX, &start, Direction::Reverse, None)?;
    Ok(rows
        .take_while(move |row| {
            row.as_ref()
                .map_or(true, |(key, _)| key.starts_with(&prefix))
        })
        .filter_map(|row| {
            row.map(|(key, _)| key.get(17..).and_then(record_seq))
                .transpose()
        }))
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
        store: Arc<Store>,
        queue: Arc<crate::queue::Queue>,
    ) -> std::io::Result<Follower> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("audit-index".to_owned())
            .spawn(move || follow(&store, &queue.durable, &stopped))?;
        Ok(Follower {
            stop,
            thread: Some(thread),
        })
    }
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
