//! The hash chain: each record's line holds the hash of the line before it.
//!
//! Sealing is the only way to get a line, and it takes the head it extends, so two records cannot take the
//! same place by accident. A chain alone shows a change to something inside it; it does not show a cut tail
//! or a chain rewritten as a whole. Signed checkpoints are for that.

use crate::canonical;
use crate::hash::Hash;
use crate::record::{Prepared, RECORD_BYTES_MAX};

/// The last record of a chain: where the next one goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The place of the last record, counted from 0; `None` while the chain is empty.
    pub seq: Option<u64>,
    /// Its hash; [`Hash::ZERO`] while the chain is empty.
    pub hash: Hash,
}

impl Head {
    /// The head of a chain without records.
    pub const EMPTY: Head = Head {
        seq: None,
        hash: Hash::ZERO,
    };

    /// The place of the record that comes next, which is also the number of records so far.
    pub fn next_seq(&self) -> u64 {
        self.seq.map_or(0, |seq| seq + 1)
    }
}

/// A record with its place in the chain.
#[derive(Clone)]
pub struct Sealed {
    /// Its place, counted from 0.
    pub seq: u64,
    /// Its line of canonical JSON, without a line feed.
    pub line: Vec<u8>,
    /// The hash of the line.
    pub hash: Hash,
}

impl Sealed {
    /// The head of the chain that ends with this record.
    pub fn head(&self) -> Head {
        Head {
            seq: Some(self.seq),
            hash: self.hash,
        }
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealed")
            .field("seq", &self.seq)
            .field("hash", &self.hash)
            .finish()
    }
}

/// Why a record cannot be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The line would be longer than [`RECORD_BYTES_MAX`].
    #[error("the record would take {0} bytes, more than the {RECORD_BYTES_MAX} a record may have")]
    TooLarge(usize),
    /// The counter within the session is missing, or is there without a session.
    #[error("a record has a number within its session if and only if it has a session")]
    Session,
    /// 2^53 records, or an origin that would not stand for itself in a JSON string.
    #[error("the place or the origin cannot be written")]
    Place,
}

/// Gives a prepared record the place after `head`. `n` is its number within its session.
pub fn seal(
    head: &Head,
    origin: &str,
    n: Option<u64>,
    prepared: &Prepared,
) -> Result<Sealed, SealError> {
    if n.is_some() != prepared.in_session {
        return Err(SealError::Session);
    }
    if !origin
        .bytes()
        .all(|byte| matches!(byte, 0x21..=0x7e) && byte != b'"' && byte != b'\\')
    {
        return Err(SealError::Place);
    }
    let seq = head.next_seq();
    let text = prepared.text.as_slice();
    let [at_n, at_origin, at_prev, at_seq] = prepared.gaps;
    let piece = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let mut line = Vec::with_capacity(prepared.line_bytes_max(origin.len()));
    line.extend_from_slice(piece(0, at_n));
    if let Some(n) = n {
        canonical::write_u64(n, &mut line).map_err(|_| SealError::Place)?;
    }
    line.extend_from_slice(piece(at_n, at_origin));
    line.extend_from_slice(origin.as_bytes());
    line.extend_from_slice(piece(at_origin, at_prev));
    head.hash.write_hex(&mut line);
    line.extend_from_slice(piece(at_prev, at_seq));
    canonical::write_u64(seq, &mut line).map_err(|_| SealError::Place)?;
    line.extend_from_slice(piece(at_seq, text.len()));
    if line.len() > RECORD_BYTES_MAX {
        return Err(SealError::TooLarge(line.len()));
    }
    let hash = Hash::of_line(&line);
    Ok(Sealed { seq, line, hash })
}
