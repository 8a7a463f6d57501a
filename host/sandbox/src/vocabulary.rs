//! Patterns that are nothing but a list of words: looked up word by word, instead of growing the automaton by a
//! state for every letter of every word.
//!
//! Such a pattern is known by its syntax: `(?:\A|[^A-Za-z])(?:word|other word|…)(?:[^A-Za-z]|\z)` inside of one that
//! takes the whole cell. A word begins after anything that is no ASCII letter, and ends before it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// The words of such a pattern; `None` if it is another.
pub(crate) fn words_of(pattern: &Hir) -> Option<Vec<Box<[u8]>>> {
    let HirKind::Concat(parts) = pattern.kind() else {
        return None;
    };
    let [before, words, after] = parts.as_slice() else {
        return None;
    };
    if !is_edge(before, Look::Start) || !is_edge(after, Look::End) {
        return None;
    }
    let HirKind::Alternation(words) = unwrapped(words).kind() else {
        return None;
    };
    let word = |part: &Hir| match part.kind() {
        HirKind::Literal(literal) if literal.0.is_ascii() => {
            let letter = |at: Option<&u8>| at.is_some_and(u8::is_ascii_alphabetic);
            (letter(literal.0.first()) && letter(literal.0.last())).then(|| literal.0.clone())
        }
        _ => None,
    };
    words.iter().map(word).collect()
}

fn unwrapped(part: &Hir) -> &Hir {
    match part.kind() {
        HirKind::Capture(capture) => unwrapped(&capture.sub),
        _ => part,
    }
}

/// Either end of the text, or any character but an ASCII letter.
fn is_edge(part: &Hir, end: Look) -> bool {
    let HirKind::Alternation(either) = part.kind() else {
        return false;
    };
    let is_end = |part: &Hir| matches!(part.kind(), HirKind::Look(look) if *look == end);
    let is_other = |part: &Hir| match part.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            let ranges: Vec<_> = class.iter().map(|r| (r.start(), r.end())).collect();
            ranges == [('\0', '@'), ('[', '`'), ('{', char::MAX)]
        }
        _ => false,
    };
    matches!(either.as_slice(), [a, b] if is_end(a) && is_other(b) || is_other(a) && is_end(b))
}

/// The words of all such patterns.
#[derive(Default)]
pub(crate) struct Vocabulary {
    /// By the letters that a word begins with: what follows them, and the pattern.
    words: HashMap<Box<[u8]>, Vec<Entry>, BuildHasherDefault<Fnv>>,
    /// One bit for each pair of first letters and length that any word has: most text has none of them.
    known: Vec<u64>,
}

struct Entry {
    rest: Box<[u8]>,
    pattern: usize,
}

/// Bits of `known`: first letter with its case, second letter, length up to 15.
const KNOWN_BITS: usize = 64 * 32 * 16;

impl Vocabulary {
    pub(crate) fn add(&mut self, pattern: usize, words: &[Box<[u8]>]) {
        self.known.resize(KNOWN_BITS / 64, 0);
        for word in words {
            let letters = letters(word);
            let (first, rest) = word.split_at(letters);
            let bit = bit(first);
            if let Some(block) = self.known.get_mut(bit / 64) {
                *block |= 1 << (bit % 64);
            }
            let rest = rest.into();
            let entry = Entry { rest, pattern };
            self.words.entry(first.into()).or_default().push(entry);
        }
    }

    /// Calls `on` with the pattern of every word in a text, and where the word ends.
    pub(crate) fn scan(&self, text: &[u8], mut on: impl FnMut(usize, usize)) {
        if self.words.is_empty() {
            return;
        }
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let length = letters(rest);
            if length > 0
                && let Some((word, after)) = rest.split_at_checked(length)
                && self.may_know(word)
                && let Some(entries) = self.words.get(word)
            {
                for entry in entries.iter().filter(|entry| entry.fits(after)) {
                    on(entry.pattern, at + length + entry.rest.len());
                }
            }
            at += length.max(1);
        }
    }

    fn may_know(&self, word: &[u8]) -> bool {
        let bit = bit(word);
        self.known
            .get(bit / 64)
            .is_some_and(|block| block >> (bit % 64) & 1 == 1)
    }
}

impl Entry {
    /// Whether the word goes on like this and ends there.
    fn fits(&self, after: &[u8]) -> bool {
        after
            .strip_prefix(&*self.rest)
            .is_some_and(|after| letters(after) == 0)
    }
}

/// How many ASCII letters a text begins with.
fn letters(text: &[u8]) -> usize {
    text.iter()
        .position(|byte| !byte.is_ascii_alphabetic())
        .unwrap_or(text.len())
}

fn bit(word: &[u8]) -> usize {
    let first = word.first().copied().unwrap_or(0);
    let second = word.get(1).copied().unwrap_or(0);
    let (first, second) = (usize::from(first & 63), usize::from(second & 31));
    (first * 32 + second) * 16 + word.len().min(15)
}

/// FNV-1a. Whoever writes the words also writes the plugin, so that nobody gains by words that collide.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_usize(&mut self, _: usize) {
        // The length of a slice; the bytes tell enough.
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]

    use proptest::prelude::*;

    use super::*;

    const EDGES: (&str, &str) = (r"(?:\A|[^A-Za-z])", r"(?:[^A-Za-z]|\z)");

    fn parsed(pattern: &str) -> Option<Vec<Box<[u8]>>> {
        words_of(&regex_syntax::parse(pattern).unwrap())
    }

    fn list(words: &str) -> String {
        format!("{}(?:{words}){}", EDGES.0, EDGES.1)
    }

    #[test]
    fn lists_of_words_are_told_from_other_patterns() {
        let words = parsed(&list("Anna|Maria|San Diego|x-y")).unwrap();
        assert_eq!(words.len(), 4);
        assert!(words.contains(&b"San Diego"[..].into()));
        for other in [
            "Anna|Maria".to_owned(),
            list("Anna|Mari+a"),
            list("Anna|José"),
            list("(?i)anna|maria"),
            r"\b(?:Anna|Maria)\b".to_owned(),
            list("Anna|-x"),
        ] {
            assert_eq!(parsed(&other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn looking_words_up_finds_what_the_pattern_matches(cell in "[aAbB é'1-]{0,16}") {
            let words = "ab|Ab|aa-b|a b|ab ab|bbbb|B'a";
            let mut vocabulary = Vocabulary::default();
            vocabulary.add(3, &parsed(&list(words)).unwrap());
            let mut found = false;
            vocabulary.scan(cell.as_bytes(), |pattern, _| found |= pattern == 3);
            prop_assert_eq!(found, regex::Regex::new(&list(words)).unwrap().is_match(&cell));
        }
    }
}
