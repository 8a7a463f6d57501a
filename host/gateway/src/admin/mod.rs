//! How people and monitors look into a running gateway: the admin API on a local socket, and a small
//! listener for probes and metrics.
//!
//! Whoever can open the socket (its file mode says who: the gateway's user) may look. Deciding on a request
//! for approval takes more: an approver's own login and password, each time. Nothing here changes policy,
//! users or the audit trail, and nothing here is part of an exchange's way.

pub mod client;
pub mod observe;
pub mod socket;
pub mod status;

mod accept;
mod api;
mod doorman;
mod problem;
mod records;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use almoner_audit::Audit;

pub use api::serve;
pub use doorman::Logins;
pub use status::{Overview, SessionView, Status};

use crate::approvals::Approvals;

/// What the admin API and the probes need of the running gateway. Every method answers at once.
pub trait Console: Send + Sync + 'static {
    /// The gateway as a whole.
    fn overview(&self) -> Overview;
    /// Live sessions, in any order.
    fn sessions(&self) -> Vec<SessionView>;
    /// The desk of approvals.
    fn approvals(&self) -> &Approvals;
    /// The audit trail.
    fn audit(&self) -> &Audit;
    /// Who may log in, as of this moment.
    fn logins(&self) -> Arc<dyn Logins>;
}
