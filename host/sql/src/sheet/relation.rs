//! The parts of a fact sheet that name things in the database.
//!
//! Names are as the server reads them: folded to lower case unless quoted, cut at 63 bytes. No catalog was asked, so a
//! name without a schema is whatever the session's `search_path` makes of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A relation named in a statement, and what for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Relation {
    /// Schema, when written.
    pub schema: Option<String>,
    /// Name of the table, view, sequence, index or foreign table.
    pub name: String,
    /// What the statement does to it.
    pub access: Access,
}

/// What a statement does to a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Reads rows or copies its shape.
    Read,
    /// Changes rows, or works on the storage (`TRUNCATE`, `LOCK`, `VACUUM`, `REINDEX`, …).
    Write,
    /// Creates, changes or drops the relation itself, or who may use it.
    Define,
}

/// A relation's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct RelationName {
    /// Schema, when written.
    pub schema: Option<String>,
    /// Name without the schema.
    pub name: String,
}

/// A function called by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Function {
    /// Schema, when written. SQL's own syntaxes (`EXTRACT`, `OVERLAY`, …) have `pg_catalog`.
    pub schema: Option<String>,
    /// Name without the schema.
    pub name: String,
}

/// Columns a statement names, by what is done with them. One column can be in all three.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Columns {
    /// In target lists, `RETURNING`, `VALUES`, arguments: what may come out.
    pub read: Vec<ColumnUse>,
    /// In conditions, join clauses, grouping, ordering, windows and filters, and everything below them: what the choice or
    /// order of rows can betray. `ORDER BY 1` and `ORDER BY alias` count for the column behind.
    pub predicate: Vec<ColumnUse>,
    /// Assigned by `INSERT`, `UPDATE`, `MERGE` or `COPY FROM`.
    pub written: Vec<ColumnUse>,
}

/// A column whose values a write may store, directly or by way of a sub-select.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Fed {
    /// As in [`ColumnUse`].
    pub relation: Option<String>,
    /// As in [`ColumnUse`].
    pub column: String,
    /// Whether it stands in an expression, so that what is stored may be anything made of it.
    pub computed: bool,
}

/// A column as named in a statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ColumnUse {
    /// The relation it belongs to, as `name` or `schema.name`, where the text shows it; otherwise the qualifier as written
    /// (the alias of a sub-select or function), or `null`: it may then belong to any relation of the statement.
    pub relation: Option<String>,
    /// Its name; `*` for all columns of the relation, as in `p.*`, in a whole-row reference, or in a natural join.
    pub column: String,
}
