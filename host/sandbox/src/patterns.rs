//! The patterns that detectors declare, matched natively: all patterns of all detectors, over every cell,
//! once, in linear time.
//!
//! Three steps, each for the few cells the one before lets through: what the cell has against what the
//! patterns need; automata that say which patterns match and where they end (`group.rs`; lists of words are
//! looked up, `vocabulary.rs`); each of those to say where exactly. Cells that are not ASCII are folded first
//! and asked for the loose patterns, see `loose.rs`. A pattern is never dropped: one that matches too often
//! covers its cell.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use regex_automata::util::iter::Searcher;
use regex_automata::{Input, hybrid, meta};

use crate::context::{Context, Seen};
use crate::fold::Folded;
use crate::group::{Caches, Group};
use crate::needs::of_cell;
use crate::pattern::{Pattern, PatternError};
use crate::vocabulary::Vocabulary;
use crate::windows::{Window, Windows};

/// Hits of one pattern in one cell. Beyond, the hit is the whole cell.
const HITS_PER_CELL_MAX: usize = 1024;

/// A match of one pattern, in bytes of the original cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) cell: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Index among the patterns of all detectors.
    pub(crate) pattern: u32,
    pub(crate) confidence: u8,
}

/// The patterns of all detectors of a set, in the order in which they were given.
pub(crate) struct Patterns {
    each: Vec<Pattern>,
    /// Those to be located, if any.
    located: Option<Group>,
    /// Per detector that has any: those that take the whole cell, lists of words apart.
    whole: Vec<(usize, Group)>,
    /// Words that make patterns match.
    vocabulary: Vocabulary,
    context: Context,
    /// Memory of searches that are not under way. As many as searches ever ran at once.
    idle: Mutex<Vec<Search>>,
}

/// Memory of one search.
struct Search {
    located: Option<Caches>,
    whole: Vec<Caches>,
    words: Option<hybrid::dfa::Cache>,
    each: Vec<Option<meta::Cache>>,
    windows: Windows,
    folded: Folded,
    seen: Vec<Seen>,
}

impl Patterns {
    pub(crate) fn new(each: Vec<Pattern>) -> Result<Self, PatternError> {
        let mut vocabulary = Vocabulary::default();
        for (index, pattern) in each.iter().enumerate() {
            if let Some(words) = &pattern.vocabulary {
                vocabulary.add(index, words);
            }
        }
        let mut whole = Vec::new();
        for owner in 0..=each.iter().map(|pattern| pattern.owner).max().unwrap_or(0) {
            let own = |pattern: &Pattern| {
                pattern.owner == owner && pattern.regex.is_none() && pattern.vocabulary.is_none()
            };
            let group = Group::new(&each, own).map_err(PatternError::All)?;
            whole.extend(group.map(|group| (owner, group)));
        }
        let located = Group::new(&each, |pattern| pattern.regex.is_some());
        let context = Context::new(each.iter().map(Pattern::raising_words));
        Ok(Self {
            located: located.map_err(PatternError::All)?,
            whole,
            vocabulary,
            context: context.map_err(PatternError::All)?,
            each,
            idle: Mutex::default(),
        })
    }

    pub(crate) fn get(&self, pattern: u32) -> Option<&Pattern> {
        self.each.get(pattern as usize)
    }

