//! The CSV format: quotes that may start and end anywhere in a cell, an escape
//! that means something before a quote or itself only, and NULL told from a
//! string by the absence of quotes.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::{CopyError, row::Cell};

/// Options of `FORMAT csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvFormat {
    /// Between cells.
    pub delimiter: u8,
    /// What stands for NULL, when it is not quoted.
    pub null: Vec<u8>,
    /// Starts and ends a quoted stretch.
    pub quote: u8,
    /// Before a quote or an escape inside quotes; usually the quote itself.
    pub escape: u8,
    /// Whether the first row names the columns.
    pub header: bool,
}

impl Default for CsvFormat {
    fn default() -> Self {
        Self {
            delimiter: b',',
            null: Vec::new(),
            quote: b'"',
            escape: b'"',
            header: false,
        }
    }
}

impl CsvFormat {
    pub(super) fn check(&self) -> Result<(), CopyError> {
        if self.quote == self.delimiter {
            return Err(CopyError::Options("quote and delimiter are the same"));
        }
        if self.null.contains(&self.quote) {
            return Err(CopyError::Options("the quote occurs in the NULL string"));
        }
        if matches!(self.quote, 0 | b'\r' | b'\n') || matches!(self.escape, 0 | b'\r' | b'\n') {
            return Err(CopyError::Options(
                "quote or escape is a NUL or a line break",
            ));
        }
        Ok(())
    }

    /// The escape, where it differs from the quote: a doubled quote needs no
    /// state of its own to find the end of a row.
    pub(super) fn escape_unless_quote(&self) -> Option<u8> {
        (self.escape != self.quote).then_some(self.escape)
    }

    /// Finds the cells of a line.
    pub(super) fn split(&self, line: &[u8], cells: &mut Vec<Cell>) -> Result<(), CopyError> {
        let (mut start, mut at, mut quoted) = (0, 0, false);
        while let Some(&byte) = line.get(at) {
            at += 1;
            if byte == self.delimiter {
                cells.push(self.place(line, start, at - 1, quoted));
                (start, quoted) = (at, false);
            } else if byte == self.quote {
                quoted = true;
                at = self.skip_quoted(line, at, |_| {})?;
            }
        }
        cells.push(self.place(line, start, line.len(), quoted));
        Ok(())
    }

    /// Resolves the quotes of a cell.
    pub(super) fn decode<'a>(&self, raw: &'a [u8]) -> Result<Cow<'a, [u8]>, CopyError> {
        if !raw.contains(&self.quote) {
            return Ok(Cow::Borrowed(raw));
        }
        let mut value = Vec::with_capacity(raw.len());
        let mut at = 0;
        while let Some(&byte) = raw.get(at) {
            at += 1;
            if byte == self.quote {
                at = self.skip_quoted(raw, at, |byte| value.push(byte))?;
            } else {
                value.push(byte);
            }
        }
        Ok(Cow::Owned(value))
    }

    /// Appends a value, in quotes where it needs them. `alone`: it is the only
    /// cell of its row, where `\.` would be the end marker.
    pub(super) fn encode(&self, value: &[u8], alone: bool, out: &mut BytesMut) {
        let special = |byte: &u8| {
            matches!(byte, b'\r' | b'\n') || *byte == self.delimiter || *byte == self.quote
        };
        if value != self.null && !value.iter().any(special) && !(alone && value == b"\\.") {
            out.put_slice(value);
            return;
        }
        out.put_u8(self.quote);
        for &byte in value {
            if byte == self.quote || byte == self.escape {
                out.put_u8(self.escape);
            }
            out.put_u8(byte);
        }
        out.put_u8(self.quote);
    }

    /// Walks through a quoted stretch from behind its first quote; returns the
    /// place behind its last.
    fn skip_quoted(
        &self,
        line: &[u8],
        mut at: usize,
        mut take: impl FnMut(u8),
    ) -> Result<usize, CopyError> {
        while let Some(&byte) = line.get(at) {
            at += 1;
            // The escape first: it may be the quote itself.
            if byte == self.escape
                && let Some(&next) = line.get(at)
                && (next == self.escape || next == self.quote)
            {
                take(next);
                at += 1;
            } else if byte == self.quote {
                return Ok(at);
            } else {
                take(byte);
            }
        }
        Err(CopyError::Malformed("quotes are not closed"))
    }

    fn place(&self, line: &[u8], start: usize, end: usize, quoted: bool) -> Cell {
        let null = !quoted && line.get(start..end) == Some(&self.null);
        Cell { start, end, null }
    }
}
