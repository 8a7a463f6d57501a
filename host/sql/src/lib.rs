//! PostgreSQL statement in, fact sheet out: what a policy has to know about a statement, read from PostgreSQL's own grammar.
//!
//! Guards must not each bring a parser of their own, and must not disagree with the server about what a text means. This
//! crate is the one place that parses: it answers which relations, functions and columns a text names, what it does to them,
//! what hides from the grammar ([`OpaqueReason`]), and what the text looks like without its values ([`masked_text`]).
//!
//! It judges nothing, opens nothing and remembers nothing. It reads texts as a server with `standard_conforming_strings = on`
//! does; a caller must refuse sessions that set it off, and texts that are not UTF-8.

mod copy;
mod desk;
mod error;
mod filter;
mod kind;
mod limit;
mod mask;
mod object;
mod opaque;
mod outputs;
mod scope;
mod session;
mod sheet;
mod statement;
mod tree;
mod unique;
mod walk;

pub use error::Unparseable;
pub use kind::Kind;
pub use mask::{MASKED_BYTES_MAX, masked_text, masked_text_within};
pub use opaque::{OPAQUE_FUNCTIONS, OpaqueFunction, OpaqueReason};
pub use sheet::{
    Access, ColumnUse, Columns, Copy, CopyDirection, CopyFormat, CopyHeader, Cursor, Explain,
    FactSheet, Fed, Function, Limit, OutputClass, Prepared, Relation, RelationName, SCHEMA_NAME,
    Statement, schema_json,
};

use pg_query::FingerprintOptions;

/// Longest text that is parsed, in bytes. One mebibyte holds the largest statements drivers send in one piece (bulk
/// inserts of thousands of rows) and keeps the time one text can hold the parser below a second.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// Most statements in one text. Migration scripts send dozens; more belongs in several messages.
pub const STATEMENTS_MAX: usize = 256;

/// Most different names of one sort (relations, functions, columns of one use, attributes) in one statement.
/// PostgreSQL's own limit on columns of a result is 1,664.
pub const NAMES_MAX: usize = 2_048;

/// Deepest syntax tree, in nested messages (an operator or a sub-select costs two or three). A chain of a thousand `||`
/// or `UNION ALL` still fits; see the parser's desk for the stack this needs.
pub const DEPTH_MAX: usize = 4_000;

/// What the grammar says about every statement in `sql`, in order. An empty text has a sheet without statements.
///
/// # Errors
/// [`Unparseable`] when the text exceeds a limit, is not PostgreSQL, or cannot be parsed safely. A caller treats such a
/// text as one it knows nothing about. No error repeats any part of the text.
pub fn facts(sql: &str) -> Result<FactSheet, Unparseable> {
    let text = admissible(sql)?;
    desk::run(move || {
        let result = pg_query::parse(&text, 0).map_err(Unparseable::from_parser)?;
        statement::sheet(&text, &result.protobuf)
    })?
}

/// The query of `COPY (query) TO …`, as written. `None` where the scanner does not find one.
pub fn copied_query(sql: &str) -> Option<String> {
    mask::copied_query(sql)
}

/// A hash of the shape of `sql`, the same for texts that differ only in constants, white space and comments: sixteen hex
/// digits. `None` when the text cannot be parsed. Schema and relation names take part in full, aliases do not.
pub fn fingerprint(sql: &str) -> Option<String> {
    let text = admissible(sql).ok()?;
    let options = FingerprintOptions::RANGEVAR_PG17_COMPAT | FingerprintOptions::FULL_RELNAME;
    desk::run(move || {
        pg_query::fingerprint(&text, 0, options)
            .ok()
            .map(|print| print.hex)
    })
    .ok()
    .flatten()
}

/// The text, owned, if its size and bytes allow parsing at all.
fn admissible(sql: &str) -> Result<String, Unparseable> {
    if sql.len() > TEXT_BYTES_MAX {
        return Err(Unparseable::TooLong { bytes: sql.len() });
    }
    if sql.as_bytes().contains(&0) {
        return Err(Unparseable::ZeroByte);
    }
    Ok(sql.to_owned())
}
