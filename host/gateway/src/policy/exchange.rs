//! What passes the pipeline: a session's exchanges, each of one or more actions, as a protocol describes
//! them. Nothing here can send or release anything.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use almoner_audit::SessionLog;
use almoner_sandbox::Operation;

use super::standing::Standing;
use crate::approvals::ApprovalId;
use crate::identity::principal::Principal;
use crate::telemetry::metrics::SessionCount;

/// One caller's login to one resource: what all its exchanges share.
pub struct Session {
    /// `s` and 13 characters of Crockford base32 (64 random bits).
    pub id: String,
    /// The name they logged in with.
    pub login: String,
    /// Who acts.
    pub principal: Principal,
    /// Where the caller connects from.
    pub source: SocketAddr,
    /// The resource's name.
    pub resource: String,
    /// `postgres`, …
    pub protocol: &'static str,
    /// When it began, UTC.
    pub started_at: jiff::Timestamp,
    pub(super) log: SessionLog,
    pub(super) media: &'static str,
    /// The reading of the users file under which the principal was found to be still the same.
    pub(super) identity_seen: AtomicU64,
    exchanges: AtomicU64,
    _count: Option<SessionCount>,
}

/// What a protocol knows when a caller has proven who they are.
pub struct Opening {
    /// The name they logged in with.
    pub login: String,
    /// Who acts.
    pub principal: Principal,
    /// Where the caller connects from.
    pub source: SocketAddr,
    /// The resource's name.
    pub resource: String,
    /// `postgres`, …
    pub protocol: &'static str,
    /// Media type of its recorded replies.
    pub media: &'static str,
}

impl Session {
    pub(super) fn new(log: SessionLog, opening: Opening, count: Option<SessionCount>) -> Arc<Self> {
        Arc::new(Self {
            id: log.id().to_owned(),
            login: opening.login,
            principal: opening.principal,
            source: opening.source,
            resource: opening.resource,
            protocol: opening.protocol,
            media: opening.media,
            started_at: jiff::Timestamp::now(),
            log,
            identity_seen: AtomicU64::new(0),
            exchanges: AtomicU64::new(0),
            _count: count,
        })
    }

    /// The next exchange's id: the session's with a number that has no gaps.
    pub fn next_exchange(&self) -> ExchangeId {
        let n = self.exchanges.fetch_add(1, Ordering::Relaxed) + 1;
        ExchangeId(format!("{}.{n}", self.id))
    }

    /// How many exchanges were begun.
    pub fn exchanges(&self) -> u64 {
        self.exchanges.load(Ordering::Relaxed)
    }
}

/// `s2k7….14`: the fourteenth exchange of a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExchangeId(String);

impl ExchangeId {
    /// The id as records, denials and the console show it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether an action may change state at the resource. Whoever cannot tell says `Write`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Needs its record before release.
    Read,
    /// Needs its intent on record before it is sent.
    Write,
}

/// One action as guards, approvers and records see it.
#[derive(Clone)]
pub struct Action {
    /// What the guards are shown, values included.
    pub operation: Arc<Operation>,
    /// The request as records and approvers see it: literals masked.
    pub shown: Arc<str>,
    /// How many parameters were bound; their values are in no record.
    pub parameters: usize,
    /// Facts without values, for records and approvers.
    pub facts: Arc<serde_json::Value>,
    /// Whether it may change state.
    pub effect: Effect,
    /// Why its effects cannot be told from its text, if they cannot.
    pub opaque: Option<String>,
    /// A reason of the protocol's own to refuse it, whatever the policy says.
    pub refused: Option<String>,
    /// Exactly what an approval is bound to: the statement's bytes and every parameter's.
    pub identity: [u8; 32],
}

/// One action or several that are sent and answered together.
#[derive(Clone)]
pub struct Exchange {
    /// Its id.
    pub id: ExchangeId,
    /// In the order they will be done; at least one.
    pub actions: Vec<Action>,
    /// What it continues: a cursor or portal that has yielded rows already.
    pub before: Before,
}

/// Rows that an exchange's cursor or portal yielded in exchanges before it. Asking for many rows in many
/// small pieces is asking for many rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// So many, as thresholds count them.
    pub rows: u64,
    /// Up to how many somebody has approved.
    pub approved: u64,
}

impl Exchange {
    /// `Write` if any action may change state; without actions it changes nothing.
    pub fn effect(&self) -> Effect {
        self.actions
            .iter()
            .map(|action| action.effect)
            .max()
            .unwrap_or(Effect::Read)
    }
}

/// What a caller asked for, so that it can be judged anew: names and functions may mean something else
/// under another generation.
pub trait Request: Send + Sync {
    /// The exchange as it stands under this generation. The same id each time.
    fn exchange(&self, standing: &Standing) -> Exchange;

    /// The exchange for a caller whom no rule lets in: for the record of the refusal only.
    fn bare(&self) -> Exchange;
}

/// What a held caller can be told at once.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The approval's id.
    pub approval: ApprovalId,
    /// The exchange's id.
    pub exchange: ExchangeId,
    /// Who has to approve: "1 of managers".
    pub from: String,
    /// Why, one line per reason.
    pub reasons: Vec<String>,
    /// When the request expires.
    pub expires_in: Duration,
}

/// The protocol's side of a held exchange.
pub trait Caller: Send + Sync {
    /// Tells the caller that it waits and for what. Must not block.
    fn waiting(&self, waiting: &Waiting);

    /// Resolves when the caller is there to take what was approved. Whoever went away with a ticket number
    /// comes back for it; the exchange is judged again only then.
    fn present(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }

    /// Whether a wait that is dropped now was canceled by its caller; otherwise the caller has left.
    fn canceled(&self) -> bool;
}
