//! Rows of a COPY stream in text or CSV format.
//!
//! A CopyData message may end anywhere, inside an escape or a quoted line
//! break too, so [`Cutter`] gathers bytes until a row is whole. [`CopyRow`]
//! keeps the row's bytes: cells that are not replaced are written again as
//! they came. Where the server would refuse a stream, so does this module:
//! the two must never see different rows.
//!
//! Works on bytes, as the server does in every encoding it can store. The
//! client-only encodings SJIS, BIG5, GBK, UHC, GB18030, JOHAB and
//! SHIFT_JIS_2004 have letters whose second byte is a backslash or a letter;
//! whoever feeds such a stream must refuse it first.

mod csv;
mod cutter;
#[cfg(test)]
mod properties;
mod row;
#[cfg(test)]
mod tests;
mod text;

pub use csv::CsvFormat;
pub use cutter::{Cutter, ROW_BYTES_MAX};
pub use row::{CopyRow, RowKind, Scratch};
pub use text::TextFormat;

/// Why a COPY stream could not be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// Options no server would accept.
    #[error("setting up COPY: {0}; the statement's options are wrong or not understood, refuse it")]
    Options(&'static str),
    /// A row grows beyond the limit.
    #[error("reading COPY: a row is above {limit} bytes; end the COPY, or raise the limit")]
    RowTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Rows were pushed faster than they were taken.
    #[error("reading COPY: rows were pushed but not taken; take them until there are none")]
    NotTaken,
    /// The stream breaks a rule of its format.
    #[error("reading COPY: {0}; end the COPY with an error")]
    Malformed(&'static str),
    /// A column that the row does not have.
    #[error("reading COPY: there is no such column; end the COPY with an error")]
    NoSuchColumn,
    /// Replacements and cells differ in number.
    #[error(
        "writing COPY: replacements and cells differ in number; this is the gateway's fault, nothing was written"
    )]
    WrongCount,
}

/// The format of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyFormat {
    /// `FORMAT text`.
    Text(TextFormat),
    /// `FORMAT csv`.
    Csv(CsvFormat),
}

impl CopyFormat {
    const fn header(&self) -> bool {
        match self {
            Self::Text(format) => format.header,
            Self::Csv(format) => format.header,
        }
    }

    /// Checks what both formats require of the delimiter and the NULL string.
    fn check(&self) -> Result<(), CopyError> {
        let (delimiter, null) = match self {
            Self::Text(format) => (format.delimiter, &format.null),
            Self::Csv(format) => (format.delimiter, &format.null),
        };
        if matches!(delimiter, 0 | b'\r' | b'\n') {
            return Err(CopyError::Options("the delimiter is a NUL or a line break"));
        }
        if null.contains(&b'\r') || null.contains(&b'\n') {
            return Err(CopyError::Options("the NULL string holds a line break"));
        }
        if null.contains(&delimiter) {
            return Err(CopyError::Options(
                "the delimiter occurs in the NULL string",
            ));
        }
        match self {
            Self::Text(format) => format.check(),
            Self::Csv(format) => format.check(),
        }
    }
}
