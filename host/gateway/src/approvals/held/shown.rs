//! A request as people see it, at this moment.

use super::{End, Held};
use crate::approvals::request::Approval;
use crate::approvals::rules;
use crate::approvals::view::{Needed, Requester, View, Word};
use crate::config::policy::Requirement;

impl Held {
    /// As people see it.
    pub(in crate::approvals) fn view(&self) -> View {
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
