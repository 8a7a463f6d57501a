//! Many patterns as one automaton: one pass over a text says which of them match and between which ends.
//!
//! States are made as they are needed and kept within a bound of memory. When the bound is too small for a
//! text, or the text has what the automaton cannot decide, it gives up and says so; then nobody knows which
//! patterns match, and each must be tried.

use std::ops::ControlFlow;

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{Compiler, Config, WhichCaptures};
use regex_automata::{Input, MatchKind};
use regex_syntax::hir::Hir;

/// Size of the program of all patterns together.
const PROGRAM_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Memory for states; each search at work has its own.
const STATES_BYTES_MAX: usize = 8 * 1024 * 1024;
/// After so many times of running out of memory, and fewer bytes searched per state made than the second
/// number, making states is slower than doing without.
const GIVE_UP: (usize, usize) = (3, 10);

pub(crate) struct Automaton(DFA);

/// The automaton gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GaveUp;

impl Automaton {
    /// `Err`: the patterns together are too large.
    pub(crate) fn new(patterns: &[Hir]) -> Result<Self, String> {
        let program = Config::new()
            .nfa_size_limit(Some(PROGRAM_BYTES_MAX))
            .which_captures(WhichCaptures::None);
        let program = Compiler::new()
            .configure(program)
            .build_many_from_hir(patterns);
        let states = DFA::config()
            .match_kind(MatchKind::All)
            .unicode_word_boundary(true)
            .cache_capacity(STATES_BYTES_MAX)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(GIVE_UP.0))
            .minimum_bytes_per_state(Some(GIVE_UP.1));
        let program = program.map_err(|error| error.to_string())?;
        let automaton = DFA::builder().configure(states).build_from_nfa(program);
        automaton.map(Self).map_err(|error| error.to_string())
    }

    pub(crate) fn cache(&self) -> Cache {
        self.0.create_cache()
    }

    /// Calls `on` with the index of a pattern and the end of a match, for every end of every pattern, in the
    /// order of ends, until it breaks.
    pub(crate) fn scan(
        &self,
        cache: &mut Cache,
        text: &str,
        mut on: impl FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<(), GaveUp> {
        let dfa = &self.0;
        let mut report = |cache: &Cache, state: LazyStateID, end| {
            (0..dfa.match_len(cache, state))
                .map(|index| dfa.match_pattern(cache, state, index).as_usize())
                .try_for_each(|pattern| on(pattern, end))
        };
        let mut state = dfa
            .start_state_forward(cache, &Input::new(text))
            .map_err(|_| GaveUp)?;
        cache.search_start(0);
        for (at, byte) in text.bytes().enumerate() {
            state = dfa.next_state(cache, state, byte).map_err(|_| GaveUp)?;
            if state.is_tagged() {
                cache.search_update(at);
                // Matches are seen one byte late, so that boundaries can be decided.
                if state.is_match() {
                    if report(cache, state, at).is_break() {
                        cache.search_finish(at);
                        return Ok(());
                    }
                } else if state.is_dead() {
                    cache.search_finish(at);
                    return Ok(());
                } else if state.is_quit() {
                    return Err(GaveUp);
                }
            }
        }
        cache.search_finish(text.len());
        state = dfa.next_eoi_state(cache, state).map_err(|_| GaveUp)?;
        if state.is_match() {
            // Nothing is left to break off.
            let _ = report(cache, state, text.len());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]

    use super::*;

    fn ends(patterns: &[&str], text: &str) -> Result<Vec<(usize, usize)>, GaveUp> {
        let patterns: Vec<Hir> = patterns
            .iter()
            .map(|pattern| regex_syntax::parse(pattern).unwrap())
            .collect();
        let automaton = Automaton::new(&patterns).unwrap();
        let mut ends = Vec::new();
        automaton.scan(&mut automaton.cache(), text, |pattern, end| {
            ends.push((pattern, end));
            ControlFlow::Continue(())
        })?;
        Ok(ends)
    }

    #[test]
    fn every_end_of_every_pattern_is_reported() {
        assert_eq!(
            ends(&["a+", "ab"], "xaab").unwrap(),
            [(0, 2), (0, 3), (1, 4)]
        );
        assert_eq!(ends(&[r"\bab\b"], "ab abc ab").unwrap(), [(0, 2), (0, 9)]);
        assert_eq!(ends(&["a"], "").unwrap(), []);
    }

    #[test]
    fn a_boundary_beside_a_letter_with_an_accent_makes_it_give_up() {
        assert_eq!(ends(&[r"\ba\b"], "é a"), Err(GaveUp));
    }
}
