//! Admission: guard every action → approve → intent record. The only maker of [`Ticket`]; nothing reaches
//! an upstream without one.

use std::sync::Arc;
use std::time::Instant;

use almoner_ledger::Kind;
use almoner_sandbox::CallContext;

use super::approve::{self, Approved, Asking, Requirements};
use super::exchange::{Before, Caller, Effect, Exchange, Request, Session};
use super::failed::Failed;
use super::guard::{Guarded, Refusal, guard};
use super::pipeline::Pipeline;
use super::record;
use super::standing::Standing;
use super::usage::Use;
use super::verdict::{Denial, Fault};
use crate::plugins::Generation;
use crate::telemetry::metrics::{Phase, Verdict};

/// Times an exchange is judged anew because the policy changed while it waited. A policy that changes
/// more often than that within one exchange is not one to wait for.
pub(super) const ROUNDS_MAX: usize = 4;

/// Leave to forward one exchange, once. Made by admission only; consumed by settling.
pub struct Ticket {
    pub(super) session: Arc<Session>,
    pub(super) exchange: Exchange,
    pub(super) standing: Standing,
    pub(super) context: CallContext,
    pub(super) approvals: Vec<Approved>,
    /// Row count at which the response needs a look.
    pub(super) recheck_at_rows: Option<u64>,
    /// Whether an intent record precedes it.
    pub(super) intent: bool,
    pub(super) admitted: Instant,
    /// Approval plugins that failed on the way.
    pub(super) failed: Failed,
}

impl Ticket {
    /// What it allows to be forwarded.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Whether the response may be stopped at a row count. Nothing that may change state is forwarded
    /// behind such an exchange until it is done, lest a refusal in mid-response come too late.
    pub fn may_stop(&self) -> bool {
        self.recheck_at_rows.is_some()
    }
}

/// Leave to prepare an exchange's statement at the upstream, which does nothing yet: guards have let it
/// through, nobody was asked, nothing is recorded. Doing it takes a [`Ticket`].
pub struct Clearance {
    generation: u64,
}

