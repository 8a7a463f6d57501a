//! What an ASCII cell must contain before a pattern could match in it: so many bytes, so many digits, a
//! capital, an '@', these letters. Most clean cells fail this test in a few nanoseconds and never reach an
//! automaton.
//!
//! A need is a lower bound taken from the pattern's syntax; a cell that fails it cannot match. The reverse
//! is not claimed.

use regex_syntax::hir::{Class, Hir, HirKind};

const LETTER: u16 = 1;
const AT: u16 = 1 << 1;
const DASH: u16 = 1 << 2;
const DOT: u16 = 1 << 3;
const COLON: u16 = 1 << 4;
const SLASH: u16 = 1 << 5;
const SPACE: u16 = 1 << 6;
const NOT_ASCII: u16 = 1 << 7;
const CAPITAL: u16 = 1 << 8;
/// `(` or `[`.
const OPEN: u16 = 1 << 9;

/// What a match takes at least, or what a cell has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    bytes: u32,
    digits: u32,
    /// Classes of which at least one byte is there.
    classes: u16,
    /// Letters that are there in either case, a bit for each.
    letters: u32,
}

const NOTHING: Needs = Needs {
    bytes: 0,
    digits: 0,
    classes: 0,
    letters: 0,
};
/// No ASCII cell can have this.
const IMPOSSIBLE: Needs = Needs {
    bytes: u32::MAX,
    digits: u32::MAX,
    classes: u16::MAX,
    letters: u32::MAX,
};

impl Needs {
    /// Of a pattern, for ASCII cells.
    pub(crate) fn of(pattern: &Hir) -> Self {
        match pattern.kind() {
            HirKind::Empty | HirKind::Look(_) => NOTHING,
            HirKind::Literal(literal) => literal
                .0
                .iter()
                .fold(NOTHING, |sum, byte| sum.and(Self::of_bytes(*byte, *byte))),
            HirKind::Class(class) => Self::of_class(class),
            HirKind::Repetition(repetition) => Self::of(&repetition.sub).times(repetition.min),
            HirKind::Capture(capture) => Self::of(&capture.sub),
            HirKind::Concat(parts) => parts
                .iter()
                .fold(NOTHING, |sum, part| sum.and(Self::of(part))),
            HirKind::Alternation(parts) => parts
                .iter()
                .map(Self::of)
                .reduce(Self::or)
                .unwrap_or(IMPOSSIBLE),
        }
    }

    /// Whether a cell that has `cell` could match.
    pub(crate) fn met_by(&self, cell: &Self) -> bool {
        self.classes & !cell.classes == 0
            && self.digits <= cell.digits
            && self.letters & !cell.letters == 0
            && self.bytes <= cell.bytes
    }

    /// The weaker of two: what is needed if either will do.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.min(other.bytes),
            digits: self.digits.min(other.digits),
            classes: self.classes & other.classes,
            letters: self.letters & other.letters,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            digits: self.digits.saturating_add(other.digits),
            classes: self.classes | other.classes,
            letters: self.letters | other.letters,
        }
    }

    fn times(self, count: u32) -> Self {
        match count {
            0 => NOTHING,
            _ => Self {
                bytes: self.bytes.saturating_mul(count),
                digits: self.digits.saturating_mul(count),
                classes: self.classes,
                letters: self.letters,
            },
        }
    }

    fn of_class(class: &Class) -> Self {
        // Only what is ASCII can be met by an ASCII cell; U+212A in a case-folded "k" does not matter.
        let ranges: Vec<(u8, u8)> = match class {
            Class::Unicode(class) => class
                .iter()
                .filter_map(|r| ascii(r.start().into(), r.end().into()))
                .collect(),
            Class::Bytes(class) => class
                .iter()
                .filter_map(|r| ascii(r.start().into(), r.end().into()))
                .collect(),
        };
        ranges
            .into_iter()
            .map(|(first, last)| Self::of_bytes(first, last))
            .reduce(Self::or)
            .unwrap_or(IMPOSSIBLE)
    }

    /// Any one byte of a range.
    fn of_bytes(first: u8, last: u8) -> Self {
        let one = |byte: u8| match byte {
            0x80.. => IMPOSSIBLE,
            _ => Self {
                bytes: 1,
                digits: byte.is_ascii_digit().into(),
                classes: class_of(byte),
                letters: letter_of(byte),
            },
        };
        (first..=last)
            .map(one)
            .reduce(Self::or)
            .unwrap_or(IMPOSSIBLE)
    }
}

