//! The trail of approvals: every step as an event, durable before it counts.
//!
//! [`Recorder`] is the one thing this module needs of the audit trail, so that tests can stand in for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{ApprovalId, Ask, Withdrawal};
use crate::config::policy::Requirement;
use crate::identity::principal::Principal;

/// One step of one request.
#[derive(Clone, Debug)]
pub struct Event {
    /// The request.
    pub approval: ApprovalId,
    /// What it asks for.
    pub ask: Arc<Ask>,
    /// The step.
    pub what: What,
}

/// The steps.
#[derive(Clone, Debug)]
pub enum What {
    /// The request was made; it expires at this time.
    Asked {
        /// By the wall clock.
        expires_at: jiff::Timestamp,
    },
    /// One more person approved.
    Approved {
        /// As they proved to be.
        approver: Principal,
        /// Why, in their words.
        reason: Option<String>,
        /// Who is still needed; empty: the exchange goes on.
        outstanding: Vec<Requirement>,
    },
    /// Somebody entitled said no.
    Denied {
        /// As they proved to be.
        approver: Principal,
        /// Why, in their words.
        reason: Option<String>,
    },
    /// Somebody who proved who they are tried to decide and may not.
    Refused {
        /// As they proved to be.
        approver: Principal,
        /// What the API calls it: `own-request`, …
        code: &'static str,
    },
    /// Nobody decided in time.
    Expired,
    /// The exchange no longer needs it.
    Withdrawn {
        /// Why.
        why: Withdrawal,
    },
}

impl What {
    /// As it is written in the record and in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Asked { .. } => "asked",
            Self::Approved { .. } => "approved",
            Self::Denied { .. } => "denied",
            Self::Refused { .. } => "refused",
            Self::Expired => "expired",
            Self::Withdrawn { .. } => "withdrawn",
        }
    }
}

/// The audit trail did not take a record; whatever it was about has no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit trail does not take records: {0}")]
pub struct Unrecorded(pub String);

/// A record on its way: its sequence number once it is durable.
pub type Recording = Pin<Box<dyn Future<Output = Result<u64, Unrecorded>> + Send>>;

/// Where events go.
pub trait Recorder: Send + Sync + 'static {
    /// Makes the event durable. Must not answer before it is.
    fn record(&self, event: Event) -> Recording;
}
