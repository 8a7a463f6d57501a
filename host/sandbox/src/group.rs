//! Patterns that share an automaton, and what a cell must have before it is run.
//!
//! Patterns that must be located are one group. Those that take the whole cell are a group for each detector: after
//! the first that matches, its detector is asked about the cell and the rest of the text tells nothing more. Apart
//! they also keep the automata small: what a letter means for a number and for a name has little to do with
//! each other.

use std::ops::ControlFlow;

use regex_automata::hybrid::dfa::Cache;
use regex_syntax::hir::Hir;

use crate::automaton::{Automaton, GaveUp};
use crate::loose::loosen;
use crate::needs::{Needs, weakest};
use crate::pattern::Pattern;
use crate::windows::Windows;

pub(crate) struct Group {
    /// Says which patterns match in ASCII cells.
    exact: Automaton,
    /// Says which patterns might match in other cells.
    loose: Automaton,
    /// An ASCII cell that meets none of these cannot match.
    needs: Vec<Needs>,
    /// Index among all patterns of each of the group's.
    patterns: Vec<usize>,
    /// Per pattern of the group: whether one match of it is enough for the cell.
    decides: Vec<bool>,
}

/// Memory of one group's searches.
pub(crate) struct Caches {
    exact: Cache,
    loose: Cache,
}

impl Group {
    /// `None`: there are no such patterns.
    pub(crate) fn new(
        all: &[Pattern],
        belongs: impl Fn(&Pattern) -> bool,
    ) -> Result<Option<Self>, String> {
        let belongs = &belongs;
        let own = || {
            (0_usize..)
                .zip(all)
                .filter(move |(_, pattern)| belongs(pattern))
        };
        let patterns: Vec<usize> = own().map(|(index, _)| index).collect();
        if patterns.is_empty() {
            return Ok(None);
        }
        let exact: Vec<Hir> = own().map(|(_, pattern)| pattern.hir.clone()).collect();
        let loose: Vec<Hir> = exact.iter().map(loosen).collect();
        Ok(Some(Self {
            exact: Automaton::new(&exact)?,
            loose: Automaton::new(&loose)?,
            needs: weakest(own().map(|(_, pattern)| pattern.needs)),
            decides: own().map(|(_, pattern)| pattern.decides()).collect(),
            patterns,
        }))
    }

    pub(crate) fn caches(&self) -> Caches {
        Caches {
            exact: self.exact.cache(),
            loose: self.loose.cache(),
        }
    }

    /// Adds where the patterns match. `has`: what the text has, if it is ASCII.
    pub(crate) fn scan(
        &self,
        caches: &mut Caches,
        has: Option<&Needs>,
        text: &str,
        windows: &mut Windows,
    ) {
        let (automaton, cache) = match has {
            Some(has) if !self.needs.iter().any(|needs| needs.met_by(has)) => return,
            Some(_) => (&self.exact, &mut caches.exact),
            None => (&self.loose, &mut caches.loose),
        };
        let found = automaton.scan(cache, text, |pattern, end| {
            windows.add(
                self.patterns.get(pattern).copied().unwrap_or(usize::MAX),
                end,
            );
            match self.decides.get(pattern) {
                Some(true) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        });
        if found == Err(GaveUp) {
            windows.everywhere(&self.patterns, text.len());
        }
    }
}
