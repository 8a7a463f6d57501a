//! Detection for one gateway session: native patterns over every cell, then each detector over the cells
//! it wants, in instances that belong to this session alone.
//!
//! Findings add up. A detector that fails makes the cells it should have examined unverified: each becomes
//! a finding as a whole, so that whoever masks findings needs to know nothing of failures.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::detector::{Answer, CERTAIN, DetectorPlugin};
use crate::failure::Failure;
use crate::gate::SLICE;
use crate::host::Host;
use crate::instance::Instance;
use crate::patterns::{Hit, PatternError, Patterns};
use crate::question::{OwnHit, Question};
use crate::raw::{self, Role};
use crate::types::{Batch, CallContext, Field, FieldFinding, Finding, UNVERIFIED};
use crate::warm::WarmSlot;

/// Calls after which a warm instance is replaced, so that a slow leak never becomes a failure.
const CALLS_MAX: u32 = 10_000;

/// Detectors that work together, with the patterns of all of them compiled into one automaton.
#[derive(Clone)]
pub struct DetectorSet(Arc<Set>);

struct Set {
    host: Host,
    detectors: Vec<DetectorPlugin>,
    /// Where each detector's patterns start among all.
    first_pattern: Vec<u32>,
    patterns: Patterns,
    unverified: Arc<str>,
}

/// What was found in a batch.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Where, by cell. Findings of one cell may overlap.
    pub findings: Vec<Finding>,
    /// Detectors that failed; the cells they should have examined are among the findings.
    pub failures: Vec<DetectorFailure>,
    /// Spans that did not fit their cells, which are findings as a whole.
    pub misfits: u32,
}

/// What was found in names and types.
#[derive(Debug, Default)]
pub struct FieldOutcome {
    /// By field.
    pub findings: Vec<FieldFinding>,
    /// Detectors that failed; all fields are among the findings.
    pub failures: Vec<DetectorFailure>,
}

/// One detector's failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectorFailure {
    /// Index of the detector in its set.
    pub detector: u32,
    /// Why.
    pub failure: Failure,
}

impl DetectorSet {
    /// Compiles the patterns of all detectors.
    pub fn new(host: &Host, detectors: Vec<DetectorPlugin>) -> Result<Self, PatternError> {
        let (mut each, mut first_pattern) = (Vec::new(), Vec::new());
        for detector in &detectors {
            first_pattern.push(u32::try_from(each.len()).unwrap_or(u32::MAX));
            each.extend(detector.patterns()?);
        }
        let (host, patterns) = (host.clone(), Patterns::new(each)?);
        Ok(Self(Arc::new(Set {
            host,
            detectors,
            first_pattern,
            patterns,
            unverified: UNVERIFIED.into(),
        })))
    }

    /// The detectors, as findings and failures index them.
    pub fn detectors(&self) -> &[DetectorPlugin] {
        &self.0.detectors
    }

    /// Bytes of the longest span that any of them reports: what a stream must hold back.
    pub fn max_span_bytes(&self) -> u32 {
        let longest = |detector: &DetectorPlugin| {
            let manifest = detector.plugin().manifest();
            manifest.offsets.bytes_max(manifest.max_span)
        };
        self.0.detectors.iter().map(longest).max().unwrap_or(0)
    }

    /// Detection for one gateway session.
    pub fn session(&self) -> DetectorSession {
        let slots = self.0.detectors.iter().map(|_| Slot::default()).collect();
        DetectorSession {
            set: Arc::clone(&self.0),
            slots,
        }
    }

    /// What fields are by their names and types. Ask once per schema and keep the answer.
    pub async fn classify(&self, target: &str, protocol: &str, fields: &[Field]) -> FieldOutcome {
        let mut outcome = FieldOutcome::default();
        for (index, detector) in (0..).zip(&self.0.detectors) {
            let there = || {
                let (detector, fields) = (detector.clone(), fields.to_vec());
                let (target, protocol) = (target.to_owned(), protocol.to_owned());
                move |time| detector.classify_within(&target, &protocol, &fields, time)
            };
            let here = |time| detector.classify_within(target, protocol, fields, time);
            let answer = detector.bound.run(0, here, there).await;
            self.0
                .classified(index, detector, fields, answer, &mut outcome);
        }
        outcome
    }

