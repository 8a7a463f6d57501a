//! Reading the trail: by place, by name, by time. Blocks on the disk, never on the writer.

use std::path::Path;

use almoner_ledger::{BodyRef, Hash, Kind, Timestamp};
use bytes::Bytes;

use crate::error::ReadError;

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
    /// Not at or after this instant.
    pub until: Option<Timestamp>,
    /// Only records before this place; for paging back.
    pub before: Option<u64>,
    /// At most so many records; 0 means [`SEARCH_MAX`](crate::read::SEARCH_MAX).
    pub limit: usize,
}

/// The most records that one search, range or tail returns.
pub const SEARCH_MAX: usize = 10_000;

/// A view of the trail.
#[derive(Clone)]
pub struct Reader {
    _private: (),
}

impl Stored {
    /// The record as JSON.
    pub fn value(&self) -> Result<serde_json::Value, ReadError> {
        serde_json::from_str(&self.line).map_err(|_| ReadError::Damaged {
            seq: self.seq,
            why: "not JSON",
        })
    }

    /// The hash of its line.
    pub fn hash(&self) -> Hash {
        Hash::of_line(self.line.as_bytes())
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

impl Reader {
    /// Opens a copy made by [`Reader::copy_to`], or the folder of a gateway that is not running.
    pub fn open_copy(_dir: &Path) -> Result<Reader, ReadError> {
        todo!()
    }

    /// The last durable record's place; `None` while there is none.
    pub fn last_seq(&self) -> Option<u64> {
        todo!()
    }

    /// One record.
    pub fn get(&self, _seq: u64) -> Result<Option<Stored>, ReadError> {
        todo!()
    }

    /// Up to `limit` records from `from` on.
    pub fn range(&self, _from: u64, _limit: usize) -> Result<Vec<Stored>, ReadError> {
        todo!()
    }

    /// The last `limit` records, oldest first.
    pub fn tail(&self, _limit: usize) -> Result<Vec<Stored>, ReadError> {
        todo!()
    }

    /// Records that match, newest first.
    pub fn search(&self, _filter: &Filter) -> Result<Vec<Stored>, ReadError> {
        todo!()
    }

    /// A record's body by name, with its reference; `None` if the record or the body is not there.
    pub fn body(&self, _seq: u64, _name: &str) -> Result<Option<(BodyRef, Bytes)>, ReadError> {
        todo!()
    }

    /// The latest signed checkpoint, as a signed note.
    pub fn checkpoint(&self) -> Result<Option<String>, ReadError> {
        todo!()
    }

    /// Makes a consistent copy of the trail in `dir`, which must not exist, for verification elsewhere. The
    /// signing key is not copied. Cheap on the same disk: files are linked, not copied.
    pub fn copy_to(&self, _dir: &Path) -> Result<(), ReadError> {
        todo!()
    }
}
