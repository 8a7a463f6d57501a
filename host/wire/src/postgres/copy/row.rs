//! One row of a COPY stream, with its bytes as they came.

use std::{borrow::Cow, fmt, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};

use super::{CopyError, CopyFormat};
use crate::postgres::Replacement;

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// Names of columns.
    Header,
    /// Values.
    Data,
    /// The end marker `\.`; it has no cells.
    End,
}

/// Where a cell lies in its row, undecoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) null: bool,
}

/// Memory for the places of cells, to be used again for the next row.
#[derive(Debug, Default)]
pub struct Scratch(Vec<Cell>);

impl Scratch {
    pub(super) fn into_cells(mut self) -> Vec<Cell> {
        self.0.clear();
        self.0
    }
}

/// One row: its bytes, and where its cells lie.
pub struct CopyRow {
    format: Arc<CopyFormat>,
    raw: Bytes,
    content: usize,
    cells: Vec<Cell>,
    kind: RowKind,
    /// What the stream breaks lines with; the last row may lack it.
    line_break: &'static [u8],
}

impl CopyRow {
    pub(super) const fn new(
        format: Arc<CopyFormat>,
        raw: Bytes,
        content: usize,
        cells: Vec<Cell>,
        kind: RowKind,
        line_break: &'static [u8],
    ) -> Self {
        Self {
            format,
            raw,
            content,
            cells,
            kind,
            line_break,
        }
    }

    /// What the row is.
    #[must_use]
    pub const fn kind(&self) -> RowKind {
        self.kind
    }

    /// All its bytes with the line break, as they came.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// How many cells. A table without columns has one empty cell per row here:
    /// the format does not tell the two apart.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there are no cells; true of the end marker only.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The value of a cell, its escapes and quotes resolved; `None` is NULL.
    pub fn cell(&self, index: usize) -> Result<Option<Cow<'_, [u8]>>, CopyError> {
        let cell = self.cells.get(index).ok_or(CopyError::NoSuchColumn)?;
        if cell.null {
            return Ok(None);
        }
        let raw = self.raw.get(cell.start..cell.end).unwrap_or_default();
        Ok(Some(match &*self.format {
            CopyFormat::Text(format) => format.decode(raw),
            CopyFormat::Csv(format) => format.decode(raw)?,
        }))
    }

    /// Appends the row with some cells replaced, each of the others byte for
    /// byte as it came; there must be one replacement for each cell. On an
    /// error nothing is appended.
    pub fn rewrite(
        &self,
        replacements: &[Replacement<'_>],
        out: &mut BytesMut,
    ) -> Result<(), CopyError> {
        if replacements.len() != self.cells.len() {
            return Err(CopyError::WrongCount);
        }
        let (begin, mut kept) = (out.len(), 0);
        for (cell, with) in self.cells.iter().zip(replacements) {
            if matches!(with, Replacement::Keep) {
                continue;
            }
            out.put_slice(self.raw.get(kept..cell.start).unwrap_or_default());
            kept = cell.end;
            match (with, &*self.format) {
                (Replacement::Keep, _) => {}
                (Replacement::Null, CopyFormat::Text(format)) => out.put_slice(&format.null),
                (Replacement::Null, CopyFormat::Csv(format)) => out.put_slice(&format.null),
                (Replacement::Bytes(value), CopyFormat::Text(format)) => format.encode(value, out),
                (Replacement::Bytes(value), CopyFormat::Csv(format)) => {
                    format.encode(value, self.cells.len() == 1, out);
                }
            }
        }
        out.put_slice(self.raw.get(kept..).unwrap_or_default());
        // A last row without a line break, become empty, would be no row.
        if out.len() == begin && !self.raw.is_empty() {
            out.put_slice(self.line_break);
        }
        Ok(())
    }

    /// Bytes of the row without its line break.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        self.raw.get(..self.content).unwrap_or_default()
    }

    /// Closes the row and gives its memory back, see [`super::Cutter::recycle`].
    #[must_use]
    pub fn into_scratch(self) -> Scratch {
        Scratch(self.cells)
    }
}

/// Cells may be health data: only sizes are shown.
impl fmt::Debug for CopyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, cells, bytes) = (self.kind, self.cells.len(), self.raw.len());
        write!(f, "CopyRow({kind:?}, {cells} cells, {bytes} bytes)")
    }
}
