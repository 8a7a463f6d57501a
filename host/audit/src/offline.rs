//! Verifying a copy of the store, on as many cores as there are.
//!
//! Threads read ranges of records with their bodies and examine them; one takes the results in order and
//! follows the chain. Beyond the records themselves: nothing may lie beside them that they do not account
//! for, and they must reach the head anchor.

use std::path::{Path, PathBuf};

use almoner_ledger::canonical::INTEGER_LIMIT;
use almoner_ledger::{Break, BreakCode, Examined, Report, Verifier, VerifierKey};
use rocksdb::Direction;

use crate::anchor::{self, Found};
use crate::error::ReadError;
use crate::parallel;
use crate::read::Reader;
use crate::store::{self, BODIES, CHECKPOINTS, RECORDS, Store};

/// Records that a thread takes at a time. Small enough for memory at 16 KiB each, large enough that
/// opening a scan does not show.
pub(crate) const CHUNK: u64 = 1024;

/// How to verify.
#[derive(Debug, Clone)]
pub struct VerifyStore {
    /// Keys that are known from elsewhere. With none, the trail's own key is taken, and the report says so.
    pub keys: Vec<VerifierKey>,
    /// Signed notes that were kept elsewhere, to be held against the trail.
    pub checkpoints: Vec<String>,
    /// Whether bodies are read and hashed.
    pub bodies: bool,
    /// Threads; 0 means one for each core.
    pub jobs: usize,
    /// Where the head anchor lies; `None`: see [`crate::usual_anchor`].
    pub anchor: Option<PathBuf>,
}

impl Default for VerifyStore {
    fn default() -> VerifyStore {
        VerifyStore {
            keys: Vec::new(),
            checkpoints: Vec::new(),
            bodies: true,
            jobs: 0,
            anchor: None,
        }
    }
}

/// How far a verification has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Records read.
    pub records: u64,
    /// Records there are, if known.
    pub total: Option<u64>,
}

/// Verifies a copy of a trail (see [`Reader::copy_to`]), or the folder of a gateway that is not running.
/// An error means that it could not be read: exit code 4, see [`ReadError::exit_code`].
pub fn verify_store(
    dir: &Path,
    options: &VerifyStore,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, ReadError> {
    let strangers = Store::strangers(dir).map_err(ReadError::Database)?;
    let mut reader = Reader::open_copy(dir)?;
    if let Some(anchor) = &options.anchor {
        reader.anchor.clone_from(anchor);
    }
    let mut verifier = begin(options);
    for name in strangers {
        verifier.report_break(extra(
            None,
            format!("the database has a column family {name:?} that does not belong there"),
        ));
    }
    let notes = reader
        .store
        .scan(CHECKPOINTS, b"", Direction::Forward, None)
        .map_err(ReadError::Database)?;
    for note in notes {
        let (_, note) = note.map_err(ReadError::Database)?;
        verifier.checkpoint(String::from_utf8_lossy(&note).into_owned(), false);
    }
    let total = reader.count()?;
    if total >= INTEGER_LIMIT {
        verifier.report_break(extra(
            None,
            "a record lies at a place that no trail reaches".to_owned(),
        ));
    }
    let store = &*reader.store;
    std::thread::scope(|scope| {
        let chunks = chunks(store, total);
        let examine = |(from, to)| examine(store, from, to, options.bodies);
        for chunk in parallel::ordered(scope, parallel::threads(options.jobs), chunks, examine) {
            let chunk = chunk.map_err(ReadError::Database)?;
            chunk.into_iter().for_each(|examined| match examined {
                Item::Record(examined) => verifier.accept(examined),
                Item::Break(found) => verifier.report_break(found),
            });
            progress(Progress {
                records: verifier.next_seq(),
                total: Some(total),
            });
        }
        Ok::<(), ReadError>(())
    })?;
    hold_against_anchor(&reader, &mut verifier, total)?;
    Ok(verifier.finish())
}

/// Ranges of places, each with about as many records. A hole, however large, is within one of them: who put a
/// record at the far end of all numbers does not get to keep the verifier busy.
fn chunks(store: &Store, total: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        if from >= total {
            return None;
        }
        let first = store.next_record(from).unwrap_or(from);
        let to = first.saturating_add(CHUNK).min(total);
        Some((std::mem::replace(&mut from, to), to))
    })
}

