//! What one detector is asked about one batch: all of its cells, or those with hits of its patterns.
//!
//! Cells keep their order; `selected` says which of the batch's they are. A companion's hit brings its cell in
//! only beside a candidate of the same record: it holds what could be the same name, and nothing by itself.

use std::borrow::Cow;

use crate::raw::{self, Appetite};
use crate::types::{Batch, Direction, Field};
use crate::units::{OffsetUnit, Ruler};

/// A question, borrowing the batch's text.
pub(crate) struct Question<'a> {
    pub(crate) cells: Vec<&'a str>,
    direction: Direction,
    fields: &'a [Field],
    field_of: Cow<'a, [u32]>,
    row_of: Cow<'a, [u32]>,
    hits: Vec<raw::Hit>,
    /// Index in the batch of each cell. `None`: all cells, in order.
    selected: Option<Vec<u32>>,
    offset: u64,
    last: bool,
}

/// A hit of one of this detector's patterns: cell of the batch, bytes, the pattern's index in its declaration.
#[derive(Clone, Copy)]
pub(crate) struct OwnHit {
    pub(crate) cell: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) pattern: u32,
    pub(crate) weight: Weight,
}

/// What a hit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Brings its cell in.
    Finding,
    /// Brings its cell in, and those of its record that have a companion's hit.
    Candidate,
    /// Comes in with a candidate.
    Companion,
}

impl<'a> Question<'a> {
    /// `None`: nothing to ask. `hits` are in the order of the batch's cells.
    pub(crate) fn new(
        batch: &'a Batch<'_>,
        hits: &[OwnHit],
        appetite: Appetite,
        unit: OffsetUnit,
    ) -> Option<Self> {
        let selected = match appetite {
            Appetite::None => return None,
            Appetite::EveryCell if batch.is_empty() => return None,
            Appetite::EveryCell => None,
            Appetite::CellsWithHits => {
                let cells = cells_with_hits(hits, &batch.row_of);
                if cells.is_empty() {
                    return None;
                }
                Some(cells)
            }
        };
        let pick = |of: &'a [u32]| match &selected {
            None => Cow::Borrowed(of),
            Some(cells) => cells
                .iter()
                .filter_map(|cell| of.get(*cell as usize).copied())
                .collect(),
        };
        let cells: Vec<&str> = match &selected {
            None => batch.cells.iter().map(AsRef::as_ref).collect(),
            Some(cells) => cells.iter().filter_map(|cell| batch.cell(*cell)).collect(),
        };
        Some(Self {
            hits: in_units(&cells, selected.as_deref(), hits, unit),
            cells,
            direction: batch.direction,
            fields: &batch.fields,
            field_of: pick(&batch.field_of),
            row_of: pick(&batch.row_of),
            selected,
            offset: batch.offset,
            last: batch.last,
        })
    }

    pub(crate) fn raw(&self) -> raw::Batch<'_> {
        raw::Batch {
            direction: self.direction,
            fields: self.fields,
            cells: &self.cells,
            field_of: &self.field_of,
            row_of: &self.row_of,
            hits: &self.hits,
            offset: self.offset,
            last: self.last,
        }
    }

    /// Index in the batch of a cell of this question.
    pub(crate) fn in_batch(&self, cell: u32) -> u32 {
        match &self.selected {
            None => cell,
            Some(cells) => cells.get(cell as usize).copied().unwrap_or(cell),
        }
    }

    pub(crate) fn text_bytes(&self) -> usize {
        self.cells.iter().map(|cell| cell.len()).sum()
    }

    /// A copy that can move to another thread.
    pub(crate) fn to_owned(&self) -> OwnedQuestion {
        OwnedQuestion {
            cells: self.cells.iter().map(|cell| Box::from(*cell)).collect(),
            direction: self.direction,
            fields: self.fields.to_vec(),
            field_of: self.field_of.to_vec(),
            row_of: self.row_of.to_vec(),
            hits: self.hits.clone(),
            offset: self.offset,
            last: self.last,
        }
    }
}

/// A question that owns its text. It has lost which cells of the batch it is about.
pub(crate) struct OwnedQuestion {
    cells: Vec<Box<str>>,
    direction: Direction,
    fields: Vec<Field>,
    field_of: Vec<u32>,
    row_of: Vec<u32>,
    hits: Vec<raw::Hit>,
    offset: u64,
    last: bool,
}

impl OwnedQuestion {
    pub(crate) fn as_question(&self) -> Question<'_> {
        Question {
            cells: self.cells.iter().map(AsRef::as_ref).collect(),
            direction: self.direction,
            fields: &self.fields,
            field_of: Cow::Borrowed(&self.field_of),
            row_of: Cow::Borrowed(&self.row_of),
            hits: self.hits.clone(),
            selected: None,
            offset: self.offset,
            last: self.last,
        }
    }
}

