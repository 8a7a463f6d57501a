//! Opening a trail: what must be true of it before anything is recorded.
//!
//! The store must reach its anchor, hold its own head, and belong to the key and the name it is opened with;
//! exchanges that a stop cut off are closed with a record that says so. Only [`recover`] goes past a store
//! that fell short, and it writes down what is missing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use almoner_ledger::record::field;
use almoner_ledger::tree::Frontier;
use almoner_ledger::{Draft, Hash, Head, Kind, Origin, SigningKey};
use rocksdb::{Direction, WriteBatch};
use serde_json::Value;

use crate::anchor::{self, AnchorFile, Found};
use crate::append::Entry;
use crate::error::OpenError;
use crate::folder::Folder;
use crate::index::{By, Index};
use crate::queue::{Chain, Queue, SessionCount, exchange_of};
use crate::store::{self, Access, CHECKPOINTS, FORMAT, META, OPEN, RECORDS, Store};
use crate::writer::{Signed, Writer};
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
        }
    }
}

/// What a recovery found and did.
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
    let found = Remains::find(dir, options)?;
    let fresh = found.head.seq.is_none();
    match found.shortfall()? {
        None => {}
        Some(error) => return Err(error),
    }
    let made = if fresh {
        Some(found.folder.make_or_load_key(&found.origin)?)
    } else {
        None
    };
    let key = match (made, found.key) {
        (Some(key), _) | (None, Some(key)) => key,
        (None, None) => {
            let path = dir.join(crate::folder::SIGNING_KEY);
            return Err(OpenError::Key {
                path,
                why: "it is missing; restore it, or run `almoner audit recover` for a new one",
            });
        }
    };
    let mut opened = start(
        found.folder,
        found.store,
        options,
        found.origin,
        key,
        (found.head, found.tree),
        found.anchor,
        false,
    )?;
    if fresh {
        let key = opened.writer.key.verifier().to_string();
        let genesis = Draft::new(Kind::Genesis, now()).with("format", FORMAT);
        opened.commit(
            [genesis, Draft::new(Kind::Key, now()).with(field::KEY, key)]
                .map(Entry::new)
                .map(|entry| (entry, None))
                .into(),
        )?;
    }
    opened.close_interrupted()?;
    Ok(opened)
}

/// Opens an epoch after a loss.
pub(crate) fn recover(
    dir: &Path,
    options: &Options,
    by: &str,
    reason: &str,
) -> Result<Recovery, OpenError> {
    let found = Remains::find(dir, options)?;
    let keyless = found.key.is_none();
    if found.shortfall()?.is_none() && !(keyless && found.head.seq.is_some()) {
        return Err(OpenError::NothingToRecover);
    }
    // Places may be taken by other records than before.
    Index::discard(dir).map_err(|error| database(dir, error))?;
    let (last_seq, anchor) = (found.head.seq, found.anchor);
    let acknowledged = match anchor {
        Found::Anchor(anchor) => Some(anchor),
        Found::Blank | Found::Lost => None,
    };
    let before = acknowledged.map_or(found.origin.epoch(), |anchor| {
        anchor.epoch.max(found.origin.epoch())
    });
    let origin = Origin::new(&options.name, before + 1).ok_or_else(|| name_error(&options.name))?;
    let key = match found.key {
        Some(key) => key,
        None => found.folder.make_or_load_key(&origin)?,
    };
    let mut opened = start(
        found.folder,
        found.store,
        options,
        origin,
        key,
        (found.head, found.tree),
        anchor,
        keyless,
    )?;
    let mut draft = Draft::new(Kind::Recovery, now())
        .with("by", by)
        .with("reason", reason);
    if let Some(anchor) = acknowledged {
        draft = draft
            .with(field::ACKNOWLEDGED_SEQ, anchor.seq)
            .with("acknowledged_hash", anchor.hash.to_string());
    }
    if let Some(last) = last_seq {
        draft = draft.with("last_seq", last);
    }
    let mut entries = vec![(Entry::new(draft), None)];
    if keyless || last_seq.is_none() {
        let key = opened.writer.key.verifier().to_string();
        entries.push((
            Entry::new(Draft::new(Kind::Key, now()).with(field::KEY, key)),
            None,
        ));
    }
    opened.commit(entries)?;
    opened
        .writer
        .write_anchor()
        .and_then(|()| opened.writer.sign())
        .map_err(|error| database(dir, error))?;
    Ok(Recovery {
        last_seq,
        anchor_seq: acknowledged.map(|anchor| anchor.seq),
        origin: opened.queue.origin.clone(),
        seq: last_seq.map_or(0, |last| last + 1),
    })
}

