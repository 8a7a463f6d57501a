//! One DataRow: a view of its cells, and rewriting some of them.
//!
//! All lengths are checked once, when the row is opened; after that every cell
//! is a slice. A rewrite copies untouched neighbours in one piece, and it must
//! say what happens to every cell: a list of the wrong length is an error, so
//! a column cannot be forgotten.

use std::{fmt, ops::Range};

use bytes::{BufMut, Bytes, BytesMut};

use super::{WireError, tag::backend::DATA_ROW};

const WHAT: &str = "DataRow";

/// What becomes of a cell.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Replacement<'a> {
    /// It stays as it is.
    Keep,
    /// It becomes NULL.
    Null,
    /// It becomes these bytes.
    Bytes(&'a [u8]),
}

impl fmt::Debug for Replacement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => f.write_str("Keep"),
            Self::Null => f.write_str("Null"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
        }
    }
}

/// Memory for the places of cells, to be used again for the next row.
#[derive(Debug, Default)]
pub struct Scratch(Vec<Span>);

/// Where a cell's length field starts and its value ends, in the body.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    null: bool,
}

impl Span {
    /// The value without its length field.
    const fn value(self) -> Range<usize> {
        self.start + 4..self.end
    }
}

/// One row, opened.
pub struct DataRow {
    body: Bytes,
    spans: Vec<Span>,
}

impl DataRow {
    /// Opens the body of a DataRow message.
    pub fn decode(body: Bytes) -> Result<Self, WireError> {
        Self::decode_with(body, Scratch::default())
    }

    /// Like `decode`, with memory of an earlier row (see `into_scratch`).
    pub fn decode_with(body: Bytes, scratch: Scratch) -> Result<Self, WireError> {
        let mut spans = scratch.0;
        spans.clear();
        find_cells(&body, &mut spans)?;
        Ok(Self { body, spans })
    }

    /// Closes the row and gives its memory back.
    #[must_use]
    pub fn into_scratch(self) -> Scratch {
        Scratch(self.spans)
    }

    /// How many cells.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are no cells (`SELECT` without columns).
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// A cell; `None` is NULL. An error if there is no such column.
    pub fn cell(&self, index: usize) -> Result<Option<&[u8]>, WireError> {
        let span = self.span(index)?;
        Ok((!span.null).then(|| self.body.get(span.value()).unwrap_or_default()))
    }

    /// A cell that shares the row's memory; `None` is NULL.
    pub fn cell_bytes(&self, index: usize) -> Result<Option<Bytes>, WireError> {
        let span = self.span(index)?;
        Ok((!span.null).then(|| self.body.slice(span.value())))
    }

    /// Every cell in order.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> + '_ {
        self.spans
            .iter()
            .map(|span| (!span.null).then(|| self.body.get(span.value()).unwrap_or_default()))
    }

    /// Appends a whole DataRow message with some cells replaced; there must be
    /// one replacement for each cell. On an error nothing is appended.
    pub fn rewrite(
        &self,
        replacements: &[Replacement<'_>],
        out: &mut BytesMut,
    ) -> Result<(), WireError> {
        if replacements.len() != self.spans.len() {
            return Err(unwritable("replacements and cells differ in number"));
        }
        let body = self.body.as_ref();
        let cells = self.spans.iter().zip(replacements);
        let len = cells.clone().fold(4 + 2, |sum: usize, (span, with)| {
            sum.saturating_add(match with {
                Replacement::Keep => span.end - span.start,
                Replacement::Null => 4,
                Replacement::Bytes(bytes) => bytes.len().saturating_add(4),
            })
        });
        let declared = i32::try_from(len).map_err(|_| unwritable("it is larger than 2 GiB"))?;
        out.reserve(len + 1);
        out.put_u8(DATA_ROW);
        out.put_i32(declared);
        // Cells that stay are copied together with the neighbours that stay,
        // the first of them together with the count.
        let mut kept = 0..2;
        for (span, with) in cells {
            match with {
                Replacement::Keep => kept.end = span.end,
                Replacement::Null => {
                    out.put_slice(body.get(kept).unwrap_or_default());
                    out.put_i32(-1);
                    kept = span.end..span.end;
                }
                Replacement::Bytes(bytes) => {
                    out.put_slice(body.get(kept).unwrap_or_default());
                    // Fits: the sum of all lengths does.
                    out.put_u32(bytes.len() as u32);
                    out.put_slice(bytes);
                    kept = span.end..span.end;
                }
            }
        }
        out.put_slice(body.get(kept).unwrap_or_default());
        Ok(())
    }

    fn span(&self, index: usize) -> Result<Span, WireError> {
        self.spans.get(index).copied().ok_or(WireError::Invalid {
            what: WHAT,
            why: "there is no such column",
        })
    }
}

