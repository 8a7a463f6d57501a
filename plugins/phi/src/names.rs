//! Names of people: by title, label, kinship and credentials, by given and family names, by the shape "Given X.".
//!
//! What no list knows is a name only where something else says so. A name that medicine took ("Babinski sign") is
//! none unless a person is meant.

mod announced;
mod run;

use crate::{
    Kind,
    lexicon::{
        CALENDAR, CITY, COMMON, EPONYM, FACILITY, Flags, GIVEN, GIVEN_WORD, KIN, MEDICAL_NOUN,
        PARTICLE, PLACE_WORD, STATE, STOP, STREET, SURNAME,
    },
    page::{Page, Span},
    token::{Shape, Token},
};

use announced::{after_label, announced};
use run::{Run, ends_with_dot, is_ordinary, is_unknown, named_after, run};

/// What people do and nothing else does.
pub(crate) const DEEDS: &[&str] = &[
    "denies",
    "denied",
    "reports",
    "reported",
    "states",
    "complains",
    "complained",
    "endorses",
    "lives",
    "lived",
    "says",
    "said",
    "admits",
    "admitted",
    "drinks",
    "smokes",
    "works",
    "worked",
    "underwent",
    "presented",
    "agrees",
    "understands",
    "recalls",
    "refuses",
    "refused",
    "asked",
    "asks",
    "wants",
    "feels",
    "felt",
    "flew",
];

/// The name that this token starts or announces, if any.
pub(crate) fn at(page: &Page<'_>, index: usize) -> Option<Span> {
    let token = page.at(index)?;
    let found = match token.shape {
        Shape::Mark(b':') => after_label(page, index),
        Shape::Initial => from_initial(page, index),
        Shape::Upper => from_upper(page, index),
        Shape::Title => from_title(page, index),
        Shape::Lower => from_lower(page, index),
        _ => None,
    };
    found
        .or_else(|| announced(page, index, token))
        .or_else(|| doing(page, index, token))
}

fn from_title(page: &Page<'_>, index: usize) -> Option<Span> {
    let token = page.at(index)?;
    if !token.is(GIVEN | GIVEN_WORD | SURNAME) {
        return from_unknown(page, index);
    }
    // "North Carolina", "San Diego"
    if index > 0
        && page
            .phrase(index - 1, STATE | CITY)
            .is_some_and(|(end, _)| end > index)
    {
        return None;
    }
    let run = run(page, index, false)?;
    let ambiguous = token.is(GIVEN_WORD) || token.is(STOP);
    if let Some(found) = last_first(page, index, run) {
        return Some(found);
    }
    if named_after(page, run) {
        return None;
    }
    let sure = match run {
        _ if token.is(GIVEN) && !ambiguous => from_given(page, index, run)?,
        Run { initials: 1.., .. } if token.is(GIVEN | GIVEN_WORD) => {
            match page.starts_sentence(index) {
                true => 55,
                false => 80,
            }
        }
        Run {
            words: 2..,
            surnames,
            givens,
            ..
        } if token.is(GIVEN | GIVEN_WORD) => {
            let second = page.flags(index + 1);
            if second & SURNAME != 0 && second & STOP == 0 {
                85
            } else if surnames + givens >= 2 && !page.starts_sentence(index) {
                70
            } else if run.unknown > 0 && !page.starts_sentence(index) && !token.is(STOP) {
                60
            } else {
                return None;
            }
        }
        // Two family names, or a family name and an unknown one.
        Run {
            words: 2..,
            surnames: 2..,
            ..
        } if !ambiguous => 70,
        Run { words: 2.., .. } if !ambiguous && !page.starts_sentence(index) => 50,
        Run { initials: 1.., .. } if !ambiguous && !token.is(EPONYM) => 60,
        _ => return None,
    };
    page.span(index, run.end, Kind::Name, sure)
}

fn from_given(page: &Page<'_>, index: usize, run: Run) -> Option<u8> {
    let token = page.at(index)?;
    Some(match run {
        Run {
            surnames: 1..,
            words: 2..,
            ..
        } => 95,
        Run { initials: 1.., .. } => 92,
        Run {
            words: 2..,
            givens: 2..,
            ..
        } => 90,
        Run { words: 2.., .. } => 75,
        // Alone: a name, unless it is as likely a place, a sign or a family name used as a term.
        _ if token.is(EPONYM | STATE | MEDICAL_NOUN) => return None,
        _ if token.is(CITY) => 55,
        _ => 70,
    })
}

