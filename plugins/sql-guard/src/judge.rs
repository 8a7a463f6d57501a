//! From facts and settings to a verdict: every question is asked, the strictest answer stands.

use almoner_plugin_sdk::{
    Reason, Verdict,
    facts::{Access, Relation, Statement, surely_matches},
    judgement::{Action, Judgement},
};

use crate::{Settings, settings::Certainty};

/// Codes and what the gateway says for them. The same words serve denials and requests for approval.
pub(crate) const MESSAGES: &[(&str, &str)] = &[
    ("kind", "{verb} statements are restricted"),
    ("table", "{verb} on {table} is restricted"),
    (
        "missing-where",
        "{verb} on {table} has no condition that limits it",
    ),
    ("opaque", "{verb} hides what it does: {form}"),
    (
        "function",
        "the effects of function {function} are not known",
    ),
    (
        "not-a-read",
        "{verb} is not a read, and only reads are allowed",
    ),
    ("session", "changing the session's {setting} is restricted"),
    ("sensitive", "{table} is marked as sensitive"),
    (
        "no-facts",
        "the statement could not be judged: no SQL facts came with it",
    ),
];

/// Kinds that change relations by their nature. In any other kind a written relation is the doing of a statement inside.
const CHANGING: &[&str] = &[
    "alter",
    "cluster",
    "comment",
    "copy-from",
    "create",
    "delete",
    "drop",
    "grant",
    "insert",
    "lock",
    "merge",
    "reassign",
    "refresh",
    "reindex",
    "revoke",
    "security-label",
    "truncate",
    "update",
    "vacuum",
    "analyze",
];

/// Kinds that only steer the session: fine where only reads are, as what they run was judged when it was prepared.
const STEERING: &[&str] = &[
    "begin",
    "close-cursor",
    "commit",
    "deallocate",
    "discard",
    "execute",
    "fetch",
    "listen",
    "move",
    "release",
    "reset",
    "rollback",
    "rollback-to",
    "savepoint",
    "set",
    "set-constraints",
    "show",
    "unlisten",
];

pub(crate) fn judge(settings: &Settings, statement: &Statement) -> Verdict {
    let mut found = Judgement::default();
    judge_kind(settings, statement, &mut found);
    judge_conditions(settings, statement, &mut found);
    judge_opacity(settings, statement, &mut found);
    judge_session(settings, statement, &mut found);
    judge_sensitivity(settings, statement, &mut found);
    if settings.read_only && !is_read(settings, statement) {
        found.add(Action::Deny, || {
            Reason::new("not-a-read").arg("verb", &statement.verb)
        });
    }
    found.verdict(&settings.hold)
}

/// By kind where no table is involved; else table by table.
fn judge_kind(settings: &Settings, statement: &Statement, found: &mut Judgement) {
    let Statement {
        kind,
        verb,
        relations,
        ..
    } = statement;
    if relations.is_empty() {
        found.add(settings.kind_action(kind, verb), || {
            Reason::new("kind").arg("verb", verb)
        });
    }
    for relation in relations {
        for (kind, verb) in roles(statement, relation) {
            let table = relation.qualified();
            let (action, by_table) = table_action(settings, &table, kind, verb);
            found.add(action, || {
                let code = if by_table { "table" } else { "kind" };
                Reason::new(code).arg("verb", verb).arg("table", &table)
            });
        }
    }
}

/// What happens to a statement of this kind on this table, and whether a rule about tables says so.
fn table_action(settings: &Settings, table: &str, kind: &str, verb: &str) -> (Action, bool) {
    let mut strictest = Action::Allow;
    for rule in &settings.tables {
        match rule.covers(table, kind, verb) {
            Some(Certainty::Sure) => return (strictest.max(rule.action), true),
            Some(Certainty::Maybe) => strictest = strictest.max(rule.action),
            None => {}
        }
    }
    let by_kind = settings.kind_action(kind, verb);
    (strictest.max(by_kind), strictest > by_kind)
}

