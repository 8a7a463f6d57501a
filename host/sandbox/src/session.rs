//! Detection for one gateway session: native patterns over every cell, then each detector over the cells
//! it wants, in instances that belong to this session alone.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::detector::{Answer, DetectorPlugin};
use crate::detectors::{DetectorFailure, Outcome, Set};
use crate::failure::Failure;
use crate::patterns::Hit;
use crate::question::Question;
use crate::slot::Slot;
use crate::types::{Batch, CallContext, Finding};

/// Detection within one session. Never share one between sessions: its instances have seen the session's
/// data.
pub struct DetectorSession {
    set: Arc<Set>,
    slots: Vec<Slot>,
}

impl DetectorSession {
    pub(crate) fn new(set: Arc<Set>) -> Self {
        let slots = set.detectors.iter().map(|_| Slot::default()).collect();
        Self { set, slots }
    }

    /// Finds what must be masked in a batch. Native patterns run on the calling thread at some hundred MB/s:
    /// see [`Batch::BYTES_ADVISED`].
    pub async fn find(&mut self, ctx: &CallContext, batch: &Batch<'_>) -> Outcome {
        let set = Arc::clone(&self.set);
        let mut search = Search::new(&set, batch);
        for (index, (detector, slot)) in (0..).zip(set.detectors.iter().zip(&mut self.slots)) {
            if let Some(question) = search.question(index, detector) {
                let asked = Instant::now();
                let answer = slot.ask(&set.host, detector, ctx, &question).await;
                search.outcome.calls.push((index, asked.elapsed()));
                search.answered(index, &question, answer);
            }
        }
        search.outcome()
    }

    /// The same on the calling thread, which is held until every detector answered or was ended.
    pub fn find_blocking(&mut self, ctx: &CallContext, batch: &Batch<'_>) -> Outcome {
        let set = Arc::clone(&self.set);
        let mut search = Search::new(&set, batch);
        for (index, (detector, slot)) in (0..).zip(set.detectors.iter().zip(&mut self.slots)) {
            if let Some(question) = search.question(index, detector) {
                let answer = slot.ask_blocking(&set.host, detector, ctx, &question);
                search.answered(index, &question, answer);
            }
        }
        search.outcome()
    }
}

impl fmt::Debug for DetectorSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warm = self.slots.iter().filter(|slot| slot.is_warm()).count();
        f.debug_struct("DetectorSession")
            .field("warm", &warm)
            .finish_non_exhaustive()
    }
}

/// One batch under way.
struct Search<'s, 'b> {
    set: &'s Set,
    batch: &'b Batch<'b>,
    hits: Vec<Hit>,
    outcome: Outcome,
    too_large: bool,
}

impl<'s, 'b> Search<'s, 'b> {
    fn new(set: &'s Set, batch: &'b Batch<'b>) -> Self {
        let too_large = batch.len() > Batch::CELLS_MAX || batch.text_bytes() > Batch::BYTES_MAX;
        let hits = if too_large {
            Vec::new()
        } else {
            set.patterns.search(&batch.cells)
        };
        Self {
            set,
            batch,
            hits,
            outcome: Outcome::default(),
            too_large,
        }
    }

    /// What a detector is asked; its native findings are taken on the way. `None`: nothing.
    fn question(&mut self, index: u32, detector: &DetectorPlugin) -> Option<Question<'b>> {
        if self.too_large {
            self.fail(
                index,
                Failure::QueueFull("the batch is larger than its limit"),
            );
            let cells = (0..)
                .zip(&self.batch.cells)
                .map(|(cell, text)| (cell, text.len()));
            self.set
                .unverified(index, cells, &mut self.outcome.findings);
            return None;
        }
        let own = self
            .set
            .hits_of(index, &self.hits, &mut self.outcome.findings);
        let unit = detector.plugin().manifest().offsets;
        Question::new(self.batch, &own, detector.appetite(), unit)
    }

    fn answered(
        &mut self,
        detector: u32,
        question: &Question<'_>,
        answer: Result<Answer, Failure>,
    ) {
        match answer {
            Ok(answer) => {
                self.outcome.misfits += answer.misfits;
                self.outcome
                    .findings
                    .extend(answer.spans.into_iter().map(|span| Finding {
                        cell: question.in_batch(span.cell),
                        start: span.start,
                        end: span.end,
                        kind: span.kind,
                        confidence: span.confidence,
                        detector,
                    }));
            }
            Err(failure) => {
                let cells = (0..).zip(&question.cells);
                let cells = cells.map(|(cell, text)| (question.in_batch(cell), text.len()));
                self.set
                    .unverified(detector, cells, &mut self.outcome.findings);
                self.fail(detector, failure);
            }
        }
    }

    fn fail(&mut self, detector: u32, failure: Failure) {
        self.outcome
            .failures
            .push(DetectorFailure { detector, failure });
    }

    fn outcome(mut self) -> Outcome {
        self.outcome
            .findings
            .sort_by_key(|finding| (finding.cell, finding.start, finding.end));
        self.outcome
    }
}
