//! Finds out whether an exchange needs approval, from whom, and waits for it. An approval is bound to the
//! exact action, principal, resource and requirement by a fingerprint; it is spent by one exchange.

use std::time::{Duration, Instant};

use almoner_sandbox::CallContext;

use super::exchange::{Action, Caller, Exchange, Session, Waiting};
use super::failed::Failed;
use super::guard::{Need, Refusal};
use super::metrics::Metrics;
use super::pipeline::Pipeline;
use super::standing::Standing;
use super::verdict::Fault;
use crate::approvals::{ApprovalId, Ask, AskError, Decision, Pending, Withdrawal};
use crate::config::policy::{Requirement, Rule};
use crate::plugins::RuleRuntime;

/// What the approval plugins of a rule say of an exchange at this point.
#[derive(Default)]
pub(super) struct Assessed {
    pub(super) needs: Vec<Need>,
    /// The least row count at which one of them wants to be asked again.
    pub(super) recheck_at_rows: Option<u64>,
    /// Those that failed.
    pub(super) failed: Failed,
}

pub(super) async fn assess(
    metrics: &Metrics,
    runtime: &RuleRuntime,
    context: &CallContext,
    actions: &[Action],
    rows_so_far: u64,
) -> Assessed {
    let mut assessed = Assessed::default();
    for action in actions {
        for (name, plugin) in &runtime.approvals {
            let asked = Instant::now();
            let told = plugin.told(context, &action.operation, rows_so_far).await;
            metrics.told(name, &told, asked.elapsed());
            match told.answer {
                Ok(answer) => {
                    assessed.needs.extend(answer.need.map(Need::of));
                    assessed.recheck_at_rows = match (
                        assessed.recheck_at_rows,
                        answer.recheck_at_rows.filter(|rows| *rows > rows_so_far),
                    ) {
                        (Some(a), Some(b)) => Some(a.min(b)),
                        (a, b) => a.or(b),
                    };
                }
                Err(failure) => {
                    tracing::warn!(plugin = %name, %failure, "an approval plugin failed; the rule's strictest approval is asked for");
                    assessed.failed.add(name, &failure);
                    assessed.needs.push(Need::because(format!(
                        "the approval plugin {name} could not judge it"
                    )));
                }
            }
        }
    }
    assessed
}

/// What all needs of an exchange come to: the sum of what is asked, never less than the rule's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requirements {
    pub(super) all_of: Vec<Requirement>,
    pub(super) reasons: Vec<String>,
    pub(super) ttl: Duration,
    pub(super) max_rows: Option<u64>,
}

impl Requirements {
    pub(super) fn of(rule: &Rule, needs: &[Need]) -> Option<Self> {
        if needs.is_empty() {
            return None;
        }
        let mut all_of = vec![rule.strictest_approval.clone()];
        for requirement in needs.iter().flat_map(|need| &need.all_of) {
            match all_of
                .iter_mut()
                .find(|held| held.group == requirement.group)
            {
                Some(held) => held.count = held.count.max(requirement.count),
                None => all_of.push(requirement.clone()),
            }
        }
        all_of.sort_by(|a, b| a.group.cmp(&b.group));
        let mut reasons: Vec<String> = Vec::new();
        for reason in needs.iter().flat_map(|need| &need.reasons) {
            if !reasons.contains(reason) {
                reasons.push(reason.clone());
            }
        }
        Some(Self {
            all_of,
            reasons,
            ttl: needs
                .iter()
                .filter_map(|need| need.ttl)
                .fold(rule.approval_ttl, Duration::min),
            max_rows: needs.iter().filter_map(|need| need.max_rows).min(),
        })
    }

    pub(super) fn approvers(&self) -> String {
        let each: Vec<String> = self
            .all_of
            .iter()
            .map(|requirement| format!("{} of {}", requirement.count, requirement.group))
            .collect();
        each.join(" and ")
    }
}

/// An approval that was given, with what it was given for.
#[derive(Clone, Debug)]
pub(super) struct Approved {
    pub(super) id: ApprovalId,
    pub(super) approvers: Vec<String>,
    pub(super) max_rows: Option<u64>,
    pub(super) fingerprint: [u8; 32],
}

/// Binds an approval to the action, the principal, the resource and what is required.
pub(super) fn fingerprint(
    session: &Session,
    exchange: &Exchange,
    requirements: &Requirements,
) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("almoner approval fingerprint v1");
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(session.principal.subject.as_bytes());
    part(session.principal.actor.as_deref().unwrap_or("").as_bytes());
    part(session.principal.person.as_bytes());
    part(session.resource.as_bytes());
    for action in &exchange.actions {
        part(&action.identity);
    }
    for requirement in &requirements.all_of {
        part(requirement.group.as_bytes());
        part(&[requirement.count]);
    }
    part(&requirements.max_rows.unwrap_or(u64::MAX).to_le_bytes());
    *hasher.finalize().as_bytes()
}

/// What a request for approval is about.
pub(super) struct Asking<'a> {
    pub(super) session: &'a Session,
    pub(super) exchange: &'a Exchange,
    pub(super) standing: &'a Standing,
    pub(super) requirements: Requirements,
    pub(super) rows_so_far: u64,
}

