//! Detectors: find what must be masked. They report spans; the gateway holds the keys and does the masking.
//!
//! Patterns are declared once and run natively by the gateway over every cell, so a detector that only declares
//! patterns never enters the sandbox at run time. `detect` is for what a regular expression cannot decide.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{CallContext, Direction, Failure, Plugin};

/// Finds protected values in text. Findings of several detectors add up; none can take back another's.
pub trait Detector: Plugin {
    /// Patterns for the gateway to run, and which cells `detect` wants to see. Asked once, after `configure`.
    fn declare(&self) -> Declaration;

    /// Kinds of whole fields, from their names and types alone. Asked once per schema and cached for all callers,
    /// so it must not depend on who asks.
    ///
    /// # Errors
    /// After a failure every text field counts as unverified.
    fn classify(
        &self,
        target: &str,
        protocol: &str,
        fields: &[Field],
    ) -> Result<Vec<FieldFinding>, Failure> {
        let _ = (target, protocol, fields);
        Ok(Vec::new())
    }

    /// Looks at cells. Offsets are bytes and must lie on character boundaries; a span that does not fit masks its
    /// whole cell.
    ///
    /// # Errors
    /// After a failure every text cell of the batch is masked.
    fn detect(&self, ctx: &CallContext, batch: &Batch) -> Result<Vec<Finding>, Failure> {
        let _ = (ctx, batch);
        Ok(Vec::new())
    }
}

/// What a detector wants done natively, and what it wants to see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// For the gateway's automaton.
    pub patterns: Vec<Pattern>,
    /// Which cells `detect` gets.
    pub appetite: Appetite,
}

impl Declaration {
    /// Patterns; `detect` gets the cells with hits if any pattern is a candidate, else none.
    pub fn patterns(patterns: impl IntoIterator<Item = Pattern>) -> Self {
        let patterns: Vec<_> = patterns.into_iter().collect();
        let appetite = if patterns.iter().any(|p| p.role == Role::Candidate) {
            Appetite::CellsWithHits
        } else {
            Appetite::None
        };
        Self { patterns, appetite }
    }

    /// Another choice of cells.
    #[must_use]
    pub fn appetite(mut self, appetite: Appetite) -> Self {
        self.appetite = appetite;
        self
    }
}

/// A finding by itself, or a candidate for `detect` to confirm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A hit is a finding.
    #[default]
    Finding,
    /// A hit is a question to `detect`.
    Candidate,
}

/// Which cells `detect` gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Appetite {
    /// All of them.
    EveryCell,
    /// Those with a hit of one of this plugin's patterns; a companion's only beside a candidate's.
    CellsWithHits,
    /// None: the patterns say it all.
    #[default]
    None,
}

/// Name of the group that makes a candidate a companion.
pub(crate) const COMPANION: &str = "companion";

/// One pattern. Syntax: the Rust `regex` crate's, matched in linear time.
///
/// ```
/// use almoner_plugin_sdk::Pattern;
/// let pattern = Pattern::finding(r"\b\d{9}\b", 0, 20).context(["ssn", "social security"], 90);
/// assert_eq!(pattern.with_context, 90);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    /// What to look for.
    pub regex: String,
    /// Index into the manifest's `emits`.
    pub kind: u32,
    /// Finding or candidate.
    pub role: Role,
    /// 0 to 100, without context. At 0 a finding is one only near its context words.
    pub confidence: u8,
    /// Words that raise it: in the same cell, within 40 characters on either side, whole words, case folded.
    pub context_words: Vec<String>,
    /// 0 to 100, with one of those words near.
    pub with_context: u8,
}

impl Pattern {
    /// A hit is a finding of `confidence`.
    pub fn finding(regex: impl Into<String>, kind: u32, confidence: u8) -> Self {
        Self {
            regex: regex.into(),
            kind,
            role: Role::Finding,
            confidence,
            context_words: Vec::new(),
            with_context: confidence,
        }
    }

