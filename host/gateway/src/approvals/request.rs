//! What is asked, what can come of it, and why asking or deciding can be refused.
//!
//! The texts held here are masked ones; even so, no `Debug` output shows a statement or a parameter.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ApprovalId;
use crate::config::policy::{APPROVAL_TTL_MAX, Requirement};
use crate::identity::principal::Principal;

/// Longest reason an approver may give, bytes: it goes into a record, which is at most 16 KiB.
pub(super) const REASON_BYTES_MAX: usize = 1_000;

/// Bounds on what may wait. Each waiting request holds a caller's session and its masked statement in memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests waiting at a time, all sessions together. More than people could ever look at.
    pub pending_max: usize,
    /// Requests waiting at a time from one session, so that one agent cannot crowd out the others.
    pub pending_per_session_max: usize,
    /// Decided requests that can still be shown; older ones are found in the audit trail.
    pub kept_max: usize,
    /// Longest statement with its parameters that can be put before a person, bytes. Nobody can judge
    /// more, and `pending_max + kept_max` of them fit into memory.
    pub statement_bytes_max: usize,
    /// Longest a request may wait. A policy that asks for more is refused when it is read.
    pub ttl_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pending_max: 256,
            pending_per_session_max: 4,
            kept_max: 1_000,
            statement_bytes_max: 64 * 1024,
            ttl_max: APPROVAL_TTL_MAX,
        }
    }
}

/// One exchange's request that people say yes to it.
#[derive(Clone)]
pub struct Ask {
    /// The exchange that waits.
    pub exchange: String,
    /// Its session.
    pub session: String,
    /// Who asks.
    pub requester: Principal,
    /// The resource it is about.
    pub resource: String,
    /// The policy rule that wants approval.
    pub rule: String,
    /// What would be done, as masked.
    pub statement: String,
    /// Its parameters, as masked.
    pub parameters: Vec<String>,
    /// The facts that policy judged by.
    pub facts: serde_json::Value,
    /// Why approval is needed, in the words of the plugins' templates.
    pub reasons: Vec<String>,
    /// Who has to say yes: all of these.
    pub requirements: Vec<Requirement>,
    /// Rows that went out before the exchange was held; 0 if it is held before it starts.
    pub rows_so_far: u64,
    /// Rows that an approval covers, those included that are out; `None`: as many as there are.
    pub max_rows: Option<u64>,
    /// Digest of the exact action: statement, parameters, principal, resource.
    pub fingerprint: [u8; 32],
    /// The policy generation that wants the approval.
    pub generation: u64,
    /// How long it may wait for a decision.
    pub ttl: Duration,
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("exchange", &self.exchange)
            .field("resource", &self.resource)
            .field("rule", &self.rule)
            .field("requirements", &self.requirements)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// What became of a request, for the exchange that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Everybody needed said yes, and that is recorded.
    Approved {
        /// In the order in which they did.
        approvers: Vec<Approval>,
        /// Rows that are covered; `None`: as many as there are.
        max_rows: Option<u64>,
    },
    /// Somebody entitled said no, and that is recorded.
    Denied {
        /// Who.
        by: Approval,
        /// Why, in their words.
        reason: Option<String>,
    },
    /// Nobody decided in time.
    Expired,
}

/// One person's recorded word on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The person.
    pub person: String,
    /// The login they proved.
    pub login: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// Sequence number of the audit record that holds it.
    pub seq: u64,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Waiting for people.
    Pending,
    /// Approved.
    Approved,
    /// Denied.
    Denied,
    /// Not decided in time.
    Expired,
    /// The exchange no longer needs it.
    Withdrawn,
}

impl State {
    /// As it is written in records, metrics and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an exchange no longer needs its approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawal {
    /// The caller went away.
    Abandoned,
    /// The caller cancelled the exchange.
    Cancelled,
    /// The newest policy asks for something else, or for nothing.
    Superseded,
    /// The gateway is stopping.
    Shutdown,
}

impl Withdrawal {
    /// As it is written in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Abandoned => "abandoned",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Shutdown => "shutdown",
        }
    }
}

/// How far a request is after one more person approved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Sequence number of the audit record that holds this approval.
    pub seq: u64,
    /// Who is still needed; empty: the request is approved and the exchange goes on.
    pub outstanding: Vec<Requirement>,
}

impl Progress {
    /// Nobody else is needed.
    pub fn complete(&self) -> bool {
        self.outstanding.is_empty()
    }
}

/// Why a request cannot be put before people. The exchange is denied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// As many requests wait as may.
    #[error("{0} requests for approval are waiting already; decide or withdraw some first")]
    TooMany(usize),
    /// This session has as many waiting as it may.
    #[error("this session has {0} requests for approval waiting already")]
    TooManyOfSession(usize),
    /// A request that nobody needs to approve is a fault of the policy's evaluation.
    #[error("approval was asked for without saying whose")]
    NobodyAsked,
    /// Nobody could judge so long a statement.
    #[error(
        "statement and parameters are longer than the {0} bytes that can be put before an approver"
    )]
    TooLong(usize),
    /// No id could be made.
    #[error("the system gave no random numbers to name the request with")]
    NoRandomness,
    /// The request is not in the audit trail, so it does not exist.
    #[error(transparent)]
    Unrecorded(#[from] super::Unrecorded),
}

/// Why somebody's word on a request does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such request is waiting or remembered.
    #[error(
        "no request for approval {0} is known here; `almoner approvals list` shows those that wait"
    )]
    Unknown(ApprovalId),
    /// Each request is decided once.
    #[error("already decided: {0}")]
    AlreadyDecided(State),
    /// One's own request, or that of one's own agent.
    #[error("nobody decides on their own request, or on that of an agent acting for them")]
    OwnRequest,
    /// Agents do not approve.
    #[error("an agent's login cannot decide on requests; log in as the person")]
    Agent,
    /// Not in a group whose word is still needed.
    #[error("the word of one of these groups is needed: {}", .0.join(", "))]
    NotAnApprover(Vec<String>),
    /// One person's word counts once.
    #[error("you approved this request already; somebody else is needed")]
    AlreadyApproved,
    /// The reason does not fit into a record.
    #[error("the reason is longer than {0} bytes")]
    ReasonTooLong(usize),
    /// The decision is not in the audit trail, so it has no effect.
    #[error(transparent)]
    Unrecorded(#[from] super::Unrecorded),
}

impl Refusal {
    /// A word for records and for the API's problem types.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "unknown",
            Self::AlreadyDecided(_) => "already-decided",
            Self::OwnRequest => "own-request",
            Self::Agent => "agent",
            Self::NotAnApprover(_) => "not-an-approver",
            Self::AlreadyApproved => "already-approved",
            Self::ReasonTooLong(_) => "reason-too-long",
            Self::Unrecorded(_) => "unrecorded",
        }
    }
}