fn ascii(first: u32, last: u32) -> Option<(u8, u8)> {
    let first = u8::try_from(first).ok().filter(u8::is_ascii)?;
    Some((first, u8::try_from(last.min(0x7f)).unwrap_or(0x7f)))
}

/// Leaves out what asks for more than another: a cell that meets neither is told by the other.
pub(crate) fn weakest(all: impl Iterator<Item = Needs>) -> Vec<Needs> {
    let mut weakest: Vec<Needs> = Vec::new();
    for needs in all {
        if !weakest.iter().any(|known| known.or(needs) == *known) {
            weakest.retain(|known| known.or(needs) != needs);
            weakest.push(needs);
        }
    }
    weakest
}

/// What a cell has; `None` if it is not ASCII.
pub(crate) fn of_cell(cell: &str) -> Option<Needs> {
    let (mut classes, mut letters, mut digits) = (0, 0, 0);
    for byte in cell.bytes() {
        #[allow(
            clippy::indexing_slicing,
            reason = "a byte is below 256, which the compiler knows"
        )]
        let (class, letter) = TABLE[usize::from(byte)];
        classes |= class;
        letters |= letter;
        digits += u32::from(byte.is_ascii_digit());
    }
    let bytes = u32::try_from(cell.len()).unwrap_or(u32::MAX);
    (classes & NOT_ASCII == 0).then_some(Needs {
        bytes,
        digits,
        classes,
        letters,
    })
}

#[allow(
    clippy::indexing_slicing,
    reason = "computed while compiling; an index out of range does not compile"
)]
static TABLE: [(u16, u32); 256] = {
    let mut table = [(0, 0); 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (class_of(byte as u8), letter_of(byte as u8));
        byte += 1;
    }
    table
};

const fn class_of(byte: u8) -> u16 {
    match byte {
        b'a'..=b'z' => LETTER,
        b'A'..=b'Z' => LETTER | CAPITAL,
        b'@' => AT,
        b'-' => DASH,
        b'.' => DOT,
        b':' => COLON,
        b'/' => SLASH,
        b' ' => SPACE,
        b'(' | b'[' => OPEN,
        0x80.. => NOT_ASCII,
        _ => 0,
    }
}

const fn letter_of(byte: u8) -> u32 {
    match byte.is_ascii_alphabetic() {
        true => 1 << (byte & 31),
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]

    use proptest::prelude::*;

    use super::*;

    fn needs(pattern: &str) -> Needs {
        Needs::of(&regex_syntax::parse(pattern).unwrap())
    }

    #[test]
    fn the_needs_of_common_patterns() {
        let ssn = needs(r"\b\d{3}-\d{2}-\d{4}\b");
        assert_eq!(
            ssn,
            Needs {
                bytes: 11,
                digits: 9,
                classes: DASH,
                letters: 0,
            }
        );
        assert_eq!(
            needs(r"(?i)\bmrn[:# ]*\d+"),
            Needs {
                bytes: 4,
                digits: 1,
                classes: LETTER,
                letters: letter_of(b'm') | letter_of(b'r') | letter_of(b'n'),
            }
        );
        assert_eq!(needs(r"[\w.]+@\w+\.\w{2,}").classes, AT | DOT);
        assert_eq!(
            needs(r"\d{3}-\d{4}|x@y"),
            Needs {
                bytes: 3,
                digits: 0,
                classes: 0,
                letters: 0,
            }
        );
        assert_eq!(needs("ä"), IMPOSSIBLE);
        assert_eq!(needs("[A-Z] [a-z]").classes, CAPITAL | LETTER | SPACE);
        assert_eq!(needs("(?i)ab|bc").letters, letter_of(b'b'));
    }

    #[test]
    fn a_cell_that_is_not_ascii_is_told_apart() {
        assert!(of_cell("é").is_none());
        assert!(of_cell("a 1").is_some());
    }

    proptest! {
        #[test]
        fn whatever_matches_meets_the_needs(cell in "[a-c0-2@. :/-]{0,24}", which in 0usize..9) {
            let patterns = [
                r"\d{2}-\d", r"(?i)a+b?c", r"[a-c]+@[a-c]+\.[a-c]", r"\d+:\d+|[ab]/", r"\b0+\b",
                r"[^a]\w{3}", r"(?:a|1){2,3}", r"\S+ \S+", r".",
            ];
            let pattern = patterns.get(which).copied().unwrap_or(".");
            if regex::Regex::new(pattern).unwrap().is_match(&cell) {
                prop_assert!(needs(pattern).met_by(&of_cell(&cell).unwrap()));
            }
        }
    }
}
