//! Pieces of a reply: bytes that pass as they came, and cells that policy decides upon. What is not
//! replaced is sent byte for byte; what is replaced is written so that the document stays well-formed.

use std::borrow::Cow;

use almoner_wire::json;
use bytes::{BufMut, Bytes, BytesMut};

use crate::config::policy::Treatment;
use crate::policy::{CellText, Part, Replacement, tag, year_may_show};

/// A run of a reply's bytes, in order.
#[derive(Default)]
pub(super) struct Piece {
    bits: Vec<Bit>,
    cells: Vec<Cell>,
    rows: u64,
    bulk: u64,
    this_year: i32,
}

enum Bit {
    Raw(Bytes),
    Cell(usize),
    /// A string that is itself a document: its own cell, then what is inside.
    Nested {
        cell: usize,
        inside: Vec<Bit>,
    },
}

/// A value that policy decides upon.
pub(super) struct Cell {
    /// Index of its column.
    pub(super) column: usize,
    /// The record it belongs to.
    pub(super) row: u32,
    pub(super) shape: Shape,
    /// What it means, escapes read.
    pub(super) text: String,
    /// As it came.
    pub(super) raw: Bytes,
    with: Option<Vec<u8>>,
}

/// How a cell is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A JSON string.
    String,
    /// A JSON number or truth value.
    Scalar,
    /// A name in a JSON object.
    Key,
    /// A JSON string that is itself JSON, as a whole.
    Document,
    /// A JSON string of XHTML that must stay a `div`.
    Narrative,
    /// A JSON string that must stay a point in time to the second.
    Instant,
    /// Text as it is.
    Plain,
    /// A value of a form.
    Form,
    /// A header's value.
    Header,
}

impl Cell {
    pub(super) fn new(column: usize, row: u32, shape: Shape, text: String, raw: Bytes) -> Self {
        Self {
            column,
            row,
            shape,
            text,
            raw,
            with: None,
        }
    }
}

impl Piece {
    pub(super) fn new(this_year: i32) -> Self {
        Self {
            this_year,
            ..Self::default()
        }
    }

    /// Bytes that pass as they came.
    pub(super) fn raw(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.bits.push(Bit::Raw(bytes));
        }
    }

    /// A cell.
    pub(super) fn cell(&mut self, cell: Cell) {
        self.bits.push(Bit::Cell(self.cells.len()));
        self.cells.push(cell);
    }

    /// A string that is itself a document. `cell` stands for it as a whole.
    pub(super) fn nested(&mut self, cell: Cell, inside: Piece) {
        let at = self.cells.len();
        self.cells.push(cell);
        let first = self.cells.len();
        let inside_bits = inside
            .bits
            .into_iter()
            .map(|bit| bit.moved(first))
            .collect();
        self.cells.extend(inside.cells);
        self.bits.push(Bit::Nested {
            cell: at,
            inside: inside_bits,
        });
    }

    /// Says how many records this piece has, and for how many they count.
    pub(super) fn count_rows(&mut self, rows: u64, bulk: u64) {
        (self.rows, self.bulk) = (rows, bulk);
    }

    pub(super) fn cells(&self) -> usize {
        self.cells.len()
    }

    /// The bytes to send.
    pub(super) fn write(&self, out: &mut BytesMut) {
        self.write_bits(&self.bits, out);
    }

    fn write_bits(&self, bits: &[Bit], out: &mut BytesMut) {
        for bit in bits {
            match bit {
                Bit::Raw(bytes) => out.put_slice(bytes),
                Bit::Cell(cell) => {
                    if let Some(cell) = self.cells.get(*cell) {
                        out.put_slice(cell.with.as_deref().unwrap_or(&cell.raw));
                    }
                }
                Bit::Nested { cell, inside } => self.write_nested(*cell, inside, out),
            }
        }
    }

    /// What was decided about the whole goes before what was decided about its parts.
    fn write_nested(&self, cell: usize, inside: &[Bit], out: &mut BytesMut) {
        let Some(whole) = self.cells.get(cell) else {
            return;
        };
        if let Some(with) = &whole.with {
            out.put_slice(with);
            return;
        }
        let changed = |bit: &Bit| match bit {
            Bit::Cell(cell) => self
                .cells
                .get(*cell)
                .is_some_and(|cell| cell.with.is_some()),
            _ => false,
        };
        if !inside.iter().any(changed) {
            out.put_slice(&whole.raw);
            return;
        }
        let mut document = BytesMut::new();
        self.write_bits(inside, &mut document);
        let document = String::from_utf8_lossy(&document);
        out.put_slice(json::encode(&document).as_bytes());
    }
}

impl Bit {
    fn moved(self, by: usize) -> Self {
        match self {
            Self::Raw(bytes) => Self::Raw(bytes),
            Self::Cell(cell) => Self::Cell(cell + by),
            Self::Nested { cell, inside } => Self::Nested {
                cell: cell + by,
                inside: inside.into_iter().map(|bit| bit.moved(by)).collect(),
            },
        }
    }
}

impl Part for Piece {
    fn visit<'a>(&'a self, visit: &mut dyn FnMut(usize, usize, u32, CellText<'a>)) {
        for (index, cell) in self.cells.iter().enumerate() {
            let content = match cell.shape {
                Shape::Scalar | Shape::Document | Shape::Narrative | Shape::Instant => {
                    CellText::Typed
                }
                _ => CellText::Text(Cow::Borrowed(&cell.text)),
            };
            visit(index, cell.column, cell.row, content);
        }
    }

    fn replace(&mut self, cell: usize, with: Replacement) {
        let this_year = self.this_year;
        if let Some(cell) = self.cells.get_mut(cell) {
            cell.with = Some(written(cell, with, this_year));
        }
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn bulk(&self) -> u64 {
        self.bulk
    }
}

fn written(cell: &Cell, with: Replacement, this_year: i32) -> Vec<u8> {
    let text = match (cell.shape, with) {
        (Shape::Scalar, _)
        | (
            Shape::String | Shape::Document | Shape::Instant | Shape::Narrative,
            Replacement::Null,
        ) => {
            return b"null".to_vec();
        }
        (_, Replacement::Null) => String::new(),
        (_, Replacement::Text(text)) => text,
        (Shape::Instant, Replacement::Typed { treatment, kind }) => {
            instant(&cell.text, treatment, this_year).unwrap_or_else(|| tag(&kind))
        }
        (Shape::Narrative, Replacement::Typed { kind, .. }) => {
            format!(
                "<div xmlns=\"http://www.w3.org/1999/xhtml\">{}</div>",
                tag(&kind)
            )
        }
        (_, Replacement::Typed { kind, .. }) => tag(&kind),
    };
    match cell.shape {
        Shape::Plain => text.into_bytes(),
        Shape::Form => form(&text).into_bytes(),
        Shape::Header => header(&text).into_bytes(),
        _ => json::encode(&text).into_bytes(),
    }
}

/// The beginning of the year, where a year may be shown.
fn instant(value: &str, treatment: Treatment, this_year: i32) -> Option<String> {
    let year: i32 = value.get(..4)?.parse().ok()?;
    let shown = treatment == Treatment::Year && year_may_show(year, this_year);
    shown.then(|| format!("{year:04}-01-01T00:00:00Z"))
}

/// Form encoding (WHATWG URL, 5.2).
fn form(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b' ' => "+".to_owned(),
            byte if byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte) => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// What may stand in a header, all else left out.
fn header(text: &str) -> String {
    text.chars().filter(|c| (' '..='~').contains(c)).collect()
}
