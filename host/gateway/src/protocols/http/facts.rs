//! What guards are told of a request, and what records and approvers are shown of it. The schema is
//! published as `docs/schemas/http-facts-1.json`; it gains fields and loses none.

use schemars::JsonSchema;
use serde::Serialize;

/// The name under which the schema is published.
pub(super) const SCHEMA: &str = "almoner.http-facts/1";

/// What the gateway read of one HTTP request.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(title = "HttpFacts")]
pub(super) struct Facts {
    /// In capitals: GET, POST, …
    pub(super) method: String,
    /// The path's segments below the resource, unescaped. In records, those that may be identifiers are `{id}`.
    pub(super) segments: Vec<String>,
    /// Whether the path ends with a slash.
    pub(super) trailing_slash: bool,
    /// Keys of the query, in order, duplicates included. Values are the operation's parameters named `query:KEY`.
    pub(super) query_keys: Vec<String>,
    /// Names of the headers that are sent on, lower case. Values are the operation's attributes named `header:NAME`.
    pub(super) headers: Vec<String>,
    /// Media type of the body, lower case, without parameters; null without one.
    pub(super) content_type: Option<String>,
    /// Size of the body.
    pub(super) body_bytes: u64,
    /// Whether the method alone promises to change nothing: GET, HEAD, OPTIONS.
    pub(super) read_only: bool,
}

/// The schema, as published.
pub(crate) fn facts_schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Facts).to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("$id".to_owned(), SCHEMA.into());
    }
    schema
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        reason = "tests state what they expect"
    )]
    use std::path::Path;

    use super::*;

    #[test]
    fn the_published_schema_is_that_of_this_version() {
        let text = format!("{:#}\n", facts_schema());
        let path = Path::new("../../docs/schemas/http-facts-1.json");
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let published = std::fs::read_to_string(path).expect("run the tests with UPDATE_SCHEMAS=1");
        assert!(
            published == text,
            "docs/schemas/http-facts-1.json is stale: run the tests with UPDATE_SCHEMAS=1"
        );
    }
}
