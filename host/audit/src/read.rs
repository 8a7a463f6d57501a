//! Reading the trail: by place, by name, by time. Blocks on the disk, never on the writer.
//!
//! A reader of a live trail sees durable records only. It hands lines out as they are stored, and leaves
//! believing them to the verifier.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use almoner_ledger::record::field;
use almoner_ledger::{BodyRef, Hash, Kind, Timestamp, VerifierKey};
use bytes::Bytes;
use rocksdb::Direction;
use serde_json::Value;

use crate::copy::{self, Files};
use crate::error::ReadError;
use crate::index::{By, Index};
use crate::queue::Queue;
use crate::store::{self, Access, BODIES, CHECKPOINTS, RECORDS, Store};
use crate::{anchor, folder};

/// The most records that one search, range or tail returns.
pub const SEARCH_MAX: usize = 10_000;
/// The most records that one search looks at before it hands over what it has: about a second's work.
const LOOKED_AT_MAX: usize = 500_000;
/// Records may lie this far out of order in time, by steps of the clock, and still be found by time.
const CLOCK_SLACK_MICROS: u64 = 3_600 * 1_000_000;

/// A record as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place.
    pub seq: u64,
    /// Its line, verbatim.
    pub line: String,
}

/// What to search for. `None` means any; everything given must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The session.
    pub session: Option<String>,
    /// The exchange.
    pub exchange: Option<String>,
    /// The subject.
    pub subject: Option<String>,
    /// The resource.
    pub resource: Option<String>,
    /// The kind.
    pub kind: Option<Kind>,
    /// The verdict.
    pub verdict: Option<String>,
    /// Not before this instant.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub until: Option<Timestamp>,
    /// Only records before this place; for paging back.
    pub before: Option<u64>,
    /// At most so many records; 0 means [`SEARCH_MAX`].
    pub limit: usize,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Records that match, newest first.
    pub records: Vec<Stored>,
    /// Where to go on, as [`Filter::before`], if there may be more.
    pub more_before: Option<u64>,
}

/// A view of the trail.
#[derive(Clone)]
pub struct Reader {
    pub(crate) store: Arc<Store>,
    /// A copy has none, and is searched record by record.
    index: Option<Arc<Index>>,
    live: Option<Arc<Queue>>,
    /// The trail's folder.
    pub(crate) dir: PathBuf,
    pub(crate) anchor: PathBuf,
    /// The verifier key's text.
    pub(crate) key: String,
}

impl Stored {
    /// The record as JSON.
    pub fn value(&self) -> Result<Value, ReadError> {
        serde_json::from_str(&self.line).map_err(|_| ReadError::Damaged {
            seq: self.seq,
            why: "not JSON",
        })
    }

    /// The hash of its line.
    pub fn hash(&self) -> Hash {
        Hash::of_line(self.line.as_bytes())
    }

    fn of(seq: u64, line: Vec<u8>) -> Result<Stored, ReadError> {
        let line = String::from_utf8(line).map_err(|_| ReadError::Damaged {
            seq,
            why: "not UTF-8",
        })?;
        Ok(Stored { seq, line })
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored")
            .field("seq", &self.seq)
            .field("bytes", &self.line.len())
            .finish()
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("live", &self.live.is_some())
            .finish()
    }
}

impl Reader {
    pub(crate) fn live(
        store: Arc<Store>,
        index: Arc<Index>,
        queue: Arc<Queue>,
        dir: PathBuf,
        anchor: PathBuf,
        key: &VerifierKey,
    ) -> Reader {
        Reader {
            store,
            index: Some(index),
            live: Some(queue),
            dir,
            anchor,
            key: format!("{key}\n"),
        }
    }

    /// Opens a copy made by [`Reader::copy_to`], or the folder of a gateway that is not running. Changes
    /// nothing in it.
    pub fn open_copy(dir: &Path) -> Result<Reader, ReadError> {
        let store = Store::open(dir, Access::Read).map_err(ReadError::Database)?;
        let path = dir.join(folder::VERIFIER_KEY);
        let key = std::fs::read_to_string(&path).map_err(|error| ReadError::Io {
            doing: "reading",
            path,
            error,
        })?;
        Ok(Reader {
            store: Arc::new(store),
            index: None,
            live: None,
            dir: dir.to_owned(),
            anchor: anchor::usual_anchor(dir),
            key,
        })
    }

