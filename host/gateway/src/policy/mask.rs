//! Masks one part of a reply: whole cells of treated columns, spans that the detectors find in searched
//! ones. The only maker of [`Masked`]; a detector that fails has its cells masked whole.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use almoner_sandbox::{Batch, CallContext, DetectorSession, Direction, Finding, Outcome};

use super::column::{Decision, Masking};
use super::failed::DetectorCalls;
use super::treatment::{Pseudonyms, tag, treat_text};
use crate::config::policy::Treatment;

/// A piece of a reply that shows its cells and lets them be replaced. A protocol's test shows that no
/// cell is left out of `visit`.
pub trait Part: Send {
    /// Calls `visit(cell, column, row, content)` for every cell that is not NULL, in order.
    fn visit<'a>(&'a self, visit: &mut dyn FnMut(usize, usize, u32, CellText<'a>));

    /// Puts something else in a cell's place.
    fn replace(&mut self, cell: usize, with: Replacement);

    /// Rows in this part.
    fn rows(&self) -> u64;

    /// The same as thresholds count it: a row that holds as much as many counts as many.
    fn bulk(&self) -> u64 {
        self.rows()
    }
}

/// What a cell holds, as far as policy can read it.
pub enum CellText<'a> {
    /// Text to search or treat.
    Text(Cow<'a, str>),
    /// A value of another type; the protocol writes its treatment.
    Typed,
}

/// What takes a cell's place.
#[derive(Clone, PartialEq, Eq)]
pub enum Replacement {
    /// NULL.
    Null,
    /// Text.
    Text(String),
    /// A valid value of the cell's own type that this treatment allows, or NULL.
    Typed {
        /// What is done.
        treatment: Treatment,
        /// The kind it is done to.
        kind: Arc<str>,
    },
}

/// What is left of a text is still somebody's: only its size is shown.
impl std::fmt::Debug for Replacement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Typed { treatment, kind } => write!(f, "Typed({treatment:?}, {kind})"),
        }
    }
}

/// Findings by kind.
pub(super) type Counts = BTreeMap<Arc<str>, u64>;

/// A part whose every cell was decided upon. Made by [`mask`] only.
pub struct Masked<P> {
    pub(super) part: P,
    pub(super) counts: Counts,
    pub(super) calls: DetectorCalls,
}

/// Everything masking needs besides the part.
pub(super) struct Desk<'a> {
    pub(super) masking: &'a Masking,
    pub(super) detectors: Option<&'a mut DetectorSession>,
    pub(super) context: &'a CallContext,
    pub(super) resource: &'a str,
    pub(super) pseudonyms: &'a Pseudonyms,
    pub(super) this_year: i32,
}

pub(super) async fn mask<P: Part>(mut part: P, desk: Desk<'_>) -> Masked<P> {
    let mut counts = Counts::new();
    let mut replacements: Vec<(usize, Replacement)> = Vec::new();
    let mut batch = Batch::new(Direction::Response, &*desk.masking.fields);
    let mut batch_cells: Vec<usize> = Vec::new();
    part.visit(&mut |cell, column, row, content| {
        // A cell without a decision is one that no description covers: closed.
        let Some(mask) = desk.masking.columns.get(column) else {
            replacements.push((cell, Replacement::Null));
            return;
        };
        match (&mask.decision, content) {
            (Decision::Keep, _) | (Decision::Detect, CellText::Typed) => {}
            (Decision::Treat { kind, treatment }, content) => {
                *counts.entry(Arc::clone(kind)).or_default() += 1;
                replacements.push((cell, whole(&desk, content, kind, *treatment)));
            }
            (Decision::Detect, CellText::Text(text)) => {
                batch.push(text, mask.field, row);
                batch_cells.push(cell);
            }
        }
    });
    let mut calls = DetectorCalls::default();
    if !batch.is_empty() {
        let outcome = match desk.detectors {
            Some(detectors) => detectors.find(desk.context, &batch).await,
            None => Outcome::default(),
        };
        calls = DetectorCalls {
            calls: outcome.calls,
            failures: outcome.failures,
        };
        let confidence_min = desk.masking.confidence_min;
        let mut findings: Vec<Finding> = outcome
            .findings
            .into_iter()
            .filter(|finding| finding.confidence >= confidence_min)
            .collect();
        if let Some(known) = &desk.masking.known {
            for index in 0..batch_cells.len() {
                let cell = u32::try_from(index).unwrap_or(u32::MAX);
                if let Some(text) = batch.cell(cell) {
                    known.find(cell, text, &mut findings);
                }
            }
        }
        findings.sort_unstable_by_key(|finding| (finding.cell, finding.start, finding.end));
        for of_cell in findings.chunk_by(|a, b| a.cell == b.cell) {
            let Some(index) = of_cell.first().map(|finding| finding.cell) else {
                continue;
            };
            let (Some(text), Some(cell)) = (batch.cell(index), batch_cells.get(index as usize))
            else {
                continue;
            };
            let treatments = &desk.masking.treatments;
            let text = spans(text, of_cell, &mut counts, |value, kind| {
                treat_text(
                    value,
                    kind,
                    treatments.of(kind),
                    desk.resource,
                    desk.pseudonyms,
                    desk.this_year,
                )
                .unwrap_or_else(|| tag(kind))
            });
            replacements.push((*cell, Replacement::Text(text)));
        }
    }
    drop(batch);
    for (cell, with) in replacements {
        part.replace(cell, with);
    }
    Masked {
        part,
        counts,
        calls,
    }
}