/// Cells may be health data: only sizes are shown.
impl fmt::Debug for DataRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "DataRow({} cells, {} bytes)",
            self.len(),
            self.body.len()
        )
    }
}

/// Writes a row of our own, cell by cell.
pub struct RowWriter<'a> {
    out: &'a mut BytesMut,
    start: usize,
    cells: usize,
}

/// What is written may be health data: only its size is shown.
impl fmt::Debug for RowWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowWriter({} cells)", self.cells)
    }
}

impl<'a> RowWriter<'a> {
    /// Begins a DataRow message at the end of `out`.
    pub fn new(out: &'a mut BytesMut) -> Self {
        let start = out.len();
        out.put_slice(&[DATA_ROW, 0, 0, 0, 0, 0, 0]);
        Self {
            out,
            start,
            cells: 0,
        }
    }

    /// Appends a NULL.
    pub fn null(&mut self) -> &mut Self {
        self.cells += 1;
        self.out.put_i32(-1);
        self
    }

    /// Appends a value.
    pub fn cell(&mut self, value: &[u8]) -> &mut Self {
        self.cells += 1;
        // A length that does not fit makes the whole too large: `finish` says.
        self.out.put_u32(value.len() as u32);
        self.out.put_slice(value);
        self
    }

    /// Ends the message; on an error it is taken back.
    pub fn finish(self) -> Result<(), WireError> {
        let len = i32::try_from(self.out.len() - self.start - 1);
        let cells = u16::try_from(self.cells);
        let head = self.out.get_mut(self.start + 1..self.start + 7);
        let (Ok(len), Ok(cells), Some(head)) = (len, cells, head) else {
            self.out.truncate(self.start);
            return Err(unwritable("it has over 65,535 cells, or over 2 GiB"));
        };
        let (len_field, count_field) = head.split_at_mut(4);
        len_field.copy_from_slice(&len.to_be_bytes());
        count_field.copy_from_slice(&cells.to_be_bytes());
        Ok(())
    }
}

/// Walks over all cells and requires that they fill the body exactly.
fn find_cells(body: &[u8], spans: &mut Vec<Span>) -> Result<(), WireError> {
    const TRUNCATED: WireError = WireError::Truncated { what: WHAT };
    let count = usize::from(u16::from_be_bytes(*body.first_chunk().ok_or(TRUNCATED)?));
    if 2 + count * 4 > body.len() {
        return Err(TRUNCATED);
    }
    spans.reserve(count);
    let mut start = 2;
    for _ in 0..count {
        let field = body.get(start..).and_then(<[u8]>::first_chunk);
        let len = i32::from_be_bytes(*field.ok_or(TRUNCATED)?);
        let bytes = match len {
            -1 => 0,
            len => usize::try_from(len).map_err(|_| WireError::Invalid {
                what: WHAT,
                why: "a cell has a length below -1",
            })?,
        };
        let end = start + 4 + bytes;
        if end > body.len() {
            return Err(TRUNCATED);
        }
        let null = len == -1;
        spans.push(Span { start, end, null });
        start = end;
    }
    match body.len() - start {
        0 => Ok(()),
        bytes => Err(WireError::Trailing { what: WHAT, bytes }),
    }
}

const fn unwritable(why: &'static str) -> WireError {
    WireError::Unwritable { what: WHAT, why }
}

#[cfg(test)]
#[path = "row_tests.rs"]
mod tests;
