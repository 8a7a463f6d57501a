//! Why a call of a plugin gave no answer. Every class is treated closed by the caller: deny, the
//! strictest approvers, whole cells masked, redacted.
//!
//! No text of this file holds anything a plugin said in its own words.

/// A call that gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The plugin crashed. The text names the machine's own trap code.
    #[error("the plugin trapped: {0}")]
    Trap(&'static str),
    /// Not done in time; the time in the queue counts.
    #[error("the plugin did not answer within its deadline")]
    Deadline,
    /// Wanted more memory than its limit and did not survive the refusal.
    #[error("the plugin wanted more memory than its limit")]
    Memory,
    /// Wanted a larger table than its limit and did not survive the refusal.
    #[error("the plugin wanted a larger table than its limit")]
    Table,
    /// Answered with more bytes than its limit.
    #[error("the plugin's answer is larger than its limit")]
    OutputTooLarge,
    /// Answered with something its manifest or the contract does not allow.
    #[error("the plugin broke its contract: {0}")]
    BadOutput(BadOutput),
    /// Said so itself, by the contract's `failure`.
    #[error("the plugin reported: {0}")]
    Reported(Reported),
    /// Used a host function beyond its budget, or asked for a word set that is not mounted.
    #[error("the plugin used a host function wrongly: {0}")]
    HostFunction(&'static str),
    /// Refused, in a new instance, settings that it had accepted.
    #[error("the plugin refused settings that it had accepted before")]
    Settings,
    /// Too many calls of this plugin are waiting, or no instance is free.
    #[error("no capacity: {0}")]
    QueueFull(&'static str),
    /// The host is shutting down.
    #[error("the plugin is not loaded")]
    NotLoaded,
}

impl Failure {
    /// All classes there are.
    pub const CLASSES: [&'static str; 12] = [
        "trap",
        "deadline",
        "memory",
        "table",
        "output-too-large",
        "bad-output",
        "reported-internal",
        "reported-unsupported",
        "host-function",
        "bad-settings",
        "queue-full",
        "not-loaded",
    ];

    /// Short stable name of the class, for records and metrics.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Table => "table",
            Self::OutputTooLarge => "output-too-large",
            Self::BadOutput(_) => "bad-output",
            Self::Reported(Reported::Internal(_)) => "reported-internal",
            Self::Reported(Reported::UnsupportedInput(_)) => "reported-unsupported",
            Self::HostFunction(_) => "host-function",
            Self::Settings => "bad-settings",
            Self::QueueFull(_) => "queue-full",
            Self::NotLoaded => "not-loaded",
        }
    }
}

/// How an answer broke the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOutput {
    /// A reason's code is not among the manifest's messages.
    #[error("a reason's code is not declared")]
    UndeclaredCode,
    /// A kind's index is not in the manifest's list.
    #[error("a finding's kind is not declared")]
    UnknownKind,
    /// An index of a cell or field that was not asked about.
    #[error("a finding names a cell or field that was not asked about")]
    UnknownCell,
    /// Too many reasons, requirements, findings.
    #[error("a list is longer than its limit")]
    TooMany,
    /// A requirement without a name or with a count of zero; a name outside the allowed characters.
    #[error("a requirement is not well formed")]
    BadRequirement,
    /// An assessment without a reason.
    #[error("an assessment gives no reason")]
    NoReason,
    /// As many values back as were sent: not kept.
    #[error("a transformer returned another number of values")]
    WrongCount,
}

/// A failure in the plugin's own report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reported {
    /// It cannot judge this kind of input. The code is declared.
    #[error("unsupported input ({0})")]
    UnsupportedInput(String),
    /// Something went wrong inside. The code is declared.
    #[error("internal ({0})")]
    Internal(String),
}