fn whole(
    desk: &Desk<'_>,
    content: CellText<'_>,
    kind: &Arc<str>,
    treatment: Treatment,
) -> Replacement {
    match content {
        CellText::Typed => Replacement::Typed {
            treatment,
            kind: Arc::clone(kind),
        },
        CellText::Text(text) => treat_text(
            &text,
            kind,
            treatment,
            desk.resource,
            desk.pseudonyms,
            desk.this_year,
        )
        .map_or(Replacement::Null, Replacement::Text),
    }
}

/// Rewrites the spans of one cell, sorted by start. Overlapping spans become one, treated as the kind that
/// is surest; so findings only ever add up.
fn spans(
    text: &str,
    findings: &[Finding],
    counts: &mut Counts,
    treat: impl Fn(&str, &str) -> String,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0_usize;
    let mut rest = findings.iter().peekable();
    while let Some(first) = rest.next() {
        let (start, mut end) = (first.start as usize, first.end as usize);
        let mut surest = first;
        while let Some(next) = rest.next_if(|next| (next.start as usize) < end) {
            end = end.max(next.end as usize);
            if next.confidence > surest.confidence {
                surest = next;
            }
        }
        let (Some(before), Some(value)) = (text.get(done..start), text.get(start..end)) else {
            // A span off its text is a fault of the sandbox's checks: mask the cell whole.
            *counts.entry(Arc::clone(&surest.kind)).or_default() += 1;
            return tag(&surest.kind);
        };
        *counts.entry(Arc::clone(&surest.kind)).or_default() += 1;
        out.push_str(before);
        out.push_str(&treat(value, &surest.kind));
        done = end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(start: u32, end: u32, kind: &str, confidence: u8) -> Finding {
        Finding {
            cell: 0,
            start,
            end,
            kind: kind.into(),
            confidence,
            detector: 0,
        }
    }

    #[test]
    fn overlapping_findings_become_one_span_of_the_surest_kind() {
        let mut counts = Counts::new();
        let text = spans(
            "call 617-555-0101 now",
            &[
                finding(5, 12, "phi.id", 40),
                finding(5, 17, "phi.phone", 90),
                finding(12, 17, "phi.id", 20),
            ],
            &mut counts,
            |_, kind| tag(kind),
        );
        assert_eq!(text, "call [PHONE] now");
        assert_eq!(counts.get("phi.phone"), Some(&1));
    }

    #[test]
    fn a_span_off_its_text_masks_the_cell_whole() {
        let mut counts = Counts::new();
        let text = spans("é", &[finding(1, 9, "phi.id", 40)], &mut counts, |_, _| {
            String::new()
        });
        assert_eq!(text, "[ID]");
    }
}
