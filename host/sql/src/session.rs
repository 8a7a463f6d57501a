//! Which settings of the session a statement changes.
//!
//! Settings decide what later texts mean: where names are looked up, whose rights apply, how bytes and quotes are read.

use pg_query::protobuf::{DiscardMode, VariableSetKind};

use crate::tree::Tree;

/// The effect's word when the setting's name is not in the text.
pub(crate) const UNKNOWN: &str = "unknown";

/// Effects of `SET`, `RESET` and `DISCARD`. Empty for other statements.
pub(crate) fn of(node: &Tree) -> Vec<String> {
    match node.kind {
        "VariableSetStmt" if node.int("kind") == i64::from(VariableSetKind::VarResetAll as i32) => {
            all(&[
                "search-path",
                "client-encoding",
                "standard-conforming-strings",
                "other:all",
            ])
        }
        "VariableSetStmt" => vec![setting(node.text("name").unwrap_or_default())],
        "DiscardStmt" if node.int("target") == i64::from(DiscardMode::DiscardAll as i32) => all(&[
            "search-path",
            "role",
            "session-authorization",
            "client-encoding",
            "standard-conforming-strings",
            "other:all",
        ]),
        _ => Vec::new(),
    }
}

/// The effect of a call of `set_config`, if `node` is one.
pub(crate) fn of_call(node: &Tree) -> Option<String> {
    if !matches!(
        node.words("funcname").as_slice(),
        ["set_config"] | [_, "set_config"] | [_, _, "set_config"]
    ) {
        return None;
    }
    let named = node
        .nodes("args")
        .any(|argument| argument.kind == "NamedArgExpr");
    let first = node
        .nodes("args")
        .next()
        .filter(|_| !named && !node.is("func_variadic"));
    let name = first.and_then(constant_text);
    Some(name.map_or_else(|| UNKNOWN.to_owned(), setting))
}

fn all(effects: &[&str]) -> Vec<String> {
    effects.iter().map(|effect| (*effect).to_owned()).collect()
}

/// Names of settings are compared without case by the server.
fn setting(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "search_path" => "search-path".to_owned(),
        "role" => "role".to_owned(),
        "session_authorization" => "session-authorization".to_owned(),
        "client_encoding" | "names" => "client-encoding".to_owned(),
        "standard_conforming_strings" => "standard-conforming-strings".to_owned(),
        _ => format!("other:{}", name.replace(' ', "-")),
    }
}

/// The text of a string constant, through casts.
fn constant_text(node: &Tree) -> Option<&str> {
    match node.kind {
        "TypeCast" => constant_text(node.node("arg")?),
        "AConst" => {
            let value = node.node("val").filter(|value| value.kind == "String")?;
            Some(value.text("sval").unwrap_or_default())
        }
        _ => None,
    }
}
