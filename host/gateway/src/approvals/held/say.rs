//! One person's word on a request: checked, recorded, and only then of effect.

use std::sync::Arc;

use super::{End, Given, Held};
use crate::approvals::record::What;
use crate::approvals::request::{Approval, Progress, Refusal, State};
use crate::approvals::rules;
use crate::config::policy::Requirement;
use crate::identity::principal::Principal;

/// Attempts by people who may not decide that are recorded one by one for each request; further ones are
/// refused without a record, so that nobody can fill the trail with them.
const REFUSALS_RECORDED_MAX: u32 = 16;

/// What somebody says to a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::approvals) enum Say {
    Yes,
    No,
}

impl Held {
    /// One person's word: checked, recorded, and only then of effect. Runs to its end once it has begun, so the
    /// caller puts it into a task of its own.
    pub(in crate::approvals) async fn say(
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
}

/// A word is being recorded. However that ends, the request must not stay busy, or it would wait for ever.
struct Busy<'a>(&'a Held);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.lock().busy = false;
        self.0.changed.notify_waiters();
    }
}