/// Cells that hits bring in, in order.
fn cells_with_hits(hits: &[OwnHit], row_of: &[u32]) -> Vec<u32> {
    let row = |hit: &OwnHit| row_of.get(hit.cell as usize);
    let mut cells = Vec::new();
    for record in hits.chunk_by(|a, b| row(a) == row(b)) {
        let wakes = record.iter().any(|hit| hit.weight == Weight::Candidate);
        let comes = |hit: &&OwnHit| wakes || hit.weight != Weight::Companion;
        cells.extend(record.iter().filter(comes).map(|hit| hit.cell));
    }
    cells.dedup();
    cells
}

/// Hits as the plugin counts: its cells, its unit.
fn in_units(
    cells: &[&str],
    selected: Option<&[u32]>,
    hits: &[OwnHit],
    unit: OffsetUnit,
) -> Vec<raw::Hit> {
    let mut ruler: Option<(u32, Ruler<'_>)> = None;
    let mut converted = Vec::with_capacity(hits.len());
    for OwnHit {
        cell,
        start,
        end,
        pattern,
        ..
    } in hits.iter().copied()
    {
        let cell = match selected {
            None => cell,
            Some(selected) => match selected.binary_search(&cell) {
                Ok(at) => u32::try_from(at).unwrap_or(u32::MAX),
                Err(_) => continue,
            },
        };
        // Hits come by cell, so one ruler at a time is enough.
        let ruler = match &mut ruler {
            Some((of, ruler)) if *of == cell => ruler,
            ruler => {
                let text = cells.get(cell as usize).copied().unwrap_or_default();
                &mut ruler.insert((cell, Ruler::new(text, unit))).1
            }
        };
        let (start, end) = ruler.units(start, end);
        converted.push(raw::Hit {
            cell,
            start,
            end,
            pattern,
        });
    }
    converted
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]

    use super::*;

    fn batch() -> Batch<'static> {
        let mut batch = Batch::new(
            Direction::Response,
            vec![Field::default(), Field::default()],
        );
        for (row, text) in ["a", "é 12", "c", "34"].into_iter().enumerate() {
            batch.push(text, row as u32 % 2, row as u32);
        }
        batch
    }

    const HITS: [OwnHit; 2] = [
        OwnHit {
            cell: 1,
            start: 3,
            end: 5,
            pattern: 0,
            weight: Weight::Candidate,
        },
        OwnHit {
            cell: 3,
            start: 0,
            end: 2,
            pattern: 1,
            weight: Weight::Finding,
        },
    ];

    #[test]
    fn a_detector_that_wants_hits_sees_only_cells_with_hits_in_its_own_unit() {
        let batch = batch();
        let question = Question::new(
            &batch,
            &HITS,
            Appetite::CellsWithHits,
            OffsetUnit::CodePoints,
        )
        .unwrap();
        assert_eq!(question.cells, ["é 12", "34"]);
        assert_eq!(
            (&*question.field_of, &*question.row_of),
            (&[1, 1][..], &[1, 3][..])
        );
        let first = question.hits[0];
        assert_eq!((first.cell, first.start, first.end), (0, 2, 4));
        assert_eq!((question.hits[1].cell, question.in_batch(1)), (1, 3));
    }

    #[test]
    fn a_detector_that_wants_every_cell_sees_them_as_they_are() {
        let batch = batch();
        let question =
            Question::new(&batch, &HITS, Appetite::EveryCell, OffsetUnit::Utf8Bytes).unwrap();
        assert_eq!(question.cells.len(), 4);
        assert_eq!((question.hits[1].cell, question.in_batch(3)), (3, 3));
    }

    #[test]
    fn companions_come_in_only_beside_a_candidate_of_their_record() {
        let hit = |cell, weight| OwnHit {
            cell,
            start: 0,
            end: 1,
            pattern: 0,
            weight,
        };
        use Weight::{Candidate, Companion, Finding};
        let hits = [
            hit(0, Companion),
            hit(1, Companion),
            hit(1, Candidate),
            hit(3, Companion),
            hit(4, Companion),
            hit(5, Finding),
        ];
        let rows = [7, 7, 7, 8, 9, 9];
        assert_eq!(cells_with_hits(&hits, &rows), [0, 1, 5]);
        assert!(cells_with_hits(&hits[3..5], &rows).is_empty());
    }

    #[test]
    fn without_hits_or_without_appetite_there_is_nothing_to_ask() {
        let batch = batch();
        assert!(
            Question::new(&batch, &[], Appetite::CellsWithHits, OffsetUnit::Utf8Bytes).is_none()
        );
        assert!(Question::new(&batch, &HITS, Appetite::None, OffsetUnit::Utf8Bytes).is_none());
    }
}
