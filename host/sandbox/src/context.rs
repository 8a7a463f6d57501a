//! Words that make a hit more certain when they stand near it: "MRN" before seven digits.
//!
//! The words of all patterns are found in one pass, in the few cells that have a hit which they could raise.
//! The rule: same cell, at most 40 characters before or after the hit, whole words, in any case; the words
//! of a phrase may have any space between them.

use std::ops::ControlFlow;

use regex_automata::hybrid::dfa::Cache;
use regex_syntax::hir::Hir;

use crate::automaton::{Automaton, GaveUp};

/// Characters before and after a hit in which its context words count.
const WINDOW_CHARS: usize = 40;

/// A phrase as its words, folded.
type Phrase = Vec<Vec<char>>;

/// The phrases of all patterns.
pub(crate) struct Context {
    /// Finds the last word of each phrase. `None`: there are no phrases.
    lasts: Option<Automaton>,
    phrases: Vec<Phrase>,
    /// Per pattern: its phrases, sorted.
    of_pattern: Vec<Vec<usize>>,
}

/// A phrase that stands in a text.
pub(crate) struct Seen {
    phrase: usize,
    start: usize,
    end: usize,
}

impl Context {
    /// From each pattern's context words. `Err`: together they are too large.
    pub(crate) fn new<'a>(
        words_of_patterns: impl Iterator<Item = &'a [String]>,
    ) -> Result<Self, String> {
        let mut phrases: Vec<Phrase> = Vec::new();
        let mut of_pattern = Vec::new();
        for words in words_of_patterns {
            let mut own: Vec<usize> = words
                .iter()
                .filter_map(|words| index(&mut phrases, words))
                .collect();
            own.sort_unstable();
            of_pattern.push(own);
        }
        let last = |phrase: &Phrase| parse(phrase.last().into_iter().flatten());
        let lasts = phrases
            .iter()
            .map(last)
            .collect::<Result<Vec<Hir>, String>>()?;
        let lasts = if lasts.is_empty() {
            None
        } else {
            Some(Automaton::new(&lasts)?)
        };
        Ok(Self {
            lasts,
            phrases,
            of_pattern,
        })
    }

    pub(crate) fn cache(&self) -> Option<Cache> {
        self.lasts.as_ref().map(Automaton::cache)
    }

    /// All phrases in a text, by their ends. `Err`: nobody knows; every hit must count as raised.
    pub(crate) fn see(
        &self,
        cache: Option<&mut Cache>,
        text: &str,
        seen: &mut Vec<Seen>,
    ) -> Result<(), GaveUp> {
        seen.clear();
        let (Some(lasts), Some(cache)) = (&self.lasts, cache) else {
            return Ok(());
        };
        lasts.scan(cache, text, |phrase, end| {
            let start = self
                .phrases
                .get(phrase)
                .and_then(|words| start_of(text, end, words));
            seen.extend(start.map(|start| Seen { phrase, start, end }));
            ControlFlow::Continue(())
        })
    }

    /// Whether one of a pattern's phrases stands anywhere.
    pub(crate) fn any(&self, pattern: usize, seen: &[Seen]) -> bool {
        let own = self.of_pattern.get(pattern);
        let is_own = |word: &Seen| own.is_some_and(|own| own.binary_search(&word.phrase).is_ok());
        seen.iter().any(is_own)
    }

    /// Whether one of a pattern's phrases stands near a hit.
    pub(crate) fn near(
        &self,
        pattern: usize,
        seen: &[Seen],
        text: &str,
        start: usize,
        end: usize,
    ) -> bool {
        let Some(own) = self.of_pattern.get(pattern) else {
            return false;
        };
        if seen.is_empty() {
            return false;
        }
        let (from, to) = (before(text, start), after(text, end));
        let first = seen.partition_point(|word| word.end <= from);
        let near = seen
            .get(first..)
            .unwrap_or_default()
            .iter()
            .take_while(|word| word.end <= to);
        near.filter(|word| (word.start >= from && word.end <= start) || word.start >= end)
            .any(|word| own.binary_search(&word.phrase).is_ok())
    }
}

/// The index of a phrase, which is added if it is not there. `None`: it has no words.
fn index(phrases: &mut Vec<Phrase>, words: &str) -> Option<usize> {
    let phrase: Phrase = words
        .split_whitespace()
        .map(|word| word.chars().map(folded).collect())
        .collect();
    if phrase.is_empty() {
        return None;
    }
    let known = phrases.iter().position(|known| *known == phrase);
    Some(known.unwrap_or_else(|| {
        phrases.push(phrase);
        phrases.len() - 1
    }))
}

