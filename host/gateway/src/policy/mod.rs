//! The one pipeline that every exchange of every protocol passes, in plain order:
//!
//! ```text
//! admit     guard every action → approve → intent record        -> Ticket | Denial
//! settle    each part of the reply: mask -> Masked<P> -> record  -> Settling<P> -> Released<P>
//! ```
//!
//! Each phase consumes the proof that the phase before it made, and the two sinks of a session take
//! nothing else: a phase left out does not compile. This module knows no protocol and no wire format;
//! protocols show it [`Action`]s and [`Part`]s.

mod admit;
mod approve;
mod column;
mod exchange;
mod failed;
mod guard;
mod known;
mod mask;
mod metrics;
mod pipeline;
mod recheck;
mod record;
mod settle;
mod standing;
mod treatment;
mod usage;
mod verdict;

pub use admit::{Clearance, Ticket};
pub use column::{ColumnFacts, ColumnMask, Decision, Masking, Provenance, tag_of};
pub use exchange::{
    Action, Before, Caller, Effect, Exchange, ExchangeId, Opening, Request, Session, Waiting,
};
pub use mask::{CellText, Masked, Part, Replacement};
pub use metrics::Metrics;
pub use pipeline::{Parts, Pipeline};
pub use recheck::GoOn;
pub(crate) use record::hex;
pub use settle::{End, InFlight, Released, Settling};
pub use standing::{Searcher, Standing};
pub use treatment::{Pseudonyms, tag, treat_text, year_may_show};
pub use verdict::{Denial, Fault, Withdrawn};
