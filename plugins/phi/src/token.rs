//! Text to tokens: words with what they may be, numbers, marks. One pass, one lookup per word.
//!
//! A word keeps its inner hyphens and apostrophes (`Smith-Jones`, `O'Brien`); a possessive ending is left out. The
//! text is the original, so typographic apostrophes and dashes and invisible characters are met as they are.

use crate::lexicon::{
    self, EPONYM, Flags, GIVEN, GIVEN_WORD, MEDICAL_NOUN, STATE, STOP, SURNAME, WORD_BYTES_MAX,
};

/// A piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// What it may be; words only.
    pub(crate) flags: Flags,
    pub(crate) shape: Shape,
    /// What stands between it and the token before.
    pub(crate) gap: Gap,
    /// Bytes of the possessive ending that follows, 0 without one.
    pub(crate) ending: u8,
    /// Of the word in lower case.
    pub(crate) hash: u32,
}

/// What sort of piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `smith`
    Lower,
    /// `Smith`, `McDonald`, `O'Brien`
    Title,
    /// `SMITH`, at least two letters
    Upper,
    /// `S`
    Initial,
    /// Digits.
    Number,
    /// Any other visible character; its first byte.
    Mark(u8),
}

/// White space before a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    /// Nothing.
    Tight,
    /// Space.
    Space,
    /// A line ended, or the text began.
    Line,
}

impl Token {
    pub(crate) fn possessive(&self) -> bool {
        self.ending > 0
    }

    pub(crate) fn is(&self, flags: Flags) -> bool {
        self.flags & flags != 0
    }

    pub(crate) fn is_word(&self) -> bool {
        !matches!(self.shape, Shape::Number | Shape::Mark(_))
    }

    pub(crate) fn is_mark(&self, mark: u8) -> bool {
        self.shape == Shape::Mark(mark)
    }

    pub(crate) fn text<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// Refills `tokens` with those of `text`.
pub(crate) fn tokenize(text: &str, tokens: &mut Vec<Token>) {
    tokens.clear();
    let mut scanner = Scanner {
        text,
        bytes: text.as_bytes(),
        at: 0,
    };
    let mut gap = Gap::Line;
    while let Some(&byte) = scanner.bytes.get(scanner.at) {
        match byte {
            b'\n' | b'\r' => {
                gap = Gap::Line;
                scanner.at += 1;
            }
            b' ' | b'\t' => {
                gap = if gap == Gap::Line { gap } else { Gap::Space };
                scanner.at += 1;
            }
            b'a'..=b'z' | b'A'..=b'Z' => {
                tokens.push(scanner.word(gap));
                gap = Gap::Tight;
            }
            b'0'..=b'9' => {
                tokens.push(scanner.number(gap));
                gap = Gap::Tight;
            }
            0x80.. => {
                let c = scanner.char_at(scanner.at).unwrap_or('?');
                if c.is_alphabetic() {
                    tokens.push(scanner.word(gap));
                    gap = Gap::Tight;
                } else if c.is_whitespace() {
                    gap = if gap == Gap::Line { gap } else { Gap::Space };
                    scanner.at += c.len_utf8();
                } else if is_invisible(c) {
                    scanner.at += c.len_utf8();
                } else {
                    tokens.push(scanner.mark(gap, c));
                    gap = Gap::Tight;
                }
            }
            _ => {
                tokens.push(scanner.mark(gap, char::from(byte)));
                gap = Gap::Tight;
            }
        }
    }
}

struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
}

impl Scanner<'_> {
    fn char_at(&self, at: usize) -> Option<char> {
        self.text.get(at..)?.chars().next()
    }

    fn number(&mut self, gap: Gap) -> Token {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.token(start, 0, Shape::Number, gap)
    }

    fn mark(&mut self, gap: Gap, c: char) -> Token {
        let start = self.at;
        self.at += c.len_utf8();
        let mark = match c {
            '\u{2010}'..='\u{2015}' | '\u{2212}' => b'-',
            '\u{2018}' | '\u{2019}' => b'\'',
            '\u{201c}' | '\u{201d}' => b'"',
            c if c.is_ascii() => c as u8,
            _ => 0,
        };
        self.token(start, 0, Shape::Mark(mark), gap)
    }

    fn word(&mut self, gap: Gap) -> Token {
        let start = self.at;
        let mut word = Folding::new();
        let mut possessive_end = None;
        while let Some(&byte) = self.bytes.get(self.at) {
            if byte.is_ascii_alphabetic() {
                word.push_ascii(byte);
                self.at += 1;
                continue;
            }
            let Some(c) = self.char_at(self.at) else {
                break;
            };
            if c.is_alphabetic() || is_combining(c) {
                word.push(c);
                self.at += c.len_utf8();
            } else if is_invisible(c) {
                self.at += c.len_utf8();
            } else if let Some(joint) = joint(c)
                && let Some(next) = self.char_at(self.at + c.len_utf8())
                && next.is_alphabetic()
            {
                if joint == '\'' && self.ends_possessive(self.at + c.len_utf8()) {
                    possessive_end = Some(self.at);
                    self.at += c.len_utf8() + 1;
                    break;
                }
                word.push_joint(joint, next);
                self.at += c.len_utf8();
            } else {
                break;
            }
        }
        let end = possessive_end.unwrap_or(self.at);
        let hash = word.hash();
        let flags = word.flags(hash);
        let mut token = self.token(start, flags, word.shape(), gap);
        token.end = u32::try_from(end).unwrap_or(u32::MAX);
        token.ending = possessive_end.map_or(0, |end| (self.at - end) as u8);
        token.hash = hash;
        token
    }

    /// Whether `s` and then no letter stands at `at`.
    fn ends_possessive(&self, at: usize) -> bool {
        matches!(self.bytes.get(at), Some(b's' | b'S'))
            && !(self.char_at(at + 1)).is_some_and(|c| c.is_alphabetic() || joint(c) == Some('\''))
    }

    fn token(&self, start: usize, flags: Flags, shape: Shape, gap: Gap) -> Token {
        Token {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            end: u32::try_from(self.at).unwrap_or(u32::MAX),
            flags,
            shape,
            gap,
            ending: 0,
            hash: 0,
        }
    }
}

