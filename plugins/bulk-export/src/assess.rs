//! Whether this exchange needs approval at this point, and when to ask again.

use almoner_plugin_sdk::{
    Answer, Assessment, CallContext, Operation, Reason,
    facts::{self, Limit, Statement},
    judgement::Approvers,
};

use crate::{Copying, MissingLimit, Settings};

/// Codes and what the gateway says for them.
pub(crate) const MESSAGES: &[(&str, &str)] = &[
    ("rows", "the response has reached {rows} rows"),
    ("copy", "{verb} takes rows out in bulk"),
    ("no-limit", "{verb} names no limit to its rows"),
    (
        "no-limit-sensitive",
        "{verb} on {table} names no limit to its rows",
    ),
    ("window", "the subject has had {rows} rows in this window"),
];

/// Shown to approvers. COPY is made for taking tables out; a long response may just be long.
const RISK_COPY: u8 = 70;
const RISK_UNLIMITED: u8 = 50;
const RISK_ROWS: u8 = 50;
const RISK_WINDOW: u8 = 60;

pub(crate) fn assess(
    settings: &Settings,
    ctx: &CallContext,
    op: &Operation,
    rows_so_far: u64,
) -> Answer {
    let reasons = if rows_so_far == 0 {
        before(settings, ctx, op)
    } else {
        underway(settings, ctx, rows_so_far)
    };
    let Some(risk) = reasons.iter().map(|(risk, _)| *risk).max() else {
        return Answer::not_needed().recheck_at(next_check(settings, ctx, rows_so_far));
    };
    let allowance = settings.allowance(rows_so_far);
    let need = Assessment {
        risk,
        reasons: reasons.into_iter().map(|(_, reason)| reason).collect(),
        all_of: Approvers::requirements(&settings.all_of),
        ttl_seconds: settings.ttl_seconds,
        max_rows: Some(allowance),
    };
    Answer::needed(need).recheck_at(allowance)
}

/// Before anything is sent: what the statement says about itself.
fn before(settings: &Settings, ctx: &CallContext, op: &Operation) -> Vec<(u8, Reason)> {
    let mut reasons: Vec<_> = window(settings, ctx, 0).into_iter().collect();
    let Ok(statement) = facts::sql(op) else {
        // Not SQL: no limit is known, so the strict setting applies and the mild ones wait for the count.
        if settings.missing_limit == MissingLimit::Hold {
            reasons.push((
                RISK_UNLIMITED,
                Reason::new("no-limit").arg("verb", &op.verb),
            ));
        }
        return reasons;
    };
    let verb = statement.verb.as_str();
    if statement.kind == "copy-to" && settings.copy == Copying::Hold {
        reasons.push((RISK_COPY, Reason::new("copy").arg("verb", verb)));
    } else if unlimited(&statement) {
        let sensitive = (statement.resolved.iter())
            .flat_map(|resolved| &resolved.sensitive_relations)
            .next();
        match (settings.missing_limit, sensitive) {
            (MissingLimit::Hold, _) => {
                reasons.push((RISK_UNLIMITED, Reason::new("no-limit").arg("verb", verb)));
            }
            (MissingLimit::HoldSensitive, Some(table)) => {
                let reason = Reason::new("no-limit-sensitive")
                    .arg("verb", verb)
                    .arg("table", table);
                reasons.push((RISK_UNLIMITED, reason));
            }
            _ => {}
        }
    }
    reasons
}

/// Rows are on their way; so many have come.
fn underway(settings: &Settings, ctx: &CallContext, rows: u64) -> Vec<(u8, Reason)> {
    let mut reasons: Vec<_> = window(settings, ctx, rows).into_iter().collect();
    if rows >= settings.rows {
        let reason = Reason::new("rows").arg("rows", rows.to_string());
        reasons.push((RISK_ROWS, reason));
    }
    reasons
}

/// What the subject has had before this exchange, plus what this one has brought.
fn window(settings: &Settings, ctx: &CallContext, rows: u64) -> Option<(u8, Reason)> {
    let used = ctx.usage.rows.saturating_add(rows);
    let spent = settings.rows_per_window > 0 && used >= settings.rows_per_window;
    spent.then(|| {
        let reason = Reason::new("window").arg("rows", used.to_string());
        (RISK_WINDOW, reason)
    })
}

/// The count at which something can change: the threshold, or the end of the window's budget if that is nearer.
fn next_check(settings: &Settings, ctx: &CallContext, rows_so_far: u64) -> u64 {
    let mut next = settings.rows;
    if settings.rows_per_window > 0 {
        next = next.min(settings.rows_per_window.saturating_sub(ctx.usage.rows));
    }
    next.max(rows_so_far.saturating_add(1))
}

/// Whether a query says nothing about how many rows it wants. A query whose every column is a count or a constant is a
/// statistic, not an export; one without relations has no rows to export.
fn unlimited(statement: &Statement) -> bool {
    let query = matches!(
        statement.kind.as_str(),
        "select" | "copy-to" | "declare-cursor" | "prepare"
    );
    let statistic = !statement.outputs.is_empty()
        && (statement.outputs.iter())
            .all(|o| matches!(o.as_str(), "count" | "constant" | "parameter"));
    // A cursor and a prepared statement return their rows later, when nobody asks for a limit any more.
    let returns =
        statement.returns_rows || matches!(statement.kind.as_str(), "declare-cursor" | "prepare");
    query
        && returns
        && !matches!(statement.limit, Limit::Number { .. })
        && !statement.relations.is_empty()
        && !statistic
}