    /// The same on the calling thread, which is held until every detector answered or was ended.
    pub fn classify_blocking(
        &self,
        target: &str,
        protocol: &str,
        fields: &[Field],
    ) -> FieldOutcome {
        let mut outcome = FieldOutcome::default();
        for (index, detector) in (0..).zip(&self.0.detectors) {
            let time = detector.bound.limits().deadline;
            let answer = detector.classify_within(target, protocol, fields, time);
            self.0
                .classified(index, detector, fields, answer, &mut outcome);
        }
        outcome
    }
}

impl fmt::Debug for DetectorSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DetectorSet")
            .field(&self.0.detectors)
            .finish()
    }
}

/// Detection within one session. Never share one between sessions: its instances have seen the session's
/// data.
pub struct DetectorSession {
    set: Arc<Set>,
    slots: Vec<Slot>,
}

/// A detector's instance between calls, if it may be kept.
#[derive(Default)]
struct Slot {
    warm: Option<(Instance, WarmSlot)>,
    /// Memory after the first call; growth beyond it counts towards replacement.
    settled_bytes: usize,
}

impl DetectorSession {
    /// Finds what must be masked in a batch. Native patterns run on the calling thread at some hundred MB/s:
    /// see [`Batch::BYTES_ADVISED`].
    pub async fn find(&mut self, ctx: &CallContext, batch: &Batch<'_>) -> Outcome {
        let set = Arc::clone(&self.set);
        let mut search = Search::new(&set, batch);
        for (index, (detector, slot)) in (0..).zip(set.detectors.iter().zip(&mut self.slots)) {
            if let Some(question) = search.question(index, detector) {
                let answer = slot.ask(&set.host, detector, ctx, &question).await;
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
        let warm = self.slots.iter().filter(|slot| slot.warm.is_some()).count();
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

impl Set {
    fn classified(
        &self,
        index: u32,
        detector: &DetectorPlugin,
        fields: &[Field],
        answer: Result<Vec<raw::FieldFinding>, Failure>,
        outcome: &mut FieldOutcome,
    ) {
        let found = |field, kind: &Arc<str>, confidence: u8| FieldFinding {
            field,
            kind: Arc::clone(kind),
            confidence: confidence.min(CERTAIN),
            detector: index,
        };
        match answer {
            Ok(findings) => outcome.findings.extend(findings.iter().filter_map(|raw| {
                Some(found(raw.field, detector.kind(raw.kind)?, raw.confidence))
            })),
            Err(failure) => {
                let all = (0..)
                    .zip(fields)
                    .map(|(field, _)| found(field, &self.unverified, CERTAIN));
                outcome.findings.extend(all);
                outcome.failures.push(DetectorFailure {
                    detector: index,
                    failure,
                });
            }
        }
        outcome.findings.sort_by_key(|finding| finding.field);
    }

    /// This detector's hits, those that are findings by themselves added to `findings`.
    fn hits_of(&self, detector: u32, hits: &[Hit], findings: &mut Vec<Finding>) -> Vec<OwnHit> {
        let start = |index: usize| self.first_pattern.get(index).copied();
        let index = detector as usize;
        let (first, next) = (
            start(index).unwrap_or(0),
            start(index + 1).unwrap_or(u32::MAX),
        );
        let mut own = Vec::new();
        for hit in hits
            .iter()
            .filter(|hit| (first..next).contains(&hit.pattern))
        {
            let Hit {
                cell,
                start,
                end,
                pattern,
                confidence,
            } = *hit;
            own.push(OwnHit {
                cell,
                start,
                end,
                pattern: pattern - first,
            });
            let Some(pattern) = self.patterns.get(pattern) else {
                continue;
            };
            let kind = self
                .detectors
                .get(index)
                .and_then(|detector| detector.kind(pattern.kind));
            if pattern.role == Role::Finding {
                let kind = Arc::clone(kind.unwrap_or(&self.unverified));
                findings.push(Finding {
                    cell,
                    start,
                    end,
                    kind,
                    confidence,
                    detector,
                });
            }
        }
        own
    }

    /// Makes findings of whole cells.
    fn unverified(
        &self,
        detector: u32,
        cells: impl Iterator<Item = (u32, usize)>,
        findings: &mut Vec<Finding>,
    ) {
        findings.extend(cells.map(|(cell, bytes)| Finding {
            cell,
            start: 0,
            end: u32::try_from(bytes).unwrap_or(u32::MAX),
            kind: Arc::clone(&self.unverified),
            confidence: CERTAIN,
            detector,
        }));
    }
}

impl Slot {
    async fn ask(
        &mut self,
        host: &Host,
        detector: &DetectorPlugin,
        ctx: &CallContext,
        question: &Question<'_>,
    ) -> Result<Answer, Failure> {
        let (gate, deadline) = (&detector.plugin().gate, detector.bound.limits().deadline);
        // A new instance is not quick: interpreters and tables of regexes wake up first.
        let mut warm = self.warm.take();
        if gate.inline(question.text_bytes())
            && let Some((mut instance, slot)) = warm.take()
        {
            instance.begin(SLICE.min(deadline));
            match detector.ask(&mut instance, ctx, question) {
                Err(Failure::Deadline) => gate.overran(),
                answer => {
                    if answer.is_ok() {
                        self.keep(instance, Some(slot), detector);
                    }
                    return answer;
                }
            }
        }
        let (was_warm, slot) = (
            warm.is_some(),
            warm.as_ref().is_none().then(|| host.0.warm.take()),
        );
        let (ctx, question, there) = (ctx.clone(), question.to_owned(), detector.clone());
        let call = move |time| {
            let start = Instant::now();
            let (mut instance, kept) = match warm {
                Some((mut instance, kept)) => {
                    instance.begin(time);
                    (instance, Some(kept))
                }
                None => (there.bound.fresh(time)?, None),
            };
            let answer = there.ask(&mut instance, &ctx, &question.as_question())?;
            Ok((answer, instance, kept, start.elapsed()))
        };
        let (answer, instance, kept, took) = host.0.threads.run(gate, deadline, call).await??;
        if was_warm {
            gate.took(took);
        }
        self.keep(instance, kept.or(slot.flatten()), detector);
        Ok(answer)
    }

    fn ask_blocking(
        &mut self,
        host: &Host,
        detector: &DetectorPlugin,
        ctx: &CallContext,
        question: &Question<'_>,
    ) -> Result<Answer, Failure> {
        let deadline = detector.bound.limits().deadline;
        let (mut instance, slot) = match self.warm.take() {
            Some((instance, slot)) => (instance, Some(slot)),
            None => (detector.bound.fresh(deadline)?, host.0.warm.take()),
        };
        instance.begin(deadline);
        let answer = detector.ask(&mut instance, ctx, question)?;
        self.keep(instance, slot, detector);
        Ok(answer)
    }

    /// Keeps an instance that answered, unless it is old, has grown, or there is no slot for it.
    fn keep(&mut self, instance: Instance, slot: Option<WarmSlot>, detector: &DetectorPlugin) {
        let Some(slot) = slot else { return };
        let bytes = instance.memory_bytes();
        if self.warm.is_none() && instance.calls() <= 2 {
            self.settled_bytes = bytes;
        }
        let grown =
            bytes.saturating_sub(self.settled_bytes) > detector.bound.limits().memory_bytes / 4;
        if instance.calls() < CALLS_MAX && !grown {
            self.warm = Some((instance, slot));
        }
    }
}
