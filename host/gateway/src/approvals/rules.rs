//! Whose word counts: never one's own, never an agent's.
//!
//! Compares names without regard to who vouched for them: two issuers that know the same name mean the same
//! person here, since the mistake in the other direction would let people approve themselves.

use super::request::Refusal;
use crate::identity::principal::Principal;

/// Refuses an approver who is an agent, or who is behind the request in any way.
pub(super) fn may_decide(requester: &Principal, approver: &Principal) -> Result<(), Refusal> {
    if approver.actor.is_some() {
        return Err(Refusal::Agent);
    }
    let theirs = [approver.subject.as_str(), person(approver)];
    let behind = [
        Some(requester.subject.as_str()),
        Some(person(requester)),
        requester.actor.as_deref(),
    ];
    if behind
        .into_iter()
        .flatten()
        .any(|name| theirs.contains(&name))
    {
        return Err(Refusal::OwnRequest);
    }
    Ok(())
}

/// The human behind a login; a login of which nothing else is known is its own person.
pub(super) fn person(principal: &Principal) -> &str {
    if principal.person.is_empty() {
        &principal.subject
    } else {
        &principal.person
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(subject: &str, actor: Option<&str>, person: &str) -> Principal {
        Principal {
            subject: subject.into(),
            actor: actor.map(Into::into),
            groups: Vec::new(),
            issuer: "local".into(),
            method: "scram-sha-256".into(),
            person: person.into(),
        }
    }

    #[test]
    fn nobody_approves_what_they_are_behind() {
        let own = Err(Refusal::OwnRequest);
        for (what, requester, approver, expected) in [
            (
                "somebody else",
                login("ana", None, "ana"),
                login("ben", None, "ben"),
                Ok(()),
            ),
            (
                "the same login",
                login("ana", None, "ana"),
                login("ana", None, "ana"),
                own.clone(),
            ),
            (
                "another login of the same person",
                login("ana", None, "ana"),
                login("ana-admin", None, "ana"),
                own.clone(),
            ),
            (
                "the person of a service login",
                login("report-job", None, "ana"),
                login("ana", None, "ana"),
                own.clone(),
            ),
            (
                "a login named like the requester's person",
                login("x", None, "ana"),
                login("ana", None, "dept"),
                own.clone(),
            ),
            (
                "the human an agent acts for",
                login("ana", Some("copilot"), "ana"),
                login("ana", None, "ana"),
                own.clone(),
            ),
            (
                "another login of that human",
                login("ana", Some("copilot"), "ana"),
                login("ana-admin", None, "ana"),
                own.clone(),
            ),
            (
                "the agent's own login",
                login("ana", Some("copilot"), "ana"),
                login("copilot", None, "copilot"),
                own.clone(),
            ),
            (
                "a login without a person, same subject",
                login("ana", None, ""),
                login("ana", None, ""),
                own,
            ),
            (
                "logins without persons, others",
                login("ana", None, ""),
                login("ben", None, ""),
                Ok(()),
            ),
            (
                "an agent of somebody else",
                login("ana", None, "ana"),
                login("ben", Some("copilot"), "ben"),
                Err(Refusal::Agent),
            ),
        ] {
            assert_eq!(may_decide(&requester, &approver), expected, "{what}");
        }
    }
}
