//! Whether a condition limits the rows a write touches.
//!
//! Guards against accidents and generated SQL, not against intent: a condition counts when it depends on the row written.
//! Constants (`true`, `1=1`), parameters alone, columns of other relations alone, a column compared with itself, and any of
//! these on one side of an `OR` do not.

use pg_query::protobuf::{AExprKind, BoolExprType, CmdType, MergeMatchKind};

use crate::tree::{Tree, Value};

/// Whether a clause of a `MERGE` changes every row that the join leaves over.
pub(crate) fn spares_nothing(merge: &Tree, clause: &Tree) -> bool {
    let left_over =
        clause.int("match_kind") == i64::from(MergeMatchKind::MergeWhenNotMatchedBySource as i32);
    let changes = [CmdType::CmdDelete, CmdType::CmdUpdate]
        .into_iter()
        .any(|kind| clause.int("command_type") == i64::from(kind as i32));
    let target = target_of(merge);
    left_over
        && changes
        && !clause
            .node("condition")
            .is_some_and(|condition| target.decides(condition))
}

/// Whether the condition in field `key` of a write limits it.
pub(crate) fn limits(write: &Tree, key: &str) -> bool {
    let target = target_of(write);
    write
        .node(key)
        .is_some_and(|condition| target.decides(condition))
}

fn target_of(write: &Tree) -> Target<'_> {
    let target = write.node("relation").and_then(|relation| {
        let alias = relation
            .node("alias")
            .and_then(|alias| alias.text("aliasname"));
        alias.or(relation.text("relname"))
    });
    Target {
        name: target.unwrap_or_default(),
    }
}

/// The relation written, by the name its columns are qualified with.
struct Target<'a> {
    name: &'a str,
}

impl Target<'_> {
    fn decides(&self, condition: &Tree) -> bool {
        match condition.kind {
            "BoolExpr" => {
                let mut arms = condition.nodes("args");
                if condition.int("boolop") == i64::from(BoolExprType::OrExpr as i32) {
                    arms.all(|arm| self.decides(arm))
                } else {
                    arms.any(|arm| self.decides(arm))
                }
            }
            "AExpr" if compares_with_itself(condition) || fits_everything(condition) => false,
            _ => self.mentioned(condition),
        }
    }

    fn mentioned(&self, node: &Tree) -> bool {
        match node.kind {
            "CurrentOfExpr" => true,
            // Without a qualifier it may be the target's.
            "ColumnRef" => match node.words("fields").as_slice() {
                [.., qualifier, _] => *qualifier == self.name,
                _ => true,
            },
            _ => node.fields().any(|(_, value)| self.mentioned_in(value)),
        }
    }

    fn mentioned_in(&self, value: &Value) -> bool {
        match value {
            Value::Node(node) => self.mentioned(node),
            Value::List(items) => items.iter().any(|item| self.mentioned_in(item)),
            _ => false,
        }
    }
}

/// `name LIKE '%'` and its kin.
fn fits_everything(expression: &Tree) -> bool {
    let like = [AExprKind::AexprLike, AExprKind::AexprIlike]
        .into_iter()
        .any(|kind| expression.int("kind") == i64::from(kind as i32))
        && matches!(expression.words("name").last(), Some(&("~~" | "~~*")));
    let pattern = expression
        .node("rexpr")
        .and_then(|pattern| pattern.node("val"))
        .and_then(|text| text.text("sval"));
    like && pattern.is_some_and(|pattern| pattern.bytes().all(|byte| byte == b'%'))
}

fn compares_with_itself(expression: &Tree) -> bool {
    let kind = expression.int("kind");
    let same = || match (expression.node("lexpr"), expression.node("rexpr")) {
        (Some(left), Some(right)) => left.same(right),
        _ => false,
    };
    if kind == i64::from(AExprKind::AexprNotDistinct as i32) {
        return same();
    }
    let plain = kind == i64::from(AExprKind::AexprOp as i32);
    let reflexive = matches!(expression.words("name").last(), Some(&("=" | "<=" | ">=")));
    plain && reflexive && same()
}
