//! The parts of a fact sheet that only some kinds of statement have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::relation::RelationName;

/// The most rows a query asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Limit {
    /// No limit, `LIMIT ALL` or `LIMIT NULL`.
    None,
    /// A number written in the text.
    Number {
        /// At most this many rows.
        rows: u64,
    },
    /// A parameter.
    Parameter {
        /// Its number.
        number: u32,
    },
    /// Computed, or with ties: the text does not say how many.
    Expression,
}

/// What a column of the result is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OutputClass {
    /// Constants of the text alone.
    Constant,
    /// A parameter of the caller alone.
    Parameter,
    /// `count(…)` and nothing around it; not as a window function.
    Count,
    /// A column as it is.
    Column,
    /// All columns of one or more relations: any number of positions.
    Star,
    /// Anything else.
    Expression,
}

/// A `COPY` statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Copy {
    /// Which way rows go.
    pub direction: CopyDirection,
    /// How rows are written.
    pub format: CopyFormat,
    /// Whether a program on the server is run.
    pub program: bool,
    /// Whether a file on the server is read or written.
    pub file: bool,
    /// The relation; `null` for a query.
    pub relation: Option<RelationName>,
    /// The columns named; empty for all.
    pub columns: Vec<String>,
    /// Whether a query is copied rather than a relation.
    pub query: bool,
    /// Column delimiter, when given. The server takes a tab for text and a comma for CSV.
    pub delimiter: Option<String>,
    /// The text for NULL, when given. The server takes `\N` for text and an empty unquoted string for CSV.
    pub null: Option<String>,
    /// Whether a header line is written, or expected.
    pub header: CopyHeader,
    /// CSV quote, when given. The server takes a double quote.
    pub quote: Option<String>,
    /// CSV escape, when given. The server takes the quote.
    pub escape: Option<String>,
    /// Encoding of the rows, when given. The server takes the session's.
    pub encoding: Option<String>,
}

/// Which way a `COPY` moves rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CopyDirection {
    /// Out of the database.
    To,
    /// Into the database.
    From,
}

/// How a `COPY` writes rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CopyFormat {
    /// Tab-separated with backslash escapes.
    Text,
    /// Comma-separated with quotes.
    Csv,
    /// PostgreSQL's binary format.
    Binary,
    /// A format this version does not know, or contradicting options.
    Other,
}

/// The header line of a `COPY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CopyHeader {
    /// None.
    Off,
    /// One line of column names.
    On,
    /// One line that must match the columns.
    Match,
    /// A value this version does not know.
    Other,
}

/// How an `EXPLAIN` is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Explain {
    /// Whether the statement is executed as well.
    pub analyze: bool,
    /// Whether the plan shows output expressions, constants included.
    pub verbose: bool,
}

/// A prepared statement named in SQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Prepared {
    /// Its name; `null` for `DEALLOCATE ALL`.
    pub name: Option<String>,
}

/// A cursor named in SQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cursor {
    /// Its name; `null` for `CLOSE ALL`.
    pub name: Option<String>,
    /// For `FETCH` and `MOVE`: `forward`, `backward`, `absolute` or `relative`.
    pub direction: Option<String>,
    /// For `FETCH` and `MOVE`: how many rows, or which; `null` for all.
    pub count: Option<i64>,
    /// For `DECLARE`: rows will come in binary format.
    pub binary: bool,
    /// For `DECLARE`: the cursor outlives its transaction.
    pub hold: bool,
}
