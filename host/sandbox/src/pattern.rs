//! One declared pattern: checked and compiled.
//!
//! A candidate that begins with `\A(?s:.*)` and ends with `(?s:.*)\z` takes the whole cell or nothing. It is known
//! by its syntax and never located, so that asking whether a cell holds any of ten thousand words is cheap.

use regex_automata::meta::{Config, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_syntax::hir::Hir;

use crate::needs::Needs;
use crate::raw::{self, Role};
use crate::vocabulary::words_of;
use crate::whole::{has_group, inside};

/// Patterns of one detector.
pub(crate) const PATTERNS_MAX: usize = 256;
/// Bytes of one pattern.
const PATTERN_BYTES_MAX: usize = 8192;
/// Words of one pattern's context, and the bytes of each.
const CONTEXT_WORDS_MAX: usize = 64;
const CONTEXT_WORD_BYTES_MAX: usize = 64;
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

/// A candidate with a group of this name brings a cell in only beside another candidate of its record.
const COMPANION: &str = "companion";

/// One declared pattern, checked and compiled.
pub(crate) struct Pattern {
    /// What the automaton looks for.
    pub(crate) hir: Hir,
    /// Says where it is. `None`: it takes the whole cell, wherever it matches.
    pub(crate) regex: Option<Regex>,
    /// The words, if it is a list of words that takes the whole cell.
    pub(crate) vocabulary: Option<Vec<Box<[u8]>>>,
    words: Vec<String>,
    pub(crate) needs: Needs,
    pub(crate) confidence: u8,
    pub(crate) with_context: u8,
    pub(crate) kind: u32,
    pub(crate) role: Role,
    /// See [`COMPANION`].
    pub(crate) companion: bool,
    /// Index of its detector in the set.
    pub(crate) owner: usize,
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
        let candidate = raw.role == Role::Candidate;
        let companion = candidate && has_group(&hir, COMPANION);
        // Without a program to make sure, a hit may be one too many: a question too many does no harm.
        let (hir, regex) = match inside(&hir).filter(|_| candidate) {
            Some(inside) => (inside, None),
            None => (hir, Some(program(&raw.regex).map_err(unusable)?)),
        };
        let vocabulary = match regex {
            Some(_) => None,
            None => words_of(&hir),
        };
        Ok(Self {
            regex,
            companion,
            vocabulary,
            words: words.clone(),
            needs: Needs::of(&hir),
            hir,
            confidence: raw.confidence.min(100),
            with_context: raw.with_context.min(100),
            kind: raw.kind,
            role: raw.role,
            owner: 0,
        })
    }

    /// As one of the detector with this index.
    pub(crate) fn of(self, owner: usize) -> Self {
        Self { owner, ..self }
    }

    /// Whether one match is enough to ask about the cell.
    pub(crate) fn decides(&self) -> bool {
        self.regex.is_none() && !self.companion
    }

    /// Bytes of its longest match.
    pub(crate) fn longest(&self) -> usize {
        self.hir.properties().maximum_len().unwrap_or(usize::MAX)
    }

    /// Whether a hit that no context raises is nothing at all: its confidence would be 0.
    pub(crate) fn needs_context(&self) -> bool {
        self.role == Role::Finding && self.confidence == 0
    }

    /// Its context words, if they could raise its confidence.
    pub(crate) fn raising_words(&self) -> &[String] {
        if self.with_context > self.confidence {
            &self.words
        } else {
            &[]
        }
    }
}

fn program(pattern: &str) -> Result<Regex, String> {
    let config = Config::new()
        .nfa_size_limit(Some(PROGRAM_BYTES_MAX))
        // It is only run where the pattern is known to match, on a few bytes.
        .auto_prefilter(false)
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
