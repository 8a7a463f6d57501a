//! Cities and institutions by name, and states where they complete an address.

use crate::{
    Kind,
    lexicon::{
        CALENDAR, CITY, EPONYM, FACILITY, FACILITY_MOD, FACILITY_TAIL, GIVEN, GIVEN_WORD, HEAD,
        INSTITUTION, MEDICAL_NOUN, PLACE_WORD, STATE, STATE_CODE, STOP, SURNAME,
    },
    page::{Page, Span},
    token::{Gap, Shape},
};

/// What stands before a place; a city that is other things as well is one after these.
pub(crate) const BEFORE_PLACES: &[&str] = &[
    "in", "at", "from", "to", "near", "outside", "of", "our", "through", "via", "visiting",
    "leaving", "en", "by", "with",
];

/// "lives in", "moved to": what follows is a place, whoever knows it.
pub(crate) const LIVED: &[&str] = &[
    "lives",
    "lived",
    "live",
    "living",
    "resides",
    "reside",
    "residing",
    "born",
    "raised",
    "moved",
    "relocated",
];
/// What stands between.
pub(crate) const LIVED_IN: &[&str] = &["in", "at", "near", "to", "from"];

/// "Springfield, IL 62704", "Springfield IL", "Springfield": index after it.
pub(super) fn city_tail(page: &Page<'_>, at: usize) -> Option<usize> {
    let known = page.phrase(at, CITY).map(|(end, _)| end);
    let unknown = || {
        let mut end = at;
        while end - at < 3
            && page
                .at(end)
                .is_some_and(|t| t.shape == Shape::Title && (end == at || t.gap == Gap::Space))
        {
            end += 1;
        }
        (end > at).then_some(end)
    };
    let city = known.or_else(unknown)?;
    let comma = usize::from(page.is_mark(city, b','));
    match state(page, city + comma) {
        Some(state) => Some(zip(page, state).unwrap_or(state)),
        None => zip(page, city + comma).or(known),
    }
}

/// A state or its code: index after it.
fn state(page: &Page<'_>, at: usize) -> Option<usize> {
    let token = page.at(at)?;
    if token.shape == Shape::Upper && token.is(STATE_CODE) && token.end - token.start == 2 {
        return Some(at + 1);
    }
    let (end, _) = page.phrase(at, STATE)?;
    (token.shape == Shape::Title).then_some(end)
}

/// Five digits, or nine: index after them.
fn zip(page: &Page<'_>, at: usize) -> Option<usize> {
    let token = page.at(at)?;
    if token.shape != Shape::Number || token.end - token.start != 5 {
        return None;
    }
    let plus = page.is_mark(at + 1, b'-') && page.text_at(at + 2).len() == 4;
    Some(if plus { at + 3 } else { at + 1 })
}

/// "Cedar Rapids, IA 52401": capitalised words, a comma, a state.
pub(super) fn city_state(page: &Page<'_>, index: usize) -> Option<Span> {
    let token = page.at(index)?;
    if token.shape != Shape::Title || token.is(STOP | CALENDAR | STATE) && !token.is(HEAD) {
        return None;
    }
    let mut end = index + 1;
    while end - index < 3
        && page.is_title(end)
        && page
            .at(end)
            .is_some_and(|t| t.gap == Gap::Space && !t.is(STOP))
    {
        end += 1;
    }
    if !page.is_mark(end, b',') {
        return None;
    }
    let after = state(page, end + 1)?;
    let with_zip = zip(page, after);
    let code = page.at(end + 1)?;
    // "Smith, MD" and "Jones, PA" are people; a ZIP code or a full name of the state makes a place.
    let degree = code.shape == Shape::Upper
        && page.is_one_of(
            end + 1,
            &[
                "md", "do", "pa", "ma", "ms", "dc", "ct", "pt", "or", "in", "me", "hi", "ok",
            ],
        );
    if degree && with_zip.is_none() && page.phrase(index, CITY).is_none() {
        return None;
    }
    page.span(index, with_zip.unwrap_or(after), Kind::Address, 85)
}