/// Asks, tells the caller, waits. Dropping the future withdraws the request.
pub(super) async fn ask(
    pipeline: &Pipeline,
    asking: Asking<'_>,
    caller: &dyn Caller,
) -> Result<Approved, Refusal> {
    let Asking {
        session,
        exchange,
        standing,
        requirements,
        rows_so_far,
    } = &asking;
    let fingerprint = fingerprint(session, exchange, requirements);
    let statement: Vec<&str> = exchange.actions.iter().map(|a| &*a.shown).collect();
    let ask = Ask {
        exchange: exchange.id.to_string(),
        session: session.id.clone(),
        requester: session.principal.clone(),
        resource: session.resource.clone(),
        rule: standing.runtime().rule.name.clone(),
        statement: statement.join("; "),
        parameters: shown_parameters(exchange),
        facts: exchange
            .actions
            .iter()
            .map(|action| (*action.facts).clone())
            .collect(),
        reasons: requirements.reasons.clone(),
        requirements: requirements.all_of.clone(),
        rows_so_far: *rows_so_far,
        max_rows: requirements.max_rows,
        fingerprint,
        generation: standing.generation(),
        ttl: requirements.ttl,
    };
    let pending = pipeline.approvals().ask(ask).await.map_err(not_asked)?;
    let id = pending.id().clone();
    let mut wait = Wait { pending, caller };
    caller.waiting(&Waiting {
        approval: id.clone(),
        exchange: exchange.id.clone(),
        from: requirements.approvers(),
        reasons: requirements.reasons.clone(),
        expires_in: requirements.ttl,
    });
    match wait.pending.decided().await {
        Decision::Approved {
            approvers,
            max_rows,
        } => {
            caller.present().await;
            Ok(Approved {
                id,
                approvers: approvers.into_iter().map(|one| one.login).collect(),
                max_rows,
                fingerprint,
            })
        }
        Decision::Denied { by, .. } => Err(Refusal {
            code: "approval/denied".to_owned(),
            message: format!("approval {id} was denied by {}", by.login),
            fault: Fault::Approval,
            failed: Failed::default(),
        }),
        Decision::Expired => Err(Refusal {
            code: "approval/expired".to_owned(),
            message: format!("nobody decided approval {id} in time"),
            fault: Fault::Approval,
            failed: Failed::default(),
        }),
    }
}

/// A wait that says why when it is dropped.
struct Wait<'a> {
    pending: Pending,
    caller: &'a dyn Caller,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        // After a decision this does nothing. What is dropped without a word counts as abandoned.
        if self.caller.canceled() {
            self.pending.withdraw(Withdrawal::Cancelled);
        }
    }
}

/// Bound values never reach an approver's screen or a record: each is shown as a question mark.
fn shown_parameters(exchange: &Exchange) -> Vec<String> {
    exchange
        .actions
        .iter()
        .flat_map(|action| (1..=action.parameters).map(|n| format!("${n} = ?")))
        .collect()
}

fn not_asked(error: AskError) -> Refusal {
    tracing::warn!(%error, "an approval could not be asked for; the exchange is denied");
    Refusal {
        code: "approval/not-asked".to_owned(),
        message:
            "it needs approval, and no approval can be asked for at the moment; try again later"
                .to_owned(),
        fault: Fault::Gateway,
        failed: Failed::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::policy::{Opaque, Place, Release, Treatment};

    fn rule() -> Rule {
        Rule {
            name: "r".into(),
            resources: vec![],
            groups: vec![],
            allow: true,
            guards: vec![],
            approvals: vec![],
            detectors: vec![],
            locale: "en-US".into(),
            opaque: Opaque::Deny,
            known_functions: vec![],
            unproven: Treatment::Redact,
            detect: true,
            unmasked_types: vec![],
            confidence_min: 50,
            release: Release::UntilThreshold,
            strictest_approval: Requirement {
                group: "managers".into(),
                count: 1,
            },
            approval_ttl: Duration::from_secs(900),
            place: Place::default(),
        }
    }

    #[test]
    fn needs_add_up_and_never_fall_below_the_rules_own() {
        let need = |group: &str, count, ttl, max_rows| Need {
            reasons: vec!["many rows".into()],
            all_of: vec![Requirement {
                group: group.into(),
                count,
            }],
            ttl,
            max_rows,
        };
        let asked = [
            need("privacy", 2, Some(Duration::from_secs(60)), Some(1000)),
            need("managers", 3, None, Some(500)),
            need("privacy", 1, Some(Duration::from_secs(9999)), None),
        ];
        let all = Requirements::of(&rule(), &asked);
        let expected = Requirements {
            all_of: vec![
                Requirement {
                    group: "managers".into(),
                    count: 3,
                },
                Requirement {
                    group: "privacy".into(),
                    count: 2,
                },
            ],
            reasons: vec!["many rows".into()],
            ttl: Duration::from_secs(60),
            max_rows: Some(500),
        };
        assert_eq!(all, Some(expected));
        assert_eq!(Requirements::of(&rule(), &[]), None);
    }

    #[test]
    fn a_need_without_approvers_asks_the_rules_own() {
        let all = Requirements::of(&rule(), &[Need::because("opaque")]);
        assert_eq!(
            all.map(|all| all.approvers()).as_deref(),
            Some("1 of managers")
        );
    }
}