impl Clearance {
    /// The generation whose guards let it through.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

/// Guards only. A denial is recorded.
pub(super) async fn clear(
    pipeline: &Pipeline,
    session: &Session,
    request: &dyn Request,
) -> Result<Clearance, Denial> {
    let standing = standing(pipeline, session, request).await?;
    let exchange = request.exchange(&standing);
    let runtime = standing.runtime();
    let context = pipeline.context(session, &exchange, &runtime.rule);
    match guard(pipeline.metrics(), runtime, &context, &exchange.actions).await {
        Guarded::Allow | Guarded::Hold(_) => Ok(Clearance {
            generation: standing.generation(),
        }),
        Guarded::Deny(refusal) => Err(deny(pipeline, session, &exchange, &standing, refusal).await),
    }
}

/// What the upstream says outside of any admitted exchange (an error of preparing, a notice out of turn)
/// is masked and recorded like any reply. Covers no forwarding.
pub(super) fn aside(
    pipeline: &Pipeline,
    session: &Arc<Session>,
    request: &dyn Request,
) -> Option<Ticket> {
    let standing = pipeline.standing(session)?;
    let exchange = request.exchange(&standing);
    let context = pipeline.context(session, &exchange, &standing.runtime().rule);
    Some(Ticket {
        session: Arc::clone(session),
        exchange,
        standing,
        context,
        approvals: Vec::new(),
        recheck_at_rows: None,
        intent: false,
        admitted: Instant::now(),
        failed: Failed::default(),
    })
}

pub(super) async fn admit(
    pipeline: &Pipeline,
    session: &Arc<Session>,
    request: &dyn Request,
    caller: &dyn Caller,
) -> Result<Ticket, Denial> {
    let started = Instant::now();
    let mut approvals: Vec<Approved> = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let standing = standing(pipeline, session, request).await?;
        let exchange = request.exchange(&standing);
        let runtime = standing.runtime();
        let context = pipeline.context(session, &exchange, &runtime.rule);

        let guarding = Instant::now();
        let guarded = guard(pipeline.metrics(), runtime, &context, &exchange.actions).await;
        pipeline.metrics().phase(Phase::Guard, guarding.elapsed());
        let mut needs = match guarded {
            Guarded::Allow => Vec::new(),
            Guarded::Hold(needs) => needs,
            Guarded::Deny(refusal) => {
                return Err(deny(pipeline, session, &exchange, &standing, refusal).await);
            }
        };

        let approving = Instant::now();
        // What was approved of a cursor covers its next rows; beyond that it is asked about as it stands.
        let Before { rows, approved } = exchange.before;
        let so_far = if rows < approved { 0 } else { rows };
        let metrics = pipeline.metrics();
        let assessed = approve::assess(metrics, runtime, &context, &exchange.actions, so_far).await;
        needs.extend(assessed.needs);
        if let Some(requirements) = Requirements::of(&runtime.rule, &needs) {
            let wanted = approve::fingerprint(session, &exchange, &requirements);
            // The wait does not freeze policy: an approval counts only for what is required after it.
            if !approvals.iter().any(|held| held.fingerprint == wanted) {
                let asking = Asking {
                    session,
                    exchange: &exchange,
                    standing: &standing,
                    requirements,
                    rows_so_far: so_far,
                };
                match approve::ask(pipeline, asking, caller).await {
                    Ok(approved) => approvals.push(approved),
                    Err(refusal) => {
                        return Err(deny(pipeline, session, &exchange, &standing, refusal).await);
                    }
                }
                pipeline
                    .metrics()
                    .phase(Phase::Approve, approving.elapsed());
                continue;
            }
        } else {
            // Nothing is required any more: what was given is not spent on it.
            approvals.clear();
        }
        if approvals.is_empty() {
            pipeline
                .metrics()
                .phase(Phase::Approve, approving.elapsed());
        }

        // Approved rows first, then the plugins' own thresholds.
        let recheck_at_rows = if approvals.is_empty() {
            assessed.recheck_at_rows.map(|at| at.max(approved))
        } else {
            // Counted from the first row of all; an approval covers one more at least.
            let all = approvals.iter().filter_map(|held| held.max_rows).min();
            all.map(|all| all.max(rows.saturating_add(1)))
        };
        let ticket = Ticket {
            session: Arc::clone(session),
            exchange,
            standing,
            context,
            approvals,
            recheck_at_rows,
            intent: false,
            admitted: started,
            failed: assessed.failed,
        };
        return with_intent(pipeline, ticket).await;
    }
    Err(kept_changing(pipeline, session, request).await)
}

/// The policy changed in each of the rounds.
pub(super) async fn kept_changing(
    pipeline: &Pipeline,
    session: &Session,
    request: &dyn Request,
) -> Denial {
    let refusal = Refusal {
        code: "policy/changing".to_owned(),
        message: "the policy kept changing while it was judged; send it again".to_owned(),
        fault: Fault::Gateway,
        failed: Failed::default(),
    };
    match standing(pipeline, session, request).await {
        Ok(standing) => {
            let exchange = request.exchange(&standing);
            deny(pipeline, session, &exchange, &standing, refusal).await
        }
        Err(denial) => denial,
    }
}

/// The rule that applies, or the recorded denial where none does.
pub(super) async fn standing(
    pipeline: &Pipeline,
    session: &Session,
    request: &dyn Request,
) -> Result<Standing, Denial> {
    match pipeline.standing(session) {
        Some(standing) => Ok(standing),
        None => Err(no_rule(pipeline, session, &request.bare()).await),
    }
}