    /// All hits in all cells, by cell.
    pub(crate) fn search(&self, cells: &[Cow<'_, str>]) -> Vec<Hit> {
        let mut hits = Vec::new();
        if self.each.is_empty() {
            return hits;
        }
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut search = idle.unwrap_or_else(|| self.new_search());
        for (index, cell) in (0..).zip(cells) {
            self.search_cell(&mut search, index, cell, &mut hits);
        }
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(search);
        hits
    }

    fn new_search(&self) -> Search {
        let longest = |pattern: &Pattern| match pattern.regex {
            Some(_) => pattern.longest(),
            // It is the cell, so that one window is enough.
            None => usize::MAX,
        };
        Search {
            located: self.located.as_ref().map(Group::caches),
            whole: self.whole.iter().map(|(_, group)| group.caches()).collect(),
            words: self.context.cache(),
            each: self.each.iter().map(|_| None).collect(),
            windows: Windows::new(self.each.iter().map(longest).collect()),
            folded: Folded::default(),
            seen: Vec::new(),
        }
    }

    fn search_cell(&self, search: &mut Search, cell: u32, text: &str, hits: &mut Vec<Hit>) {
        let Search {
            located,
            whole,
            words,
            each,
            windows,
            folded,
            seen,
        } = search;
        let bytes = byte(text.len());
        let has = of_cell(text);
        let (text, folded) = match has {
            Some(_) => (text, None),
            None => {
                folded.refill(text);
                (folded.text(), Some(&*folded))
            }
        };
        windows.clear();
        self.vocabulary
            .scan(text.as_bytes(), |pattern, end| windows.add(pattern, end));
        for ((owner, group), caches) in self.whole.iter().zip(whole) {
            if !self.is_decided(*owner, windows) {
                group.scan(caches, has.as_ref(), text, windows);
            }
        }
        if let (Some(group), Some(caches)) = (&self.located, located) {
            group.scan(caches, has.as_ref(), text, windows);
        }
        if windows.is_empty() {
            return;
        }
        let windows = windows.sorted();
        let raised = windows.iter().any(|window| self.is_raised(window.pattern));
        let context_known = !raised || self.context.see(words.as_mut(), text, seen).is_ok();
        let cell = Cell {
            index: cell,
            bytes,
            text,
            folded,
            seen,
            context_known,
        };
        for of_pattern in windows.chunk_by(|a, b| a.pattern == b.pattern) {
            let Some(index) = of_pattern.first().map(|window| window.pattern) else {
                continue;
            };
            if let (Some(pattern), Some(cache)) = (self.each.get(index), each.get_mut(index)) {
                self.locate(pattern, cache, &cell, of_pattern, hits);
            }
        }
    }

    /// Whether a detector will be asked about the cell anyway.
    fn is_decided(&self, owner: usize, windows: &Windows) -> bool {
        let pattern = |window: &Window| self.each.get(window.pattern);
        windows
            .iter()
            .filter_map(pattern)
            .any(|pattern| pattern.owner == owner && pattern.decides())
    }

    fn is_raised(&self, pattern: usize) -> bool {
        self.each
            .get(pattern)
            .is_some_and(|pattern| !pattern.raising_words().is_empty())
    }

    /// Where one pattern matches, in the original's bytes. All of its matches end within the windows.
    fn locate(
        &self,
        pattern: &Pattern,
        cache: &mut Option<meta::Cache>,
        cell: &Cell<'_>,
        windows: &[Window],
        hits: &mut Vec<Hit>,
    ) {
        let index = windows.first().map_or(0, |window| window.pattern);
        let hit = |start, end, confidence| Hit {
            cell: cell.index,
            start,
            end,
            pattern: byte(index),
            confidence,
        };
        let most = pattern.confidence.max(pattern.with_context);
        let Some(regex) = &pattern.regex else {
            hits.push(hit(0, cell.bytes, pattern.confidence));
            return;
        };
        if pattern.needs_context() && cell.context_known && !self.context.any(index, cell.seen) {
            return;
        }
        let cache = cache.get_or_insert_with(|| regex.create_cache());
        let (before, mut done) = (hits.len(), 0);
        for window in windows {
            if window.last <= done {
                continue;
            }
            done = window.last;
            let from = window.first.saturating_sub(pattern.longest());
            let from = cell.text.floor_char_boundary(from);
            // A range, not a slice: what is around it decides boundaries.
            let mut matches = Searcher::new(Input::new(cell.text).range(from..window.last));
            while let Some(found) = matches.advance(|input| Ok(regex.search_with(cache, input))) {
                let (start, end) = (found.start(), found.end());
                let confidence = self.confidence(index, pattern, cell, start, end);
                if confidence == 0 && pattern.needs_context() {
                    continue;
                }
                let Some((start, end)) = cell.original(start, end) else {
                    continue;
                };
                hits.push(hit(start, end, confidence));
                if hits.len() - before > HITS_PER_CELL_MAX {
                    hits.truncate(before);
                    hits.push(hit(0, cell.bytes, most));
                    return;
                }
            }
        }
    }

    fn confidence(
        &self,
        index: usize,
        pattern: &Pattern,
        cell: &Cell<'_>,
        start: usize,
        end: usize,
    ) -> u8 {
        let near =
            || !cell.context_known || self.context.near(index, cell.seen, cell.text, start, end);
        let raised = !pattern.raising_words().is_empty() && near();
        if raised {
            pattern.with_context
        } else {
            pattern.confidence
        }
    }
}

/// The cell that is searched.
struct Cell<'a> {
    index: u32,
    /// Before folding.
    bytes: u32,
    text: &'a str,
    folded: Option<&'a Folded>,
    seen: &'a [Seen],
    context_known: bool,
}

