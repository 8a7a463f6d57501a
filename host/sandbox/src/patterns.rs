//! The patterns that detectors declare, matched natively: all patterns of all detectors, over every cell,
//! once, in linear time.
//!
//! Three steps, each for the few cells the one before lets through: what the cell has against what the
//! patterns need; one automaton that says which patterns match; each of those to say where. Cells that are
//! not ASCII are folded first. A pattern is never dropped: one that matches too often covers its cell.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use regex_automata::meta::{Cache, Config, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::{Input, MatchKind, PatternID, PatternSet};

use crate::fold::Folded;
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
    all: Option<Regex>,
    /// The distinct needs of the patterns: a cell that meets none cannot match.
    needs: Vec<Needs>,
    /// Memory of searches that are not under way. As many as searches ever ran at once.
    idle: Mutex<Vec<Search>>,
}

/// Memory of one search.
struct Search {
    cache: Cache,
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
            Some(automaton(&each)?)
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
            cache: all.create_cache(),
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
        all: &Regex,
        search: &mut Search,
        cell: u32,
        text: &str,
        hits: &mut Vec<Hit>,
    ) {
        let Search {
            cache,
            matched,
            folded,
        } = search;
        let cell = Cell {
            index: cell,
            bytes: byte(text.len()),
        };
        let (text, folded) = match of_cell(text) {
            Some(has) if self.needs.iter().any(|needs| needs.met_by(&has)) => (text, None),
            Some(_) => return,
            None => {
                folded.refill(text);
                (folded.text(), Some(&*folded))
            }
        };
        // Most cells end here: asking whether anything matches is cheaper than asking what.
        if all
            .search_half_with(cache, &Input::new(text).earliest(true))
            .is_none()
        {
            return;
        }
        matched.clear();
        all.which_overlapping_matches_with(cache, &Input::new(text), matched);
        for pattern in matched.iter() {
            self.locate(pattern, cell, text, folded, hits);
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

fn automaton(each: &[Pattern]) -> Result<Regex, PatternError> {
    let config = Config::new()
        .match_kind(MatchKind::All)
        .nfa_size_limit(Some(ALL_PROGRAM_BYTES_MAX))
        .hybrid_cache_capacity(STATES_BYTES_MAX)
        .which_captures(WhichCaptures::None);
    let sources: Vec<&str> = each.iter().map(|pattern| pattern.source.as_str()).collect();
    let built = Regex::builder().configure(config).build_many(&sources);
    built.map_err(|error| PatternError::All(error.to_string()))
}
