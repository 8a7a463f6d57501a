//! What the records of an exchange say. Names, counts and masked text only: a value that policy hides
//! appears in no field of this file.

use almoner_audit::now;
use almoner_ledger::canonical::CanonicalError;
use almoner_ledger::record::field;
use almoner_ledger::said::{self, Members};
use almoner_ledger::{Draft, Kind, Said};
use serde_json::{Value, json};

use super::approve::Approved;
use super::exchange::{Action, Effect, Exchange, Session};
use super::failed::Failed;
use super::mask::Counts;
use super::verdict::Denial;
use crate::identity::principal::Principal;
use crate::plugins::Generation;

/// Actions of one exchange that a record lists; the rest is counted.
const ACTIONS_LISTED_MAX: usize = 16;

/// Who, from where, to what: on every record of a session.
fn base(kind: Kind, session: &Session) -> Draft {
    let principal = &session.principal;
    who(Draft::new(kind, now()), principal)
        .with(field::RESOURCE, session.resource.as_str())
        .with("protocol", session.protocol)
        .with("issuer", principal.issuer.as_str())
        .with("groups", principal.groups.as_slice())
        .with("method", principal.method.as_str())
        .with("source", session.source.to_string())
}

/// A session began.
pub(super) fn session_begin(session: &Session) -> Draft {
    base(Kind::Session, session)
        .with(field::EVENT, "begin")
        .with("person", session.principal.person.as_str())
}

/// A session ended.
pub(super) fn session_end(session: &Session, why: &str) -> Draft {
    base(Kind::Session, session)
        .with(field::EVENT, "end")
        .with("why", why)
        .with("exchanges", session.exchanges())
}

/// What an exchange's record says of the exchange itself.
pub(super) fn exchange(
    kind: Kind,
    session: &Session,
    exchange: &Exchange,
    generation: &Generation,
    rule: Option<&str>,
    verdict: &str,
) -> Draft {
    let mut draft = base(kind, session)
        .with(field::EXCHANGE, exchange.id.as_str())
        .with(field::VERDICT, verdict)
        .with("generation", generation.number)
        .with("policy", generation.digest.as_str())
        .with("actions", Actions(&exchange.actions))
        .with(
            "effect",
            match exchange.effect() {
                Effect::Read => "read",
                Effect::Write => "write",
            },
        );
    if let Some(rule) = rule {
        draft = draft
            .with("rule", rule)
            .with("plugins", generation.plugins_of(rule));
    }
    if exchange.actions.len() > ACTIONS_LISTED_MAX {
        draft = draft.with("actions_count", exchange.actions.len() as u64);
    }
    draft
}

/// A later record of an exchange: who and what, and for the rest it points back.
pub(super) fn follow_up(kind: Kind, session: &Session, exchange: &Exchange) -> Draft {
    who(Draft::new(kind, now()), &session.principal)
        .with(field::EXCHANGE, exchange.id.as_str())
        .with(field::RESOURCE, session.resource.as_str())
}

/// Subject and, where an agent acts for them, actor: on every record, so that each can be found by either.
pub(super) fn who(draft: Draft, principal: &Principal) -> Draft {
    let draft = draft.with(field::SUBJECT, principal.subject.as_str());
    match &principal.actor {
        Some(actor) => draft.with(field::ACTOR, actor.as_str()),
        None => draft,
    }
}

/// A refused exchange.
pub(super) fn denied(
    session: &Session,
    of: &Exchange,
    generation: &Generation,
    denial: &Denial,
) -> Draft {
    exchange(
        Kind::Denied,
        session,
        of,
        generation,
        denial.rule.as_deref(),
        "deny",
    )
    .with("code", denial.code.as_str())
    .with("fault", denial.fault.as_str())
    .with("message", denial.message.as_str())
}

/// Adds who approved what, where something was approved.
pub(super) fn with_approvals(draft: Draft, approvals: &[Approved]) -> Draft {
    if approvals.is_empty() {
        return draft;
    }
    let approvals: Vec<Value> = approvals
        .iter()
        .map(|approved| {
            json!({
                "id": approved.id.as_str(),
                "approvers": approved.approvers,
                "rows": approved.max_rows,
                "fingerprint": hex(&approved.fingerprint),
            })
        })
        .collect();
    draft.with("approvals", approvals)
}

/// Adds which plugins failed and how, where some did.
pub(super) fn with_failed(draft: Draft, failed: &Failed) -> Draft {
    if failed.is_empty() {
        return draft;
    }
    draft.with("plugin_failures", failed.shown())
}

/// Findings by kind.
pub(super) struct Findings<'a>(pub(super) &'a Counts);

impl Said for Findings<'_> {
    fn say(&self, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        let members = Members::open(depth, out)?;
        let said = self
            .0
            .iter()
            .try_fold(members, |members, (kind, count)| members.with(kind, *count))?;
        said.close();
        Ok(())
    }
}

/// What was asked, as far as a record lists it.
struct Actions<'a>(&'a [Action]);

impl Said for Actions<'_> {
    fn say(&self, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        said::list(
            self.0.iter().take(ACTIONS_LISTED_MAX).map(Listed),
            depth,
            out,
        )
    }
}

struct Listed<'a>(&'a Action);

impl Said for Listed<'_> {
    fn say(&self, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        let action = self.0;
        let bound = (action.parameters > 0).then_some(action.parameters as u64);
        Members::open(depth, out)?
            .with("facts", &action.facts)?
            .maybe("opaque", action.opaque.as_deref())?
            .maybe("parameters", bound)?
            .with("request", &action.shown)?
            .with("targets", &action.operation.targets)?
            .with("verb", &action.operation.verb)?
            .close();
        Ok(())
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
