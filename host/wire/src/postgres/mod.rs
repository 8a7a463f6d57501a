//! The PostgreSQL frontend/backend protocol, versions 3.0 and 3.2.
//!
//! Specification: PostgreSQL documentation, "Frontend/Backend Protocol" and
//! "Message Formats"; RFC 5802, 7677 and 5929 for SCRAM; `COPY` for its text
//! and CSV formats.
//!
//! `frame` cuts the stream into messages without copying; `frontend` and
//! `backend` give them meaning; `row` and `copy` reach the cells that may have
//! to be masked. Nothing here follows the order of messages: that is the
//! session's work.

pub mod backend;
pub mod channel_binding;
pub mod copy;
mod error;
pub mod fields;
pub mod frame;
pub mod frontend;
pub mod limits;
mod read;
pub mod row;
pub mod scram;
pub mod scram_client;
pub mod startup;
pub mod tag;
pub mod types;
mod write;

pub use backend::Backend;
pub use error::WireError;
pub use fields::Fields;
pub use frame::{Decoder, Frame, Run};
pub use frontend::Frontend;
pub use limits::{Direction, Limits, MESSAGE_BYTES_MAX};
pub use row::{DataRow, Replacement, RowWriter};
pub use startup::{FirstBytes, Startup};

/// Format code of text values.
pub const FORMAT_TEXT: i16 = 0;
/// Format code of binary values.
pub const FORMAT_BINARY: i16 = 1;

/// The format of column or parameter `index` under a list of format codes:
/// no code means all text, one code means all alike, else one code each.
///
/// `None` if the list says nothing about `index`, or names a format that does
/// not exist; the caller must then refuse rather than guess.
#[must_use]
pub fn format_of(codes: &[i16], index: usize) -> Option<i16> {
    let code = match codes {
        [] => FORMAT_TEXT,
        [all] => *all,
        each => *each.get(index)?,
    };
    matches!(code, FORMAT_TEXT | FORMAT_BINARY).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_codes_follow_the_rule_of_none_one_or_each() {
        assert_eq!(format_of(&[], 7), Some(FORMAT_TEXT));
        assert_eq!(format_of(&[1], 7), Some(FORMAT_BINARY));
        assert_eq!(format_of(&[0, 1], 1), Some(FORMAT_BINARY));
        assert_eq!(format_of(&[0, 1], 2), None);
        assert_eq!(format_of(&[2], 0), None);
    }
}
