//! How the tables of cases are read: each names a statement and a fragment of the sheet it must have.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "tests state what they expect; each uses its part"
)]

use almoner_sql::facts;
use serde_json::{Map, Value, json};

/// Checks every case: `(text, fragment of the first statement)`. An object in the fragment may leave out keys; anything
/// else must be equal.
pub(crate) fn check(cases: &[(&str, Value)]) {
    let mut wrong = Vec::new();
    for (sql, fragment) in cases {
        let sheet = match facts(sql) {
            Ok(sheet) => sheet,
            Err(error) => {
                wrong.push(format!("{sql}\n   refused: {error}"));
                continue;
            }
        };
        let Some(first) = sheet.statements.first() else {
            wrong.push(format!("{sql}\n   no statement"));
            continue;
        };
        let actual = serde_json::to_value(first).unwrap();
        differences(&actual, fragment, "", &mut |at, have, want| {
            wrong.push(format!(
                "{sql}\n   {at}: have {have}\n   {:w$}  want {want}",
                "",
                w = at.len()
            ));
        });
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases differ:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

fn differences(
    actual: &Value,
    wanted: &Value,
    at: &str,
    report: &mut dyn FnMut(&str, &Value, &Value),
) {
    match (actual, wanted) {
        (Value::Object(actual), Value::Object(wanted)) => {
            for (key, wanted) in wanted {
                let missing = Value::String("<no such field>".to_owned());
                differences(
                    actual.get(key).unwrap_or(&missing),
                    wanted,
                    &format!("{at}.{key}"),
                    report,
                );
            }
        }
        _ if actual == wanted => {}
        _ => report(at, actual, wanted),
    }
}

fn named(text: &str) -> Map<String, Value> {
    let (schema, name) = match text.rsplit_once('.') {
        Some((schema, name)) => (Value::from(schema), name),
        None => (Value::Null, text),
    };
    [
        ("schema".to_owned(), schema),
        ("name".to_owned(), name.into()),
    ]
    .into_iter()
    .collect()
}

/// Relations written as `read patients`, `write ehr.visits`, in order, separated by commas.
pub(crate) fn relations(text: &str) -> Value {
    let one = |entry: &str| {
        let (access, name) = entry.trim().split_once(' ').unwrap();
        let mut relation = named(name);
        relation.insert("access".to_owned(), access.into());
        Value::Object(relation)
    };
    Value::Array(
        text.split(',')
            .filter(|entry| !entry.trim().is_empty())
            .map(one)
            .collect(),
    )
}

/// Functions or relation names written as `lower, pg_catalog.upper`.
pub(crate) fn names(text: &str) -> Value {
    let one = |entry: &str| Value::Object(named(entry.trim()));
    Value::Array(
        text.split(',')
            .filter(|entry| !entry.trim().is_empty())
            .map(one)
            .collect(),
    )
}

/// Columns written as `patients:ssn, :id`, an empty relation being unknown.
pub(crate) fn columns(text: &str) -> Value {
    let one = |entry: &str| {
        let (relation, column) = entry.trim().split_once(':').unwrap();
        let relation = if relation.is_empty() {
            Value::Null
        } else {
            relation.into()
        };
        json!({"relation": relation, "column": column})
    };
    Value::Array(
        text.split(',')
            .filter(|entry| !entry.trim().is_empty())
            .map(one)
            .collect(),
    )
}
