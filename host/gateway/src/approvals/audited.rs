//! Events as records of the audit trail: kind `approval`, tied to their exchange.
//!
//! The statement lies beside the record of the asking, as masked; so what people were shown can be shown to
//! an auditor. Facts are not repeated: the exchange's own records hold them.

use almoner_audit::{Audit, Entry};
use almoner_ledger::{Draft, Kind, Timestamp, record::field};
use serde_json::{Value, json};

use super::Ask;
use super::record::{Event, Recorder, Recording, Unrecorded, What};
use crate::config::policy::Requirement;
use crate::identity::principal::Principal;

/// Reasons of plugins that fit into a record of 16 KiB beside everything else.
const REASONS_MAX: usize = 16;
/// Characters of each of them.
const REASON_CHARS_MAX: usize = 300;

/// Records approvals in the gateway's audit trail.
#[derive(Clone)]
pub struct AuditRecorder(Audit);

impl AuditRecorder {
    /// Into this trail.
    pub fn new(audit: Audit) -> Self {
        Self(audit)
    }
}

impl Recorder for AuditRecorder {
    fn record(&self, event: Event) -> Recording {
        let audit = self.0.clone();
        Box::pin(async move {
            let durable = audit.append(entry(&event)).await;
            durable
                .map(|durable| durable.seq)
                .map_err(|error| Unrecorded(error.to_string()))
        })
    }
}

fn entry(event: &Event) -> Entry {
    let ask = &*event.ask;
    let mut draft = Draft::new(Kind::Approval, almoner_audit::now())
        .with(field::EVENT, event.what.as_str())
        .with("approval", event.approval.as_str())
        .with(field::EXCHANGE, ask.exchange.as_str())
        .with(field::SUBJECT, ask.requester.subject.as_str())
        .with(field::RESOURCE, ask.resource.as_str())
        .with("generation", ask.generation)
        .with("rule", ask.rule.as_str())
        .with("fingerprint", hex(&ask.fingerprint));
    if let Some(actor) = &ask.requester.actor {
        draft = draft.with(field::ACTOR, actor.as_str());
    }
    match &event.what {
        What::Asked { expires_at } => asked(draft, ask, *expires_at),
        What::Approved {
            approver,
            reason,
            outstanding,
        } => {
            let draft = draft
                .with("approver", named(approver))
                .with("outstanding", needed(outstanding));
            let complete = outstanding.is_empty();
            because(
                if complete {
                    draft.with(field::VERDICT, "allow")
                } else {
                    draft
                },
                reason,
            )
        }
        What::Denied { approver, reason } => because(
            draft
                .with("approver", named(approver))
                .with(field::VERDICT, "deny"),
            reason,
        ),
        What::Refused { approver, code } => draft
            .with("approver", named(approver))
            .with("refusal", *code)
            .into(),
        What::Expired => draft.with(field::VERDICT, "deny").into(),
        What::Withdrawn { why } => draft.with("withdrawal", why.as_str()).into(),
    }
}

fn asked(draft: Draft, ask: &Ask, expires_at: jiff::Timestamp) -> Entry {
    let expires = Timestamp::from_micros(u64::try_from(expires_at.as_microsecond()).unwrap_or(0));
    let short = |text: &String| text.chars().take(REASON_CHARS_MAX).collect::<String>();
    let mut draft = draft
        .with(field::VERDICT, "hold")
        .with("expires", expires.to_string())
        .with("requester", named(&ask.requester))
        .with("requirements", needed(&ask.requirements))
        .with(
            "reasons",
            ask.reasons
                .iter()
                .take(REASONS_MAX)
                .map(short)
                .collect::<Vec<_>>(),
        )
        .with("rows_so_far", ask.rows_so_far);
    if let Some(rows) = ask.max_rows {
        draft = draft.with("rows_max", rows);
    }
    let parameters = Value::from(ask.parameters.clone()).to_string();
    let entry = Entry::new(draft).body(
        "request",
        "text/plain; charset=utf-8",
        ask.statement.clone(),
    );
    if ask.parameters.is_empty() {
        entry
    } else {
        entry.body("parameters", "application/json", parameters)
    }
}

fn because(draft: Draft, reason: &Option<String>) -> Entry {
    match reason {
        Some(reason) => draft.with("reason", reason.as_str()),
        None => draft,
    }
    .into()
}

fn named(principal: &Principal) -> Value {
    json!({
        "groups": principal.groups,
        "issuer": principal.issuer,
        "method": principal.method,
        "person": principal.person,
        "subject": principal.subject,
    })
}

fn needed(requirements: &[Requirement]) -> Value {
    requirements
        .iter()
        .map(|one| json!({"count": one.count, "group": one.group}))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
