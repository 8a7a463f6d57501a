//! JSON as a stream of tokens, each with its place in the bytes.
//!
//! Nothing is built from them: whoever masks a document replaces some tokens and
//! passes on all other bytes as they came, so order, the text of numbers, unknown
//! fields, duplicate keys and white space stay what they were.

mod lexer;
mod string;
#[cfg(test)]
mod tests;

pub use lexer::{Kind, Lexer, Token};
pub use string::{decode, encode};

/// Why bytes are no JSON. Names the place, never what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The grammar (RFC 8259) does not allow the byte at this offset.
    #[error("the JSON is malformed at byte {0}")]
    Malformed(u64),
    /// Arrays and objects nest deeper than allowed.
    #[error("the JSON is nested deeper than {0}")]
    TooDeep(usize),
    /// It ends in the middle of a value.
    #[error("the JSON ends too early")]
    Incomplete,
    /// A string is not UTF-8.
    #[error("a string of the JSON is not UTF-8")]
    NotUtf8,
}
