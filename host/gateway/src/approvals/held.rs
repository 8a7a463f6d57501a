//! One request from asking to its end: the only place where its state changes.
//!
//! A person's word is checked, recorded, and then takes effect, one word at a time (`turn`). What only closes
//! (expiry, withdrawal) takes effect at once and is recorded after it, because a lost record of it lets
//! nobody through. A word that is being recorded when time runs out came first, and is waited for.

mod say;
mod shown;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

pub(super) use say::Say;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use super::count::Places;
use super::record::{Event, What};
use super::request::{Approval, Ask, Decision, State, Withdrawal};
use super::store::Shared;
use super::{ApprovalId, Unrecorded};

/// One request.
pub(super) struct Held {
    id: ApprovalId,
    pub(super) order: u64,
    ask: Arc<Ask>,
    places: Places,
    asked: Instant,
    asked_at: jiff::Timestamp,
    expires_at: jiff::Timestamp,
    expires: Instant,
    /// Weak, because the desk holds this. While anybody waits, the wait keeps the desk.
    shared: Weak<Shared>,
    /// Dropping a wait must be able to record, wherever it is dropped.
    runtime: Handle,
    /// Held from check to effect, so that words take effect in the order of their records.
    turn: tokio::sync::Mutex<()>,
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    /// The asking is recorded, so people may see it.
    listed: bool,
    /// Somebody's word is being recorded.
    busy: bool,
    approvals: Vec<Given>,
    end: Option<End>,
    ended_at: Option<jiff::Timestamp>,
    /// The exchange has got its decision.
    taken: bool,
    refusals_recorded: u32,
}

/// An approval with the groups that its giver had.
struct Given {
    word: Approval,
    groups: Vec<String>,
}

impl AsRef<[String]> for Given {
    fn as_ref(&self) -> &[String] {
        &self.groups
    }
}

#[derive(Clone)]
enum End {
    Approved,
    Denied(Approval),
    Expired,
    Withdrawn(Withdrawal),
}

impl Held {
    pub(super) fn new(
        id: ApprovalId,
        order: u64,
        ask: Ask,
        ttl: Duration,
        shared: Weak<Shared>,
    ) -> Self {
        let asked_at = jiff::Timestamp::now();
        Self {
            id,
            order,
            places: Places::new(&ask.requirements),
            ask: Arc::new(ask),
            asked: Instant::now(),
            asked_at,
            expires_at: asked_at.checked_add(ttl).unwrap_or(jiff::Timestamp::MAX),
            expires: Instant::now() + ttl,
            shared,
            runtime: Handle::current(),
            turn: tokio::sync::Mutex::new(()),
            inner: Mutex::default(),
            changed: Notify::new(),
        }
    }

    pub(super) fn id(&self) -> &ApprovalId {
        &self.id
    }

    pub(super) fn session(&self) -> &str {
        &self.ask.session
    }

    pub(super) fn waited(&self) -> Duration {
        self.asked.elapsed()
    }

    pub(super) fn expires(&self) -> Instant {
        self.expires
    }

    pub(super) fn expires_at(&self) -> jiff::Timestamp {
        self.expires_at
    }

    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Puts the asking on record; only then is there anything to decide.
    pub(super) async fn open(&self) -> Result<(), Unrecorded> {
        let _turn = self.turn.lock().await;
        match self
            .record(What::Asked {
                expires_at: self.expires_at,
            })
            .await
        {
            Ok(_) => {
                self.lock().listed = true;
                Ok(())
            }
            Err(error) => {
                // Nothing was asked, so there is nothing to withdraw.
                self.lock().taken = true;
                self.desk(|desk| desk.forget(self));
                Err(error)
            }
        }
    }

    /// Whether people may see it and where it stands; time that ran out is noticed here.
    pub(super) fn state(self: &Arc<Self>) -> Option<State> {
        self.expire_if_due();
        let inner = self.lock();
        inner.listed.then(|| inner.state())
    }

    /// The decision, if there is one, as the exchange's own.
    pub(super) fn take(self: &Arc<Self>) -> Option<Decision> {
        self.expire_if_due();
        let mut inner = self.lock();
        let decision = match inner.end.clone()? {
            End::Approved => Decision::Approved {
                approvers: inner
                    .approvals
                    .iter()
                    .map(|given| given.word.clone())
                    .collect(),
                max_rows: self.ask.max_rows,
            },
            End::Denied(by) => Decision::Denied {
                reason: by.reason.clone(),
                by,
            },
            // Withdrawn: unreachable while somebody waits, and closed like an expiry.
            End::Expired | End::Withdrawn(_) => Decision::Expired,
        };
        inner.taken = true;
        Some(decision)
    }

    /// How long to wait for a change at most; `None`: time is over, only a word being recorded is waited for.
    pub(super) fn wait_until(&self) -> Option<Instant> {
        (Instant::now() < self.expires).then_some(self.expires)
    }

    /// Ends it because the exchange went on without the decision. Not after the exchange took it.
    pub(super) fn withdraw(self: &Arc<Self>, why: Withdrawal) {
        {
            let mut inner = self.lock();
            if inner.taken {
                return;
            }
            inner.taken = true;
            // Denied and expired stay what they are: nothing was let through. An approval that nobody used
            // is withdrawn, so that the trail shows that it had no effect.
            if matches!(inner.end, Some(End::Denied(_) | End::Expired)) {
                return;
            }
            inner.end(End::Withdrawn(why));
        }
        self.closed(What::Withdrawn { why });
    }

    /// Ends it if nobody decided in time.
    pub(super) fn expire_if_due(self: &Arc<Self>) {
        {
            let mut inner = self.lock();
            if inner.end.is_some() || inner.busy || Instant::now() < self.expires {
                return;
            }
            inner.end(End::Expired);
        }
        self.closed(What::Expired);
    }

    /// It ended without a word: out of the list at once, on record as soon as that can be.
    fn closed(self: &Arc<Self>, what: What) {
        let state = if matches!(what, What::Expired) {
            State::Expired
        } else {
            State::Withdrawn
        };
        self.desk(|desk| desk.ended(self, state));
        self.changed.notify_waiters();
        // The desk must outlive the record, even if this was the last wait.
        let (held, desk) = (Arc::clone(self), self.shared.upgrade());
        self.runtime.spawn(async move {
            // After whatever is being recorded, so that the trail tells the steps in order.
            let _turn = held.turn.lock().await;
            if let Err(error) = held.record(what).await {
                tracing::error!(approval = %held.id, %error, "the end of a request for approval is not recorded");
            }
            drop(desk);
        });
    }

    fn record(&self, what: What) -> super::Recording {
        let event = Event {
            approval: self.id.clone(),
            ask: Arc::clone(&self.ask),
            what,
        };
        match self.shared.upgrade() {
            Some(desk) => desk.record(event),
            None => Box::pin(async { Err(Unrecorded("the gateway is stopping".into())) }),
        }
    }

    fn desk(&self, tell: impl FnOnce(&Shared)) {
        // Without a desk there is no list to keep.
        if let Some(desk) = self.shared.upgrade() {
            tell(&desk);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves no half-made change: every change is one assignment or one push.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn state(&self) -> State {
        match self.end {
            None => State::Pending,
            Some(End::Approved) => State::Approved,
            Some(End::Denied(_)) => State::Denied,
            Some(End::Expired) => State::Expired,
            Some(End::Withdrawn(_)) => State::Withdrawn,
        }
    }

    fn end(&mut self, end: End) {
        self.end = Some(end);
        self.ended_at = Some(jiff::Timestamp::now());
    }
}