    /// The last durable record's place; `None` while there is none.
    pub fn last_seq(&self) -> Option<u64> {
        self.count().ok()?.checked_sub(1)
    }

    /// One record.
    pub fn get(&self, seq: u64) -> Result<Option<Stored>, ReadError> {
        if seq >= self.count()? {
            return Ok(None);
        }
        let line = self.store.line(seq).map_err(ReadError::Database)?;
        line.map(|line| Stored::of(seq, line)).transpose()
    }

    /// Up to `limit` records from `from` on.
    pub fn range(&self, from: u64, limit: usize) -> Result<Vec<Stored>, ReadError> {
        let limit = limit.min(SEARCH_MAX) as u64;
        let to = self.count()?.min(from.saturating_add(limit));
        self.lines(from, to)?.collect()
    }

    /// The last `limit` records, oldest first.
    pub fn tail(&self, limit: usize) -> Result<Vec<Stored>, ReadError> {
        let limit = limit.min(SEARCH_MAX);
        self.range(self.count()?.saturating_sub(limit as u64), limit)
    }

    /// Records that match, newest first.
    pub fn search(&self, filter: &Filter) -> Result<Vec<Stored>, ReadError> {
        self.search_page(filter).map(|found| found.records)
    }

    /// Records that match, newest first, and where to go on if the search stopped early.
    pub fn search_page(&self, filter: &Filter) -> Result<Found, ReadError> {
        let limit = if filter.limit == 0 {
            SEARCH_MAX
        } else {
            filter.limit.min(SEARCH_MAX)
        };
        let mut before = self.count()?.min(filter.before.unwrap_or(u64::MAX));
        if let Some(until) = filter.until {
            before = before.min(self.place_after(until, before)?);
        }
        let mut records = Vec::new();
        let places = self.candidates(filter, before)?;
        for (looked_at, place) in places.enumerate() {
            let seq = place?;
            if records.len() == limit || looked_at == LOOKED_AT_MAX {
                return Ok(Found {
                    records,
                    more_before: Some(seq + 1),
                });
            }
            let Some(stored) = self.get(seq)? else {
                continue;
            };
            let record = stored.value()?;
            let time = record
                .get("time")
                .and_then(Value::as_str)
                .and_then(|time| Timestamp::parse(time.as_bytes()));
            let time = time.ok_or(ReadError::Damaged {
                seq,
                why: "it has no time",
            })?;
            if filter
                .from
                .is_some_and(|from| time.micros() + CLOCK_SLACK_MICROS < from.micros())
            {
                break;
            }
            if filter.matches(&record, time) {
                records.push(stored);
            }
        }
        Ok(Found {
            records,
            more_before: None,
        })
    }

    /// A record's body by name, with its reference; `None` if the record or the body is not there.
    pub fn body(&self, seq: u64, name: &str) -> Result<Option<(BodyRef, Bytes)>, ReadError> {
        let Some(stored) = self.get(seq)? else {
            return Ok(None);
        };
        let references = stored
            .value()?
            .get("bodies")
            .cloned()
            .unwrap_or(Value::Array(Vec::new()));
        let references: Vec<BodyRef> =
            serde_json::from_value(references).map_err(|_| ReadError::Damaged {
                seq,
                why: "its bodies are malformed",
            })?;
        let named = (0..)
            .zip(references)
            .find(|(_, reference)| reference.name == name);
        let Some((index, reference)) = named else {
            return Ok(None);
        };
        let bytes = self
            .store
            .get(BODIES, &store::body_key(seq, index))
            .map_err(ReadError::Database)?;
        Ok(bytes.map(|bytes| (reference, bytes.into())))
    }

    /// The latest signed checkpoint, as a signed note.
    pub fn checkpoint(&self) -> Result<Option<String>, ReadError> {
        let mut last = self
            .store
            .scan(CHECKPOINTS, &[u8::MAX; 16], Direction::Reverse, None)
            .map_err(ReadError::Database)?;
        let note = last.next().transpose().map_err(ReadError::Database)?;
        Ok(note.map(|(_, note)| String::from_utf8_lossy(&note).into_owned()))
    }

    /// Makes a consistent copy of the trail in `dir`, which must not exist, for verification elsewhere. The
    /// copy of a live trail ends with a signed checkpoint: the writer signs and links between two batches,
    /// which takes it a few milliseconds; the bytes are copied while it goes on. The signing key is not copied.
    /// Blocks; call it off the runtime.
    pub fn copy_to(&self, dir: &Path) -> Result<(), ReadError> {
        copy::copy(self, dir, Files::Own)
    }

