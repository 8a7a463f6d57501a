//! A request as people see it: in the admin API, in the console, on the command line.
//!
//! Holds masked text only. What comes from callers is shown as it is; whoever prints it on a terminal has to
//! take out what a terminal would obey.

use serde::{Deserialize, Serialize};

use super::{ApprovalId, State};

/// Everything an approver needs to judge one request.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Its name.
    pub id: ApprovalId,
    /// Where it stands.
    pub state: State,
    /// When it was asked, UTC.
    pub asked_at: jiff::Timestamp,
    /// When it expires or would have, UTC.
    pub expires_at: jiff::Timestamp,
    /// When it ended, UTC.
    pub ended_at: Option<jiff::Timestamp>,
    /// The exchange that waits.
    pub exchange: String,
    /// Its session.
    pub session: String,
    /// Who asks.
    pub requester: Requester,
    /// The resource.
    pub resource: String,
    /// The rule that wants approval.
    pub rule: String,
    /// What would be done, as masked.
    pub statement: String,
    /// Its parameters, as masked.
    pub parameters: Vec<String>,
    /// The facts that policy judged by.
    pub facts: serde_json::Value,
    /// Why approval is needed.
    pub reasons: Vec<String>,
    /// Who has to say yes.
    pub requirements: Vec<Needed>,
    /// Rows that went out before the exchange was held.
    pub rows_so_far: u64,
    /// Rows that an approval covers, those included that are out.
    pub max_rows: Option<u64>,
    /// Digest of the exact action, hex.
    pub fingerprint: String,
    /// The policy generation that wants the approval.
    pub generation: u64,
    /// Who said yes so far.
    pub approvals: Vec<Word>,
    /// Who said no.
    pub denied: Option<Word>,
    /// Why it was withdrawn.
    pub withdrawn: Option<String>,
}

/// Who asks: on whose authority, and which agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requester {
    /// On whose authority.
    pub subject: String,
    /// The agent acting for them.
    pub actor: Option<String>,
    /// The human behind the login.
    pub person: String,
    /// Groups of the subject.
    pub groups: Vec<String>,
}

/// So many people of a group, and how many of them have approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needed {
    /// The group.
    pub group: String,
    /// How many different people of it.
    pub count: u8,
    /// How many places are filled.
    pub filled: u8,
}

/// What one person said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// The person.
    pub person: String,
    /// The login they proved.
    pub login: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// The audit record that holds it.
    pub seq: u64,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("id", &self.id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
