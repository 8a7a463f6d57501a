//! The patterns that detectors declare, matched natively: all patterns of all detectors, over every cell,
//! once, in linear time.
//!
//! Three steps, each for the few cells the one before lets through: what the cell has against what the
//! patterns need; one automaton that says which patterns match and about where; each of those to say where
//! exactly. Cells that are not ASCII are folded first and asked for the loose patterns, see `loose.rs`.
//! A pattern is never dropped: one that matches too often covers its cell.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use regex_automata::util::iter::Searcher;
use regex_automata::{Input, hybrid, meta};
use regex_syntax::hir::Hir;

use crate::automaton::{Automaton, GaveUp};
use crate::context::{Context, Seen};
use crate::fold::Folded;
use crate::loose::loosen;
use crate::needs::{Needs, of_cell};
use crate::pattern::{Pattern, PatternError};

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
    /// Says which patterns match in ASCII cells. `None`: there are no patterns.
    exact: Option<Automaton>,
    /// Says which patterns might match in other cells.
    loose: Option<Automaton>,
    context: Context,
    /// The distinct needs of the patterns: a cell that meets none cannot match.
    needs: Vec<Needs>,
    /// Memory of searches that are not under way. As many as searches ever ran at once.
    idle: Mutex<Vec<Search>>,
}

/// Memory of one search.
struct Search {
    exact: Option<hybrid::dfa::Cache>,
    loose: Option<hybrid::dfa::Cache>,
    words: Option<hybrid::dfa::Cache>,
    each: Vec<Option<meta::Cache>>,
    matched: Matched,
    folded: Folded,
    seen: Vec<Seen>,
}

impl Patterns {
    pub(crate) fn new(each: Vec<Pattern>) -> Result<Self, PatternError> {
        let mut needs: Vec<Needs> = Vec::new();
        for pattern in &each {
            if !needs.iter().any(|known| known.or(pattern.needs) == *known) {
                needs.retain(|known| known.or(pattern.needs) != pattern.needs);
                needs.push(pattern.needs);
            }
        }
        let exact: Vec<Hir> = each.iter().map(|pattern| pattern.hir.clone()).collect();
        let loose: Vec<Hir> = exact.iter().map(loosen).collect();
        let automaton = |patterns: &[Hir]| match patterns {
            [] => Ok(None),
            patterns => Automaton::new(patterns).map(Some),
        };
        let context = Context::new(each.iter().map(Pattern::raising_words));
        Ok(Self {
            exact: automaton(&exact).map_err(PatternError::All)?,
            loose: automaton(&loose).map_err(PatternError::All)?,
            context: context.map_err(PatternError::All)?,
            each,
            needs,
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
        Search {
            exact: self.exact.as_ref().map(Automaton::cache),
            loose: self.loose.as_ref().map(Automaton::cache),
            words: self.context.cache(),
            each: self.each.iter().map(|_| None).collect(),
            matched: Matched::new(self.each.len()),
            folded: Folded::default(),
            seen: Vec::new(),
        }
    }

    fn search_cell(&self, search: &mut Search, cell: u32, text: &str, hits: &mut Vec<Hit>) {
        let Search {
            exact,
            loose,
            words,
            each,
            matched,
            folded,
            seen,
        } = search;
        let bytes = byte(text.len());
        let (text, folded) = match of_cell(text) {
            Some(has) if !self.needs.iter().any(|needs| needs.met_by(&has)) => return,
            Some(_) => {
                matched.scan(self.exact.as_ref(), exact.as_mut(), text);
                (text, None)
            }
            None => {
                folded.refill(text);
                matched.scan(self.loose.as_ref(), loose.as_mut(), folded.text());
                (folded.text(), Some(&*folded))
            }
        };
        if matched.patterns.is_empty() {
            return;
        }
        let raised = matched.patterns.iter().any(|index| self.is_raised(*index));
        let context_known = !raised || self.context.see(words.as_mut(), text, seen).is_ok();
        let cell = Cell {
            index: cell,
            bytes,
            text,
            folded,
            seen,
            context_known,
        };
        for index in &matched.patterns {
            let (Some(pattern), Some(cache)) = (self.each.get(*index), each.get_mut(*index)) else {
                continue;
            };
            let ends = matched.ends.get(*index).copied().unwrap_or((0, text.len()));
            let cache = cache.get_or_insert_with(|| pattern.regex.create_cache());
            self.locate(*index, pattern, cache, &cell, ends, hits);
        }
    }

    fn is_raised(&self, pattern: usize) -> bool {
        self.each
            .get(pattern)
            .is_some_and(|pattern| !pattern.raising_words().is_empty())
    }

    /// Where one pattern matches, in the original's bytes. All of its matches end within `ends`.
    fn locate(
        &self,
        index: usize,
        pattern: &Pattern,
        cache: &mut meta::Cache,
        cell: &Cell<'_>,
        (first, last): (usize, usize),
        hits: &mut Vec<Hit>,
    ) {
        let number = byte(index);
        let longest = pattern.hir.properties().maximum_len().unwrap_or(usize::MAX);
        let from = cell.text.floor_char_boundary(first.saturating_sub(longest));
        // A range, not a slice: what is around it decides boundaries.
        let mut matches = Searcher::new(Input::new(cell.text).range(from..last));
        let before = hits.len();
        while let Some(found) = matches.advance(|input| Ok(pattern.regex.search_with(cache, input)))
        {
            let (start, end) = (found.start(), found.end());
            let confidence = self.confidence(index, pattern, cell, start, end);
            let Some((start, end)) = cell.original(start, end) else {
                continue;
            };
            hits.push(Hit {
                cell: cell.index,
                start,
                end,
                pattern: number,
                confidence,
            });
            if hits.len() - before > HITS_PER_CELL_MAX {
                hits.truncate(before);
                let confidence = pattern.confidence.max(pattern.with_context);
                hits.push(Hit {
                    cell: cell.index,
                    start: 0,
                    end: cell.bytes,
                    pattern: number,
                    confidence,
                });
                return;
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

/// Which patterns match a text, and the first and last end of each one's matches.
struct Matched {
    patterns: Vec<usize>,
    ends: Vec<(usize, usize)>,
}

impl Matched {
    fn new(patterns: usize) -> Self {
        Self {
            patterns: Vec::with_capacity(patterns),
            ends: vec![(0, 0); patterns],
        }
    }

    fn scan(
        &mut self,
        automaton: Option<&Automaton>,
        cache: Option<&mut hybrid::dfa::Cache>,
        text: &str,
    ) {
        for pattern in self.patterns.drain(..) {
            self.ends
                .get_mut(pattern)
                .into_iter()
                .for_each(|ends| *ends = (0, 0));
        }
        let (Some(automaton), Some(cache)) = (automaton, cache) else {
            return;
        };
        let found = automaton.scan(cache, text, |pattern, end| {
            let Some(ends) = self.ends.get_mut(pattern) else {
                return;
            };
            // No pattern matches the empty string, so that no match ends at 0.
            if ends.1 == 0 {
                ends.0 = end;
                self.patterns.push(pattern);
            }
            ends.1 = end;
        });
        if found == Err(GaveUp) {
            self.patterns = (0..self.ends.len()).collect();
            self.ends.fill((0, text.len()));
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
