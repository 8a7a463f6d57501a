//! All requests: those that wait, bounded, and the last ones that were decided.
//!
//! Nothing here outlives the process. After a restart the exchanges that waited are gone, and so is what they
//! waited for; the trail holds what was said.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ApprovalId;
use super::held::{Held, Say};
use super::record::{Event, Recorder, Recording, Unrecorded};
use super::request::{Ask, AskError, Limits, Progress, REASON_BYTES_MAX, Refusal, State};
use super::view::View;
use super::wait::Pending;
use crate::identity::principal::Principal;
use crate::telemetry::metrics::ApprovalMetrics;

/// How often another random id is tried if one is in use. With a thousand in use of 2^40, once is enough.
const ID_TRIES: usize = 4;

/// The requests for approval of one gateway. Clones share them.
#[derive(Clone)]
pub struct Approvals {
    shared: Arc<Shared>,
}

/// Which requests to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// Those that wait for people.
    #[default]
    Pending,
    /// Those and the last decided ones.
    All,
}

impl Approvals {
    /// No requests yet.
    pub fn new(limits: Limits, events: impl Recorder) -> Self {
        Self {
            shared: Arc::new(Shared {
                limits,
                events: Box::new(events),
                metrics: ApprovalMetrics::register(),
                desk: Mutex::default(),
            }),
        }
    }

    /// Puts a request before people. It is on record when this returns. Must be called within a runtime.
    pub async fn ask(&self, ask: Ask) -> Result<Pending, AskError> {
        self.shared.check(&ask)?;
        // From here on, dropping this future withdraws the request.
        let pending = Pending::new(self.shared.enter(ask)?, Arc::clone(&self.shared));
        pending.open().await?;
        Ok(pending)
    }

    /// Requests in the order in which they were asked.
    pub fn list(&self, which: Which) -> Vec<View> {
        let mut held = self.shared.all();
        held.sort_by_key(|held| held.order);
        held.iter()
            .filter(|held| match held.state() {
                Some(State::Pending) => true,
                Some(_) => which == Which::All,
                None => false,
            })
            .map(|held| held.view())
            .collect()
    }

    /// One request, waiting or among the last decided.
    pub fn show(&self, id: &ApprovalId) -> Option<View> {
        self.find(id).map(|held| held.view())
    }

    /// Requests that wait.
    pub fn pending(&self) -> usize {
        self.shared
            .all()
            .iter()
            .filter(|held| held.state() == Some(State::Pending))
            .count()
    }

    /// Says yes for `approver`, who has proven who they are. Recorded before it counts.
    pub async fn approve(
        &self,
        id: &ApprovalId,
        approver: &Principal,
        reason: Option<String>,
    ) -> Result<Progress, Refusal> {
        self.say(Say::Yes, id, approver, reason).await
    }

    /// Says no for `approver`, who has proven who they are. Recorded before it counts; answers the record's
    /// sequence number.
    pub async fn deny(
        &self,
        id: &ApprovalId,
        approver: &Principal,
        reason: Option<String>,
    ) -> Result<u64, Refusal> {
        self.say(Say::No, id, approver, reason)
            .await
            .map(|progress| progress.seq)
    }

    async fn say(
        &self,
        say: Say,
        id: &ApprovalId,
        approver: &Principal,
        reason: Option<String>,
    ) -> Result<Progress, Refusal> {
        let held = self.find(id).ok_or_else(|| Refusal::Unknown(id.clone()))?;
        let reason = reason.filter(|reason| !reason.trim().is_empty());
        if reason
            .as_ref()
            .is_some_and(|reason| reason.len() > REASON_BYTES_MAX)
        {
            return Err(Refusal::ReasonTooLong(REASON_BYTES_MAX));
        }
        // In a task of its own: an approver who hangs up must not leave a recorded word without effect.
        let task = tokio::spawn(held.say(say, approver.clone(), reason));
        let stopped = |_| Err(Unrecorded("the gateway is stopping".into()).into());
        task.await.unwrap_or_else(stopped)
    }

