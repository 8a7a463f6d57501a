//! The audit trail on disk: one writer, one store, one anchor.
//!
//! A record is acknowledged when it is on stable storage and not before, and whoever waits for it releases
//! nothing until then. A write or sync that fails is fatal: nothing is tried again, every waiter is told,
//! and the process should end. Only this crate names rocksdb. It never changes or deletes a record.

mod anchor;
mod append;
mod audit;
mod copy;
mod error;
mod export;
mod fit;
mod folder;
mod herald;
mod index;
mod interrupted;
mod offline;
mod open;
mod parallel;
mod queue;
mod read;
mod recover;
mod remains;
mod session;
mod store;
#[doc(hidden)]
pub mod tamper;
mod writer;

pub use anchor::usual_anchor;
pub use append::{Body, Durable, Entry, Pending};
pub use audit::{Audit, Status};
pub use error::{AuditError, OpenError, ReadError};
pub use export::{export, verify_export};
pub use offline::{Progress, VerifyStore, verify_store};
pub use open::{OnSync, Options};
pub use read::{Filter, Found, Reader, SEARCH_MAX, Stored};
pub use recover::Recovery;
pub use session::SessionLog;

/// The present, by this machine's clock, as records write it.
pub fn now() -> almoner_ledger::Timestamp {
    let micros = jiff::Timestamp::now().as_microsecond();
    almoner_ledger::Timestamp::from_micros(u64::try_from(micros).unwrap_or(0))
}
