//! A typed view of the facts that the gateway parsed out of a statement, so that a guard needs no parser.
//!
//! Words that grow (kinds, reasons, effects) are strings, and unknown fields are skipped: a plugin outlives additions
//! to the sheet. A field that is *missing* is an error, because a guard must not take silence for innocence.
//!
//! ```
//! use almoner_plugin_sdk::{Operation, facts};
//! let op = Operation { facts_schema: "http-facts/1".into(), ..Operation::default() };
//! assert_eq!(facts::sql(&op), Err(facts::NotSql::OtherSchema));
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Operation;

/// The schema this view is of.
pub const SQL_SCHEMA: &str = "almoner.sql-facts/1";

/// Why an operation has no SQL facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSql {
    /// The facts are of another schema: not SQL, or a version this SDK does not know.
    OtherSchema,
    /// The facts are not what the schema says.
    Malformed,
}

impl fmt::Display for NotSql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherSchema => "the facts are not of schema almoner.sql-facts/1",
            Self::Malformed => "the facts do not follow schema almoner.sql-facts/1",
        })
    }
}

impl std::error::Error for NotSql {}

/// The facts about one SQL statement.
///
/// # Errors
/// [`NotSql`]; a guard that was made for SQL denies then.
pub fn sql(op: &Operation) -> Result<Statement, NotSql> {
    if op.facts_schema != SQL_SCHEMA {
        return Err(NotSql::OtherSchema);
    }
    serde_json::from_str(&op.facts).map_err(|_| NotSql::Malformed)
}

/// What the grammar says about one statement. Facts of statements inside it (`EXPLAIN`, `PREPARE`, `WITH`, …) are merged
/// into it: judge by relations and their access, not by `kind` alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// "select", "update", "drop", "copy-to", …
    pub kind: String,
    /// The same for people: "DROP TABLE".
    pub verb: String,
    /// Every relation named anywhere.
    pub relations: Vec<Relation>,
    /// Every function called by name anywhere.
    pub functions: Vec<Function>,
    /// Columns by what is done with them.
    pub columns: Columns,
    /// Whether a condition limits an update or delete; `None` for other statements.
    pub has_where: Option<bool>,
    /// Targets of writes that no condition limits.
    pub unfiltered_writes: Vec<RelationName>,
    /// How many rows a query asks for at most.
    pub limit: Limit,
    /// What each column of the result is made of: "constant", "parameter", "count", "column", "star", "expression".
    pub outputs: Vec<String>,
    /// Whether rows may reach the caller.
    pub returns_rows: bool,
    /// Whether the grammar alone shows that nothing is changed.
    pub read_only: bool,
    /// Whether rows or tables are locked.
    pub locking: bool,
    /// Why the grammar cannot see all that the statement does, gravest first.
    pub opaque_reasons: Vec<String>,
    /// Session settings it changes: "role", "search-path", "other:NAME", "unknown", …
    pub session_effects: Vec<String>,
    /// For COPY.
    pub copy: Option<Copy>,
    /// What the gateway knows from the database's catalog; `None` where it did not look.
    #[serde(default)]
    pub resolved: Option<Resolved>,
}

/// What the gateway learnt from the database's own catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// Functions whose effects are not known.
    #[serde(default)]
    pub opaque_functions: Vec<String>,
    /// Relations that the policy marks as sensitive.
    #[serde(default)]
    pub sensitive_relations: Vec<String>,
    /// Whether the statement may change anything, functions considered; `None` where that was not said.
    #[serde(default)]
    pub may_write: Option<bool>,
    /// Whether it stores what is masked where nothing would mask it.
    #[serde(default)]
    pub stores_masked: bool,
}

/// A relation and what is done to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// Schema, when written.
    pub schema: Option<String>,
    /// Name without the schema.
    pub name: String,
    /// What is done to it.
    pub access: Access,
}

/// What is done to a relation. A word this SDK does not know counts as the gravest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Its rows are read.
    Read,
    /// Its rows are changed.
    Write,
    /// It is itself created, changed or dropped, or who may use it.
    #[serde(other)]
    Define,
}

/// A relation's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelationName {
    /// Schema, when written.
    pub schema: Option<String>,
    /// Name without the schema.
    pub name: String,
}

/// A function called by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Schema, when written.
    pub schema: Option<String>,
    /// Name without the schema.
    pub name: String,
}

