//! Why a text has no fact sheet.
//!
//! The parser's own messages quote the text ("syntax error at or near …"), and the text may hold values: no variant
//! carries any of it.

use crate::{DEPTH_MAX, NAMES_MAX, STATEMENTS_MAX, TEXT_BYTES_MAX};

/// A text that cannot be vouched for. Every variant is a reason to refuse it, or to ask a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unparseable {
    /// The text is longer than [`TEXT_BYTES_MAX`].
    #[error(
        "parsing a statement text of {bytes} bytes: at most {TEXT_BYTES_MAX} are parsed; send it in parts"
    )]
    TooLong {
        /// Length of the text in bytes.
        bytes: usize,
    },
    /// The text holds a zero byte, at which PostgreSQL stops reading.
    #[error(
        "parsing a statement text: it holds a zero byte, which PostgreSQL cannot read; remove it"
    )]
    ZeroByte,
    /// The grammar does not accept the text.
    #[error(
        "parsing a statement text: it is not PostgreSQL 18 SQL; run it against a test server to see the error"
    )]
    Syntax,
    /// The syntax tree is deeper than [`DEPTH_MAX`], or than the parser's own limits.
    #[error(
        "parsing a statement text: it nests more than {DEPTH_MAX} deep; flatten it or send it in parts"
    )]
    TooDeep,
    /// The text has more than [`STATEMENTS_MAX`] statements.
    #[error(
        "parsing a statement text of {statements} statements: at most {STATEMENTS_MAX} are judged at once; send it in parts"
    )]
    TooManyStatements {
        /// Number of statements in the text.
        statements: usize,
    },
    /// One statement names more than [`NAMES_MAX`] different things of one sort.
    #[error(
        "reading a statement: it names more than {NAMES_MAX} different relations, functions or columns; send it in parts"
    )]
    TooManyNames,
    /// The parser's thread could not be started or failed on this text.
    #[error(
        "parsing a statement text: the parser is not available; retry, and report it if it happens again"
    )]
    Unavailable,
    /// The parser's answer did not make sense.
    #[error(
        "reading a statement: the parser's answer is inconsistent; report the kind of statement as a defect"
    )]
    Inconsistent,
}

impl Unparseable {
    /// Sorts a parser error into what can be told without its message, which quotes the text.
    pub(crate) fn from_parser(error: pg_query::Error) -> Self {
        match error {
            pg_query::Error::Conversion(_) => Self::ZeroByte,
            pg_query::Error::Decode(_) => Self::TooDeep,
            pg_query::Error::Parse(message) => {
                // PostgreSQL's fixed messages for its three limits: recursion, tree serialisation, grammar stack.
                let deep = ["stack depth limit", "nested too deeply", "memory exhausted"];
                if deep.iter().any(|limit| message.contains(limit)) {
                    Self::TooDeep
                } else {
                    Self::Syntax
                }
            }
            _ => Self::Inconsistent,
        }
    }
}