/// What is found in the folder.
struct Remains {
    folder: Folder,
    store: Store,
    head: Head,
    tree: Frontier,
    origin: Origin,
    key: Option<SigningKey>,
    anchor: Found,
    anchor_path: PathBuf,
}

impl Remains {
    fn find(dir: &Path, options: &Options) -> Result<Remains, OpenError> {
        let fail = |error| database(dir, error);
        let configured = Origin::new(&options.name, 1).ok_or_else(|| name_error(&options.name))?;
        let folder = Folder::take(dir)?;
        let store = Store::open(dir, Access::Write).map_err(fail)?;
        match store.get(META, b"format").map_err(fail)? {
            Some(format) if format == FORMAT.as_bytes() => {}
            Some(format) => {
                return Err(OpenError::Format(
                    String::from_utf8_lossy(&format).into_owned(),
                ));
            }
            None => {
                let mut writes = WriteBatch::default();
                writes.put_cf(store.family(META).map_err(fail)?, b"format", FORMAT);
                store.write_synced(writes).map_err(fail)?;
            }
        }
        let (head, tree) = store
            .head()
            .map_err(fail)?
            .unwrap_or((Head::EMPTY, Frontier::default()));
        let origin = origin_of(&store, &head, dir)?.unwrap_or_else(|| configured.clone());
        if origin.name() != configured.name() {
            return Err(OpenError::Origin(format!(
                "the trail is that of {:?}, not of {:?}; correct the configured name, or use another folder",
                origin.name(),
                configured.name()
            )));
        }
        let key = folder.signing_key()?;
        let anchor_path = anchor_path(dir, options);
        let mac = key.as_ref().map(|key| key.derive(anchor::ANCHOR_CONTEXT));
        let anchor = anchor::read(&anchor_path, mac.as_deref()).map_err(|error| OpenError::Io {
            doing: "reading",
            path: anchor_path.clone(),
            error,
        })?;
        Ok(Remains {
            folder,
            store,
            head,
            tree,
            origin,
            key,
            anchor,
            anchor_path,
        })
    }

    /// Why the store may not be served from, if there is a reason that a recovery can get past.
    fn shortfall(&self) -> Result<Option<OpenError>, OpenError> {
        let anchor = match self.anchor {
            Found::Anchor(anchor) => anchor,
            // A first start that was cut off before its first anchor.
            Found::Blank if self.head.next_seq() <= 2 => return Ok(None),
            Found::Blank | Found::Lost => {
                return Ok(Some(OpenError::AnchorLost(self.anchor_path.clone())));
            }
        };
        if self.head.seq.is_none_or(|last| last < anchor.seq) {
            return Ok(Some(OpenError::BehindAnchor {
                found: self.head.seq,
                anchor: anchor.seq,
            }));
        }
        let line = self
            .store
            .line(anchor.seq)
            .map_err(|error| database(&self.folder.path, error))?;
        let same = line.is_some_and(|line| Hash::of_line(&line) == anchor.hash);
        Ok((!same).then_some(OpenError::AnchorMismatch { seq: anchor.seq }))
    }
}

