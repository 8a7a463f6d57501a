//! The patterns that detectors declare, matched natively: all patterns of all detectors, over every cell,
//! once, in linear time.
//!
//! Three steps, each for the few cells the one before lets through: what the cell has against what the
//! patterns need; one automaton that says which patterns match; each of those to say where. Cells that are
//! not ASCII are folded first and asked for the loose patterns, see `loose.rs`. A pattern is never dropped:
//! one that matches too often covers its cell.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use regex_automata::meta::{Cache, Config, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::{Input, MatchKind, PatternID, PatternSet};
use regex_syntax::hir::Hir;

use crate::fold::Folded;
use crate::loose::loosen;
use crate::needs::{Needs, of_cell};
use crate::pattern::{Pattern, PatternError};

/// Size of the program of all patterns together.
const ALL_PROGRAM_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Memory for the states of the automaton that are in use; each search at work has its own.
const STATES_BYTES_MAX: usize = 8 * 1024 * 1024;
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
    /// Says which patterns match. `None`: there are no patterns.
    all: Option<All>,
    /// The distinct needs of the patterns: a cell that meets none cannot match.
    needs: Vec<Needs>,
    /// Memory of searches that are not under way. As many as searches ever ran at once.
    idle: Mutex<Vec<Search>>,
}

/// All patterns as one automaton each: as they are for ASCII, loose for other text.
struct All {
    exact: Regex,
    loose: Regex,
}

/// Memory of one search.
struct Search {
    exact: Cache,
    loose: Cache,
    matched: PatternSet,
    folded: Folded,
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
        let all = if each.is_empty() {
            None
        } else {
            let exact: Vec<Hir> = each.iter().map(|pattern| pattern.hir.clone()).collect();
            let loose: Vec<Hir> = exact.iter().map(loosen).collect();
            Some(All {
                exact: automaton(&exact)?,
                loose: automaton(&loose)?,
            })
        };
        Ok(Self {
            each,
            all,
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
        let Some(all) = &self.all else { return hits };
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut search = idle.unwrap_or_else(|| Search {
            exact: all.exact.create_cache(),
            loose: all.loose.create_cache(),
            matched: PatternSet::new(self.each.len()),
            folded: Folded::default(),
        });
        for (index, cell) in (0..).zip(cells) {
            self.search_cell(all, &mut search, index, cell, &mut hits);
        }
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(search);
        hits
    }

    fn search_cell(
        &self,
        all: &All,
        search: &mut Search,
        cell: u32,
        text: &str,
        hits: &mut Vec<Hit>,
    ) {
        let Search {
            exact,
            loose,
            matched,
            folded,
        } = search;
        let cell = Cell {
            index: cell,
            bytes: byte(text.len()),
        };
        match of_cell(text) {
            Some(has) => {
                if self.needs.iter().any(|needs| needs.met_by(&has)) {
                    which(&all.exact, exact, text, matched);
                    matched
                        .iter()
                        .for_each(|pattern| self.locate(pattern, cell, text, None, hits));
                }
            }
            None => {
                folded.refill(text);
                which(&all.loose, loose, folded.text(), matched);
                let folded = &*folded;
                matched.iter().for_each(|pattern| {
                    self.locate(pattern, cell, folded.text(), Some(folded), hits)
                });
            }
        }
    }

    /// Where one pattern matches, in the original's bytes.
    fn locate(
        &self,
        id: PatternID,
        cell: Cell,
        text: &str,
        folded: Option<&Folded>,
        hits: &mut Vec<Hit>,
    ) {
        let Some(pattern) = self.each.get(id.as_usize()) else {
            return;
        };
        let number = id.as_u32();
        let first = hits.len();
        for found in pattern.regex.find_iter(text) {
            let span = match folded {
                None => Some((byte(found.start()), byte(found.end()))),
                Some(folded) => folded.original(found.start(), found.end()),
            };
            let Some((start, end)) = span else { continue };
            let confidence = pattern.confidence(text, found.start(), found.end());
            hits.push(Hit {
                cell: cell.index,
                start,
                end,
                pattern: number,
                confidence,
            });
            if hits.len() - first > HITS_PER_CELL_MAX {
                hits.truncate(first);
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
}

/// The cell that is searched, before folding.
#[derive(Clone, Copy)]
struct Cell {
    index: u32,
    bytes: u32,
}

fn byte(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Which patterns match.
fn which(all: &Regex, cache: &mut Cache, text: &str, matched: &mut PatternSet) {
    matched.clear();
    // Most cells end here: asking whether anything matches is cheaper than asking what.
    if all
        .search_half_with(cache, &Input::new(text).earliest(true))
        .is_some()
    {
        all.which_overlapping_matches_with(cache, &Input::new(text), matched);
    }
}

fn automaton(patterns: &[Hir]) -> Result<Regex, PatternError> {
    let config = Config::new()
        .match_kind(MatchKind::All)
        .nfa_size_limit(Some(ALL_PROGRAM_BYTES_MAX))
        .hybrid_cache_capacity(STATES_BYTES_MAX)
        // Without any, the search for half a match finds nothing at all.
        .which_captures(WhichCaptures::Implicit);
    let built = Regex::builder()
        .configure(config)
        .build_many_from_hir(patterns);
    built.map_err(|error| PatternError::All(error.to_string()))
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
