//! Exchanges that a stop cut off between intent and outcome.
//!
//! What they did upstream is unknown, and the trail says exactly that, once, at the next start.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use almoner_ledger::record::field;
use almoner_ledger::{Draft, Kind};
use rocksdb::Direction;
use serde_json::Value;

use crate::append::Entry;
use crate::error::OpenError;
use crate::index::{By, Index};
use crate::now;
use crate::open::Opened;
use crate::queue::SessionCount;
use crate::remains::database;
use crate::store::{self, OPEN, Store};

impl Opened {
    /// Closes exchanges that were cut off: what they did is unknown, and the trail says that.
    pub(crate) fn close_interrupted(&mut self) -> Result<(), OpenError> {
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

/// Exchanges with an intent and no outcome, and the places of their intents.
pub(crate) fn open_exchanges(store: &Store) -> Result<HashMap<Box<str>, u64>, String> {
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