/// The origin of the last record, which must be the one the head speaks of.
fn origin_of(store: &Store, head: &Head, dir: &Path) -> Result<Option<Origin>, OpenError> {
    let fail = |error| database(dir, error);
    let last = store.last_key(RECORDS).map_err(fail)?;
    let Some(seq) = head.seq else {
        return match last {
            None => Ok(None),
            Some(_) => Err(OpenError::Damaged {
                seq: 0,
                why: "there are records and no head",
            }),
        };
    };
    if last.as_deref() != Some(&store::record_key(seq)) {
        return Err(OpenError::Damaged {
            seq,
            why: "the head is not the last record",
        });
    }
    let line = store.line(seq).map_err(fail)?.unwrap_or_default();
    if Hash::of_line(&line) != head.hash {
        return Err(OpenError::Damaged {
            seq,
            why: "the last record is not the one that was written",
        });
    }
    let record: Value = serde_json::from_slice(&line).unwrap_or_default();
    let origin = record
        .get("origin")
        .and_then(Value::as_str)
        .and_then(Origin::parse);
    origin.map(Some).ok_or(OpenError::Damaged {
        seq,
        why: "the last record has no origin",
    })
}

fn start(
    folder: Folder,
    store: Store,
    options: &Options,
    origin: Origin,
    key: SigningKey,
    (head, tree): (Head, Frontier),
    found: Found,
    new_key: bool,
) -> Result<Opened, OpenError> {
    let dir = folder.path.clone();
    let fail = |error| database(&dir, error);
    let key = key.renamed(&origin.to_string());
    own_key(&store, &key, &folder, new_key)?;
    let path = anchor_path(&dir, options);
    let anchor =
        AnchorFile::open(&path, *key.derive(anchor::ANCHOR_CONTEXT), found).map_err(|error| {
            OpenError::Io {
                doing: "opening",
                path,
                error,
            }
        })?;
    folder.publish(&key.verifier())?;
    let store = Arc::new(store);
    let index = Arc::new(Index::open(&dir, head.next_seq()).map_err(fail)?);
    let chain = Chain::new(head, tree.clone(), open_exchanges(&store).map_err(fail)?);
    let queue = Queue::new(
        origin.to_string(),
        options.append_wait_max,
        options.reserve_bytes,
        chain,
    );
    let signed = last_signed(&store, origin.epoch()).map_err(fail)?;
    queue.signed.store(
        signed.as_ref().map_or(0, |signed| signed.size),
        Ordering::Relaxed,
    );
    let queue = Arc::new(queue);
    let writer = Writer {
        store: Arc::clone(&store),
        queue: Arc::clone(&queue),
        key,
        epoch: origin.epoch(),
        anchor,
        dir,
        checkpoint_every: options.checkpoint_every,
        durable: head.seq.map(|_| (head, tree)),
        anchored: None,
        signed,
    };
    writer.look_at_disk();
    Ok(Opened {
        folder,
        store,
        index,
        queue,
        writer,
    })
}

