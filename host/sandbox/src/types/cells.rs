//! What detectors and transformers are given, and what was found.
#![allow(
    unsafe_code,
    reason = "the component model's derives write `unsafe impl`; nothing here is unsafe by hand"
)]

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use wasmtime::component::{ComponentType, Lower};

use super::Direction;

/// A column, a JSON path, a header, a form field.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, ComponentType, Lower)]
#[component(record)]
pub struct Field {
    /// Table, resource type, tool.
    pub container: String,
    /// Column or path.
    pub path: String,
    /// "text", "date", ...
    #[component(name = "declared-type")]
    pub declared_type: String,
    /// "text/plain", "application/json", ...
    #[component(name = "media-type")]
    pub media_type: String,
}

/// Cells to search, with the fields they belong to. NULL cells are not part of it.
#[derive(Clone, Default)]
pub struct Batch<'a> {
    /// Which way the cells travel.
    pub direction: Direction,
    /// What `push` refers to by index.
    pub fields: Cow<'a, [Field]>,
    /// For streamed text: where this window starts.
    pub offset: u64,
    /// For streamed text: whether it is the last. `true` for rows.
    pub last: bool,
    pub(crate) cells: Vec<Cow<'a, str>>,
    pub(crate) field_of: Vec<u32>,
    pub(crate) row_of: Vec<u32>,
}

impl<'a> Batch<'a> {
    /// Cells in one batch; a batch with more is unverified as a whole.
    pub const CELLS_MAX: usize = 65_536;
    /// Bytes in one batch, or in one cell; a batch with more is unverified as a whole.
    pub const BYTES_MAX: usize = 8 * 1024 * 1024;
    /// A good size: up to this many bytes, a quick detector runs without a change of threads.
    pub const BYTES_ADVISED: usize = crate::gate::INLINE_BYTES_MAX;

    /// An empty batch over these fields.
    pub fn new(direction: Direction, fields: impl Into<Cow<'a, [Field]>>) -> Self {
        Self {
            direction,
            fields: fields.into(),
            last: true,
            ..Self::default()
        }
    }

    /// Adds a cell and returns its index: `field` is an index into `fields`, `row` any number that
    /// cells of one record share.
    pub fn push(&mut self, text: impl Into<Cow<'a, str>>, field: u32, row: u32) -> u32 {
        self.cells.push(text.into());
        self.field_of.push(field);
        self.row_of.push(row);
        u32::try_from(self.cells.len() - 1).unwrap_or(u32::MAX)
    }

    /// The text of a cell.
    pub fn cell(&self, index: u32) -> Option<&str> {
        self.cells.get(index as usize).map(AsRef::as_ref)
    }

    /// How many cells it holds.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether it holds no cells.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Bytes of all cells together.
    pub fn text_bytes(&self) -> usize {
        self.cells.iter().map(|cell| cell.len()).sum()
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("direction", &self.direction)
            .field("fields", &self.fields.len())
            .field("cells", &self.cells.len())
            .finish_non_exhaustive()
    }
}

/// A span that must be treated. Spans of one cell may overlap; they add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Index of the cell in the batch.
    pub cell: u32,
    /// First byte, on a character boundary.
    pub start: u32,
    /// One past the last byte, on a character boundary.
    pub end: u32,
    /// Dotted: "phi.ssn". [`UNVERIFIED`] where a detector failed.
    pub kind: Arc<str>,
    /// 0 to 100.
    pub confidence: u8,
    /// Index of the detector in its set.
    pub detector: u32,
}

/// A field that is of a kind by its name and type alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFinding {
    /// Index of the field in the question.
    pub field: u32,
    /// Dotted: "phi.name". [`UNVERIFIED`] where a detector failed.
    pub kind: Arc<str>,
    /// 0 to 100.
    pub confidence: u8,
    /// Index of the detector in its set.
    pub detector: u32,
}

/// The kind of a whole cell or field that a detector should have examined and did not.
pub const UNVERIFIED: &str = "phi.unverified";

/// A value that was found, for a transformer to replace.
#[derive(Clone, Default, ComponentType, Lower)]
#[component(record)]
pub struct Found {
    /// The finding's kind.
    pub kind: String,
    /// What was found.
    pub value: String,
    /// Column or path.
    pub path: String,
    /// "text", "date", ...
    #[component(name = "declared-type")]
    pub declared_type: String,
    /// Keyed token of the person or record the value belongs to, if known.
    pub entity: Option<String>,
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found")
            .field("kind", &self.kind)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
