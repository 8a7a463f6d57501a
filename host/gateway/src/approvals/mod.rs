//! Holding an exchange until people have said yes to exactly it.
//!
//! An exchange asks ([`Approvals::ask`]) and waits on what it gets ([`Pending`]); people look
//! ([`Approvals::list`], [`Approvals::show`]) and decide ([`Approvals::approve`], [`Approvals::deny`]).
//! Every step is in the audit trail before it takes effect. An approval is for one exchange, once: it is
//! never stored for later, and what waits dies with the process, closed.
//!
//! This module never decides whether an approval is needed, and never sees an unmasked statement.

mod audited;
mod count;
mod held;
mod id;
mod record;
mod request;
mod rules;
mod store;
#[cfg(test)]
mod tests;
mod view;
mod wait;

pub use audited::AuditRecorder;
pub use id::{ApprovalId, BadApprovalId};
pub use record::{Event, Recorder, Recording, Unrecorded, What};
pub use request::{
    Approval, Ask, AskError, Decision, Limits, Progress, Refusal, State, Withdrawal,
};
pub use store::{Approvals, Which};
pub use view::{Needed, Requester, View, Word};
pub use wait::Pending;
