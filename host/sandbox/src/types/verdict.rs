//! What guards and approval plugins answered, checked and put into the host's words.

use std::fmt;

/// Why a plugin decided as it did. The code is one that its manifest declares; the host wrote the message
/// from the manifest's template and those args that look like names. Safe for callers, logs and records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Declared by the plugin's manifest.
    pub code: String,
    /// For people; at most [`crate::MESSAGE_BYTES_MAX`] bytes.
    pub message: String,
    /// Names by which the template was filled: (key, name).
    pub args: Vec<(String, String)>,
}

/// So many approvers of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Name of the group.
    pub group: String,
    /// How many of its members must approve, at least 1.
    pub count: u8,
}

/// What approval a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// 0 to 255, higher is riskier.
    pub risk: u8,
    /// At least one.
    pub reasons: Vec<Reason>,
    /// All must be met. Empty: the rule's own requirement.
    pub all_of: Vec<Requirement>,
    /// How long an approval is good for. 0: the rule's own time.
    pub ttl_seconds: u32,
    /// An approval covers so many rows of the exchange, from its first one.
    pub max_rows: Option<u64>,
}

/// What a guard decided.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Go ahead.
    Allow,
    /// Refuse.
    Deny(Reason),
    /// Wait for approval.
    Hold(Assessment),
    /// Send this instead, after parsing and guarding it anew.
    Rewrite {
        /// The whole new body.
        body: String,
        /// Why.
        reason: Reason,
    },
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("Allow"),
            Self::Deny(reason) => f.debug_tuple("Deny").field(reason).finish(),
            Self::Hold(assessment) => f.debug_tuple("Hold").field(assessment).finish(),
            Self::Rewrite { reason, .. } => f
                .debug_struct("Rewrite")
                .field("reason", reason)
                .finish_non_exhaustive(),
        }
    }
}

/// What an approval plugin answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The approval it asks for; `None`: nothing beyond what the rule asks for.
    pub need: Option<Assessment>,
    /// Ask again when the response reaches so many rows.
    pub recheck_at_rows: Option<u64>,
}