    fn find(&self, id: &ApprovalId) -> Option<Arc<Held>> {
        let held = self.shared.desk().requests.get(id).cloned()?;
        // Not before the asking is recorded.
        held.state().map(|_| held)
    }
}

/// What all requests share.
pub(super) struct Shared {
    limits: Limits,
    events: Box<dyn Recorder>,
    metrics: ApprovalMetrics,
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Desk {
    requests: HashMap<ApprovalId, Arc<Held>>,
    /// Waiting requests, asking included, by session.
    waiting: HashMap<String, usize>,
    waiting_total: usize,
    /// Ended ones, oldest first.
    ended: VecDeque<ApprovalId>,
    next_order: u64,
}

impl Shared {
    pub(super) fn record(&self, event: Event) -> Recording {
        self.metrics.step(&event.what);
        self.events.record(event)
    }

    /// The request ended: it no longer counts as waiting, and is kept for a while.
    pub(super) fn ended(&self, held: &Held, state: State) {
        self.metrics.ended(state, held.waited());
        let mut desk = self.desk();
        // An unused approval ends twice: approved, then withdrawn.
        if !desk.ended.contains(held.id()) {
            desk.leave(held.session());
            desk.ended.push_back(held.id().clone());
        }
        while desk.ended.len() > self.limits.kept_max {
            if let Some(oldest) = desk.ended.pop_front() {
                desk.requests.remove(&oldest);
            }
        }
        self.metrics.pending(desk.waiting_total);
    }

    /// The request never came to be.
    pub(super) fn forget(&self, held: &Held) {
        let mut desk = self.desk();
        if desk.requests.remove(held.id()).is_some() {
            desk.leave(held.session());
        }
        self.metrics.pending(desk.waiting_total);
    }

    fn check(&self, ask: &Ask) -> Result<(), AskError> {
        if ask.requirements.is_empty() {
            return Err(AskError::NobodyAsked);
        }
        let bytes = ask.statement.len() + ask.parameters.iter().map(String::len).sum::<usize>();
        if bytes > self.limits.statement_bytes_max {
            return Err(AskError::TooLong(self.limits.statement_bytes_max));
        }
        Ok(())
    }

    /// Takes a place for the request, under an id that nothing else has.
    fn enter(self: &Arc<Self>, ask: Ask) -> Result<Arc<Held>, AskError> {
        // What is overdue makes room first.
        for held in self.all() {
            held.expire_if_due();
        }
        let mut desk = self.desk();
        if desk.waiting_total >= self.limits.pending_max {
            return Err(AskError::TooMany(desk.waiting_total));
        }
        let of_session = desk.waiting.get(&ask.session).copied().unwrap_or(0);
        if of_session >= self.limits.pending_per_session_max {
            return Err(AskError::TooManyOfSession(of_session));
        }
        let id = desk.free_id()?;
        let ttl = ask.ttl.min(self.limits.ttl_max);
        desk.next_order += 1;
        desk.waiting_total += 1;
        *desk.waiting.entry(ask.session.clone()).or_default() += 1;
        let held = Arc::new(Held::new(
            id.clone(),
            desk.next_order,
            ask,
            ttl,
            Arc::downgrade(self),
        ));
        desk.requests.insert(id, Arc::clone(&held));
        self.metrics.pending(desk.waiting_total);
        Ok(held)
    }

    fn all(&self) -> Vec<Arc<Held>> {
        self.desk().requests.values().cloned().collect()
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // No code between the changes of one method can panic.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn free_id(&self) -> Result<ApprovalId, AskError> {
        for _ in 0..ID_TRIES {
            let id = ApprovalId::random().map_err(|_| AskError::NoRandomness)?;
            if !self.requests.contains_key(&id) {
                return Ok(id);
            }
        }
        Err(AskError::NoRandomness)
    }

    fn leave(&mut self, session: &str) {
        self.waiting_total = self.waiting_total.saturating_sub(1);
        if let Some(count) = self.waiting.get_mut(session) {
            *count -= 1;
            if *count == 0 {
                self.waiting.remove(session);
            }
        }
    }
}