/// "Blackman denies chest pain": only people do.
fn doing(page: &Page<'_>, index: usize, token: &Token) -> Option<Span> {
    let known = token.is(SURNAME) && !token.is(STOP | COMMON | KIN | CITY | PLACE_WORD);
    let named = token.shape == Shape::Title
        && (known || is_unknown(token) && !is_ordinary(page.text_at(index)));
    if !named || !page.is_one_of(index + 1, DEEDS) || !page.continues(index + 1) {
        return None;
    }
    page.span(index, index + 1, Kind::Name, if known { 75 } else { 60 })
}

/// "patricia smith": in lower case both must be known, and neither an ordinary word.
fn from_lower(page: &Page<'_>, index: usize) -> Option<Span> {
    let plain = STOP
        | COMMON
        | GIVEN_WORD
        | MEDICAL_NOUN
        | EPONYM
        | KIN
        | STREET
        | FACILITY
        | PARTICLE
        | CALENDAR;
    let named = |at: usize, what: Flags| {
        page.at(at)
            .is_some_and(|t| t.shape == Shape::Lower && t.is(what) && !t.is(plain))
    };
    if !named(index, GIVEN) {
        return None;
    }
    let initial = usize::from(page.text_at(index + 1).len() == 1 && page.at(index + 1)?.is_word());
    let last = index + 1 + initial + usize::from(initial == 1 && page.is_mark(index + 2, b'.'));
    (named(last, SURNAME) && page.continues(last))
        .then(|| page.span(index, last + 1, Kind::Name, 65))
        .flatten()
}

/// Capitalised words that no list knows, where two or more stand together, or one with an initial.
fn from_unknown(page: &Page<'_>, index: usize) -> Option<Span> {
    let token = page.at(index)?;
    if !is_unknown(token) {
        return None;
    }
    let run = run(page, index, false)?;
    let sure = match run {
        // "Janka M. Szász": the shape alone.
        Run {
            words: 2..,
            initials: 1..,
            ..
        } => 75,
        // "Rubija Smith was seen": the second is known, and neither is a word.
        Run { words: 2, .. } if is_surname_only(page, index + 1) => 60,
        _ if page.starts_sentence(index) && !page.strict => return None,
        Run {
            words: 2..,
            givens,
            surnames,
            ..
        } if givens + surnames > 0 => 65,
        Run { initials: 1.., .. } if ends_with_dot(page, run.end) => 60,
        Run { words: 2..4, .. } if !(index..run.end).any(|i| is_ordinary(page.text_at(i))) => 50,
        Run {
            words: 1,
            initials: 0,
            ..
        } if page.strict && token.end - token.start > 3 => 50,
        _ => return None,
    };
    page.span(index, run.end, Kind::Name, sure)
}

/// "SMITH, JOHN" and "JOHN SMITH": all capitals say nothing, so both words must be known.
fn from_upper(page: &Page<'_>, index: usize) -> Option<Span> {
    let token = page.at(index)?;
    if !token.is(GIVEN | SURNAME) || token.end - token.start < 3 {
        return None;
    }
    let run = run(page, index, true)?;
    if let Some(found) = last_first(page, index, run) {
        return Some(found);
    }
    let known = run.givens > 0 && run.surnames > 0 && run.words >= 2;
    let initial = token.is(GIVEN) && !token.is(GIVEN_WORD | STOP) && run.initials > 0;
    (known || initial)
        .then(|| page.span(index, run.end, Kind::Name, 85))
        .flatten()
}

/// "J. Smith", "J.R. Smith".
fn from_initial(page: &Page<'_>, index: usize) -> Option<Span> {
    if !page.is_mark(index + 1, b'.') {
        return None;
    }
    let run = run(page, index, false)?;
    let last = run.end.checked_sub(1)?;
    let known = page.is(last, SURNAME | GIVEN) && page.is_title(last);
    (run.words >= 1 && known && !named_after(page, run))
        .then(|| page.span(index, run.end, Kind::Name, 80))
        .flatten()
}

/// "Smith, John A."
fn last_first(page: &Page<'_>, index: usize, first: Run) -> Option<Span> {
    if first.words != 1
        || first.initials > 0
        || !page.is(index, SURNAME)
        || !page.is_mark(first.end, b',')
    {
        return None;
    }
    let next = first.end + 1;
    let given = page.at(next)?;
    if !given.is(GIVEN) || given.is(STOP | CALENDAR) || !page.continues(next) {
        return None;
    }
    let upper = given.shape == Shape::Upper;
    let second = run(page, next, upper)?;
    // "Johnson, Michael Brown and" is a list of two people; both are names all the same.
    page.span(index, second.end, Kind::Name, 85)
}

/// A family name that is no ordinary word.
fn is_surname_only(page: &Page<'_>, index: usize) -> bool {
    let other = STOP | COMMON | GIVEN_WORD | MEDICAL_NOUN | STREET | PLACE_WORD | CALENDAR | KIN;
    page.is(index, SURNAME) && !page.is(index, other)
}
