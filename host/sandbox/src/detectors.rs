//! A set of detectors, with the patterns of all of them compiled into one automaton. Findings add up.
//!
//! A detector that fails makes what it should have examined unverified: each cell or field becomes a finding
//! as a whole, so that whoever masks findings needs to know nothing of failures.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::detector::{CERTAIN, DetectorPlugin};
use crate::failure::Failure;
use crate::host::Host;
use crate::pattern::PatternError;
use crate::patterns::{Hit, Patterns};
use crate::question::{OwnHit, Weight};
use crate::raw::{self, Role};
use crate::session::DetectorSession;
use crate::types::{Batch, Field, FieldFinding, Finding, UNVERIFIED};

/// Detectors that work together, with the patterns of all of them compiled into one automaton.
#[derive(Clone)]
pub struct DetectorSet(Arc<Set>);

pub(crate) struct Set {
    pub(crate) host: Host,
    pub(crate) detectors: Vec<DetectorPlugin>,
    /// Where each detector's patterns start among all.
    first_pattern: Vec<u32>,
    pub(crate) patterns: Patterns,
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
    /// Detectors that were asked, by index, with the time of each call.
    pub calls: Vec<(u32, Duration)>,
}

/// What was found in names and types.
#[derive(Debug, Default)]
pub struct FieldOutcome {
    /// By field.
    pub findings: Vec<FieldFinding>,
    /// Detectors that failed; all fields are among the findings.
    pub failures: Vec<DetectorFailure>,
    /// Detectors that were asked, by index, with the time of each call.
    pub calls: Vec<(u32, Duration)>,
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
        for (owner, detector) in detectors.iter().enumerate() {
            first_pattern.push(u32::try_from(each.len()).unwrap_or(u32::MAX));
            let own = detector.patterns()?.into_iter();
            each.extend(own.map(|pattern| pattern.of(owner)));
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

    /// How many hits all patterns have in a batch: the part of detection that is done natively, alone.
    pub fn hits(&self, batch: &Batch<'_>) -> usize {
        self.0.patterns.search(&batch.cells).len()
    }

    /// Detection for one gateway session.
    pub fn session(&self) -> DetectorSession {
        DetectorSession::new(Arc::clone(&self.0))
    }

    /// What fields are by their names and types. Ask once per schema and keep the answer.
    pub async fn classify(&self, target: &str, protocol: &str, fields: &[Field]) -> FieldOutcome {
        let mut outcome = FieldOutcome::default();
        for (index, detector) in (0..).zip(&self.0.detectors) {
            let there = {
                let (detector, fields) = (detector.clone(), fields.to_vec());
                let (target, protocol) = (target.to_owned(), protocol.to_owned());
                move |time| detector.classify_within(&target, &protocol, &fields, time)
            };
            let asked = Instant::now();
            // A new instance of a detector is slow to wake up.
            let answer = detector.bound.run_away(there).await;
            outcome.calls.push((index, asked.elapsed()));
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
    pub(crate) fn hits_of(
        &self,
        detector: u32,
        hits: &[Hit],
        findings: &mut Vec<Finding>,
    ) -> Vec<OwnHit> {
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
            let number = pattern - first;
            let Some(pattern) = self.patterns.get(pattern) else {
                continue;
            };
            own.push(OwnHit {
                cell,
                start,
                end,
                pattern: number,
                weight: match pattern.role {
                    Role::Finding => Weight::Finding,
                    Role::Candidate if pattern.companion => Weight::Companion,
                    Role::Candidate => Weight::Candidate,
                },
            });
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
    pub(crate) fn unverified(
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
