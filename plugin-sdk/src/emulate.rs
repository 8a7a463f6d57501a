//! Runs a detector natively the way the gateway would: patterns over every cell, context words, then `detect` with
//! the cells it asked for. For unit tests and measurements; the real limits and the sandbox are the gateway's.
//!
//! ```
//! use almoner_plugin_sdk::{emulate, prelude::*};
//! struct Badge;
//! impl Plugin for Badge {
//!     type Settings = NoSettings;
//!     fn manifest() -> Manifest { Manifest::new("badge", "1.0.0").emits(["phi.id.badge"]) }
//!     fn configure(_: NoSettings) -> Result<Self, Vec<SettingsError>> { Ok(Badge) }
//! }
//! impl Detector for Badge {
//!     fn declare(&self) -> Declaration {
//!         Declaration::patterns([Pattern::finding(r"\bB-\d{6}\b", 0, 20).context(["badge"], 95)])
//!     }
//! }
//! let stand = emulate::Stand::new(Badge).unwrap();
//! let found = stand.find(&["badge B-123456", "part B-123456"], 50).unwrap();
//! assert_eq!(found, [emulate::Found { cell: 0, text: "B-123456".into(), kind: "phi.id.badge".into(), confidence: 95 }]);
//! ```

use regex::Regex;

use crate::detector::COMPANION;
use crate::{
    Appetite, Batch, CallContext, Detector, Failure, Finding, Hit, Manifest, Pattern, Role,
};

/// Characters on either side of a hit in which context words count.
const CONTEXT_CHARS: usize = 40;

/// A detector with its patterns compiled.
pub struct Stand<D> {
    detector: D,
    manifest: Manifest,
    appetite: Appetite,
    patterns: Vec<Compiled>,
}

struct Compiled {
    pattern: Pattern,
    regex: Regex,
    context: Option<Regex>,
}

/// A finding with its text, for comparison in tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Index of the cell.
    pub cell: u32,
    /// What was found.
    pub text: String,
    /// Name of its kind.
    pub kind: String,
    /// 0 to 100.
    pub confidence: u8,
}

impl<D: Detector> Stand<D> {
    /// Compiles the patterns that the detector declares.
    ///
    /// # Errors
    /// The pattern that is no regular expression, in the words of the `regex` crate.
    pub fn new(detector: D) -> Result<Self, regex::Error> {
        let declaration = detector.declare();
        let patterns = declaration
            .patterns
            .into_iter()
            .map(Compiled::new)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            detector,
            manifest: D::manifest(),
            appetite: declaration.appetite,
            patterns,
        })
    }

    /// The detector.
    pub fn detector(&self) -> &D {
        &self.detector
    }

    /// Findings of at least this confidence in cells of one text each, in order of place.
    ///
    /// # Errors
    /// What `detect` returned.
    pub fn find<T: AsRef<str>>(&self, texts: &[T], least: u8) -> Result<Vec<Found>, Failure> {
        let cells: Vec<String> = texts.iter().map(|t| t.as_ref().to_owned()).collect();
        let rows = 0..u32::try_from(cells.len()).unwrap_or(u32::MAX);
        let batch = Batch {
            row_of: rows.collect(),
            cells,
            last: true,
            ..Batch::default()
        };
        let named = |finding: &Finding| {
            let cell = batch.cells.get(finding.cell as usize)?;
            Some(Found {
                cell: finding.cell,
                text: cell
                    .get(finding.start as usize..finding.end as usize)?
                    .to_owned(),
                kind: self.manifest.emits.get(finding.kind as usize)?.clone(),
                confidence: finding.confidence,
            })
        };
        let findings = self.run(&batch)?;
        Ok((findings.iter())
            .filter(|f| f.confidence >= least)
            .filter_map(named)
            .collect())
    }

    /// All findings in a batch (its `hits` are ignored), by cell and place.
    ///
    /// # Errors
    /// What `detect` returned.
    pub fn run(&self, batch: &Batch) -> Result<Vec<Finding>, Failure> {
        let (mut findings, mut hits) = (Vec::new(), Vec::new());
        for (cell, text) in (0..).zip(&batch.cells) {
            self.match_cell(cell, text, &mut findings, &mut hits);
        }
        if let Some((asked, cells)) = self.asked(batch, hits) {
            let answer = self.detector.detect(&CallContext::default(), &asked)?;
            findings.extend(answer.into_iter().map(|finding| {
                Finding {
                    cell: cells
                        .get(finding.cell as usize)
                        .copied()
                        .unwrap_or(u32::MAX),
                    ..finding
                }
            }));
        }
        findings.sort_unstable();
        Ok(findings)
    }

    /// What `detect` is asked about a batch, hits included. `None`: nothing.
    pub fn question(&self, batch: &Batch) -> Option<Batch> {
        let (mut findings, mut hits) = (Vec::new(), Vec::new());
        for (cell, text) in (0..).zip(&batch.cells) {
            self.match_cell(cell, text, &mut findings, &mut hits);
        }
        self.asked(batch, hits).map(|(asked, _)| asked)
    }

    fn match_cell(&self, cell: u32, text: &str, findings: &mut Vec<Finding>, hits: &mut Vec<Hit>) {
        for (number, compiled) in (0..).zip(&self.patterns) {
            for found in compiled.regex.find_iter(text) {
                let (start, end) = (found.start() as u32, found.end() as u32);
                let confidence = compiled.confidence(text, found.start(), found.end());
                if compiled.pattern.role == Role::Finding && confidence == 0 {
                    continue;
                }
                hits.push(Hit {
                    cell,
                    start,
                    end,
                    pattern: number,
                });
                if compiled.pattern.role == Role::Finding {
                    findings.push(Finding {
                        cell,
                        start,
                        end,
                        kind: compiled.pattern.kind,
                        confidence,
                    });
                }
            }
        }
    }

    /// What `detect` is asked, and which cells of the batch these are. `None`: nothing.
    fn asked(&self, batch: &Batch, hits: Vec<Hit>) -> Option<(Batch, Vec<u32>)> {
        let all = 0..batch.cells.len() as u32;
        let cells: Vec<u32> = match self.appetite {
            Appetite::None => return None,
            Appetite::EveryCell => all.collect(),
            Appetite::CellsWithHits => {
                let row = |hit: &Hit| batch.row_of.get(hit.cell as usize);
                let mut cells = Vec::new();
                for record in hits.chunk_by(|a, b| row(a) == row(b)) {
                    let wakes = record
                        .iter()
                        .any(|hit| self.is(hit, Role::Candidate, false));
                    let comes = |hit: &&Hit| wakes || !self.is(hit, Role::Candidate, true);
                    cells.extend(record.iter().filter(comes).map(|hit| hit.cell));
                }
                cells.dedup();
                cells
            }
        };
        let pick = |of: &[u32]| {
            cells
                .iter()
                .filter_map(|c| of.get(*c as usize).copied())
                .collect()
        };
        let renumbered = hits.into_iter().filter_map(|hit| {
            let cell = cells.binary_search(&hit.cell).ok()? as u32;
            Some(Hit { cell, ..hit })
        });
        let asked = Batch {
            cells: cells
                .iter()
                .filter_map(|c| batch.cells.get(*c as usize).cloned())
                .collect(),
            field_of: pick(&batch.field_of),
            row_of: pick(&batch.row_of),
            hits: renumbered.collect(),
            ..batch.clone()
        };
        (!cells.is_empty()).then_some((asked, cells))
    }
}