/// What may change state is on record before it is sent.
async fn with_intent(pipeline: &Pipeline, mut ticket: Ticket) -> Result<Ticket, Denial> {
    if ticket.exchange.effect() == Effect::Write {
        let draft = record::exchange(
            Kind::Intent,
            &ticket.session,
            &ticket.exchange,
            &ticket.standing.generation,
            Some(&ticket.standing.runtime().rule.name),
            "allow",
        );
        let draft = record::with_approvals(draft, &ticket.approvals);
        let started = Instant::now();
        if let Err(error) = ticket.session.log.append(draft).await {
            tracing::error!(%error, exchange = %ticket.exchange.id, "the intent could not be recorded; nothing is sent");
            return Err(unrecorded(&ticket.exchange));
        }
        pipeline.metrics().phase(Phase::Intent, started.elapsed());
        ticket.intent = true;
    }
    pipeline.usage().add(
        &ticket.session.principal.subject,
        Use {
            exchanges: 1,
            ..Use::default()
        },
    );
    Ok(ticket)
}

/// An intent that was put on record at the very moment its exchange was withdrawn: it was not sent.
pub(super) async fn close_intent(session: &Session, exchange: &Exchange) {
    if !session.log.is_open(exchange.id.as_str()) {
        return;
    }
    let draft = record::follow_up(Kind::Outcome, session, exchange).with("outcome", "not-sent");
    if let Err(error) = session.log.append(draft).await {
        tracing::error!(%error, exchange = %exchange.id, "that an exchange was not sent could not be recorded");
    }
}

/// Records the denial, then words it. A denial that cannot be recorded still denies.
pub(super) async fn deny(
    pipeline: &Pipeline,
    session: &Session,
    exchange: &Exchange,
    standing: &Standing,
    refusal: Refusal,
) -> Denial {
    let rule = Some(standing.runtime().rule.name.clone());
    record_denial(
        pipeline,
        session,
        exchange,
        &standing.generation,
        rule,
        refusal,
    )
    .await
}

/// No rule lets the caller use the resource.
pub(super) async fn no_rule(pipeline: &Pipeline, session: &Session, exchange: &Exchange) -> Denial {
    let (code, message) = if pipeline.is_current(session) {
        ("policy/no-rule", "no rule lets you use this resource")
    } else {
        (
            "identity/changed",
            "your login was changed or withdrawn; connect again",
        )
    };
    let refusal = Refusal {
        code: code.to_owned(),
        message: message.to_owned(),
        fault: Fault::Policy,
        failed: Failed::default(),
    };
    let generation = pipeline.generation();
    record_denial(pipeline, session, exchange, &generation, None, refusal).await
}

async fn record_denial(
    pipeline: &Pipeline,
    session: &Session,
    exchange: &Exchange,
    generation: &Generation,
    rule: Option<String>,
    refusal: Refusal,
) -> Denial {
    let denial = Denial {
        exchange: exchange.id.clone(),
        rule,
        code: refusal.code,
        message: refusal.message,
        fault: refusal.fault,
    };
    pipeline
        .metrics()
        .exchange(&session.resource, Verdict::Deny);
    pipeline.usage().add(
        &session.principal.subject,
        Use {
            denials: 1,
            ..Use::default()
        },
    );
    let draft = record::denied(session, exchange, generation, &denial);
    let draft = record::with_failed(draft, &refusal.failed);
    if let Err(error) = session.log.append(draft).await {
        tracing::error!(%error, exchange = %exchange.id, "a denial could not be recorded");
        return unrecorded(exchange);
    }
    denial
}

/// The evidence store does not take records: nothing is forwarded, nothing released.
pub(super) fn unrecorded(exchange: &Exchange) -> Denial {
    Denial {
        exchange: exchange.id.clone(),
        rule: None,
        code: "gateway/unrecorded".to_owned(),
        message:
            "it could not be recorded, and nothing passes unrecorded; tell the gateway's operator"
                .to_owned(),
        fault: Fault::Gateway,
    }
}