/// The kinds under which a relation is judged. Inside `EXPLAIN`, `PREPARE` or `WITH` the sheet does not say which write
/// it is, so that every write must be allowed; a table that a writing statement only reads counts as selected from.
fn roles<'a>(statement: &'a Statement, relation: &Relation) -> Vec<(&'a str, &'a str)> {
    let own = (statement.kind.as_str(), statement.verb.as_str());
    let changing = CHANGING.contains(&own.0);
    match relation.access {
        Access::Read if changing && statement.changes_relations() => vec![("select", "SELECT")],
        Access::Read => vec![own],
        _ if changing => vec![own],
        Access::Write => vec![
            own,
            ("insert", "INSERT"),
            ("update", "UPDATE"),
            ("delete", "DELETE"),
            ("merge", "MERGE"),
        ],
        Access::Define => vec![own, ("create", "CREATE TABLE")],
    }
}

fn judge_conditions(settings: &Settings, statement: &Statement, found: &mut Judgement) {
    for target in &statement.unfiltered_writes {
        found.add(settings.missing_where, || {
            Reason::new("missing-where")
                .arg("verb", &statement.verb)
                .arg("table", target.qualified())
        });
    }
    // The sheet lists the targets too; should it ever not, the flag still counts.
    if statement.has_where == Some(false) && statement.unfiltered_writes.is_empty() {
        found.add(settings.missing_where, || {
            Reason::new("missing-where").arg("verb", &statement.verb)
        });
    }
}

fn judge_opacity(settings: &Settings, statement: &Statement, found: &mut Judgement) {
    for form in &statement.opaque_reasons {
        found.add(settings.opaque_action(form), || {
            Reason::new("opaque")
                .arg("verb", &statement.verb)
                .arg("form", form)
        });
    }
    // The sheet gives a reason for each of these; should it ever not, what they are is reason enough.
    let copy = statement.copy.as_ref();
    let hides = matches!(statement.kind.as_str(), "do" | "call" | "execute")
        || copy.is_some_and(|copy| copy.program || copy.file);
    if hides && statement.opaque_reasons.is_empty() {
        found.add(settings.opaque_action(&statement.kind), || {
            Reason::new("opaque")
                .arg("verb", &statement.verb)
                .arg("form", &statement.kind)
        });
    }
    if statement
        .resolved
        .as_ref()
        .is_some_and(|resolved| resolved.stores_masked)
    {
        found.add(settings.opaque_action("stores-masked"), || {
            Reason::new("opaque")
                .arg("verb", &statement.verb)
                .arg("form", "stores-masked")
        });
    }
    for function in unknown_functions(settings, statement) {
        found.add(settings.opaque_action("unknown-function"), || {
            Reason::new("function").arg("function", &function)
        });
    }
}

/// Functions nobody vouches for. Where the catalog was not asked, that is every function.
fn unknown_functions(settings: &Settings, statement: &Statement) -> Vec<String> {
    let named = || statement.functions.iter().map(|f| f.qualified());
    let unknown: Vec<String> = match &statement.resolved {
        Some(resolved) => resolved.opaque_functions.clone(),
        None => named().collect(),
    };
    let allowed = |name: &String| {
        (settings.functions_allowed.iter()).any(|pattern| surely_matches(pattern, name))
    };
    unknown.into_iter().filter(|name| !allowed(name)).collect()
}

fn judge_session(settings: &Settings, statement: &Statement, found: &mut Judgement) {
    for effect in &statement.session_effects {
        found.add(settings.session_action(effect), || {
            let name = effect.strip_prefix("other:").unwrap_or(effect);
            Reason::new("session").arg("setting", name)
        });
    }
}

fn judge_sensitivity(settings: &Settings, statement: &Statement, found: &mut Judgement) {
    for table in statement
        .resolved
        .iter()
        .flat_map(|r| &r.sensitive_relations)
    {
        found.add(settings.sensitive, || {
            Reason::new("sensitive").arg("table", table)
        });
    }
}

fn is_read(settings: &Settings, statement: &Statement) -> bool {
    let quiet = match &statement.resolved {
        Some(resolved) if resolved.may_write == Some(true) => false,
        _ => unknown_functions(settings, statement).is_empty(),
    };
    let reads = statement.read_only
        && !statement.locking
        && !statement.changes_relations()
        && statement.opaque_reasons.is_empty()
        && quiet;
    reads || (STEERING.contains(&statement.kind.as_str()) && !statement.changes_relations())
}
