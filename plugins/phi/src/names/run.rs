//! Runs of words that can be one name: how far it goes, and how much of it the lexicon knows.

use crate::{
    lexicon::{
        CALENDAR, EPONYM, FACILITY, FACILITY_TAIL, GENERATION, GIVEN, GIVEN_WORD, HONORIFIC,
        INSURER, MEDICAL_NOUN, PARTICLE, STATE, STOP, STREET, SURNAME,
    },
    page::Page,
    token::{Gap, Shape, Token},
};

/// Parts of one name at most: "Maria del Carmen de la Cruz Jr."
pub(super) const PARTS_MAX: usize = 8;

/// A run of tokens that can be one name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    /// Index after its last token.
    pub(super) end: usize,
    pub(super) words: usize,
    pub(super) initials: usize,
    pub(super) givens: usize,
    pub(super) surnames: usize,
    pub(super) unknown: usize,
    /// Its last word is a name that medicine took.
    pub(super) eponym_last: bool,
}

/// The longest run from here that can be a name. `upper`: written in capitals throughout.
pub(super) fn run(page: &Page<'_>, index: usize, upper: bool) -> Option<Run> {
    let mut run = Run {
        end: index,
        ..Run::default()
    };
    let mut at = index;
    while at - index < 2 * PARTS_MAX && run.words + run.initials < PARTS_MAX {
        let Some(token) = page.at(at) else { break };
        if at > index && token.gap == Gap::Line {
            break;
        }
        match token.shape {
            Shape::Title | Shape::Upper if word_fits(token, upper, at == index) => {
                run.words += 1;
                run.givens += usize::from(token.is(GIVEN) && !(token.is(STOP) && at > index));
                run.surnames += usize::from(token.is(SURNAME));
                run.unknown += usize::from(is_unknown(token));
                run.eponym_last = token.is(EPONYM);
                at += 1;
                run.end = at;
                if token.possessive() {
                    break;
                }
            }
            Shape::Initial if initial_fits(page, at, run.words) => {
                run.initials += 1;
                at += 1;
                run.end = at;
                at += usize::from(page.is_mark(at, b'.'));
            }
            Shape::Lower | Shape::Title if token.is(PARTICLE) && run.words > 0 => {
                let name =
                    (at + 1..at + 4).find(|&i| !page.is(i, PARTICLE) || page.is(i, SURNAME))?;
                let and = page.is_one_of(at, &["y", "e", "do", "san", "santa"]);
                if !page.is_title(name)
                    || page.is(name, STOP)
                    || and && !page.is(name, SURNAME)
                    || !page.continues(name)
                {
                    break;
                }
                at = name;
            }
            Shape::Mark(b',')
                if page.is(at + 1, GENERATION)
                    && run.words > 0
                    && !page.is_one_of(at + 1, &["senior", "junior"]) =>
            {
                at += 1
            }
            Shape::Title | Shape::Upper if token.is(GENERATION) && run.words > 1 => {
                run.end = at + 1;
                break;
            }
            _ => break,
        }
    }
    (run.end > index).then_some(run)
}

fn word_fits(token: &Token, upper: bool, first: bool) -> bool {
    let shape = match token.shape {
        Shape::Title => true,
        Shape::Upper => upper && token.is(GIVEN | SURNAME),
        _ => false,
    };
    let named = token.is(GIVEN | SURNAME | GIVEN_WORD);
    let other =
        CALENDAR | FACILITY | FACILITY_TAIL | STREET | MEDICAL_NOUN | HONORIFIC | STATE | INSURER;
    shape && (first || named && !token.is(FACILITY | CALENDAR) || token.flags & (STOP | other) == 0)
}

/// Initials stand after a name ("John D.") or before one ("J. Smith"); a bare "I" or "A" is a word.
fn initial_fits(page: &Page<'_>, at: usize, words: usize) -> bool {
    let dot = page.is_mark(at + 1, b'.') && page.at(at + 1).is_some_and(|t| t.gap == Gap::Tight);
    let bare = !page.is_one_of(at, &["i", "a"])
        && !page
            .at(at + 1)
            .is_some_and(|t| t.gap == Gap::Tight && (t.shape == Shape::Number || t.is_mark(b'-')));
    dot || words > 0 && bare
}

/// Whether medicine means the name: "Parkinson's disease", "Lou Gehrig disease", "Austin Flint murmur".
pub(super) fn named_after(page: &Page<'_>, run: Run) -> bool {
    let noun = |i: usize| page.is(i, MEDICAL_NOUN) && page.continues(i);
    let next = run.end;
    let joined = page.is_mark(next, b'-') && page.is_title(next + 1);
    noun(next) && !page.is(next, GIVEN) || run.eponym_last && (noun(next + 1) || joined)
}

pub(super) fn ends_with_dot(page: &Page<'_>, end: usize) -> bool {
    page.is_mark(end, b'.') && page.at(end).is_some_and(|t| t.gap == Gap::Tight)
}

/// Endings of ordinary and clinical words; names that have one are in the lists.
const ORDINARY_ENDINGS: &[&str] = &[
    "tion", "tions", "sion", "ment", "ments", "ness", "ity", "ities", "ive", "ous", "able", "ible",
    "ical", "ional", "ology", "itis", "osis", "emia", "pathy", "ectomy", "otomy", "oscopy",
    "graphy", "gram", "azole", "mycin", "cillin", "statin", "sartan", "olol", "pril", "dipine",
    "oxin", "amine", "idine", "prazole", "pam", "mab", "ary", "ing", "ings", "ology", "ism", "ics",
    "ful", "less", "ward", "wise", "pak", "ally",
];

/// Whether the word is formed as ordinary words are.
pub(super) fn is_ordinary(text: &str) -> bool {
    let ends = |ending: &&str| {
        text.len() > ending.len() + 2
            && (text.get(text.len() - ending.len()..))
                .is_some_and(|end| end.eq_ignore_ascii_case(ending))
    };
    ORDINARY_ENDINGS.iter().any(ends)
}

/// Capitalised and in no list, or in none that explains it.
pub(super) fn is_unknown(token: &Token) -> bool {
    matches!(token.shape, Shape::Title | Shape::Upper) && token.flags & !crate::lexicon::HEAD == 0
}

pub(super) fn is_unknown_lower(token: &Token) -> bool {
    token.shape == Shape::Lower
        && (token.flags & !crate::lexicon::HEAD == 0
            || token.is(GIVEN | SURNAME) && !token.is(STOP))
}
