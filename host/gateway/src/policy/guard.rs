//! Asks every guard of the rule about every action of an exchange. Deny > hold > allow, over all guards
//! and actions; a guard that fails, or asks for what this gateway cannot do, denies.

use std::time::{Duration, Instant};

use almoner_sandbox::{Assessment, CallContext, Reason, Verdict};

use super::exchange::Action;
use super::failed::Failed;
use super::metrics::Metrics;
use super::verdict::Fault;
use crate::config::policy::{Opaque, Requirement};
use crate::plugins::RuleRuntime;

/// What the guards say of an exchange as a whole.
pub(super) enum Guarded {
    Allow,
    Hold(Vec<Need>),
    Deny(Refusal),
}

/// A denial before it knows its exchange.
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) fault: Fault,
    /// Plugins that failed, where that is why.
    pub(super) failed: Failed,
}

/// An approval somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Need {
    pub(super) reasons: Vec<String>,
    /// Empty: the rule's own.
    pub(super) all_of: Vec<Requirement>,
    pub(super) ttl: Option<Duration>,
    pub(super) max_rows: Option<u64>,
}

impl Need {
    pub(super) fn of(assessment: Assessment) -> Self {
        Self {
            reasons: assessment
                .reasons
                .into_iter()
                .map(|reason| reason.message)
                .collect(),
            all_of: assessment
                .all_of
                .into_iter()
                .map(|requirement| Requirement {
                    group: requirement.group,
                    count: requirement.count,
                })
                .collect(),
            ttl: (assessment.ttl_seconds > 0)
                .then(|| Duration::from_secs(u64::from(assessment.ttl_seconds))),
            max_rows: assessment.max_rows,
        }
    }

    pub(super) fn because(reason: impl Into<String>) -> Self {
        Self {
            reasons: vec![reason.into()],
            ..Self::default()
        }
    }
}

pub(super) async fn guard(
    metrics: &Metrics,
    runtime: &RuleRuntime,
    context: &CallContext,
    actions: &[Action],
) -> Guarded {
    let mut needs = Vec::new();
    for action in actions {
        if let Some(refused) = &action.refused {
            return Guarded::Deny(Refusal {
                code: "gateway/unsupported".to_owned(),
                message: refused.clone(),
                fault: Fault::Unsupported,
                failed: Failed::default(),
            });
        }
        match (runtime.rule.opaque, &action.opaque) {
            (Opaque::Deny, Some(why)) => {
                return Guarded::Deny(Refusal {
                    code: "gateway/opaque".to_owned(),
                    message: format!("its effects cannot be told from its text ({why})"),
                    fault: Fault::Policy,
                    failed: Failed::default(),
                });
            }
            (Opaque::Hold, Some(why)) => needs.push(Need::because(format!(
                "its effects cannot be told from its text ({why})"
            ))),
            _ => {}
        }
        for (name, guard) in &runtime.guards {
            let asked = Instant::now();
            let told = guard.told(context, &action.operation).await;
            metrics.told(name, &told, asked.elapsed());
            match told.answer {
                Ok(Verdict::Allow) => {}
                Ok(Verdict::Hold(assessment)) => needs.push(Need::of(assessment)),
                Ok(Verdict::Deny(reason)) => return Guarded::Deny(refused_by(name, reason)),
                // A rewritten request would have to be parsed and judged anew, which no protocol offers.
                Ok(Verdict::Rewrite { .. }) => {
                    return Guarded::Deny(Refusal {
                        code: format!("{name}/rewrite"),
                        message: "the guard asks for a rewrite, which this protocol does not carry"
                            .to_owned(),
                        fault: Fault::Policy,
                        failed: Failed::default(),
                    });
                }
                Err(failure) => {
                    tracing::warn!(plugin = %name, %failure, "a guard failed; the exchange is denied");
                    return Guarded::Deny(Refusal {
                        code: format!("{name}/failed"),
                        message: format!("the guard {name} could not judge it"),
                        fault: Fault::Gateway,
                        failed: Failed::one(name, &failure),
                    });
                }
            }
        }
    }
    if needs.is_empty() {
        Guarded::Allow
    } else {
        Guarded::Hold(needs)
    }
}

fn refused_by(guard: &str, reason: Reason) -> Refusal {
    Refusal {
        code: format!("{guard}/{}", reason.code),
        message: reason.message,
        fault: Fault::Policy,
        failed: Failed::default(),
    }
}
