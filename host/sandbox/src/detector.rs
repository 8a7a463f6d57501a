//! Detectors: find what must be masked. What one declares is checked when it is configured; what it
//! answers is checked on every call.
//!
//! A span that does not fit its cell covers the whole cell. An index that means nothing makes the whole
//! answer a failure. Nothing a detector says can shrink what is masked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::ComponentExportIndex;

use crate::component::PolicyExports;
use crate::configured::{Bound, SettingsErrors};
use crate::digest::Digest;
use crate::failure::{BadOutput, Failure};
use crate::instance::Instance;
use crate::pattern::{PATTERNS_MAX, Pattern, PatternError};
use crate::plugin::{Plugin, SETUP_TIME};
use crate::question::Question;
use crate::raw::{self, Appetite, Role};
use crate::reasons::reported;
use crate::types::{CallContext, Field};
use crate::units::Ruler;

/// Findings of one detector in one batch. Dense text has one per 20 bytes.
const FINDINGS_MAX: usize = 65_536;
/// Highest confidence.
pub(crate) const CERTAIN: u8 = 100;

/// A detector with its settings.
#[derive(Clone)]
pub struct DetectorPlugin {
    pub(crate) bound: Bound,
    declared: Arc<Declared>,
    classify: ComponentExportIndex,
    detect: ComponentExportIndex,
}

struct Declared {
    patterns: Vec<raw::Pattern>,
    appetite: Appetite,
}

impl DetectorPlugin {
    pub(crate) fn new(bound: Bound) -> Result<Self, SettingsErrors> {
        let PolicyExports::Detector {
            declare,
            classify,
            detect,
        } = bound.plugin().code().policy
        else {
            return Err(SettingsErrors::Failed(Failure::NotLoaded));
        };
        let mut instance = bound.fresh(SETUP_TIME)?;
        let (declaration,): (raw::Declaration,) = instance.call(&declare, ())?;
        let declared = Declared::check(declaration, bound.plugin().manifest().emits.len())?;
        Ok(Self {
            bound,
            declared: Arc::new(declared),
            classify,
            detect,
        })
    }

    /// The plugin.
    pub fn plugin(&self) -> &Arc<Plugin> {
        self.bound.plugin()
    }

    /// Of the settings.
    pub fn settings_digest(&self) -> &Digest {
        self.bound.settings_digest()
    }

    pub(crate) fn appetite(&self) -> Appetite {
        self.declared.appetite
    }

    /// Compiles the declared patterns.
    pub(crate) fn patterns(&self) -> Result<Vec<Pattern>, PatternError> {
        let patterns = self.declared.patterns.iter().enumerate();
        patterns
            .map(|(index, pattern)| Pattern::compile(index, pattern))
            .collect()
    }

    /// Name of a kind.
    pub(crate) fn kind(&self, index: u32) -> Option<&Arc<str>> {
        self.plugin().manifest().emits.get(index as usize)
    }

    /// One question to one instance.
    pub(crate) fn ask(
        &self,
        instance: &mut Instance,
        ctx: &CallContext,
        question: &Question<'_>,
    ) -> Result<Answer, Failure> {
        let (answer,): (Result<Vec<raw::Finding>, raw::Failure>,) =
            instance.call(&self.detect, (ctx, question.raw()))?;
        let findings = answer.map_err(|failure| reported(failure, self.plugin().manifest()))?;
        self.check(findings, question)
    }

    fn check(
        &self,
        findings: Vec<raw::Finding>,
        question: &Question<'_>,
    ) -> Result<Answer, Failure> {
        if findings.len() > FINDINGS_MAX {
            return Err(Failure::BadOutput(BadOutput::TooMany));
        }
        let mut answer = Answer {
            spans: Vec::with_capacity(findings.len()),
            misfits: 0,
        };
        let mut rulers: Vec<Option<Ruler<'_>>> = Vec::new();
        rulers.resize_with(question.cells.len(), || None);
        for finding in findings {
            let cell = question.cells.get(finding.cell as usize);
            let ruler = rulers.get_mut(finding.cell as usize);
            let (Some(text), Some(ruler)) = (cell, ruler) else {
                return Err(Failure::BadOutput(BadOutput::UnknownCell));
            };
            let kind = self
                .kind(finding.kind)
                .ok_or(Failure::BadOutput(BadOutput::UnknownKind))?;
            let unit = self.plugin().manifest().offsets;
            let span = ruler
                .get_or_insert_with(|| Ruler::new(text, unit))
                .bytes(finding.start, finding.end);
            answer.misfits += u32::from(span.is_none());
            // The span is somewhere in this cell, but nobody knows where: the cell is the span.
            let whole = || (0, u32::try_from(text.len()).unwrap_or(u32::MAX));
            let (start, end) = span.unwrap_or_else(whole);
            let confidence = finding.confidence.min(CERTAIN);
            answer.spans.push(Span {
                cell: finding.cell,
                start,
                end,
                kind: Arc::clone(kind),
                confidence,
            });
        }
        Ok(answer)
    }

    /// Asks about names and types of fields, in a fresh instance.
    pub(crate) fn classify_within(
        &self,
        target: &str,
        protocol: &str,
        fields: &[Field],
        time: Duration,
    ) -> Result<Vec<raw::FieldFinding>, Failure> {
        let mut instance = self.bound.fresh(time)?;
        let (answer,): (Result<Vec<raw::FieldFinding>, raw::Failure>,) =
            instance.call(&self.classify, (target, protocol, fields))?;
        let findings = answer.map_err(|failure| reported(failure, self.plugin().manifest()))?;
        for finding in &findings {
            if fields.get(finding.field as usize).is_none() {
                return Err(Failure::BadOutput(BadOutput::UnknownCell));
            }
            if self.kind(finding.kind).is_none() {
                return Err(Failure::BadOutput(BadOutput::UnknownKind));
            }
        }
        Ok(findings)
    }
}

impl fmt::Debug for DetectorPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetectorPlugin")
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

/// What a detector found, checked; cells as the question counts them.
pub(crate) struct Answer {
    pub(crate) spans: Vec<Span>,
    /// Spans that did not fit.
    pub(crate) misfits: u32,
}

pub(crate) struct Span {
    pub(crate) cell: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) kind: Arc<str>,
    pub(crate) confidence: u8,
}

impl Declared {
    fn check(raw: raw::Declaration, kinds: usize) -> Result<Self, PatternError> {
        let raw::Declaration { patterns, appetite } = raw;
        if patterns.len() > PATTERNS_MAX {
            return Err(PatternError::TooMany);
        }
        for (index, pattern) in patterns.iter().enumerate() {
            if pattern.kind as usize >= kinds {
                return Err(PatternError::Kind(index));
            }
            if pattern.role == Role::Candidate && appetite == Appetite::None {
                return Err(PatternError::Candidate(index));
            }
            Pattern::compile(index, pattern)?;
        }
        Ok(Self { patterns, appetite })
    }
}
