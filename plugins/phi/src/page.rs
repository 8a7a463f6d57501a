//! One cell as its tokens, with the questions that rules ask of them, and the findings they make.

use crate::{
    Kind,
    lexicon::{self, Flags, HEAD, PHRASE_WORDS_MAX, WORD_BYTES_MAX},
    token::{Gap, Shape, Token},
};

/// A cell under examination.
#[derive(Clone, Copy)]
pub(crate) struct Page<'t> {
    pub(crate) text: &'t str,
    pub(crate) tokens: &'t [Token],
    /// Also what is merely possible.
    pub(crate) strict: bool,
}

/// A finding within one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) kind: Kind,
    pub(crate) confidence: u8,
}

impl<'t> Page<'t> {
    pub(crate) fn at(&self, index: usize) -> Option<&'t Token> {
        self.tokens.get(index)
    }

    pub(crate) fn before(&self, index: usize) -> Option<&'t Token> {
        self.tokens.get(index.checked_sub(1)?)
    }

    /// The flags of the token, none beyond the end.
    pub(crate) fn flags(&self, index: usize) -> Flags {
        self.at(index).map_or(0, |token| token.flags)
    }

    pub(crate) fn is(&self, index: usize, flags: Flags) -> bool {
        self.flags(index) & flags != 0
    }

    pub(crate) fn is_mark(&self, index: usize, mark: u8) -> bool {
        self.at(index).is_some_and(|token| token.is_mark(mark))
    }

    pub(crate) fn is_title(&self, index: usize) -> bool {
        self.at(index).is_some_and(|t| t.shape == Shape::Title)
    }

    pub(crate) fn text_at(&self, index: usize) -> &'t str {
        self.at(index).map_or("", |token| token.text(self.text))
    }

    /// Whether the token is one of these words, in any case.
    pub(crate) fn is_one_of(&self, index: usize, words: &[&str]) -> bool {
        let text = self.text_at(index);
        !text.is_empty() && words.iter().any(|word| word.eq_ignore_ascii_case(text))
    }

    /// Whether the token stands on the same line as the one before, apart by at most a space.
    pub(crate) fn continues(&self, index: usize) -> bool {
        self.at(index).is_some_and(|token| token.gap != Gap::Line)
    }

    /// Whether a capital here says nothing, because a sentence or line begins.
    pub(crate) fn starts_sentence(&self, index: usize) -> bool {
        let Some(token) = self.at(index) else {
            return true;
        };
        let mark = self.before(index).map(|t| t.shape);
        token.gap == Gap::Line
            || match mark {
                None => true,
                Some(Shape::Mark(b'.')) => {
                    // After "Dr." and "J." the sentence goes on.
                    let word = index.checked_sub(2).and_then(|i| self.at(i));
                    !word.is_some_and(|w| w.shape == Shape::Initial || w.is(lexicon::HONORIFIC))
                }
                Some(Shape::Mark(mark)) => b"?!:;*-\"\0".contains(&mark) && token.gap != Gap::Tight,
                _ => false,
            }
    }

    /// The longest phrase of these lists that starts here: index after its last token, and what it is.
    pub(crate) fn phrase(&self, index: usize, wanted: Flags) -> Option<(usize, Flags)> {
        let first = self.at(index)?;
        let mut best = (first.is(wanted)).then_some((index + 1, first.flags & wanted));
        if !first.is(HEAD) {
            return best;
        }
        // Abbreviations bring a full stop as a token of its own.
        for end in index + 1..(index + 2 * PHRASE_WORDS_MAX).min(self.tokens.len()) {
            let last = self.at(end)?;
            if last.gap == Gap::Line || last.end - first.start > WORD_BYTES_MAX as u32 {
                break;
            }
            let flags = self.phrase_flags(first.start, last.end) & wanted;
            if flags != 0 {
                best = Some((end + 1, flags));
            }
        }
        best
    }

    fn phrase_flags(&self, start: u32, end: u32) -> Flags {
        let raw = (self.text.as_bytes())
            .get(start as usize..end as usize)
            .unwrap_or_default();
        let mut lower = [0; WORD_BYTES_MAX];
        let Some(lower) = lower.get_mut(..raw.len()) else {
            return 0;
        };
        lower.copy_from_slice(raw);
        lower.make_ascii_lowercase();
        lexicon::flags(lower)
    }

    /// The span of tokens `first..end`.
    pub(crate) fn span(
        &self,
        first: usize,
        end: usize,
        kind: Kind,
        confidence: u8,
    ) -> Option<Span> {
        let start = self.at(first)?.start;
        let last = self.at(end.checked_sub(1)?)?;
        // "St. Luke's" is a name with its ending; "Sarah's" is Sarah.
        let ending = if kind == Kind::Name { 0 } else { last.ending };
        let end = last.end + u32::from(ending);
        Some(Span {
            start,
            end,
            kind,
            confidence,
        })
    }
}
