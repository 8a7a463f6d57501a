//! Whether a condition limits the rows a write touches.
//!
//! Guards against accidents and generated SQL, not against intent: a condition counts when it depends on the row. Constants
//! (`true`, `1=1`), parameters alone, a column compared with itself, and any of these on one side of an `OR` do not.

use pg_query::protobuf::{AExprKind, BoolExprType};

use crate::tree::{Tree, Value};

/// Whether the condition in field `key` of a write limits it.
pub(crate) fn limits(write: &Tree, key: &str) -> bool {
    write.node(key).is_some_and(depends_on_row)
}

fn depends_on_row(condition: &Tree) -> bool {
    match condition.kind {
        "BoolExpr" => {
            let mut arms = condition.nodes("args");
            if condition.int("boolop") == i64::from(BoolExprType::OrExpr as i32) {
                arms.all(depends_on_row)
            } else {
                arms.any(depends_on_row)
            }
        }
        "AExpr" if compares_with_itself(condition) => false,
        _ => mentions_row(condition),
    }
}

fn compares_with_itself(expression: &Tree) -> bool {
    let plain = expression.int("kind") == i64::from(AExprKind::AexprOp as i32);
    let reflexive = matches!(expression.words("name").last(), Some(&("=" | "<=" | ">=")));
    match (expression.node("lexpr"), expression.node("rexpr")) {
        (Some(left), Some(right)) => plain && reflexive && left.same(right),
        _ => false,
    }
}

fn mentions_row(node: &Tree) -> bool {
    matches!(node.kind, "ColumnRef" | "CurrentOfExpr")
        || node.fields().any(|(_, value)| value_mentions_row(value))
}

fn value_mentions_row(value: &Value) -> bool {
    match value {
        Value::Node(node) => mentions_row(node),
        Value::List(items) => items.iter().any(value_mentions_row),
        _ => false,
    }
}
