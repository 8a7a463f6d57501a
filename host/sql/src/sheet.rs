//! The fact sheet: what one statement text is, in words a policy can be written in.
//!
//! The shape is a contract with policy authors, published as a JSON Schema under [`SCHEMA_NAME`]. Every field is always
//! present. Lists hold no duplicates and keep the order of the text, unless said otherwise. No field holds a constant of
//! the text, except where the constant is a name or a format (`COPY` delimiters, a cursor's name).

mod details;
mod relation;

pub use details::{
    Copy, CopyDirection, CopyFormat, CopyHeader, Cursor, Explain, Limit, OutputClass, Prepared,
};
pub use relation::{Access, ColumnUse, Columns, Fed, Function, Relation, RelationName};

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};

use crate::{Kind, OpaqueReason};

/// Name and version of the sheet's shape. A change that could break a reader changes the number.
pub const SCHEMA_NAME: &str = "almoner.sql-facts/1";

/// What the grammar says about one statement text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FactSheet {
    /// Always `almoner.sql-facts/1`.
    pub schema: String,
    /// The statements of the text, in order. Empty for a text of white space, comments and semicolons.
    pub statements: Vec<Statement>,
}

/// What the grammar says about one statement. Facts of a statement inside another (`EXPLAIN`, `PREPARE`, `DECLARE`, `COPY`
/// of a query, `CREATE TABLE AS`, views, rules, function bodies in SQL) are merged into the outer one's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Statement {
    /// What sort of statement it is.
    pub kind: Kind,
    /// The same for people, in upper case: `DROP TABLE`.
    pub verb: String,
    /// First byte of the statement in the text.
    pub start: usize,
    /// Length of the statement in bytes, without its semicolon.
    pub len: usize,
    /// Every relation named anywhere, sub-selects and nested statements included. Names of common table expressions are
    /// left out where they hide a relation.
    pub relations: Vec<Relation>,
    /// Every function called by name anywhere.
    pub functions: Vec<Function>,
    /// Names in attribute notation (`x.name`, `(x).name`), which PostgreSQL calls as a function where it is not a column:
    /// `select f.pg_read_file from unnest(array['/etc/passwd']) f`. A reader with a catalog checks which are functions.
    pub attributes: Vec<String>,
    /// Whether an operator is written `OPERATOR(schema.name)`.
    pub qualified_operators: bool,
    /// Columns, by what is done with them.
    pub columns: Columns,
    /// Columns whose values may come to lie somewhere else: everything read, other than in conditions and in the outermost
    /// `RETURNING` list, by a statement that stores (`insert`, `update`, `merge`, `select into`, `create table as`,
    /// `alter table`). Empty for statements that store nothing.
    pub fed: Vec<Fed>,
    /// Whether a relation or a join is given column names of its own (`patients as p(a, b)`), so that a column's name does
    /// not tell which column it is.
    pub renames: bool,
    /// For `update` and `delete` (also inside `EXPLAIN` and `PREPARE`): whether a condition that depends on the row limits
    /// it. `where true`, `where 1=1` and `where x=1 or true` do not. `null` for other statements.
    pub has_where: Option<bool>,
    /// Targets of every `update`, `delete` or `merge` anywhere that no condition limits.
    pub unfiltered_writes: Vec<RelationName>,
    /// How many rows the query asks for at most, for `select`, `declare-cursor`, `prepare` and `copy-to` of a query.
    pub limit: Limit,
    /// What each column of the result is, in order: of the query, the `RETURNING` list, or the query a cursor or a prepared
    /// statement will run. Positions can be trusted only when no entry is `star`; empty with `returns_rows` means unknown.
    pub outputs: Vec<OutputClass>,
    /// Whether rows may reach the caller. `COPY … TO STDOUT`, `EXECUTE` and `CALL` count.
    pub returns_rows: bool,
    /// Whether the grammar alone shows that nothing is changed: no writing statement, `SELECT INTO`, or row lock anywhere,
    /// or transaction control that publishes nothing. Functions can still write: their volatility is the reader's to check.
    /// `FETCH` and `EXECUTE` run what was judged elsewhere and are `false`.
    pub read_only: bool,
    /// Whether it locks rows or tables explicitly.
    pub locking: bool,
    /// The gravest reason why the grammar cannot see all this statement does; `null` when there is none.
    pub opaque: Option<OpaqueReason>,
    /// Every such reason, gravest first.
    pub opaque_reasons: Vec<OpaqueReason>,
    /// Session settings it changes: `search-path`, `role`, `session-authorization`, `client-encoding`,
    /// `standard-conforming-strings`, `other:NAME`, or `unknown` where the name is computed.
    pub session_effects: Vec<String>,
    /// For transaction control, its kind again; `null` otherwise.
    pub transaction: Option<Kind>,
    /// For `copy-to` and `copy-from`.
    pub copy: Option<Copy>,
    /// Highest parameter number (`$3` is 3); 0 without parameters.
    pub parameters: u32,
    /// For `explain`.
    pub explain: Option<Explain>,
    /// For `prepare`, `execute` and `deallocate`.
    pub prepared: Option<Prepared>,
    /// For `declare-cursor`, `fetch`, `move` and `close-cursor`.
    pub cursor: Option<Cursor>,
    /// For `listen`, `notify` and `unlisten`: the channel; `*` for all.
    pub channel: Option<String>,
    /// How many constants the statement holds.
    pub literals: u32,
}

/// The JSON Schema of [`FactSheet`], as published in the documentation.
pub fn schema_json() -> String {
    let mut schema = schema_for!(FactSheet);
    schema.insert("$id".to_owned(), SCHEMA_NAME.into());
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
