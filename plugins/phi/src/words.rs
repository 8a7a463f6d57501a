//! Everything that is found by looking at words: names, places and labelled numbers, in one cell and across the
//! cells of one record.
//!
//! A name that is certain in one place makes the same word certain elsewhere in its record: "Mr. Varvio … Varvio
//! was seen", or a name column and a note beside it. Records never learn from each other.

use std::collections::HashSet;

use almoner_plugin_sdk::{Batch, Finding};

use crate::{
    Kind, Profile, Settings, classify, dates, labels,
    lexicon::{
        CALENDAR, EPONYM, FACILITY, FACILITY_TAIL, GENERATION, HONORIFIC, MEDICAL_NOUN, PARTICLE,
        STATE, STOP, STREET,
    },
    names,
    page::{Page, Span},
    places,
    token::{Shape, Token, tokenize},
};

/// A name this sure makes its words known in the record.
const KNOWN_FROM: u8 = 80;
/// A word that is known from elsewhere in its record.
const KNOWN: u8 = 75;
/// Shorter words are too common to be known.
const KNOWN_BYTES_MIN: u32 = 3;
/// Words known of one record at most; a hostile cell of a thousand names gets no more.
const KNOWN_WORDS_MAX: usize = 512;

/// The examiner of one batch: settings, and buffers that are reused from cell to cell.
pub(crate) struct Examiner<'s> {
    settings: &'s Settings,
    allowed: &'s HashSet<String>,
    tokens: Vec<Token>,
    spans: Vec<Span>,
    /// Hashes of words. Few, so that looking through them is quicker than any table.
    known: Vec<u32>,
    /// Per field of the batch: whether it holds names of people.
    name_fields: Vec<bool>,
}

impl<'s> Examiner<'s> {
    pub(crate) fn new(settings: &'s Settings, allowed: &'s HashSet<String>) -> Self {
        Self {
            settings,
            allowed,
            tokens: Vec::new(),
            spans: Vec::new(),
            known: Vec::new(),
            name_fields: Vec::new(),
        }
    }

    /// Findings in all cells. Cells of one record must be neighbours to learn from each other.
    pub(crate) fn examine(&mut self, batch: &Batch, findings: &mut Vec<Finding>) {
        self.name_fields.clear();
        self.name_fields
            .extend(batch.fields.iter().map(classify::is_name));
        let mut first = 0;
        while first < batch.cells.len() {
            let row = batch.row_of.get(first);
            let more = (batch.cells.len() - first).min(batch.row_of.len().saturating_sub(first));
            let same = (1..more)
                .take_while(|k| batch.row_of.get(first + k) == row)
                .count();
            self.examine_record(batch, first..first + same + 1, findings);
            first += same + 1;
        }
    }

    fn examine_record(
        &mut self,
        batch: &Batch,
        cells: std::ops::Range<usize>,
        findings: &mut Vec<Finding>,
    ) {
        self.known.clear();
        let alone = cells.len() == 1;
        for cell in cells.clone() {
            let Some(text) = batch.cells.get(cell) else {
                continue;
            };
            self.tokenize(text);
            let field = batch.field_of.get(cell);
            let names = field.and_then(|field| self.name_fields.get(*field as usize));
            if names == Some(&true) {
                learn(&mut self.known, &self.tokens, |_| true);
            }
            self.spans.clear();
            self.find(text);
            if alone {
                self.recall(text);
            }
            self.report(cell, findings);
        }
        if alone || self.known.is_empty() {
            return;
        }
        // Once more, for words that a later cell of the record made known.
        for cell in cells {
            let Some(text) = batch.cells.get(cell) else {
                continue;
            };
            self.tokenize(text);
            self.spans.clear();
            self.recall(text);
            self.report(cell, findings);
        }
    }

    fn tokenize(&mut self, text: &str) {
        tokenize(text, &mut self.tokens);
        if self.allowed.is_empty() {
            return;
        }
        for token in &mut self.tokens {
            if token.is_word() && self.allowed.contains(&token.text(text).to_lowercase()) {
                token.flags = STOP;
            }
        }
    }

    /// Names, places and labelled numbers of the cell whose tokens are at hand.
    fn find(&mut self, text: &str) {
        let page = Page {
            text,
            tokens: &self.tokens,
            strict: self.settings.profile == Profile::Strict,
        };
        let mut name_end = 0;
        for (index, token) in self.tokens.iter().enumerate() {
            let silent = match token.shape {
                Shape::Lower => token.flags == 0,
                Shape::Mark(mark) => mark != b':',
                _ => false,
            };
            if silent {
                continue;
            }
            if token.start >= name_end
                && let Some(name) = names::at(&page, index)
            {
                name_end = name.end;
                if name.confidence >= KNOWN_FROM {
                    let within = |t: &Token| t.start >= name.start && t.end <= name.end;
                    learn(&mut self.known, &self.tokens, within);
                }
                self.spans.push(name);
            }
            self.spans.extend(places::at(&page, index));
            self.spans.extend(labels::at(&page, index));
            if token.shape == Shape::Number {
                self.spans.extend(dates::at(&page, index));
            }
        }
    }

    /// Words that are known to be names in this record.
    fn recall(&mut self, text: &str) {
        if self.known.is_empty() {
            return;
        }
        let page = Page {
            text,
            tokens: &self.tokens,
            strict: false,
        };
        for (index, token) in self.tokens.iter().enumerate() {
            let capital = matches!(token.shape, Shape::Title | Shape::Upper);
            let term = token.is(EPONYM) && page.is(index + 1, MEDICAL_NOUN);
            if capital && !term && self.known.contains(&token.hash) {
                self.spans
                    .extend(page.span(index, index + 1, Kind::Name, KNOWN));
            }
        }
    }

    fn report(&mut self, cell: usize, findings: &mut Vec<Finding>) {
        let threshold = self.settings.threshold();
        self.spans.sort_unstable();
        self.spans.dedup();
        for (index, span) in self.spans.iter().enumerate() {
            let within = |other: &Span| {
                other.kind == span.kind
                    && other.start <= span.start
                    && other.end >= span.end
                    && other.confidence >= span.confidence
                    && other != span
            };
            // Sorted by start: what holds this span is at most a few places away.
            let near = index.saturating_sub(4)..(index + 4).min(self.spans.len());
            let repeated = self
                .spans
                .get(near)
                .is_some_and(|near| near.iter().any(within));
            if repeated || span.confidence < threshold || !self.settings.reports(span.kind) {
                continue;
            }
            findings.push(Finding {
                cell: cell as u32,
                start: span.start,
                end: span.end,
                kind: span.kind.index(),
                confidence: span.confidence,
            });
        }
    }
}

/// Makes the words of some tokens known.
fn learn(known: &mut Vec<u32>, tokens: &[Token], which: impl Fn(&Token) -> bool) {
    let common = STOP
        | CALENDAR
        | HONORIFIC
        | PARTICLE
        | GENERATION
        | STREET
        | FACILITY
        | FACILITY_TAIL
        | STATE;
    let names = tokens.iter().filter(|token| {
        matches!(token.shape, Shape::Title | Shape::Upper)
            && token.end - token.start >= KNOWN_BYTES_MIN
            && !token.is(common)
            && which(token)
    });
    for token in names {
        if known.len() < KNOWN_WORDS_MAX && !known.contains(&token.hash) {
            known.push(token.hash);
        }
    }
}
