//! The values that cross between the host and a plugin, as the host sees them.
//!
//! Inputs mirror the WIT one to one, so that they cross without a copy on the host's side. Outputs are
//! what is left after checking: a [`Reason`] here carries a message written by the host, a [`Finding`]
//! counts in UTF-8 bytes and names a kind that the plugin's manifest declares.
//! No `Debug` output of these types shows a value of the exchange.

mod cells;
mod exchange;
mod verdict;

pub use cells::{Batch, Field, FieldFinding, Finding, Found, UNVERIFIED};
pub use exchange::{Attr, CallContext, Direction, Operation, Payload, Usage};
pub use verdict::{Answer, Assessment, Reason, Requirement, Verdict};
