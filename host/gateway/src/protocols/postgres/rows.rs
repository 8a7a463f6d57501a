//! Rows of a reply, with every cell in reach: what `policy` masks, and how it goes back on the wire.

use std::sync::Arc;

use almoner_wire::postgres::{DataRow, Replacement as Rewrite};
use bytes::{BufMut, Bytes, BytesMut};

use super::columns::CellType;
use super::copy::CopyRows;
use super::message::Message;
use super::typed::{self, Typing};
use super::words::OwnWords;
use crate::policy::{CellText, Part, Replacement};

/// One piece of a reply, in the order in which the caller gets them.
pub(super) enum Piece {
    Rows(Rows),
    Copy(CopyRows),
    Message(Message),
    /// What the gateway says between them; it has no cells.
    Own(OwnWords),
}

/// A row counts once for each KiB it holds, so that a table gathered into one row is no single row.
const ROW_BYTES_USUAL: usize = 1 << 10;

/// How often a row of so many bytes counts towards a threshold.
pub(super) fn bulk_of(bytes: usize) -> u64 {
    bytes.div_ceil(ROW_BYTES_USUAL).max(1) as u64
}

/// Rows of one result.
pub(super) struct Rows {
    types: Arc<[CellType]>,
    typing: Arc<Typing>,
    rows: Vec<Raw>,
    bulk: u64,
    replaced: Replaced,
}

struct Raw {
    row: DataRow,
    /// The whole message, for rows that stay as they are.
    message: Bytes,
}

/// What takes the place of cells; `None` is NULL.
#[derive(Default)]
pub(super) struct Replaced(Vec<(usize, Option<Vec<u8>>)>);

impl Replaced {
    pub(super) fn put(&mut self, cell: usize, with: Option<Vec<u8>>) {
        self.0.push((cell, with));
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_by_key(|(cell, _)| *cell);
    }

    /// The replacements of one row whose first cell is `first`, if it has any; the last word on a cell
    /// counts.
    pub(super) fn of_row(&self, first: usize, count: usize) -> Option<Vec<Rewrite<'_>>> {
        let start = self.0.partition_point(|(cell, _)| *cell < first);
        let of_row = self.0.get(start..)?;
        let end = of_row.partition_point(|(cell, _)| *cell < first + count);
        let of_row = of_row.get(..end)?;
        if of_row.is_empty() {
            return None;
        }
        let mut rewrites = vec![Rewrite::Keep; count];
        for (cell, with) in of_row {
            if let Some(slot) = rewrites.get_mut(cell - first) {
                *slot = match with {
                    None => Rewrite::Null,
                    Some(bytes) => Rewrite::Bytes(bytes),
                };
            }
        }
        Some(rewrites)
    }
}

impl Rows {
    pub(super) fn new(types: Arc<[CellType]>, typing: Arc<Typing>) -> Self {
        Self {
            types,
            typing,
            rows: Vec::new(),
            bulk: 0,
            replaced: Replaced::default(),
        }
    }

    /// No rows yet, of the same columns.
    pub(super) fn following(&self) -> Self {
        Self::new(Arc::clone(&self.types), Arc::clone(&self.typing))
    }

    /// Takes a row. `false` if it has not the columns that were described: then nothing of it may pass.
    #[must_use]
    pub(super) fn push(&mut self, row: DataRow, message: Bytes) -> bool {
        let fits = row.len() == self.types.len();
        if fits {
            self.bulk += bulk_of(message.len());
            self.rows.push(Raw { row, message });
        }
        fits
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Rows as thresholds count them.
    pub(super) fn bulk(&self) -> u64 {
        self.bulk
    }

    fn encode(mut self, out: &mut BytesMut) {
        self.replaced.sort();
        let columns = self.types.len();
        for (index, raw) in self.rows.iter().enumerate() {
            match self.replaced.of_row(index * columns, columns) {
                None => out.put_slice(&raw.message),
                Some(rewrites) => {
                    if raw.row.rewrite(&rewrites, out).is_err() {
                        // Cannot be: one replacement per cell, each shorter than any limit. Were it so, the
                        // row is left out rather than shown.
                        tracing::error!("a row could not be rewritten and was left out");
                    }
                }
            }
        }
    }
}

impl Piece {
    /// About how many bytes of the caller's it will be, for pieces that are no rows.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Message(message) => message.bytes(),
            Self::Own(words) => words.len(),
            Self::Rows(_) | Self::Copy(_) => 0,
        }
    }
}

impl Part for Piece {
    fn visit<'a>(&'a self, visit: &mut dyn FnMut(usize, usize, u32, CellText<'a>)) {
        match self {
            Self::Rows(rows) => {
                let mut cell = 0;
                for (row, raw) in rows.rows.iter().enumerate() {
                    for (column, (value, kind)) in
                        raw.row.cells().zip(rows.types.iter()).enumerate()
                    {
                        if let Some(value) = value {
                            let content = typed::readable(kind, value)
                                .map_or(CellText::Typed, CellText::Text);
                            visit(cell, column, row as u32, content);
                        }
                        cell += 1;
                    }
                }
            }
            Self::Copy(rows) => rows.visit(visit),
            Self::Message(message) => message.visit(visit),
            Self::Own(_) => {}
        }
    }

    fn replace(&mut self, cell: usize, with: Replacement) {
        match self {
            Self::Rows(rows) => {
                let columns = rows.types.len().max(1);
                let kind = rows.types.get(cell % columns);
                let value = rows
                    .rows
                    .get(cell / columns)
                    .and_then(|raw| raw.row.cell(cell % columns).ok().flatten());
                let with = match (kind, value) {
                    (Some(kind), Some(value)) => put(kind, value, with, &rows.typing),
                    _ => None,
                };
                rows.replaced.put(cell, with);
            }
            Self::Copy(rows) => rows.replace(cell, with),
            Self::Message(message) => message.replace(cell, with),
            Self::Own(_) => {}
        }
    }

    fn rows(&self) -> u64 {
        match self {
            Self::Rows(rows) => rows.rows.len() as u64,
            Self::Copy(rows) => rows.len() as u64,
            Self::Message(_) | Self::Own(_) => 0,
        }
    }

    fn bulk(&self) -> u64 {
        match self {
            Self::Rows(rows) => rows.bulk,
            Self::Copy(rows) => rows.bulk(),
            Self::Message(_) | Self::Own(_) => 0,
        }
    }
}

/// The bytes of a cell after a replacement; `None` is NULL.
pub(super) fn put(
    kind: &CellType,
    value: &[u8],
    with: Replacement,
    typing: &Typing,
) -> Option<Vec<u8>> {
    match with {
        Replacement::Null => None,
        Replacement::Text(text) => typed::written(kind, text),
        Replacement::Typed {
            treatment,
            kind: of,
        } => typed::treated(kind, value, &of, treatment, typing),
    }
}

/// A window of pieces as the caller gets it.
pub(super) fn encode(pieces: Vec<Piece>) -> Bytes {
    let mut out = BytesMut::new();
    for piece in pieces {
        match piece {
            Piece::Rows(rows) => rows.encode(&mut out),
            Piece::Copy(rows) => rows.encode(&mut out),
            Piece::Message(message) => message.encode(&mut out),
            Piece::Own(words) => out.put_slice(&words.into_bytes()),
        }
    }
    out.freeze()
}