impl Opened {
    /// Makes records durable before the threads run.
    fn commit(&mut self, entries: Vec<(Entry, Option<SessionCount>)>) -> Result<(), OpenError> {
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
                let _ = chain.push(&self.queue.origin, fitted, session.as_ref(), exchange, None)?;
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

    /// Closes exchanges that were cut off: what they did is unknown, and the trail says that.
    fn close_interrupted(&mut self) -> Result<(), OpenError> {
        let path = self.folder.path.clone();
        let fail = |error| database(&path, error);
        let open = open_exchanges(&self.store).map_err(fail)?;
        if open.is_empty() {
            return Ok(());
        }
        let mut open: Vec<_> = open.into_iter().collect();
        open.sort_by_key(|(_, seq)| *seq);
        for (exchange, seq) in open {
            let intent = record_at(&self.store, seq).map_err(fail)?;
            let mut draft = Draft::new(Kind::Interrupted, now())
                .with(field::EXCHANGE, &*exchange)
                .with("intent_seq", seq);
            for name in [field::SUBJECT, field::ACTOR, field::RESOURCE] {
                if let Some(value) = intent.get(name) {
                    draft = draft.with(name, value.clone());
                }
            }
            let session = match intent.get(field::SESSION).and_then(Value::as_str) {
                Some(session) => {
                    let durable = self.queue.durable.load(Ordering::Acquire);
                    let next =
                        next_number(&self.store, &self.index, session, durable).map_err(fail)?;
                    Some(SessionCount::new(session.into(), next))
                }
                None => None,
            };
            self.commit(vec![(Entry::new(draft), session)])?;
        }
        Ok(())
    }
}

/// The number that a session's next record gets, from the last record it has.
fn next_number(store: &Store, index: &Index, session: &str, durable: u64) -> Result<u64, String> {
    index.catch_up(store, durable, &AtomicBool::new(false))?;
    for seq in index.places(By::Session, session, durable) {
        let record = record_at(store, seq?)?;
        if record.get(field::SESSION).and_then(Value::as_str) == Some(session) {
            return Ok(record
                .get(field::N)
                .and_then(Value::as_u64)
                .map_or(0, |n| n + 1));
        }
    }
    Ok(0)
}

fn record_at(store: &Store, seq: u64) -> Result<Value, String> {
    let line = store
        .line(seq)?
        .ok_or_else(|| format!("record {seq} is missing"))?;
    serde_json::from_slice(&line).map_err(|_| format!("record {seq} is damaged"))
}

fn open_exchanges(store: &Store) -> Result<HashMap<Box<str>, u64>, String> {
    let mut open = HashMap::new();
    for entry in store.scan(OPEN, b"", Direction::Forward, None)? {
        let (exchange, seq) = entry?;
        let exchange =
            std::str::from_utf8(&exchange).map_err(|_| "an open exchange is not named in UTF-8")?;
        open.insert(
            exchange.into(),
            store::record_seq(&seq).ok_or("an open exchange has no intent")?,
        );
    }
    Ok(open)
}

/// The key must be the one that the trail began with, unless a recovery brings another.
fn own_key(store: &Store, key: &SigningKey, folder: &Folder, new: bool) -> Result<(), OpenError> {
    let fail = |error| database(&folder.path, error);
    let public = key.verifier().public_bytes();
    match store.get(META, b"key").map_err(fail)? {
        Some(known) if known == public => Ok(()),
        Some(_) if !new => {
            let path = folder.path.join(crate::folder::SIGNING_KEY);
            Err(OpenError::Key {
                path,
                why: "it is not the trail's; restore the right one, or move it away and run `almoner audit recover`",
            })
        }
        _ => {
            let mut writes = WriteBatch::default();
            writes.put_cf(store.family(META).map_err(fail)?, b"key", public);
            store.write_synced(writes).map_err(fail)
        }
    }
}

/// The last checkpoint of this epoch.
fn last_signed(store: &Store, epoch: u64) -> Result<Option<Signed>, String> {
    let Some(key) = store.last_key(CHECKPOINTS)? else {
        return Ok(None);
    };
    let Some((size, of_epoch)) = key.split_first_chunk::<8>() else {
        return Ok(None);
    };
    if of_epoch != epoch.to_be_bytes() {
        return Ok(None);
    }
    let note = store
        .get(CHECKPOINTS, &key)?
        .and_then(|note| String::from_utf8(note).ok());
    Ok(note.map(|note| Signed {
        at: Instant::now(),
        size: u64::from_be_bytes(*size),
        note,
        window: None,
    }))
}

pub(crate) fn anchor_path(dir: &Path, options: &Options) -> PathBuf {
    options
        .anchor
        .clone()
        .unwrap_or_else(|| dir.join(anchor::ANCHOR))
}

fn name_error(name: &str) -> OpenError {
    OpenError::Origin(format!(
        "the name {name:?} must be 1 to 128 printable ASCII characters without spaces, quotes, backslashes and plus signs"
    ))
}

fn database(dir: &Path, error: String) -> OpenError {
    OpenError::Database {
        path: dir.join(store::DATABASE),
        error,
    }
}