    /// As [`Reader::copy_to`], but within one file system the files are the trail's own under further names:
    /// made at once and without space, for verification here. Whoever changes them changes the trail; remove
    /// them when they have been read.
    pub fn link_to(&self, dir: &Path) -> Result<(), ReadError> {
        copy::copy(self, dir, Files::Linked)
    }

    /// Signs what is acknowledged, if the trail is live, and then runs `then` where nothing is written in
    /// between.
    pub(crate) fn signed<T: Send + 'static>(
        &self,
        wait_max: Duration,
        then: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ReadError> {
        let Some(queue) = &self.live else {
            return Ok(then());
        };
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        queue.request_signature(Box::new(move |signed| {
            let _ = send.send(signed.map(|_| then()));
        }));
        match receive.recv_timeout(wait_max) {
            Ok(done) => Ok(done?),
            Err(_) => Err(crate::append::timeout(wait_max).into()),
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// How many records may be read.
    pub(crate) fn count(&self) -> Result<u64, ReadError> {
        match &self.live {
            Some(queue) => Ok(queue.durable.load(Ordering::Acquire)),
            None => {
                let last = self.store.last_key(RECORDS).map_err(ReadError::Database)?;
                Ok(last
                    .and_then(|key| store::record_seq(&key))
                    .map_or(0, |seq| seq.saturating_add(1)))
            }
        }
    }

    fn lines(
        &self,
        from: u64,
        to: u64,
    ) -> Result<impl Iterator<Item = Result<Stored, ReadError>> + use<'_>, ReadError> {
        let (from, to) = (store::record_key(from), store::record_key(to));
        let scan = self
            .store
            .scan(RECORDS, &from, Direction::Forward, Some(&to))
            .map_err(ReadError::Database)?;
        Ok(scan.map(|entry| {
            let (key, line) = entry.map_err(ReadError::Database)?;
            Stored::of(store::record_seq(&key).unwrap_or(u64::MAX), line.into_vec())
        }))
    }

    /// Places that may match, newest first: from the index as far as it goes, and all that it does not cover.
    fn candidates<'r>(
        &'r self,
        filter: &Filter,
        before: u64,
    ) -> Result<Box<dyn Iterator<Item = Result<u64, ReadError>> + 'r>, ReadError> {
        let named = [
            (By::Exchange, &filter.exchange),
            (By::Session, &filter.session),
            (By::Subject, &filter.subject),
        ];
        let named = named
            .into_iter()
            .find_map(|(by, name)| name.as_deref().map(|name| (by, name)));
        let Some(((by, name), index)) = named.zip(self.index.as_deref()) else {
            return Ok(Box::new((0..before).rev().map(Ok)));
        };
        let covered = index.covered().map_err(ReadError::Database)?.min(before);
        let indexed = index
            .places(by, name, covered)
            .map(|place| place.map_err(ReadError::Database));
        Ok(Box::new((covered..before).rev().map(Ok).chain(indexed)))
    }

    /// A place that no record of before `until` lies behind, but for steps of the clock within the slack.
    fn place_after(&self, until: Timestamp, count: u64) -> Result<u64, ReadError> {
        let limit = until.micros().saturating_add(CLOCK_SLACK_MICROS);
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            let time = match self.get(middle)? {
                Some(stored) => stored
                    .value()?
                    .get("time")
                    .and_then(Value::as_str)
                    .and_then(|time| Timestamp::parse(time.as_bytes())),
                None => None,
            };
            if time
                .ok_or(ReadError::Damaged {
                    seq: middle,
                    why: "it has no time",
                })?
                .micros()
                < limit
            {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

impl Filter {
    fn matches(&self, record: &Value, time: Timestamp) -> bool {
        let is = |wanted: &Option<String>, name: &str| {
            wanted
                .as_deref()
                .is_none_or(|wanted| record.get(name).and_then(Value::as_str) == Some(wanted))
        };
        is(&self.session, field::SESSION)
            && is(&self.exchange, field::EXCHANGE)
            && is(&self.subject, field::SUBJECT)
            && is(&self.resource, field::RESOURCE)
            && is(&self.verdict, field::VERDICT)
            && self.kind.is_none_or(|kind| {
                record.get("kind").and_then(Value::as_str) == Some(kind.as_str())
            })
            && self.from.is_none_or(|from| time >= from)
            && self.until.is_none_or(|until| time < until)
    }
}
