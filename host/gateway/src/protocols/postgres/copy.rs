//! `COPY … TO STDOUT`: rows are cut out of the stream, masked like any, and written again in the same
//! format. Pieces of the stream are not rows, so each row goes out in a message of its own.

use std::sync::Arc;

use almoner_sql::{Copy, CopyFormat as Written, CopyHeader};
use almoner_wire::postgres::backend::copy_data;
use almoner_wire::postgres::copy::{
    CopyError, CopyFormat, CopyRow, CsvFormat, Cutter, RowKind, TextFormat,
};
use bytes::BytesMut;

use super::columns::CellType;
use super::rows::{Replaced, bulk_of, put};
use super::typed::{self, Typing};
use crate::policy::{CellText, Replacement};

/// A stream that is being cut.
pub(super) struct CopyOut {
    cutter: Cutter,
    types: Arc<[CellType]>,
    typing: Arc<Typing>,
}

/// Rows of a stream.
pub(super) struct CopyRows {
    types: Arc<[CellType]>,
    typing: Arc<Typing>,
    rows: Vec<CopyRow>,
    replaced: Replaced,
}

/// The format a statement asks for. `None` where it cannot be read: the statement is refused.
pub(super) fn format_of(copy: &Copy) -> Option<CopyFormat> {
    let one = |text: &Option<String>, usual: u8| match text.as_deref().map(str::as_bytes) {
        None => Some(usual),
        Some([byte]) => Some(*byte),
        Some(_) => None,
    };
    let header = match copy.header {
        CopyHeader::Off => false,
        CopyHeader::On | CopyHeader::Match => true,
        CopyHeader::Other => return None,
    };
    let null = |usual: &str| copy.null.as_deref().unwrap_or(usual).as_bytes().to_vec();
    match copy.format {
        Written::Text => Some(CopyFormat::Text(TextFormat {
            delimiter: one(&copy.delimiter, b'\t')?,
            null: null("\\N"),
            header,
        })),
        Written::Csv => {
            let quote = one(&copy.quote, b'"')?;
            Some(CopyFormat::Csv(CsvFormat {
                delimiter: one(&copy.delimiter, b',')?,
                null: null(""),
                quote,
                escape: one(&copy.escape, quote)?,
                header,
            }))
        }
        Written::Binary | Written::Other => None,
    }
}

impl CopyOut {
    pub(super) fn new(
        format: CopyFormat,
        row_bytes_max: usize,
        types: Arc<[CellType]>,
        typing: Arc<Typing>,
    ) -> Result<Self, CopyError> {
        Ok(Self {
            cutter: Cutter::new(format, row_bytes_max)?,
            types,
            typing,
        })
    }

    pub(super) fn window(&self) -> CopyRows {
        CopyRows {
            types: Arc::clone(&self.types),
            typing: Arc::clone(&self.typing),
            rows: Vec::new(),
            replaced: Replaced::default(),
        }
    }

    pub(super) fn push(&mut self, data: &[u8]) -> Result<(), CopyError> {
        self.cutter.push(data)
    }

    /// The next whole row. A row that has not the columns known is an error: nothing of it may pass.
    pub(super) fn next_row(&mut self) -> Result<Option<CopyRow>, CopyError> {
        let row = self.cutter.next_row()?;
        self.check(row)
    }

    pub(super) fn finish(&mut self) -> Result<Option<CopyRow>, CopyError> {
        let row = self.cutter.finish()?;
        self.check(row)
    }

    fn check(&self, row: Option<CopyRow>) -> Result<Option<CopyRow>, CopyError> {
        match row {
            Some(row) if row.kind() == RowKind::Data && row.len() != self.types.len() => {
                Err(CopyError::NoSuchColumn)
            }
            row => Ok(row),
        }
    }
}

impl CopyRows {
    pub(super) fn push(&mut self, row: CopyRow) {
        self.rows.push(row);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.rows
            .iter()
            .filter(|row| row.kind() == RowKind::Data)
            .count()
    }

    /// Rows as thresholds count them.
    pub(super) fn bulk(&self) -> u64 {
        self.rows
            .iter()
            .filter(|row| row.kind() == RowKind::Data)
            .map(|row| bulk_of(row.raw().len()))
            .sum()
    }

    pub(super) fn bytes(&self) -> usize {
        self.rows.iter().map(|row| row.raw().len()).sum()
    }

    pub(super) fn visit<'a>(&'a self, visit: &mut dyn FnMut(usize, usize, u32, CellText<'a>)) {
        let columns = self.types.len();
        for (index, row) in self.rows.iter().enumerate() {
            if row.kind() != RowKind::Data {
                continue;
            }
            for (column, kind) in self.types.iter().enumerate() {
                if let Ok(Some(value)) = row.cell(column) {
                    let content = match value {
                        std::borrow::Cow::Borrowed(value) => typed::readable(kind, value),
                        std::borrow::Cow::Owned(value) => {
                            typed::readable(kind, &value).map(|text| text.into_owned().into())
                        }
                    };
                    let content = content.map_or(CellText::Typed, CellText::Text);
                    visit(index * columns + column, column, index as u32, content);
                }
            }
        }
    }

    pub(super) fn replace(&mut self, cell: usize, with: Replacement) {
        let columns = self.types.len().max(1);
        let value = self
            .rows
            .get(cell / columns)
            .and_then(|row| row.cell(cell % columns).ok().flatten());
        let with = match (self.types.get(cell % columns), value) {
            (Some(kind), Some(value)) => put(kind, &value, with, &self.typing),
            _ => None,
        };
        self.replaced.put(cell, with);
    }

    pub(super) fn encode(mut self, out: &mut BytesMut) {
        self.replaced.sort();
        let columns = self.types.len();
        let mut line = BytesMut::new();
        for (index, row) in self.rows.iter().enumerate() {
            let rewrites = match row.kind() {
                RowKind::Data => self.replaced.of_row(index * columns, columns),
                RowKind::Header | RowKind::End => None,
            };
            line.clear();
            let bytes: &[u8] = match rewrites {
                None => row.raw(),
                Some(rewrites) => match row.rewrite(&rewrites, &mut line) {
                    Ok(()) => &line,
                    Err(_) => {
                        // Left out rather than shown; replacements and cells are counted alike.
                        tracing::error!("a row of a COPY could not be rewritten and was left out");
                        continue;
                    }
                },
            };
            if copy_data(bytes, out).is_err() {
                tracing::error!("a row of a COPY could not be written and was left out");
            }
        }
    }
}