impl<D> Stand<D> {
    /// Whether a hit is of a pattern of this role, and a companion or none.
    fn is(&self, hit: &Hit, role: Role, companion: bool) -> bool {
        self.patterns
            .get(hit.pattern as usize)
            .is_some_and(|compiled| {
                compiled.pattern.role == role && compiled.is_companion() == companion
            })
    }
}

impl Compiled {
    fn is_companion(&self) -> bool {
        let mut groups = self.regex.capture_names().flatten();
        groups.any(|name| name == COMPANION)
    }

    fn new(pattern: Pattern) -> Result<Self, regex::Error> {
        let words: Vec<String> = pattern
            .context_words
            .iter()
            .map(|word| whole_word(word))
            .collect();
        let context = match words.is_empty() {
            true => None,
            false => Some(Regex::new(&format!("(?i)(?:{})", words.join("|")))?),
        };
        Ok(Self {
            regex: Regex::new(&pattern.regex)?,
            context,
            pattern,
        })
    }

    fn confidence(&self, text: &str, start: usize, end: usize) -> u8 {
        let near = |context: &Regex| {
            let before = text.get(..start).unwrap_or_default();
            let from = before
                .char_indices()
                .rev()
                .nth(CONTEXT_CHARS - 1)
                .map_or(0, |(at, _)| at);
            let after = text.get(end..).unwrap_or_default();
            let to = after
                .char_indices()
                .nth(CONTEXT_CHARS)
                .map_or(after.len(), |(at, _)| at);
            before.get(from..).is_some_and(|t| context.is_match(t))
                || after.get(..to).is_some_and(|t| context.is_match(t))
        };
        match self.context.as_ref().is_some_and(near) {
            true => self.pattern.with_context.max(self.pattern.confidence),
            false => self.pattern.confidence,
        }
    }
}

/// A word with word boundaries where it begins and ends with a letter or digit.
fn whole_word(word: &str) -> String {
    let edge = |c: Option<char>| match c.is_some_and(char::is_alphanumeric) {
        true => r"\b",
        false => "",
    };
    format!(
        "{}{}{}",
        edge(word.chars().next()),
        regex::escape(word),
        edge(word.chars().next_back())
    )
}
