//! Opening a trail: what must be true of it before anything is recorded.
//!
//! The store must reach its anchor, hold its own head, and belong to the key and the name it is opened with
//! (see `remains`). Exchanges that a stop cut off are closed with a record that says so (see `interrupted`).
//! Only `recover` goes past a store that fell short, and it writes down what is missing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use almoner_ledger::record::field;
use almoner_ledger::{Draft, Kind};

use crate::append::Entry;
use crate::error::OpenError;
use crate::folder::{Folder, SIGNING_KEY};
use crate::index::Index;
use crate::queue::{Queue, SessionCount, exchange_of};
use crate::remains::{Remains, database};
use crate::store::{FORMAT, Store};
use crate::writer::Writer;
use crate::{fit, now};

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
    /// Told how long each synced write of records took. Called by the writer: it must be quick.
    pub on_sync: Option<OnSync>,
}

/// Told how long a synced write took.
#[derive(Clone)]
pub struct OnSync(pub Arc<dyn Fn(Duration) + Send + Sync>);

impl std::fmt::Debug for OnSync {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnSync")
    }
}

impl Options {
    /// The usual options for a log of this name.
    pub fn new(name: impl Into<String>) -> Options {
        Options {
            name: name.into(),
            // Room for the batches in the queue, a memtable's flush, and the time it takes to notice.
            reserve_bytes: 256 << 20,
            anchor: None,
            checkpoint_every: Duration::from_secs(1),
            append_wait_max: Duration::from_secs(10),
            on_sync: None,
        }
    }
}

/// An opened trail, before its threads run.
pub(crate) struct Opened {
    pub(crate) folder: Folder,
    pub(crate) store: Arc<Store>,
    pub(crate) index: Arc<Index>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) writer: Writer,
}

/// Opens or begins the trail in `dir`.
pub(crate) fn open(dir: &Path, options: &Options) -> Result<Opened, OpenError> {
    let mut found = Remains::find(dir, options)?;
    if let Some(error) = found.shortfall()? {
        return Err(error);
    }
    let fresh = found.head.seq.is_none();
    let key = match found.key.take() {
        Some(key) => key,
        None if fresh => found.folder.make_signing_key(&found.origin)?,
        None => {
            let why = "it is missing; restore it, or run `almoner audit recover` for a new one";
            return Err(OpenError::Key {
                path: dir.join(SIGNING_KEY),
                why,
            });
        }
    };
    let origin = found.origin.clone();
    let mut opened = found.start(options, &origin, &key, false)?;
    if fresh {
        let genesis = Draft::new(Kind::Genesis, now()).with("format", FORMAT);
        let key = opened.key_record();
        opened.commit(vec![(Entry::new(genesis), None), (key, None)])?;
    }
    opened.close_interrupted()?;
    Ok(opened)
}

impl Opened {
    /// The record of the key that signs from here on.
    pub(crate) fn key_record(&self) -> Entry {
        Entry::new(
            Draft::new(Kind::Key, now()).with(field::KEY, self.writer.key.verifier().to_string()),
        )
    }

    /// Makes records durable before the threads run.
    pub(crate) fn commit(
        &mut self,
        entries: Vec<(Entry, Option<SessionCount>)>,
    ) -> Result<(), OpenError> {
        let (batch, head, tree) = {
            let mut chain = self.queue.lock();
            for (entry, session) in entries {
                let exchange = exchange_of(&entry);
                let fitted = fit::fit(
                    entry,
                    session.as_ref().map(|session| &*session.id),
                    self.queue.origin.len(),
                )?;
                // The answer is that of the batch.
                let _answer =
                    chain.push(&self.queue.origin, fitted, session.as_ref(), exchange, None)?;
            }
            (
                std::mem::take(&mut chain.pending),
                chain.head,
                chain.tree.clone(),
            )
        };
        self.writer
            .commit(batch, head, tree)
            .map_err(|error| database(&self.folder.path, error))
    }
}