fn parse<'a>(word: impl Iterator<Item = &'a char>) -> Result<Hir, String> {
    let word: String = word.collect();
    let pattern = format!("(?i){}", regex_syntax::escape(&word));
    regex_syntax::parse(&pattern).map_err(|error| error.to_string())
}

/// Where a phrase starts that ends here; `None` if it does not, or not as whole words.
fn start_of(text: &str, end: usize, words: &[Vec<char>]) -> Option<usize> {
    let (before, after) = text.split_at_checked(end)?;
    let ends_word = words.last()?.last().copied().is_some_and(in_word);
    if ends_word && after.chars().next().is_some_and(in_word) {
        return None;
    }
    let mut rest = before;
    for (number, word) in words.iter().rev().enumerate() {
        if number > 0 {
            let trimmed = rest.trim_end();
            if trimmed.len() == rest.len() {
                return None;
            }
            rest = trimmed;
        }
        rest = without(rest, word)?;
    }
    let starts_word = words.first()?.first().copied().is_some_and(in_word);
    let whole = !(starts_word && rest.chars().next_back().is_some_and(in_word));
    whole.then_some(rest.len())
}

fn without<'t>(text: &'t str, word: &[char]) -> Option<&'t str> {
    let mut characters = text.chars();
    for expected in word.iter().rev() {
        if characters.next_back().map(folded) != Some(*expected) {
            return None;
        }
    }
    Some(characters.as_str())
}

fn folded(character: char) -> char {
    character.to_lowercase().next().unwrap_or(character)
}

fn in_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Where the window before a hit begins. Only a step back by bytes that lands among ASCII is sure to have
/// stepped over as many characters.
fn before(text: &str, at: usize) -> usize {
    let from = at.saturating_sub(WINDOW_CHARS);
    if text.get(from..at).is_some_and(str::is_ascii) {
        return from;
    }
    let text = text.get(..at).unwrap_or_default();
    text.char_indices()
        .rev()
        .nth(WINDOW_CHARS - 1)
        .map_or(0, |(at, _)| at)
}

/// Where the window after a hit ends.
fn after(text: &str, at: usize) -> usize {
    let to = (at + WINDOW_CHARS).min(text.len());
    if text.get(at..to).is_some_and(str::is_ascii) {
        return to;
    }
    let rest = text.get(at..).unwrap_or_default();
    rest.char_indices()
        .nth(WINDOW_CHARS)
        .map_or(text.len(), |(chars, _)| at + chars)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]

    use super::*;

    fn near(words: &[&str], text: &str, hit: &str) -> bool {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let context = Context::new([words.as_slice()].into_iter()).unwrap();
        let mut seen = Vec::new();
        context
            .see(context.cache().as_mut(), text, &mut seen)
            .unwrap();
        let start = text.find(hit).unwrap();
        context.near(0, &seen, text, start, start + hit.len())
    }

    #[test]
    fn whole_words_count_before_and_after_in_any_case() {
        for text in [
            "MRN 77",
            "77 (mrn)",
            "mrn:77",
            "é MRN é 77",
            "record  Number: 77",
            "77 RECORD\nNUMBER",
        ] {
            assert!(near(&["mrn", "record number"], text, "77"), "{text:?}");
        }
    }

    #[test]
    fn parts_of_words_and_halves_of_phrases_do_not_count() {
        for text in [
            "mrns 77",
            "xmrn 77",
            "number 77",
            "recordnumber 77",
            "record 77 number",
            "mrn_ 77",
            "émrn 77",
        ] {
            assert!(!near(&["mrn", "record number"], text, "77"), "{text:?}");
        }
    }

    #[test]
    fn a_word_that_ends_like_another_is_found_beside_it() {
        assert!(near(&["birth", "date of birth"], "date of birth 77", "77"));
        assert!(near(&["#"], "a#77", "77"));
    }

    #[test]
    fn the_window_has_forty_characters_and_cuts_no_word() {
        let spaced = |spaces: usize| format!("mrn{}77", " ".repeat(spaces));
        assert!(near(&["mrn"], &spaced(37), "77"));
        assert!(!near(&["mrn"], &spaced(38), "77"));
        let after = |spaces: usize| format!("77{}mrn", "é".repeat(spaces - 1) + " ");
        assert!(near(&["mrn"], &after(37), "77"));
        assert!(!near(&["mrn"], &after(38), "77"));
    }

    #[test]
    fn a_word_inside_the_hit_does_not_count() {
        assert!(!near(&["mrn"], "mrn 77", "mrn 77"));
    }
}
