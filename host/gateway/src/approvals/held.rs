//! One request from asking to its end: the only place where its state changes.
//!
//! A person's word is checked, recorded, and then takes effect, one word at a time (`turn`). What only closes
//! (expiry, withdrawal) takes effect at once and is recorded after it, because a lost record of it lets
//! nobody through. A word that is being recorded when time runs out came first, and is waited for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use super::count::Places;
use super::record::{Event, What};
use super::request::{Approval, Ask, Decision, Progress, Refusal, State, Withdrawal};
use super::rules;
use super::store::Shared;
use super::view::{Needed, Requester, View, Word};
use super::{ApprovalId, Unrecorded};
use crate::config::policy::Requirement;
use crate::identity::principal::Principal;

/// Attempts by people who may not decide that are recorded one by one for each request; further ones are
/// refused without a record, so that nobody can fill the trail with them.
const REFUSALS_RECORDED_MAX: u32 = 16;

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

/// What somebody says to a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Say {
    Yes,
    No,
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

    /// One person's word: checked, recorded, and only then of effect. Runs to its end once it has begun, so the
    /// caller puts it into a task of its own.
    pub(super) async fn say(
        self: Arc<Self>,
        say: Say,
        approver: Principal,
        reason: Option<String>,
    ) -> Result<Progress, Refusal> {
        let _turn = self.turn.lock().await;
        self.expire_if_due();
        let outstanding = match self.begin(say, &approver) {
            Ok(outstanding) => outstanding,
            Err(refusal) => {
                self.record_refusal(approver, &refusal).await;
                return Err(refusal);
            }
        };
        let busy = Busy(&self);
        let word = |seq| Approval {
            person: rules::person(&approver).to_owned(),
            login: approver.subject.clone(),
            reason: reason.clone(),
            seq,
        };
        let what = match say {
            Say::Yes => What::Approved {
                approver: approver.clone(),
                reason: reason.clone(),
                outstanding: outstanding.clone(),
            },
            Say::No => What::Denied {
                approver: approver.clone(),
                reason: reason.clone(),
            },
        };
        // Fails closed: without its record the word was never said.
        let seq = self.record(what).await?;
        let result = self.effect(say, word(seq), approver.groups.clone(), outstanding);
        drop(busy);
        result
    }

    /// As people see it.
    pub(super) fn view(&self) -> View {
        let ask = &self.ask;
        let inner = self.lock();
        let filled = self.places.filled(&inner.approvals);
        let needed = |(one, filled): (&Requirement, usize)| Needed {
            group: one.group.clone(),
            count: one.count,
            filled: u8::try_from(filled).unwrap_or(u8::MAX),
        };
        View {
            id: self.id.clone(),
            state: inner.state(),
            asked_at: self.asked_at,
            expires_at: self.expires_at,
            ended_at: inner.ended_at,
            exchange: ask.exchange.clone(),
            session: ask.session.clone(),
            requester: Requester {
                subject: ask.requester.subject.clone(),
                actor: ask.requester.actor.clone(),
                person: rules::person(&ask.requester).to_owned(),
                groups: ask.requester.groups.clone(),
            },
            resource: ask.resource.clone(),
            rule: ask.rule.clone(),
            statement: ask.statement.clone(),
            parameters: ask.parameters.clone(),
            facts: ask.facts.clone(),
            reasons: ask.reasons.clone(),
            requirements: self
                .places
                .requirements()
                .iter()
                .zip(filled)
                .map(needed)
                .collect(),
            rows_so_far: ask.rows_so_far,
            max_rows: ask.max_rows,
            fingerprint: ask
                .fingerprint
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            generation: ask.generation,
            approvals: inner
                .approvals
                .iter()
                .map(|given| Word::from(&given.word))
                .collect(),
            denied: match &inner.end {
                Some(End::Denied(by)) => Some(by.into()),
                _ => None,
            },
            withdrawn: match &inner.end {
                Some(End::Withdrawn(why)) => Some(why.as_str().to_owned()),
                _ => None,
            },
        }
    }

    /// Checks that this word counts; if so, nothing else happens to the request until it is recorded.
    /// Answers who is still needed after it.
    fn begin(&self, say: Say, approver: &Principal) -> Result<Vec<Requirement>, Refusal> {
        let mut inner = self.lock();
        if inner.end.is_some() {
            return Err(Refusal::AlreadyDecided(inner.state()));
        }
        rules::may_decide(&self.ask.requester, approver)?;
        let not_an_approver = |of: Vec<Requirement>| {
            Err(Refusal::NotAnApprover(
                of.into_iter().map(|one| one.group).collect(),
            ))
        };
        let mut people: Vec<&[String]> = inner.approvals.iter().map(AsRef::as_ref).collect();
        let before = self.places.outstanding(&people);
        if say == Say::No {
            // Whoever may approve any part of it may stop it, even after having approved.
            let all = self.places.requirements();
            if !all.iter().any(|one| approver.groups.contains(&one.group)) {
                return not_an_approver(all.to_vec());
            }
            inner.busy = true;
            return Ok(Vec::new());
        }
        let person = rules::person(approver);
        let same =
            |given: &Given| given.word.person == person || given.word.login == approver.subject;
        if inner.approvals.iter().any(same) {
            return Err(Refusal::AlreadyApproved);
        }
        people.push(&approver.groups);
        let after = self.places.outstanding(&people);
        let missing = |all: &[Requirement]| all.iter().map(|one| u32::from(one.count)).sum::<u32>();
        if missing(&after) >= missing(&before) {
            return not_an_approver(before);
        }
        inner.busy = true;
        Ok(after)
    }

    /// The word is on record: it takes effect.
    fn effect(
        self: &Arc<Self>,
        say: Say,
        word: Approval,
        groups: Vec<String>,
        outstanding: Vec<Requirement>,
    ) -> Result<Progress, Refusal> {
        let seq = word.seq;
        {
            let mut inner = self.lock();
            if say == Say::Yes {
                inner.approvals.push(Given {
                    word: word.clone(),
                    groups,
                });
            }
            // The exchange went away meanwhile; the record of that follows the record of this word.
            if inner.end.is_some() {
                return Err(Refusal::AlreadyDecided(inner.state()));
            }
            match say {
                Say::Yes if outstanding.is_empty() => inner.end(End::Approved),
                Say::Yes => return Ok(Progress { seq, outstanding }),
                Say::No => inner.end(End::Denied(word)),
            }
        }
        let state = if say == Say::Yes {
            State::Approved
        } else {
            State::Denied
        };
        self.desk(|desk| desk.ended(self, state));
        Ok(Progress { seq, outstanding })
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

    async fn record_refusal(&self, approver: Principal, refusal: &Refusal) {
        if !matches!(
            refusal,
            Refusal::OwnRequest | Refusal::Agent | Refusal::NotAnApprover(_)
        ) {
            return;
        }
        let recorded = {
            let mut inner = self.lock();
            inner.refusals_recorded += u32::from(inner.refusals_recorded <= REFUSALS_RECORDED_MAX);
            inner.refusals_recorded
        };
        if recorded <= REFUSALS_RECORDED_MAX {
            // Refused either way; the recorder says itself when it cannot record.
            let _ = self
                .record(What::Refused {
                    approver,
                    code: refusal.code(),
                })
                .await;
        }
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

/// A word is being recorded. However that ends, the request must not stay busy, or it would wait for ever.
struct Busy<'a>(&'a Held);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.lock().busy = false;
        self.0.changed.notify_waiters();
    }
}

impl From<&Approval> for Word {
    fn from(word: &Approval) -> Self {
        Self {
            person: word.person.clone(),
            login: word.login.clone(),
            reason: word.reason.clone(),
            seq: word.seq,
        }
    }
}
