//! Finds the identifiers of the HIPAA Safe Harbor list in text and in field names. By rules alone: no model, no
//! training data, the same answer every time.
//!
//! Numbers are found by patterns that the gateway runs natively; words (names, places, labels) are looked up in a
//! lexicon inside the sandbox. It reports where and what; it never changes text, and it claims no more than the
//! rules can know: what carries no mark (an unlabelled number, a rare name without a title) it can miss.

mod checks;
mod classify;
mod dates;
mod kinds;
mod labels;
mod lexicon;
mod names;
mod page;
mod patterns;
mod places;
mod settings;
mod token;
mod triggers;
mod words;

use std::collections::HashSet;

use almoner_plugin_sdk::prelude::*;

pub use kinds::Kind;
pub use settings::{Profile, Settings};

/// Longest span reported, in bytes: a postal address with unit, city and ZIP code. Streams hold back this much.
const MAX_SPAN_BYTES: u32 = 256;

/// The detector, configured.
#[derive(Debug)]
pub struct Phi {
    settings: Settings,
    /// Words that operators know to be no names, in lower case.
    allowed: HashSet<String>,
    /// What the hits of the first declared patterns need; `None` for those that are findings by themselves.
    checks: Vec<Option<(Kind, patterns::Check)>>,
}

impl Plugin for Phi {
    type Settings = Settings;

    fn manifest() -> Manifest {
        Manifest::new("phi", env!("CARGO_PKG_VERSION"))
            .description("Finds the identifiers of the HIPAA Safe Harbor list.")
            .emits(Kind::ALL.map(Kind::name))
            .max_span(MAX_SPAN_BYTES)
    }

    fn configure(settings: Settings) -> Result<Self, Vec<SettingsError>> {
        let mistakes = settings.mistakes();
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let checks = patterns::checks(&settings);
        let allowed = settings
            .allow
            .iter()
            .map(|word| word.to_lowercase())
            .collect();
        Ok(Self {
            settings,
            allowed,
            checks,
        })
    }
}

impl Detector for Phi {
    fn declare(&self) -> Declaration {
        Declaration::patterns(patterns::declared(&self.settings)).appetite(Appetite::CellsWithHits)
    }

    fn classify(&self, _: &str, _: &str, fields: &[Field]) -> Result<Vec<FieldFinding>, Failure> {
        Ok(classify::classify(&self.settings, fields))
    }

    fn detect(&self, _: &CallContext, batch: &Batch) -> Result<Vec<Finding>, Failure> {
        let mut findings = Vec::new();
        for hit in &batch.hits {
            let checked = self.checks.get(hit.pattern as usize).copied().flatten();
            if let Some((kind, check)) = checked
                && let Some(text) = batch.text(hit)
                && let Some(confidence) = checks::confirmed(check, text)
            {
                let Hit {
                    cell, start, end, ..
                } = *hit;
                findings.push(Finding {
                    cell,
                    start,
                    end,
                    kind: kind.index(),
                    confidence,
                });
            }
        }
        words::Examiner::new(&self.settings, &self.allowed).examine(batch, &mut findings);
        Ok(findings)
    }
}

export!(Detector, Phi);
