//! What the API tells about the gateway, as both sides of the socket see it.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::plugins::{PluginInfo, SetInfo};

/// What the running gateway knows about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// When it began to serve, UTC.
    pub started_at: jiff::Timestamp,
    /// It takes no further sessions and is about to stop.
    pub draining: bool,
    /// Where PostgreSQL callers connect.
    pub postgres_listen: SocketAddr,
    /// Where HTTP callers connect.
    #[serde(default)]
    pub http_listen: Option<SocketAddr>,
    /// Where probes and metrics are answered.
    pub observe_listen: Option<SocketAddr>,
    /// The resources, with what is live.
    pub resources: Vec<ResourceView>,
    /// The policy that exchanges see; `None` before the first generation.
    pub policy: Option<PolicyView>,
    /// The last policy that was refused, if none was activated since.
    pub policy_refused: Option<PolicyRefused>,
    /// The folder of the audit trail.
    pub audit_dir: PathBuf,
    /// The id of the key that pseudonyms are made with.
    #[serde(default)]
    pub pseudonym_key: String,
}

/// A resource and its live sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceView {
    /// Its name.
    pub name: String,
    /// `postgres`, …
    pub protocol: String,
    /// Live sessions.
    pub sessions: usize,
}

/// The policy generation in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyView {
    /// Its number.
    pub generation: u64,
    /// SHA-256 over its files, hex.
    pub digest: String,
    /// Since when, UTC.
    pub activated_at: jiff::Timestamp,
    /// How many rules it has.
    pub rules: usize,
    /// Its plugins.
    pub plugins: Vec<PluginView>,
}

/// A plugin of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginView {
    /// The name rules use.
    pub name: String,
    /// SHA-256 of the component, hex.
    pub sha256: String,
    /// Its version, as its manifest says.
    pub version: String,
    /// The name its manifest gives it.
    #[serde(default)]
    pub component: String,
    /// `guard`, `approval`, `detector`, `transformer`.
    #[serde(default)]
    pub world: String,
    /// The words it may ask for.
    #[serde(default)]
    pub sets: Vec<SetInfo>,
}

impl From<&PluginInfo> for PluginView {
    fn from(info: &PluginInfo) -> Self {
        Self {
            name: info.name.clone(),
            sha256: info.sha256.clone(),
            version: info.version.clone(),
            component: info.component.clone(),
            world: info.world.clone(),
            sets: info.sets.clone(),
        }
    }
}

/// A policy that was not activated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRefused {
    /// When, UTC.
    pub at: jiff::Timestamp,
    /// Why, one sentence for each problem.
    pub problems: Vec<String>,
}

/// One live session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// On whose authority.
    pub subject: String,
    /// The agent acting for them.
    pub actor: Option<String>,
    /// The resource.
    pub resource: String,
    /// `postgres`, …
    pub protocol: String,
    /// Where it comes from.
    pub source: SocketAddr,
    /// Since when, UTC.
    pub started_at: jiff::Timestamp,
    /// Exchanges so far.
    pub exchanges: u64,
    /// What it does at the moment: `idle`, `guard`, `waiting for approval A-…`, …
    pub doing: String,
}

/// The answer to `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the gateway.
    pub version: String,
    /// Whether it takes exchanges.
    pub ready: bool,
    /// If not: why, and what to do.
    pub not_ready: Vec<String>,
    /// What it knows about itself.
    #[serde(flatten)]
    pub overview: Overview,
    /// Requests for approval that wait.
    pub approvals_pending: usize,
    /// The audit trail.
    pub audit: AuditView,
}

/// How the audit trail is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditView {
    /// Name and epoch of the log.
    pub origin: String,
    /// The last durable record.
    pub durable_seq: u64,
    /// Its hash, hex.
    pub durable_hash: String,
    /// Records that wait to become durable.
    pub waiting: u64,
    /// Records that the last signed checkpoint covers.
    pub signed_size: u64,
    /// Bytes free on its disk.
    pub disk_free_bytes: u64,
    /// Whether appending is refused for want of space.
    pub disk_full: bool,
    /// Why nothing can be recorded any more, if so.
    pub failed: Option<String>,
    /// The key that its checkpoints verify with, as `name+id+base64`.
    pub verifier_key: String,
}

/// A record as the API gives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordView {
    /// Its place in the chain.
    pub seq: u64,
    /// BLAKE3 of its line, hex.
    pub hash: String,
    /// What it says.
    pub record: serde_json::Value,
    /// Its line as it is stored and hashed; only where one record was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
}

/// Records, and where to go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordPage {
    /// The records; newest first in searches, oldest first in tails.
    pub records: Vec<RecordView>,
    /// Searches: give this as `before` to get older ones; `None`: there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Tails: give this as `after` to get later ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// The answer to `POST /v1/audit/copy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyMade {
    /// Where the copy lies.
    pub dir: PathBuf,
    /// The signed checkpoint that was made for it.
    pub checkpoint: String,
    /// The key that it verifies with.
    pub verifier_key: String,
}

/// What an approver sends with a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deciding {
    /// Why, in their words.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The audit record that holds it.
    pub seq: u64,
    /// Whether the request is decided; otherwise others are still needed.
    pub complete: bool,
    /// The request as it stands.
    pub approval: Option<crate::approvals::View>,
}

/// Why the gateway takes no exchanges; empty: it does.
pub(super) fn not_ready(overview: &Overview, audit: &almoner_audit::Status) -> Vec<String> {
    let mut why = Vec::new();
    if let Some(failed) = &audit.failed {
        why.push(format!(
            "audit: {failed}; the gateway must be started again"
        ));
    }
    if audit.disk_full {
        why.push("audit: the disk is full up to the reserve; free some space".to_owned());
    }
    if overview.policy.is_none() {
        why.push("policy: no generation is loaded; see `almoner check`".to_owned());
    }
    if overview.draining {
        why.push("draining: the gateway is about to stop".to_owned());
    }
    why
}