impl Cell<'_> {
    fn original(&self, start: usize, end: usize) -> Option<(u32, u32)> {
        match self.folded {
            None => Some((byte(start), byte(end))),
            Some(folded) => folded.original(start, end),
        }
    }
}

fn byte(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]

    use proptest::prelude::*;

    use super::*;
    use crate::raw::{self, Role};

    fn patterns(sources: &[&str]) -> Patterns {
        let raw = |regex: &&str| raw::Pattern {
            regex: (*regex).to_owned(),
            kind: 0,
            role: Role::Finding,
            confidence: 50,
            context_words: vec![],
            with_context: 0,
        };
        let compiled = sources
            .iter()
            .enumerate()
            .map(|(index, source)| Pattern::compile(index, &raw(source)).unwrap());
        Patterns::new(compiled.collect()).unwrap()
    }

    #[test]
    fn a_pattern_is_found_where_it_is() {
        let hits =
            patterns(&[r"\b\d{3}-\d{2}-\d{4}\b"]).search(&["no".into(), "an 123-45-6789".into()]);
        assert_eq!(
            hits,
            [Hit {
                cell: 1,
                start: 3,
                end: 14,
                pattern: 0,
                confidence: 50
            }]
        );
    }

    #[test]
    fn without_patterns_nothing_is_found() {
        assert_eq!(patterns(&[]).search(&["123-45-6789".into()]), []);
    }

    proptest! {
        #[test]
        fn searching_all_at_once_finds_what_searching_one_by_one_finds(
            cells in proptest::collection::vec("[a-c0-2@. :/é１-]{0,24}", 1..8),
        ) {
            let sources = [r"\d{2}-\d", r"(?i)a+b?c", r"[a-c]+@[a-c]+", r"\d+:\d+|[ab]/", r"\b0+\b", r"é\d"];
            let cells: Vec<Cow<'_, str>> = cells.into_iter().map(Cow::Owned).collect();
            let found = patterns(&sources).search(&cells);
            for (pattern, source) in (0..).zip(sources) {
                let all: Vec<_> = found.iter().filter(|hit| hit.pattern == pattern).map(|hit| Hit { pattern: 0, ..*hit }).collect();
                prop_assert_eq!(all, patterns(&[source]).search(&cells), "{}", source);
                let ascii = cells.iter().filter(|cell| cell.is_ascii());
                let expected: usize = ascii.map(|cell| regex::Regex::new(source).unwrap().find_iter(cell).count()).sum();
                let in_ascii = |hit: &&Hit| hit.pattern == pattern && cells[hit.cell as usize].is_ascii();
                prop_assert_eq!(found.iter().filter(in_ascii).count(), expected, "{}", source);
            }
        }
    }
}
