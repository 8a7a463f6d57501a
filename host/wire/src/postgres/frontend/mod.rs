//! What a client says after it has opened its session.
//!
//! Names, SQL and values are the client's bytes, unchanged: text that does not
//! decode in some encoding is still what the server would execute. A message
//! with bytes to spare is an error, because the spare bytes would not have
//! been judged.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;

pub use decode::{SaslInitial, password};
pub use encode::password_message;

use super::format_of;

/// A message of a client.
#[derive(Clone, PartialEq, Eq)]
pub enum Frontend {
    /// Simple query: any number of statements.
    Query {
        /// The SQL text.
        sql: Bytes,
    },
    /// Prepares a statement.
    Parse(Parse),
    /// Makes a portal of a statement and its parameters.
    Bind(Bind),
    /// Asks what a statement or portal returns.
    Describe(Target),
    /// Runs a portal.
    Execute {
        /// Name of the portal; empty for the unnamed one.
        portal: Bytes,
        /// How many rows to return at most; zero or less for all.
        max_rows: i32,
    },
    /// Forgets a statement or portal.
    Close(Target),
    /// Ends a pipeline.
    Sync,
    /// Asks for the replies so far.
    Flush,
    /// Calls a function by OID; the body is kept closed.
    FunctionCall(Bytes),
    /// Part of a COPY stream.
    CopyData(Bytes),
    /// A COPY stream is complete.
    CopyDone,
    /// A COPY stream is given up.
    CopyFail {
        /// The client's reason.
        reason: Bytes,
    },
    /// A password or SASL message; which of them only the login knows, see
    /// [`password`] and [`SaslInitial`].
    Password(Bytes),
    /// The client leaves.
    Terminate,
}

/// The fields of Parse.
#[derive(Clone, PartialEq, Eq)]
pub struct Parse {
    /// Name of the statement; empty for the unnamed one.
    pub statement: Bytes,
    /// The SQL text: one statement at most.
    pub sql: Bytes,
    /// Types of the first parameters; zero leaves one to the server.
    pub parameter_types: Vec<u32>,
}

/// The fields of Bind.
#[derive(Clone, PartialEq, Eq)]
pub struct Bind {
    /// Name of the portal; empty for the unnamed one.
    pub portal: Bytes,
    /// Name of the statement; empty for the unnamed one.
    pub statement: Bytes,
    /// Format codes of the parameters: none, one, or one each.
    pub parameter_formats: Vec<i16>,
    /// The parameters; `None` is NULL.
    pub parameters: Vec<Option<Bytes>>,
    /// Format codes of the result columns: none, one, or one each.
    pub result_formats: Vec<i16>,
}

impl Bind {
    /// The format in which result column `index` will come, if the codes say.
    #[must_use]
    pub fn result_format(&self, index: usize) -> Option<i16> {
        format_of(&self.result_formats, index)
    }

    /// The format in which parameter `index` is given, if the codes say.
    #[must_use]
    pub fn parameter_format(&self, index: usize) -> Option<i16> {
        format_of(&self.parameter_formats, index)
    }
}

/// What Describe and Close are about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A prepared statement, by name.
    Statement(Bytes),
    /// A portal, by name.
    Portal(Bytes),
}

/// SQL and parameters may hold health data: only sizes are shown.
impl fmt::Debug for Frontend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query { sql } => write!(f, "Query({} bytes)", sql.len()),
            Self::Parse(parse) => parse.fmt(f),
            Self::Bind(bind) => bind.fmt(f),
            Self::Describe(target) => write!(f, "Describe({target:?})"),
            Self::Execute { portal, max_rows } => {
                write!(f, "Execute({portal:?}, {max_rows} rows)")
            }
            Self::Close(target) => write!(f, "Close({target:?})"),
            Self::Sync => f.write_str("Sync"),
            Self::Flush => f.write_str("Flush"),
            Self::FunctionCall(body) => write!(f, "FunctionCall({} bytes)", body.len()),
            Self::CopyData(data) => write!(f, "CopyData({} bytes)", data.len()),
            Self::CopyDone => f.write_str("CopyDone"),
            Self::CopyFail { reason } => write!(f, "CopyFail({} bytes)", reason.len()),
            Self::Password(_) => f.write_str("Password(..)"),
            Self::Terminate => f.write_str("Terminate"),
        }
    }
}

impl fmt::Debug for Parse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, sql) = (&self.statement, self.sql.len());
        let types = self.parameter_types.len();
        write!(f, "Parse({name:?}, {sql} bytes of SQL, {types} types)")
    }
}

impl fmt::Debug for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (portal, statement) = (&self.portal, &self.statement);
        let count = self.parameters.len();
        write!(f, "Bind({portal:?}, {statement:?}, {count} parameters)")
    }
}
