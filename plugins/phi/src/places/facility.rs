//! Places of care: "St. Luke's Hospital", "UCLA Medical Center", "our Dallas facility".

use crate::{
    Kind,
    lexicon::{
        CALENDAR, CITY, FACILITY, FACILITY_MOD, FACILITY_TAIL, GIVEN, INSTITUTION, MEDICAL_NOUN,
        PLACE_WORD, STATE, STATE_CODE, STOP, SURNAME,
    },
    page::{Page, Span},
    token::{Gap, Shape},
};

use super::{city::with_place, street::NAME_WORDS_MAX};

/// Words for places of care that need no capital after a city: "our Dallas facility".
pub(crate) const PLAIN_TAILS: &[&str] = &["facility", "center", "centre", "campus", "health"];

/// Lower-case words within the name of a place of care.
pub(crate) const JOINTS: &[&str] = &["of", "and", "for", "de", "la", "del", "the"];

/// "St. Mary's", "Saint Luke's Hospital"
pub(super) fn saint(page: &Page<'_>, index: usize) -> Option<Span> {
    if !page.is_one_of(index, &["st", "saint", "mt", "mount"]) {
        return None;
    }
    let dot = usize::from(page.is_mark(index + 1, b'.'));
    let name = index + 1 + dot;
    let token = page.at(name)?;
    let named = token.shape == Shape::Title && page.continues(name) && !token.is(MEDICAL_NOUN);
    (named && token.possessive())
        .then(|| page.span(index, name + 1, Kind::Facility, 70))
        .flatten()
}

/// From the last word ("Hospital", "Center") back to the first of the name, and on to "of Philadelphia".
pub(super) fn facility(page: &Page<'_>, last: usize) -> Option<Span> {
    let token = page.at(last)?;
    let capital = matches!(token.shape, Shape::Title | Shape::Upper);
    let hospital = token.is(FACILITY);
    // The last word of the name is further on: "Health" in "Jefferson Health Clinic".
    if capital
        && page.continues(last + 1)
        && page.is(last + 1, FACILITY | FACILITY_TAIL)
        && page
            .at(last + 1)
            .is_some_and(|t| t.shape != Shape::Lower || t.is(FACILITY))
    {
        return None;
    }
    let mut first = last;
    let (mut proper, mut kind_words, mut placed) = (0, 0, false);
    while last - first < NAME_WORDS_MAX {
        let Some(at) = first.checked_sub(1) else {
            break;
        };
        if !page.continues(first) {
            break;
        }
        let Some(part) = page.at(at) else { break };
        let fits = match part.shape {
            Shape::Mark(b'.') => {
                page.is_one_of(at.wrapping_sub(1), &["st", "mt", "ft", "med", "dr"])
            }
            Shape::Mark(b'&') => true,
            Shape::Mark(b'-') => part.gap == Gap::Tight,
            Shape::Lower => {
                page.is_one_of(at, JOINTS)
                    && at > 0
                    && page.is_title(at - 1)
                    && page.is_title(at + 1)
                    && capital
            }
            Shape::Title | Shape::Upper => {
                !part.is(CALENDAR) && (!is_plain(page, at) || part.is(FACILITY | FACILITY_TAIL))
            }
            _ => false,
        };
        if !fits {
            break;
        }
        if matches!(part.shape, Shape::Title | Shape::Upper) {
            let telling = !part.is(FACILITY_MOD | FACILITY | FACILITY_TAIL) || part.is(PLACE_WORD);
            proper += usize::from(telling);
            kind_words += usize::from(part.is(FACILITY_MOD | FACILITY | FACILITY_TAIL));
            placed |= part.is(CITY | INSTITUTION | STATE);
        }
        first = at;
    }
    // "of", "and" or a mark cannot begin a name.
    while first < last
        && page
            .at(first)
            .is_some_and(|t| !matches!(t.shape, Shape::Title | Shape::Upper))
    {
        first += 1;
    }
    let of_place = capital
        && page.is_one_of(last + 1, &["of", "in"])
        && page.is_title(last + 2)
        && !page.is(last + 2, STOP);
    // A single unknown word at the start of a sentence is no name: "Outside hospital", "Prior clinic".
    let lone_start = last - first == 1 && !capital && page.starts_sentence(first) && !placed;
    let school = page.is_one_of(last, &["university", "college", "school", "universidad"]);
    let named = (first..last).any(|i| !page.is(i, STOP | PLACE_WORD | FACILITY_MOD));
    let end = with_place(page, last + 1);
    let of_place = of_place || capital && end > last + 1;
    let sure = match (hospital, capital) {
        (true, true) if proper > 0 || of_place && kind_words > 0 => 85,
        (true, false) if proper > 0 && !lone_start => 70,
        // "Middle School", "State University": which one is not said.
        (false, true) if school && !named => return None,
        (false, true)
            if proper > 0
                && (kind_words > 0 || placed || is_strong_tail(page, last))
                && ends_here(page, last) =>
        {
            75
        }
        (false, true) if proper > 0 && ends_here(page, last) && !page.starts_sentence(first) => 55,
        (false, false) if placed && page.is_one_of(last, PLAIN_TAILS) => 70,
        _ => return None,
    };
    let kind = if school {
        Kind::Address
    } else {
        Kind::Facility
    };
    page.span(first, end, kind, sure)
}

/// A word that is only a word: no name of a place begins with it.
fn is_plain(page: &Page<'_>, at: usize) -> bool {
    let token_flags = page.flags(at);
    // In capitals it is an abbreviation: "LA Medical Center".
    let short = page
        .at(at)
        .is_some_and(|t| t.shape == Shape::Upper && t.end - t.start <= 4);
    token_flags & STOP != 0
        && !(short && token_flags & STATE_CODE != 0)
        && token_flags & (SURNAME | GIVEN | CITY | INSTITUTION | PLACE_WORD | STATE | FACILITY_MOD)
            == 0
}

fn is_strong_tail(page: &Page<'_>, last: usize) -> bool {
    page.is_one_of(
        last,
        &[
            "center",
            "centre",
            "institute",
            "university",
            "hospice",
            "pavilion",
            "healthcare",
            "memorial",
            "rehab",
            "rehabilitation",
        ],
    )
}

/// Whether the name ends with this word: "Past Medical History" does not end with "Medical".
fn ends_here(page: &Page<'_>, last: usize) -> bool {
    let next = last + 1;
    !page.continues(next) || !page.is_title(next) || page.at(last).is_some_and(|t| t.possessive())
}
