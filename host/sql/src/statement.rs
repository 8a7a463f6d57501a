//! From the parser's answer to the fact sheet: one statement at a time.
//!
//! What can be found anywhere in a statement comes from the walk; what belongs to its outermost node is read here.

use pg_query::protobuf::{ParseResult, RawStmt};

use crate::copy::argument;
use crate::sheet::{
    Columns, Cursor, Explain, FactSheet, Limit, OutputClass, Prepared, SCHEMA_NAME, Statement,
};
use crate::tree::{Tree, build};
use crate::walk::{Found, search};
use crate::{
    Kind, NAMES_MAX, STATEMENTS_MAX, Unparseable, copy, filter, kind, limit, outputs, session,
};

/// `DECLARE … BINARY`, from the server's `parsenodes.h`.
const CURSOR_BINARY: i64 = 0x0001;
/// `DECLARE … WITH HOLD`, from the server's `parsenodes.h`.
const CURSOR_HOLD: i64 = 0x0020;

/// The sheet of a parsed text.
pub(crate) fn sheet(text: &str, parsed: &ParseResult) -> Result<FactSheet, Unparseable> {
    let statements = parsed.stmts.len();
    if statements > STATEMENTS_MAX {
        return Err(Unparseable::TooManyStatements { statements });
    }
    let statements = parsed
        .stmts
        .iter()
        .map(|raw| statement(text, raw))
        .collect::<Result<_, _>>()?;
    Ok(FactSheet {
        schema: SCHEMA_NAME.to_owned(),
        statements,
    })
}

fn statement(text: &str, raw: &RawStmt) -> Result<Statement, Unparseable> {
    let (start, len) = slice(text, raw).ok_or(Unparseable::Inconsistent)?;
    let tree = build(raw.stmt.as_deref().ok_or(Unparseable::Inconsistent)?)?;
    let mut found = search(&tree)?;
    for effect in session::of(&tree) {
        found.effects.push(effect);
    }
    let (kind, mut verb) = kind::of(&tree);
    let explain = (kind == Kind::Explain).then(|| explain(&tree));
    if explain.is_some_and(|explain| explain.analyze) {
        verb.push_str(" ANALYZE");
    }
    let outputs = result_columns(kind, &tree);
    if outputs.len() > NAMES_MAX {
        return Err(Unparseable::TooManyNames);
    }
    let read_only = reads_only(kind, &tree, explain, &found);
    let opaque_reasons: Vec<_> = found.opaque.into_iter().collect();
    Ok(Statement {
        kind,
        verb,
        start,
        len,
        returns_rows: returns_rows(kind, &tree, &outputs),
        outputs,
        has_where: has_where(innermost(&tree)),
        limit: if kind == Kind::Explain {
            Limit::None
        } else {
            row_limit(innermost(&tree))
        },
        read_only,
        locking: found.locking || kind == Kind::Lock,
        opaque: opaque_reasons.first().copied(),
        opaque_reasons,
        session_effects: found.effects.into_items(),
        transaction: (tree.kind == "TransactionStmt").then_some(kind),
        copy: (tree.kind == "CopyStmt").then(|| copy::of(&tree)),
        parameters: found.parameters,
        explain,
        prepared: prepared(&tree),
        cursor: cursor(&tree),
        channel: channel(&tree),
        literals: found.literals,
        relations: found.relations.into_items(),
        functions: found.functions.into_items(),
        attributes: found.attributes.into_items(),
        qualified_operators: found.qualified_operators,
        columns: Columns {
            read: found.read.into_items(),
            predicate: found.predicate.into_items(),
            written: found.written.into_items(),
        },
        fed: if found.stores {
            found.fed.into_items()
        } else {
            Vec::new()
        },
        renames: found.renames,
        unfiltered_writes: found.unfiltered.into_items(),
    })
}

/// The statement's own bytes, without white space around it. The parser counts bytes; a length of zero is "to the end".
fn slice(text: &str, raw: &RawStmt) -> Option<(usize, usize)> {
    let start = usize::try_from(raw.stmt_location).ok()?;
    let len = usize::try_from(raw.stmt_len).ok()?;
    let own = if len == 0 {
        text.get(start..)?
    } else {
        text.get(start..start.checked_add(len)?)?
    };
    let leading = own.len() - own.trim_start().len();
    Some((start + leading, own.trim().len()))
}

