//! What each column of a result is made of, so far as the grammar can tell.
//!
//! Masking by provenance loses the trail at expressions, and must not mask what the caller wrote itself. "Constant",
//! "parameter" and "count" are claims that no stored value comes out; everything doubtful is an expression.

use pg_query::protobuf::SetOperation;

use crate::sheet::OutputClass;
use crate::tree::Tree;

/// The output columns of a query, or of the `RETURNING` list of a write. Empty when the node returns none, or unknown ones.
pub(crate) fn of(node: &Tree) -> Vec<OutputClass> {
    match node.kind {
        "SelectStmt" => select(node),
        "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => node
            .node("returning_clause")
            .map(|clause| targets(clause, "exprs"))
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn select(node: &Tree) -> Vec<OutputClass> {
    if let (Some(left), Some(right)) = (node.node("larg"), node.node("rarg")) {
        let set_operation = node.int("op") > i64::from(SetOperation::SetopNone as i32);
        return if set_operation {
            combine(select(left), select(right))
        } else {
            Vec::new()
        };
    }
    let mut rows = node.nodes("values_lists");
    let Some(first) = rows.next() else {
        return targets(node, "target_list");
    };
    let row = |list: &Tree| list.nodes("items").map(class).collect::<Vec<_>>();
    rows.fold(row(first), |columns, list| combine(columns, row(list)))
}

/// Two sources of the same columns. What differs is an expression; a star on either side makes positions unknowable.
fn combine(left: Vec<OutputClass>, right: Vec<OutputClass>) -> Vec<OutputClass> {
    if left.contains(&OutputClass::Star) || right.contains(&OutputClass::Star) {
        return vec![OutputClass::Star];
    }
    if left.len() != right.len() {
        return vec![OutputClass::Expression; left.len().max(right.len())];
    }
    left.into_iter()
        .zip(right)
        .map(|(a, b)| if a == b { a } else { OutputClass::Expression })
        .collect()
}

fn targets(node: &Tree, key: &str) -> Vec<OutputClass> {
    node.nodes(key)
        .map(|target| target.node("val").map_or(OutputClass::Expression, class))
        .collect()
}

fn class(value: &Tree) -> OutputClass {
    match value.kind {
        "AConst" => OutputClass::Constant,
        "ParamRef" => OutputClass::Parameter,
        "TypeCast" => match value.node("arg").map(class) {
            Some(same @ (OutputClass::Constant | OutputClass::Parameter)) => same,
            _ => OutputClass::Expression,
        },
        "AArrayExpr" if !value.list("elements").is_empty() => {
            let constant = value
                .nodes("elements")
                .all(|element| class(element) == OutputClass::Constant);
            if constant {
                OutputClass::Constant
            } else {
                OutputClass::Expression
            }
        }
        "ColumnRef" => match value.nodes("fields").last() {
            Some(last) if last.kind == "AStar" => OutputClass::Star,
            _ => OutputClass::Column,
        },
        "AIndirection" => match value.nodes("indirection").last() {
            Some(last) if last.kind == "AStar" => OutputClass::Star,
            _ => OutputClass::Expression,
        },
        "FuncCall" if counts(value) => OutputClass::Count,
        _ => OutputClass::Expression,
    }
}

/// Whether a value is in the text, or the caller's parameter.
pub(crate) fn is_own(value: &Tree) -> bool {
    matches!(class(value), OutputClass::Constant | OutputClass::Parameter)
}

/// `count(*)` or `count(x)`, of the server's own catalog or unqualified, and no window.
fn counts(call: &Tree) -> bool {
    let named = matches!(
        call.words("funcname").as_slice(),
        ["count"] | ["pg_catalog", "count"]
    );
    let one = call.is("agg_star") != (call.list("args").len() == 1);
    let plain =
        !call.is("func_variadic") && !call.is("agg_within_group") && call.node("over").is_none();
    named && one && plain
}