pub(super) fn city_or_institution(page: &Page<'_>, index: usize) -> Option<Span> {
    let token = page.at(index)?;
    if !token.is(CITY | INSTITUTION | HEAD) || token.shape == Shape::Lower {
        return None;
    }
    let (end, found) = page.phrase(index, CITY | INSTITUTION)?;
    let words = end - index;
    // Most are other things as well: people, signs, verbs. Alone they need a preposition.
    let ambiguous = words == 1
        && token.is(STOP | EPONYM | SURNAME | GIVEN | GIVEN_WORD | PLACE_WORD | MEDICAL_NOUN);
    if page.is(end, MEDICAL_NOUN) && !page.is(end, FACILITY_TAIL) {
        return None;
    }
    let placed = page.is_one_of(index.wrapping_sub(1), BEFORE_PLACES);
    if found & INSTITUTION != 0 {
        let unsure = words == 1
            && (token.is(STOP | EPONYM | SURNAME | GIVEN)
                || page.text_at(index).len() < 5 && token.shape != Shape::Upper);
        let sure = if unsure && !placed { return None } else { 80 };
        return page.span(index, with_place(page, end), Kind::Facility, sure);
    }
    let comma = usize::from(page.is_mark(end, b','));
    if let Some(state) = state(page, end + comma) {
        let end = zip(page, state).unwrap_or(state);
        return page.span(index, end, Kind::Address, 90);
    }
    let sure = match (words, ambiguous, placed) {
        (2.., ..) => 80,
        (_, false, true) => 80,
        (_, false, false) => 70,
        (_, true, true) if page.is_title(index) => 60,
        _ => return None,
    };
    page.span(index, end, Kind::Address, sure)
}

/// "lives in Norwich", "born in Gig Harbor": a place that no list knows.
pub(super) fn lived_in(page: &Page<'_>, index: usize) -> Option<Span> {
    let before = |back: usize, words: &[&str]| index >= back && page.is_one_of(index - back, words);
    let placed = before(1, LIVED_IN) && before(2, LIVED);
    let token = page.at(index)?;
    let other = STOP | CALENDAR | STATE | MEDICAL_NOUN | FACILITY | FACILITY_TAIL | FACILITY_MOD;
    if !placed || token.shape != Shape::Title || token.is(other) {
        return None;
    }
    let mut end = index + 1;
    while end - index < 3
        && page.is_title(end)
        && page
            .at(end)
            .is_some_and(|t| t.gap == Gap::Space && !t.is(other))
    {
        end += 1;
    }
    page.span(index, with_place(page, end), Kind::Address, 60)
}

/// "…, Dallas", "… of Philadelphia", "… in NY", "… Los Angeles": index after it.
pub(super) fn with_place(page: &Page<'_>, end: usize) -> usize {
    if !page.continues(end) {
        return end;
    }
    let joint = usize::from(page.is_mark(end, b',') || page.is_one_of(end, &["of", "in", "at"]));
    let at = end + joint;
    if let Some((city, _)) = page
        .phrase(at, CITY | STATE)
        .filter(|_| page.at(at).is_some_and(|t| t.shape != Shape::Lower))
    {
        let comma = usize::from(page.is_mark(city, b','));
        return state(page, city + comma).unwrap_or(city);
    }
    if joint == 1 && page.is_mark(end, b',') {
        return state(page, at).unwrap_or(end);
    }
    if page.is_one_of(end, &["of", "in"]) {
        if let Some(state) = state(page, at) {
            return state;
        }
        let mut last = at;
        while last - at < 3
            && page.is_title(last)
            && page.continues(last)
            && !page.is(last, STOP | CALENDAR | MEDICAL_NOUN)
        {
            last += 1;
        }
        if last > at {
            return last;
        }
    }
    end
}