    /// A hit is a question to `detect`.
    pub fn candidate(regex: impl Into<String>, kind: u32) -> Self {
        Self {
            role: Role::Candidate,
            ..Self::finding(regex, kind, 0)
        }
    }

    /// The cheapest question: about every cell that `regex` matches somewhere. The hit is the whole cell, so that
    /// nobody has to find out where the match is.
    ///
    /// ```
    /// use almoner_plugin_sdk::Pattern;
    /// let pattern = Pattern::anywhere("(?i)wristband|bed [0-9]", 0);
    /// assert_eq!(pattern.regex, r"\A(?s:.*)(?:(?i)wristband|bed [0-9])(?s:.*)\z");
    /// ```
    pub fn anywhere(regex: impl fmt::Display, kind: u32) -> Self {
        Self::candidate(format!(r"\A(?s:.*)(?:{regex})(?s:.*)\z"), kind)
    }

    /// Like [`Pattern::anywhere`], but such a cell is shown to `detect` only if another cell of its record, or it
    /// itself, is shown for a candidate: what a word is may be known from the cell beside it.
    pub fn companion(regex: impl fmt::Display, kind: u32) -> Self {
        let regex = format!(r"\A(?s:.*)(?<{COMPANION}>{regex})(?s:.*)\z");
        Self::candidate(regex, kind)
    }

    /// Words that raise the confidence to `with_context`.
    #[must_use]
    pub fn context<W: Into<String>>(
        mut self,
        words: impl IntoIterator<Item = W>,
        with_context: u8,
    ) -> Self {
        self.context_words.extend(words.into_iter().map(Into::into));
        self.with_context = with_context;
        self
    }
}

/// A column, a JSON or FHIR path, a header, a form field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Field {
    /// Table, resource type, message.
    pub container: String,
    /// Column or path.
    pub path: String,
    /// Type it is declared to have, if any.
    pub declared_type: String,
    /// Media type of its contents, if known.
    pub media_type: String,
}

/// A hit of one of this plugin's patterns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// Index into the batch's cells.
    pub cell: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Index into the declared patterns.
    pub pattern: u32,
}

/// Where something is and what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// Index into the batch's cells.
    pub cell: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Index into the manifest's `emits`.
    pub kind: u32,
    /// 0 to 100.
    pub confidence: u8,
}

/// A whole field that holds a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldFinding {
    /// Index into the fields asked about.
    pub field: u32,
    /// Index into the manifest's `emits`.
    pub kind: u32,
    /// 0 to 100.
    pub confidence: u8,
}

/// One batch of cells. NULL cells are not sent.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Batch {
    /// Which way the cells travel.
    pub direction: Direction,
    /// What the cells are of.
    pub fields: Vec<Field>,
    /// The values.
    pub cells: Vec<String>,
    /// Per cell: its field.
    pub field_of: Vec<u32>,
    /// Per cell: its row, resource or message.
    pub row_of: Vec<u32>,
    /// Hits of this plugin's patterns.
    pub hits: Vec<Hit>,
    /// For streamed text: where this window starts.
    pub offset: u64,
    /// For streamed text: whether it is the last.
    pub last: bool,
}

impl Batch {
    /// The cells with their index, the field they belong to (if the gateway named one) and their text.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Option<&Field>, &str)> {
        self.cells
            .iter()
            .enumerate()
            .map(|(cell, text)| (cell as u32, self.field_at(cell), text.as_str()))
    }

    /// The field that a cell belongs to.
    pub fn field_at(&self, cell: usize) -> Option<&Field> {
        let field = *self.field_of.get(cell)?;
        self.fields.get(field as usize)
    }

    /// The text that a hit covers, if the hit fits its cell.
    pub fn text(&self, hit: &Hit) -> Option<&str> {
        let cell = self.cells.get(hit.cell as usize)?;
        cell.get(hit.start as usize..hit.end as usize)
    }
}

/// Cells are not shown.
impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("direction", &self.direction)
            .field("fields", &self.fields.len())
            .field("cells", &self.cells.len())
            .field("hits", &self.hits.len())
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
