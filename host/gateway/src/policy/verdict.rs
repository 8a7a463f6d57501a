//! What admission can end in, besides a ticket. A denial's words are names and codes that this house or a
//! plugin's manifest wrote; a value of the request never becomes part of them.

use super::exchange::ExchangeId;

/// A refused exchange. The protocol words it in its own error format.
#[derive(Clone, Debug)]
pub struct Denial {
    /// The exchange refused.
    pub exchange: ExchangeId,
    /// The rule that applied, if one did.
    pub rule: Option<String>,
    /// A stable code: `sql-guard/ddl`, `approval.expired`, …
    pub code: String,
    /// For people, without the exchange's id.
    pub message: String,
    /// What kind of refusal, for the protocol's error code.
    pub fault: Fault,
}

/// Whose doing a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Policy says no.
    Policy,
    /// The caller asked for something this gateway does not carry.
    Unsupported,
    /// Nobody approved in time, or somebody refused.
    Approval,
    /// The caller withdrew.
    Canceled,
    /// The gateway cannot do its work (evidence store, plugin); closed.
    Gateway,
}

/// Why an exchange that was asked for is not done after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawn {
    /// The caller canceled it before it was sent.
    Canceled,
    /// The caller canceled it in mid-response.
    CanceledMidway,
    /// The caller went away before it was sent.
    Abandoned,
    /// The caller went away in mid-response.
    AbandonedMidway,
    /// The gateway stops before it was sent.
    Stopping,
    /// Something before it in the same pipeline failed, and so the upstream would not do it.
    Skipped,
}

impl Withdrawn {
    /// As records name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Canceled | Self::CanceledMidway => "canceled",
            Self::Abandoned | Self::AbandonedMidway => "abandoned",
            Self::Stopping => "stopping",
            Self::Skipped => "skipped",
        }
    }

    /// Whether the upstream has it.
    pub(super) fn was_sent(self) -> bool {
        matches!(self, Self::CanceledMidway | Self::AbandonedMidway)
    }

    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Canceled => "canceling statement due to user request; nothing was sent",
            Self::CanceledMidway => "canceling statement due to user request",
            Self::Stopping => "the gateway is stopping; nothing was sent",
            Self::Abandoned => "the caller went away; nothing was sent",
            Self::AbandonedMidway => "the caller went away",
            Self::Skipped => "what came before it failed; nothing was sent",
        }
    }
}

impl Fault {
    /// As records and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Unsupported => "unsupported",
            Self::Approval => "approval",
            Self::Canceled => "canceled",
            Self::Gateway => "gateway",
        }
    }
}