fn joint(c: char) -> Option<char> {
    match c {
        '-' | '\u{2010}' | '\u{2011}' => Some('-'),
        '\'' | '\u{2019}' => Some('\''),
        _ => None,
    }
}

fn is_combining(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// A word in lower case while it is read, with what its letters were.
struct Folding {
    lower: [u8; WORD_BYTES_MAX],
    len: usize,
    /// Of the bytes so far.
    hash: u32,
    letters: u32,
    upper: u32,
    first_upper: bool,
    joint: Option<usize>,
    /// What follows the first joint begins with a small letter.
    tail_lower: bool,
}

impl Folding {
    fn new() -> Self {
        Self {
            lower: [0; WORD_BYTES_MAX],
            len: 0,
            hash: lexicon::HASH_START,
            letters: 0,
            upper: 0,
            first_upper: false,
            joint: None,
            tail_lower: false,
        }
    }

    fn push_ascii(&mut self, byte: u8) {
        self.count(byte.is_ascii_uppercase());
        self.push_byte(byte.to_ascii_lowercase());
    }

    fn push(&mut self, c: char) {
        self.count(c.is_uppercase());
        let mut utf8 = [0; 4];
        for lower in c.to_lowercase() {
            for &byte in lower.encode_utf8(&mut utf8).as_bytes() {
                self.push_byte(byte);
            }
        }
    }

    fn push_joint(&mut self, joint: char, next: char) {
        if self.joint.is_none() {
            self.joint = Some(self.len);
            self.tail_lower = next.is_lowercase();
        }
        self.push_byte(joint as u8);
    }

    fn count(&mut self, upper: bool) {
        if self.letters == 0 {
            self.first_upper = upper;
        }
        self.letters += 1;
        self.upper += u32::from(upper);
    }

    /// Words longer than any entry are counted but not kept: they are in no list.
    fn push_byte(&mut self, byte: u8) {
        if let Some(slot) = self.lower.get_mut(self.len) {
            *slot = byte;
            self.hash = lexicon::hash_step(self.hash, byte);
        }
        self.len += 1;
    }

    fn hash(&self) -> u32 {
        lexicon::hash_end(self.hash)
    }

    fn shape(&self) -> Shape {
        match (self.letters, self.upper) {
            (_, 0) => Shape::Lower,
            (1, _) => Shape::Initial,
            (letters, upper) if letters == upper => Shape::Upper,
            _ if self.first_upper => Shape::Title,
            _ => Shape::Lower,
        }
    }

    fn flags(&self, hash: u32) -> Flags {
        let Some(lower) = self.lower.get(..self.len) else {
            return 0;
        };
        let whole = lexicon::flags_of(lower, hash);
        let Some(joint) = self.joint.filter(|_| whole == 0) else {
            return whole;
        };
        // Double names: what either part may be, as far as names go.
        let (head, tail) = lower.split_at(joint);
        let head = lexicon::flags(head);
        // "Non-ed" and "Parkinson-like": a capital followed by a small letter is no double name.
        if self.first_upper && self.tail_lower {
            return head & (GIVEN | GIVEN_WORD | SURNAME | STOP | EPONYM | STATE | MEDICAL_NOUN);
        }
        let tail = lexicon::flags(tail.get(1..).unwrap_or_default());
        (head | tail) & (GIVEN | GIVEN_WORD | SURNAME | STOP)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests state what they expect")]
    use super::*;

    fn tokens(text: &str) -> Vec<(&str, Shape)> {
        let mut tokens = Vec::new();
        tokenize(text, &mut tokens);
        tokens.iter().map(|t| (t.text(text), t.shape)).collect()
    }

    #[test]
    fn words_numbers_and_marks() {
        assert_eq!(
            tokens("Dr. O’Brien's 55-year-old JD, M"),
            [
                ("Dr", Shape::Title),
                (".", Shape::Mark(b'.')),
                ("O’Brien", Shape::Title),
                ("55", Shape::Number),
                ("-", Shape::Mark(b'-')),
                ("year-old", Shape::Lower),
                ("JD", Shape::Upper),
                (",", Shape::Mark(b',')),
                ("M", Shape::Initial),
            ]
        );
    }

    #[test]
    fn every_token_lies_on_character_boundaries() {
        for text in [
            "Müller-Lüdenscheidt’s\u{a0}Ärztin",
            "é\u{301}x – “y”",
            "Zoë\u{200b}Smith's",
            "'s",
            "’",
        ] {
            let mut found = Vec::new();
            tokenize(text, &mut found);
            for token in &found {
                assert!(!token.text(text).is_empty(), "{text:?} {token:?}");
            }
        }
    }

    #[test]
    fn a_possessive_ending_is_not_part_of_the_word() {
        let mut found = Vec::new();
        tokenize("Sarah's St. Luke’s", &mut found);
        assert!(found[0].ending == 2 && found[0].is(GIVEN));
        assert!(found[3].ending == 4 && found[3].text("Sarah's St. Luke’s") == "Luke");
    }
}
