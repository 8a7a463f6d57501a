//! A response has reached the row count at which somebody is to be asked again. Approval is judged under
//! the newest policy; and after a wait the guards are as well, if the policy is another one by then.
//!
//! Rows that are out are out: this decides about those to come. What is done to them stays with the
//! generation that the exchange was admitted under.

use std::sync::Arc;

use super::admit::{self, ROUNDS_MAX, deny, kept_changing};
use super::approve::{self, Approved, Asking, Requirements};
use super::exchange::{Caller, Exchange, Request, Session};
use super::guard::{Guarded, Need, guard};
use super::pipeline::Pipeline;
use super::standing::Standing;
use super::verdict::Denial;

/// Leave to go on after a recheck.
pub struct GoOn {
    pub(super) approved: Option<Approved>,
    pub(super) until: Option<u64>,
}

/// An approval, and the generation that asked for it.
struct Given {
    approved: Approved,
    generation: u64,
}

/// Asks the approval plugins at this row count, and people where they want it. Dropping the future
/// withdraws what it asked for.
pub(super) async fn recheck(
    pipeline: &Pipeline,
    session: &Arc<Session>,
    request: &dyn Request,
    caller: &dyn Caller,
    rows: u64,
) -> Result<Option<GoOn>, Denial> {
    let mut given: Option<Given> = None;
    for _ in 0..ROUNDS_MAX {
        let standing = admit::standing(pipeline, session, request).await?;
        let exchange = request.exchange(&standing);
        let runtime = standing.runtime();
        let mut needs = match &given {
            // The wait does not freeze policy.
            Some(given) if given.generation != standing.generation() => {
                guard_again(pipeline, session, &exchange, &standing).await?
            }
            _ => Vec::new(),
        };
        let context = pipeline.context(session, &exchange, &runtime.rule);
        let assessed = approve::assess(
            pipeline.metrics(),
            runtime,
            &context,
            &exchange.actions,
            rows,
        )
        .await;
        needs.extend(assessed.needs);
        let Some(requirements) = Requirements::of(&runtime.rule, &needs) else {
            return Ok(assessed.recheck_at_rows.map(|at| GoOn {
                approved: None,
                until: Some(at),
            }));
        };
        let wanted = approve::fingerprint(session, &exchange, &requirements);
        if let Some(Given { approved, .. }) =
            given.take_if(|given| given.approved.fingerprint == wanted)
        {
            return Ok(Some(GoOn {
                // Counted from the exchange's first row; an approval covers one more at least.
                until: approved.max_rows.map(|all| all.max(rows.saturating_add(1))),
                approved: Some(approved),
            }));
        }
        let asking = Asking {
            session,
            exchange: &exchange,
            standing: &standing,
            requirements,
            rows_so_far: rows,
        };
        match approve::ask(pipeline, asking, caller).await {
            Ok(approved) => {
                given = Some(Given {
                    approved,
                    generation: standing.generation(),
                });
            }
            Err(refusal) => {
                return Err(deny(pipeline, session, &exchange, &standing, refusal).await);
            }
        }
    }
    Err(kept_changing(pipeline, session, request).await)
}

async fn guard_again(
    pipeline: &Pipeline,
    session: &Session,
    exchange: &Exchange,
    standing: &Standing,
) -> Result<Vec<Need>, Denial> {
    let runtime = standing.runtime();
    let context = pipeline.context(session, exchange, &runtime.rule);
    match guard(pipeline.metrics(), runtime, &context, &exchange.actions).await {
        Guarded::Allow => Ok(Vec::new()),
        Guarded::Hold(needs) => Ok(needs),
        Guarded::Deny(refusal) => Err(deny(pipeline, session, exchange, standing, refusal).await),
    }
}
