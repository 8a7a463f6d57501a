//! What is found of a trail in its folder, and whether it may be served from.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use almoner_ledger::tree::Frontier;
use almoner_ledger::{Hash, Head, Origin, SigningKey};
use rocksdb::WriteBatch;
use serde_json::Value;

use crate::anchor::{self, AnchorFile, Found};
use crate::error::OpenError;
use crate::folder::{Folder, SIGNING_KEY};
use crate::index::Index;
use crate::interrupted::open_exchanges;
use crate::open::{Opened, Options};
use crate::queue::{Chain, Queue};
use crate::store::{self, Access, CHECKPOINTS, FORMAT, META, RECORDS, Store};
use crate::writer::{Signed, Writer};

/// What is found in the folder.
pub(crate) struct Remains {
    pub(crate) folder: Folder,
    store: Store,
    pub(crate) head: Head,
    tree: Frontier,
    pub(crate) origin: Origin,
    pub(crate) key: Option<SigningKey>,
    pub(crate) anchor: Found,
    anchor_path: PathBuf,
}

impl Remains {
    pub(crate) fn find(dir: &Path, options: &Options) -> Result<Remains, OpenError> {
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
    pub(crate) fn shortfall(&self) -> Result<Option<OpenError>, OpenError> {
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

    /// Makes it ready for writing under `origin`. `key_made` says that the key is not the one the trail had.
    pub(crate) fn start(
        self,
        options: &Options,
        origin: &Origin,
        key: &SigningKey,
        key_made: bool,
    ) -> Result<Opened, OpenError> {
        let Remains {
            folder,
            store,
            head,
            tree,
            anchor: found,
            anchor_path: path,
            ..
        } = self;
        let dir = folder.path.clone();
        let fail = |error| database(&dir, error);
        let key = key.renamed(&origin.to_string());
        own_key(&store, &key, &folder, key_made)?;
        let anchor = AnchorFile::open(&path, *key.derive(anchor::ANCHOR_CONTEXT), found).map_err(
            |error| OpenError::Io {
                doing: "opening",
                path,
                error,
            },
        )?;
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
        let mut writer = Writer {
            store: Arc::clone(&store),
            queue: Arc::clone(&queue),
            key,
            epoch: origin.epoch(),
            anchor,
            dir,
            checkpoint_every: options.checkpoint_every,
            on_sync: options.on_sync.clone(),
            durable: head.seq.map(|_| (head, tree)),
            anchored: None,
            herald: None,
            looked: None,
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

/// The key must be the one that the trail began with, unless a recovery brings another.
fn own_key(store: &Store, key: &SigningKey, folder: &Folder, new: bool) -> Result<(), OpenError> {
    let fail = |error| database(&folder.path, error);
    let public = key.verifier().public_bytes();
    match store.get(META, b"key").map_err(fail)? {
        Some(known) if known == public => Ok(()),
        Some(_) if !new => {
            let path = folder.path.join(SIGNING_KEY);
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
    let Some((_, size)) = store::checkpoint_place(&key).filter(|(of_epoch, _)| *of_epoch == epoch)
    else {
        return Ok(None);
    };
    let note = store
        .get(CHECKPOINTS, &key)?
        .and_then(|note| String::from_utf8(note).ok());
    Ok(note.map(|note| Signed {
        at: Instant::now(),
        size,
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

pub(crate) fn name_error(name: &str) -> OpenError {
    OpenError::Origin(format!(
        "the name {name:?} must be 1 to 128 printable ASCII characters without spaces, quotes, backslashes and plus signs"
    ))
}

pub(crate) fn database(dir: &Path, error: String) -> OpenError {
    OpenError::Database {
        path: dir.join(store::DATABASE),
        error,
    }
}
