//! Recovering: opening an epoch after a loss, and writing down what is missing.

use std::path::Path;

use almoner_ledger::record::field;
use almoner_ledger::{Draft, Kind, Origin};

use crate::anchor::Found;
use crate::append::Entry;
use crate::error::OpenError;
use crate::index::Index;
use crate::now;
use crate::open::Options;
use crate::remains::{Remains, database, name_error};

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

/// Opens an epoch in the trail of `dir`, if it cannot be served from as it is.
pub(crate) fn recover(
    dir: &Path,
    options: &Options,
    by: &str,
    reason: &str,
) -> Result<Recovery, OpenError> {
    let mut found = Remains::find(dir, options)?;
    let last_seq = found.head.seq;
    let key_lost = found.key.is_none() && last_seq.is_some();
    if found.shortfall()?.is_none() && !key_lost {
        return Err(OpenError::NothingToRecover);
    }
    // Places may be taken by other records than before.
    Index::discard(dir).map_err(|error| database(dir, error))?;
    let anchor = match found.anchor {
        Found::Anchor(anchor) => Some(anchor),
        Found::Blank | Found::Lost => None,
    };
    let before = anchor
        .map_or(0, |anchor| anchor.epoch)
        .max(found.origin.epoch());
    let origin = Origin::new(&options.name, before + 1).ok_or_else(|| name_error(&options.name))?;
    let (key, made) = match found.key.take() {
        Some(key) => (key, false),
        None => (found.folder.make_signing_key(&origin)?, true),
    };
    let mut opened = found.start(options, &origin, &key, made)?;
    let mut draft = Draft::new(Kind::Recovery, now())
        .with("by", by)
        .with("reason", reason);
    if let Some(anchor) = anchor {
        draft = draft
            .with(field::ACKNOWLEDGED_SEQ, anchor.seq)
            .with("acknowledged_hash", anchor.hash.to_string());
    }
    if let Some(last) = last_seq {
        draft = draft.with("last_seq", last);
    }
    let mut entries = vec![(Entry::new(draft), None)];
    if made || last_seq.is_none() {
        entries.push((opened.key_record(), None));
    }
    // One batch: an epoch never exists without the record that opens it.
    opened.commit(entries)?;
    opened
        .writer
        .write_anchor()
        .and_then(|()| opened.writer.sign())
        .map_err(|error| database(dir, error))?;
    Ok(Recovery {
        last_seq,
        anchor_seq: anchor.map(|anchor| anchor.seq),
        origin: origin.to_string(),
        seq: last_seq.map_or(0, |last| last + 1),
    })
}