/// Columns by what is done with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// What may come out.
    pub read: Vec<Column>,
    /// What the choice or order of rows can betray.
    pub predicate: Vec<Column>,
    /// Assigned.
    pub written: Vec<Column>,
}

/// A column as named in the statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Relation or qualifier, where the text shows one.
    pub relation: Option<String>,
    /// Its name; `*` for all.
    pub column: String,
}

/// The most rows a query asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Limit {
    /// No limit.
    None,
    /// A number in the text.
    Number {
        /// At most so many.
        rows: u64,
    },
    /// A parameter.
    Parameter {
        /// `$1` is 1.
        number: u32,
    },
    /// Computed: the text does not say.
    #[serde(other)]
    Expression,
}

/// A COPY statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// "to" or "from".
    pub direction: String,
    /// Whether a program on the server is run.
    pub program: bool,
    /// Whether a file on the server is read or written.
    pub file: bool,
    /// The relation; `None` for a query.
    pub relation: Option<RelationName>,
    /// Whether a query is copied.
    pub query: bool,
}

impl Statement {
    /// Names of all relations, `schema.name` where the schema was written.
    pub fn relation_names(&self) -> impl Iterator<Item = String> {
        self.relations.iter().map(Relation::qualified)
    }

    /// Whether anything is written or defined.
    pub fn changes_relations(&self) -> bool {
        self.relations.iter().any(|r| r.access != Access::Read)
    }
}

impl Relation {
    /// `schema.name`, or the name alone.
    pub fn qualified(&self) -> String {
        qualified(self.schema.as_deref(), &self.name)
    }
}

impl RelationName {
    /// `schema.name`, or the name alone.
    pub fn qualified(&self) -> String {
        qualified(self.schema.as_deref(), &self.name)
    }
}

impl Function {
    /// `schema.name`, or the name alone.
    pub fn qualified(&self) -> String {
        qualified(self.schema.as_deref(), &self.name)
    }
}

fn qualified(schema: Option<&str>, name: &str) -> String {
    match schema {
        Some(schema) => format!("{schema}.{name}"),
        None => name.to_owned(),
    }
}

/// Whether `name` may be one of those that `pattern` means. For rules that restrict. `*` stands for any run of
/// characters and `?` for one; case is ignored.
///
/// A name without a schema may be in any schema of the search path, so `billing.inv*` matches a bare `invoice`: a denial
/// must not be escaped by leaving the schema out. In the same way a bare pattern matches in every schema.
///
/// ```
/// use almoner_plugin_sdk::facts::may_match;
/// assert!(may_match("billing.*", "billing.invoice"));
/// assert!(may_match("billing.inv*", "invoice"));
/// assert!(may_match("patient", "ehr.patient"));
/// assert!(!may_match("billing.*", "ehr.invoice"));
/// ```
pub fn may_match(pattern: &str, name: &str) -> bool {
    let bare = |text: &str| text.rsplit_once('.').map(|(_, bare)| bare.to_owned());
    match (bare(pattern), bare(name)) {
        (Some(pattern_name), None) => glob(&pattern_name, name),
        (None, Some(bare_name)) => glob(pattern, &bare_name),
        _ => glob(pattern, name),
    }
}

/// Whether `name`, as written, is one of those that `pattern` means. For rules that permit: a bare `invoice` may be a
/// table of any schema, so `billing.*` does not permit it.
///
/// ```
/// use almoner_plugin_sdk::facts::surely_matches;
/// assert!(surely_matches("billing.*", "billing.invoice"));
/// assert!(!surely_matches("billing.*", "invoice"));
/// assert!(!surely_matches("patient", "ehr.patient"));
/// ```
pub fn surely_matches(pattern: &str, name: &str) -> bool {
    glob(pattern, name)
}

/// Linear-space matching with one point to fall back to, the last `*`.
fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut fallback = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                fallback = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || Some(&c) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match fallback {
                Some((star, taken)) => {
                    fallback = Some((star, taken + 1));
                    p = star + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_shells_do() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("?b", "ab", true),
            ("?b", "b", false),
            ("A*", "abc", true),
            ("*_audit", "patient_audit", true),
            ("*a*b*", "xxaxxbxx", true),
            ("", "a", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_sheet_with_a_field_missing_is_malformed() {
        let op = Operation {
            facts_schema: SQL_SCHEMA.into(),
            facts: r#"{"kind":"select","verb":"SELECT"}"#.into(),
            ..Operation::default()
        };
        assert_eq!(sql(&op), Err(NotSql::Malformed));
    }
}