/// The query or write a statement is wrapped around; the statement itself where it wraps none.
fn innermost(node: &Tree) -> &Tree {
    let mut node = node;
    while let ("ExplainStmt" | "PrepareStmt" | "DeclareCursorStmt" | "CopyStmt", Some(inner)) =
        (node.kind, node.node("query"))
    {
        node = inner;
    }
    node
}

fn result_columns(kind: Kind, node: &Tree) -> Vec<OutputClass> {
    match kind {
        Kind::Explain | Kind::Show => vec![OutputClass::Expression],
        _ if returns_nothing(innermost(node)) => Vec::new(),
        _ => outputs::of(innermost(node)),
    }
}

/// `SELECT INTO` has a target list, but keeps its rows.
fn returns_nothing(node: &Tree) -> bool {
    node.node("into_clause").is_some()
}

fn returns_rows(kind: Kind, node: &Tree, outputs: &[OutputClass]) -> bool {
    match kind {
        // A query can have no columns at all and still return rows.
        Kind::Select => !returns_nothing(node),
        Kind::Insert | Kind::Update | Kind::Delete | Kind::Merge => !outputs.is_empty(),
        Kind::CopyTo => !node.is("is_program") && node.text("filename").is_none(),
        Kind::Show | Kind::Explain | Kind::Fetch | Kind::Execute | Kind::Call => true,
        _ => false,
    }
}

fn has_where(node: &Tree) -> Option<bool> {
    matches!(node.kind, "UpdateStmt" | "DeleteStmt").then(|| filter::limits(node, "where_clause"))
}

fn row_limit(node: &Tree) -> Limit {
    if node.kind == "SelectStmt" {
        limit::of(node)
    } else {
        Limit::None
    }
}

fn reads_only(kind: Kind, node: &Tree, explain: Option<Explain>, found: &Found) -> bool {
    if !found.opaque.is_empty() || !found.effects.is_empty() {
        return false;
    }
    let quiet = !found.writes && !found.into && !found.locking;
    match kind {
        Kind::Select => quiet,
        Kind::DeclareCursor => quiet,
        Kind::CopyTo => quiet,
        Kind::Explain => {
            let executed = explain.is_none_or(|explain| explain.analyze);
            !executed || (quiet && innermost(node).kind == "SelectStmt")
        }
        Kind::Show | Kind::CloseCursor | Kind::Deallocate => true,
        // None of these makes a change visible to anybody else. COMMIT does.
        Kind::Begin | Kind::Rollback | Kind::Savepoint | Kind::Release | Kind::RollbackTo => true,
        _ => false,
    }
}

fn explain(node: &Tree) -> Explain {
    let on = |name: &str| {
        node.nodes("options")
            .filter(|option| option.text("defname") == Some(name))
            .any(|option| {
                let word = option
                    .node("arg")
                    .and_then(argument)
                    .map(|word| word.to_ascii_lowercase());
                !matches!(word.as_deref(), Some("false" | "off" | "0"))
            })
    };
    Explain {
        analyze: on("analyze"),
        verbose: on("verbose"),
    }
}

fn prepared(node: &Tree) -> Option<Prepared> {
    matches!(node.kind, "PrepareStmt" | "ExecuteStmt" | "DeallocateStmt").then(|| Prepared {
        name: node.text("name").map(str::to_owned),
    })
}

fn cursor(node: &Tree) -> Option<Cursor> {
    let name = node.text("portalname").map(str::to_owned);
    let plain = Cursor {
        name,
        direction: None,
        count: None,
        binary: false,
        hold: false,
    };
    match node.kind {
        "ClosePortalStmt" => Some(plain),
        "DeclareCursorStmt" => {
            let options = node.int("options");
            Some(Cursor {
                binary: options & CURSOR_BINARY != 0,
                hold: options & CURSOR_HOLD != 0,
                ..plain
            })
        }
        "FetchStmt" => Some(Cursor {
            direction: kind::fetch_direction(node).map(str::to_owned),
            // The grammar writes "all" as the largest number there is.
            count: Some(node.int("how_many")).filter(|count| *count != i64::MAX),
            ..plain
        }),
        _ => None,
    }
}

fn channel(node: &Tree) -> Option<String> {
    matches!(node.kind, "ListenStmt" | "NotifyStmt" | "UnlistenStmt")
        .then(|| node.text("conditionname").unwrap_or("*").to_owned())
}
