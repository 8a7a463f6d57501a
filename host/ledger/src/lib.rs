//! The audit record: its format, its hash chain, the tree over it, signed checkpoints, and the verifier.
//!
//! Everything here is a function of its arguments. There is no clock, no randomness, no file and no thread,
//! so an auditor can build this crate alone and get the same answer from the same bytes on any machine.
//! What it never does: store records, decide what goes into one, or repair anything it finds broken.

pub mod canonical;
pub mod chain;
pub mod checkpoint;
pub mod draft;
pub mod hash;
pub mod origin;
pub mod record;
pub mod said;
pub mod time;
pub mod tree;
pub mod verify;

pub use chain::{Head, SealError, Sealed, seal};
pub use checkpoint::{Checkpoint, SigningKey, VerifierKey};
pub use draft::{Draft, DraftError};
pub use hash::{Hash, Root};
pub use origin::Origin;
pub use record::{BodyRef, Kind, Prepared, RECORD_BYTES_MAX};
pub use said::Said;
pub use time::Timestamp;
pub use verify::{Break, BreakCode, Examined, Report, Verdict, Verifier};
