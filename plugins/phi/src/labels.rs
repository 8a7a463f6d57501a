//! Numbers and codes that a label names: "MRN: ST-998877", "Medicare #AB-987654", "serial no. 0042-X".
//!
//! Such an identifier has no shape of its own, so the label is the evidence. Common words ("case", "group", "order")
//! need more of it: a sign such as `#` or `:` after them, or a number too long to be a count.

mod table;

use crate::{
    Kind,
    lexicon::{self, LABEL},
    page::{Page, Span},
    token::{Gap, Shape},
};

use table::{
    LABELS,
    Says::{self, Clearly},
};

/// Words between a label and its value.
const CONNECTORS: &[&str] = &[
    "number",
    "numbers",
    "no",
    "num",
    "nr",
    "nbr",
    "id",
    "ids",
    "identifier",
    "identification",
    "code",
    "is",
    "was",
    "of",
    "nº",
    "n",
    "policy",
    "member",
    "ending",
    "in",
    "with",
];

/// Tokens between a label and its value at most.
const CONNECTORS_MAX: usize = 6;

/// Bytes of a value at most.
const VALUE_BYTES_MAX: usize = 40;

/// The labels by the hash of their first word: there are many, and most words that begin one begin few.
static BY_FIRST_WORD: [(u32, usize); LABELS.len()] = by_first_word();

#[allow(clippy::indexing_slicing, reason = "runs in the compiler only")]
const fn by_first_word() -> [(u32, usize); LABELS.len()] {
    let mut sorted = [(0, 0); LABELS.len()];
    let mut label = 0;
    while label < LABELS.len() {
        let entry = (lexicon::hash(LABELS[label].0[0].as_bytes()), label);
        let mut at = label;
        while at > 0 && sorted[at - 1].0 > entry.0 {
            sorted[at] = sorted[at - 1];
            at -= 1;
        }
        sorted[at] = entry;
        label += 1;
    }
    sorted
}

/// What can stand between the first word of a label and its value.
pub(crate) fn between() -> impl Iterator<Item = &'static str> {
    let rest = LABELS
        .iter()
        .flat_map(|(words, ..)| words.iter().skip(1).copied());
    CONNECTORS.iter().copied().chain(rest)
}

/// The identifier that the label starting here names, if any.
pub(crate) fn at(page: &Page<'_>, index: usize) -> Option<Span> {
    if !page.is(index, LABEL) {
        return None;
    }
    let matches = |words: &[&str]| {
        (words.iter().enumerate()).all(|(k, word)| {
            page.is_one_of(index + k, &[word]) && (k == 0 || page.continues(index + k))
        })
    };
    let hash = page.at(index)?.hash;
    let first = BY_FIRST_WORD.partition_point(|(known, _)| *known < hash);
    let (words, kind, says) = BY_FIRST_WORD
        .get(first..)?
        .iter()
        .take_while(|(known, _)| *known == hash)
        .filter_map(|(_, label)| LABELS.get(*label))
        .filter(|(words, ..)| matches(words))
        .max_by_key(|(words, ..)| words.len())?;
    value(page, index + words.len(), *kind, *says)
}

/// The value after a label that ends before token `at`.
fn value(page: &Page<'_>, at: usize, kind: Kind, says: Says) -> Option<Span> {
    let mut sign = says == Clearly;
    let mut next = at;
    while next - at < CONNECTORS_MAX {
        let token = page.at(next)?;
        match token.shape {
            Shape::Mark(b':' | b'#' | b'=') => sign = true,
            Shape::Mark(b'(' | b'[' | b'.' | b'-' | b'"' | b'\'' | 0) => {}
            Shape::Mark(_) => return None,
            // In capitals only what is no code: "IN-789012" begins with one.
            Shape::Lower | Shape::Title | Shape::Upper
                if page.is_one_of(next, CONNECTORS)
                    && (token.shape != Shape::Upper
                        || page.is_one_of(next, &["no", "id", "number", "num"])) =>
            {
                sign |= !page.is_one_of(
                    next,
                    &[
                        "is", "was", "of", "in", "with", "ending", "policy", "member", "n",
                    ],
                );
            }
            _ => break,
        }
        next += 1;
    }
    let start = page.at(next)?.start as usize;
    let text = value_text(page.text, start)?;
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let least = if sign { 2 } else { 5 };
    // A number over lines is the next entry of a list, unless a sign promised it.
    let apart = page.at(next).is_some_and(|t| t.gap == Gap::Line) && !sign;
    (digits >= least && text.len() >= 3 && !apart).then(|| Span {
        start: start as u32,
        end: (start + text.len()) as u32,
        kind,
        confidence: if says == Clearly { 95 } else { 80 },
    })
}

/// Letters and digits with marks between them; digits may stand in groups.
fn value_text(text: &str, start: usize) -> Option<&str> {
    let rest = text.get(start..)?.as_bytes();
    let mut end = 0;
    while let Some(&byte) = rest.get(end).filter(|_| end < VALUE_BYTES_MAX) {
        let next = rest.get(end + 1);
        let before = end.checked_sub(1).and_then(|i| rest.get(i));
        let joins = match byte {
            b'-' | b'/' | b'_' | b'.' | b'*' => next.is_some_and(u8::is_ascii_alphanumeric),
            b' ' => before.is_some_and(u8::is_ascii_digit) && next.is_some_and(u8::is_ascii_digit),
            byte => byte.is_ascii_alphanumeric(),
        };
        // Dashes other than ASCII join as well.
        if !joins {
            let dash = text.get(start + end..).and_then(|t| t.chars().next());
            match dash {
                Some(c @ ('\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ad}' | '\u{200b}')) => {
                    end += c.len_utf8();
                    continue;
                }
                _ => break,
            }
        }
        end += 1;
    }
    // A dash at the end belongs to the sentence.
    let value = text.get(start..start + end)?;
    Some(value.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()))
}
