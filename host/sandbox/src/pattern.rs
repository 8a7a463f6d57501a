//! One declared pattern: checked, compiled, and able to say how sure a hit is by the words around it.

use regex_automata::Input;
use regex_automata::meta::{Config, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_syntax::hir::Hir;

use crate::needs::Needs;
use crate::raw::{self, Role};

/// Patterns of one detector.
pub(crate) const PATTERNS_MAX: usize = 256;
/// Bytes of one pattern.
const PATTERN_BYTES_MAX: usize = 8192;
/// Words of one pattern's context, and the bytes of each.
const CONTEXT_WORDS_MAX: usize = 64;
const CONTEXT_WORD_BYTES_MAX: usize = 64;
/// Characters before and after a hit in which its context words count.
const CONTEXT_CHARS: usize = 40;
/// Size of one pattern's program: `\w{1,64}` fits, nested counts that explode do not.
const PROGRAM_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Memory for the states of one pattern's automaton that are in use.
const STATES_BYTES_MAX: usize = 1024 * 1024;

/// Why a declared pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Too many patterns.
    #[error("the detector declares more than {PATTERNS_MAX} patterns")]
    TooMany,
    /// Longer than the limit.
    #[error(
        "pattern {0} is longer than {PATTERN_BYTES_MAX} bytes, or its context words are too many or too long"
    )]
    TooLong(usize),
    /// Not a regex, or one that is too large.
    #[error("pattern {index} cannot be used: {why}")]
    Syntax {
        /// Index in the declaration.
        index: usize,
        /// The parser's words; they show the pattern.
        why: String,
    },
    /// It matches the empty string.
    #[error("pattern {0} matches the empty string, which is everywhere")]
    Empty(usize),
    /// It names a kind that the manifest does not declare.
    #[error("pattern {0} names a kind that the manifest does not declare")]
    Kind(usize),
    /// A candidate that nobody would confirm.
    #[error(
        "pattern {0} is a candidate, but the detector's appetite is none, so that nothing would confirm it"
    )]
    Candidate(usize),
    /// All patterns of a set together are too large.
    #[error("the patterns of all detectors together are too large: {0}")]
    All(String),
}

/// One declared pattern, checked and compiled.
pub(crate) struct Pattern {
    pub(crate) hir: Hir,
    pub(crate) regex: Regex,
    context: Option<Regex>,
    pub(crate) needs: Needs,
    pub(crate) confidence: u8,
    pub(crate) with_context: u8,
    pub(crate) kind: u32,
    pub(crate) role: Role,
}

impl Pattern {
    /// Compiles the pattern at `index` of a declaration.
    pub(crate) fn compile(index: usize, raw: &raw::Pattern) -> Result<Self, PatternError> {
        let words = &raw.context_words;
        if raw.regex.len() > PATTERN_BYTES_MAX
            || words.len() > CONTEXT_WORDS_MAX
            || words.iter().any(|word| word.len() > CONTEXT_WORD_BYTES_MAX)
        {
            return Err(PatternError::TooLong(index));
        }
        let unusable = |why: String| PatternError::Syntax { index, why };
        let hir = regex_syntax::parse(&raw.regex).map_err(|error| unusable(error.to_string()))?;
        if hir.properties().minimum_len().unwrap_or(0) == 0 {
            return Err(PatternError::Empty(index));
        }
        let regex = program(&raw.regex).map_err(unusable)?;
        let context = context(words)
            .map(|words| program(&words))
            .transpose()
            .map_err(unusable)?;
        Ok(Self {
            regex,
            context,
            needs: Needs::of(&hir),
            hir,
            confidence: raw.confidence.min(100),
            with_context: raw.with_context.min(100),
            kind: raw.kind,
            role: raw.role,
        })
    }

    /// The confidence of a hit, by the words around it.
    pub(crate) fn confidence(&self, text: &str, start: usize, end: usize) -> u8 {
        let Some(context) = self
            .context
            .as_ref()
            .filter(|_| self.with_context > self.confidence)
        else {
            return self.confidence;
        };
        let before = text.get(..start).unwrap_or_default();
        let from = before
            .char_indices()
            .rev()
            .nth(CONTEXT_CHARS - 1)
            .map_or(0, |(at, _)| at);
        let after = text.get(end..).unwrap_or_default();
        let to = after
            .char_indices()
            .nth(CONTEXT_CHARS)
            .map_or(text.len(), |(at, _)| end + at);
        // A range, not a slice: a word that reaches out of the window is not cut into a whole one.
        let seen = |from, to| context.is_match(Input::new(text).range(from..to));
        if seen(from, start) || seen(end, to) {
            self.with_context
        } else {
            self.confidence
        }
    }
}

fn program(pattern: &str) -> Result<Regex, String> {
    let config = Config::new()
        .nfa_size_limit(Some(PROGRAM_BYTES_MAX))
        .hybrid_cache_capacity(STATES_BYTES_MAX)
        .which_captures(WhichCaptures::Implicit);
    Regex::builder()
        .configure(config)
        .build(pattern)
        .map_err(|error| match error.syntax_error() {
            Some(syntax) => syntax.to_string(),
            None => error.to_string(),
        })
}

/// A regex for any of the words: whole, in any case, with any space between the words of a phrase.
fn context(words: &[String]) -> Option<String> {
    let whole = |word: &String| {
        let edge = |character: Option<char>| {
            if character.is_some_and(char::is_alphanumeric) {
                r"\b"
            } else {
                ""
            }
        };
        let parts: Vec<_> = word.split_whitespace().map(regex_syntax::escape).collect();
        let (first, last) = (
            edge(word.trim().chars().next()),
            edge(word.trim().chars().next_back()),
        );
        (!parts.is_empty()).then(|| format!("{first}{}{last}", parts.join(r"\s+")))
    };
    let words: Vec<_> = words.iter().filter_map(whole).collect();
    (!words.is_empty()).then(|| format!("(?i)(?:{})", words.join("|")))
}