/// A verifier with the keys and checkpoints that were given.
pub(crate) fn begin(options: &VerifyStore) -> Verifier {
    let mut verifier = Verifier::new(options.keys.clone(), options.bodies);
    options
        .checkpoints
        .iter()
        .for_each(|note| verifier.checkpoint(note.clone(), true));
    verifier
}

pub(crate) fn extra(seq: Option<u64>, explain: String) -> Break {
    Break {
        code: BreakCode::Extra,
        seq,
        explain,
    }
}

/// What a thread found, in order.
enum Item {
    Record(Examined),
    Break(Break),
}

/// The records of a range and their bodies, which lie in the same order.
fn examine(store: &Store, from: u64, to: u64, with_bodies: bool) -> Result<Vec<Item>, String> {
    let mut found = Vec::new();
    let mut bodies = match with_bodies {
        true => Some(
            store
                .scan(
                    BODIES,
                    &store::body_key(from, 0),
                    Direction::Forward,
                    Some(&store::body_key(to, 0)),
                )?
                .peekable(),
        ),
        false => None,
    };
    let (first, end) = (store::record_key(from), store::record_key(to));
    store.for_each(RECORDS, &first, &end, |key, line| {
        let Some(place) = store::record_seq(key) else {
            found.push(Item::Break(extra(
                None,
                "a record lies under a key that is no place".to_owned(),
            )));
            return Ok(());
        };
        let mut examined = Examined::of(line);
        if examined.seq().is_some_and(|seq| seq != place) {
            let explain = format!("the record at place {place} is that of another place");
            found.push(Item::Break(Break {
                code: BreakCode::SeqOrder,
                seq: Some(place),
                explain,
            }));
        }
        // Bodies up to this record: those of earlier places belong to no record that is there.
        while let Some(body) = bodies.as_mut().and_then(|bodies| {
            bodies.next_if(|body| match body {
                Ok((key, _)) => store::body_place(key).is_none_or(|(seq, _)| seq <= place),
                Err(_) => true,
            })
        }) {
            let (key, bytes) = body?;
            match store::body_place(&key) {
                Some((seq, index)) if seq == place => examined.body(index, &bytes),
                at => found.push(Item::Break(extra(
                    at.map(|(seq, _)| seq),
                    "a body belongs to no record".to_owned(),
                ))),
            }
        }
        found.push(Item::Record(examined));
        Ok(())
    })?;
    for body in bodies.into_iter().flatten() {
        let (key, _) = body?;
        let seq = store::body_place(&key).map(|(seq, _)| seq);
        found.push(Item::Break(extra(
            seq,
            "a body belongs to no record".to_owned(),
        )));
    }
    Ok(found)
}

/// The records must reach the anchor, and be the ones it saw.
fn hold_against_anchor(
    reader: &Reader,
    verifier: &mut Verifier,
    total: u64,
) -> Result<(), ReadError> {
    let found = anchor::read(&reader.anchor, None);
    let found = found.map_err(|error| ReadError::Io {
        doing: "reading",
        path: reader.anchor.clone(),
        error,
    })?;
    let anchor = match found {
        Found::Anchor(anchor) => anchor,
        Found::Blank | Found::Lost => {
            verifier.report_incomplete("the head anchor is missing or damaged: a cut after the last signed checkpoint is not shown");
            return Ok(());
        }
    };
    let broken = if anchor.seq >= total {
        let explain = format!(
            "records up to {} were acknowledged, and only {total} are here",
            anchor.seq
        );
        Some((BreakCode::Truncated, total, explain))
    } else {
        let line = reader.store.line(anchor.seq).map_err(ReadError::Database)?;
        let same = line.is_some_and(|line| almoner_ledger::Hash::of_line(&line) == anchor.hash);
        (!same).then(|| {
            (
                BreakCode::Chain,
                anchor.seq,
                format!("record {} is not the one that was acknowledged", anchor.seq),
            )
        })
    };
    if let Some((code, seq, explain)) = broken {
        verifier.report_break(Break {
            code,
            seq: Some(seq),
            explain,
        });
    }
    // Bodies beyond the last record, which no range covered.
    let mut beyond = reader
        .store
        .scan(BODIES, &store::body_key(total, 0), Direction::Forward, None)
        .map_err(ReadError::Database)?;
    if let Some(body) = beyond.next() {
        body.map_err(ReadError::Database)?;
        verifier.report_break(extra(None, "bodies lie beyond the last record".to_owned()));
    }
    Ok(())
}
