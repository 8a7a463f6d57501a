//! Places smaller than a state: streets, cities, ZIP codes, and places of care. States and countries are left alone,
//! except within an address.

use crate::{
    Kind,
    lexicon::{
        CALENDAR, CITY, EPONYM, FACILITY, FACILITY_MOD, FACILITY_TAIL, GIVEN, GIVEN_WORD, HEAD,
        INSTITUTION, MEDICAL_NOUN, PLACE_WORD, STATE, STATE_CODE, STOP, STREET, STREET_BEFORE,
        SURNAME,
    },
    page::{Page, Span},
    token::{Gap, Shape},
};

/// Words of a street or a place of care at most.
const NAME_WORDS_MAX: usize = 7;

/// Tokens of an address on a labelled line at most: what fits the longest span, and then some.
const LINE_TOKENS_MAX: usize = 40;

/// The place that this token starts or completes, if any.
pub(crate) fn at(page: &Page<'_>, index: usize) -> Option<Span> {
    let token = page.at(index)?;
    match token.shape {
        Shape::Number => street_from_number(page, index),
        Shape::Mark(b':') => after_label(page, index),
        Shape::Mark(_) => None,
        _ if token.is(FACILITY | FACILITY_TAIL) => {
            facility(page, index).or_else(|| city_or_institution(page, index))
        }
        Shape::Lower => street_before(page, index),
        _ if token.is(STREET) => street_without_number(page, index).or_else(|| saint(page, index)),
        _ => street_before(page, index)
            .or_else(|| saint(page, index))
            .or_else(|| city_or_institution(page, index))
            .or_else(|| city_state(page, index))
            .or_else(|| lived_in(page, index)),
    }
}

// --- streets ---

/// "20789 Old Elm Street Apt 5B, Springfield, IL 62704"
fn street_from_number(page: &Page<'_>, number: usize) -> Option<Span> {
    let digits = page.text_at(number).len();
    if digits > 6 || page.at(number)?.gap == Gap::Tight && number > 0 {
        return None;
    }
    let mut at = number + 1;
    // "221B", "12-34"
    if page.at(at).is_some_and(|t| t.gap == Gap::Tight && t.shape == Shape::Initial) {
        at += 1;
    }
    let first = at;
    while at - first <= NAME_WORDS_MAX && page.continues(at) {
        let token = page.at(at)?;
        let named = at > first;
        if named && token.is(STREET) && is_street_word(page, at) {
            let end = with_rest_of_address(page, at + 1);
            return page.span(number, end, Kind::Address, 92);
        }
        let fits = match token.shape {
            Shape::Title | Shape::Initial | Shape::Upper => !token.is(CALENDAR) || named,
            // 5th Avenue
            Shape::Number => at == first,
            Shape::Lower => page.is_one_of(at, &["st", "nd", "rd", "th", "of", "the", "de", "la", "del"]),
            Shape::Mark(b'.') => token.gap == Gap::Tight && named,
            _ => false,
        };
        if !fits {
            return None;
        }
        at += 1;
    }
    None
}

/// A short form such as "St" or "Dr" must end the name; a capital must begin it, or the number says enough.
fn is_street_word(page: &Page<'_>, at: usize) -> bool {
    page.at(at).is_some_and(|t| {
        matches!(t.shape, Shape::Title | Shape::Upper)
            || page.is_one_of(at, &["street", "avenue", "road", "boulevard", "lane", "drive", "court"])
    })
}

/// "Elm Street": a name and a word that is nothing but a street.
fn street_without_number(page: &Page<'_>, street: usize) -> Option<Span> {
    let sure = page.is_one_of(street, &["street", "avenue", "boulevard", "road", "lane", "ave", "blvd", "rd"]);
    let name = street.checked_sub(1)?;
    let token = page.at(name)?;
    if !sure || token.shape != Shape::Title || !page.continues(street) {
        return None;
    }
    let plain = token.is(STOP) && !token.is(SURNAME | GIVEN | PLACE_WORD);
    (!plain).then(|| page.span(name, with_rest_of_address(page, street + 1), Kind::Address, 75)).flatten()
}

/// "Calle Miguel Benítez 90, 2º dcha"
fn street_before(page: &Page<'_>, index: usize) -> Option<Span> {
    if !page.is(index, STREET_BEFORE) {
        return None;
    }
    let mut at = index + 1;
    while at - index < NAME_WORDS_MAX
        && page.continues(at)
        && page.at(at).is_some_and(|t| {
            matches!(t.shape, Shape::Title | Shape::Initial)
                || t.is_mark(b'.')
                || t.is_mark(b'/')
                || page.is_one_of(at, &["de", "del", "la", "las", "los", "el", "y"])
        })
    {
        at += 1;
    }
    let named = (index + 1..at).any(|i| page.is_title(i));
    let comma = usize::from(page.is_mark(at, b','));
    let number = at + comma;
    let numbered = page.at(number).is_some_and(|t| t.shape == Shape::Number && t.gap != Gap::Line);
    let end = if numbered { with_rest_of_address(page, number + 1) } else { at };
    let long = page.text_at(index).len() > 4 && page.is_title(index);
    (named && (numbered || long)).then(|| page.span(index, end, Kind::Address, if numbered { 90 } else { 70 })).flatten()
}

/// Unit, city, state and ZIP code after a street.
fn with_rest_of_address(page: &Page<'_>, end: usize) -> usize {
    let mut end = end;
    if page.is_mark(end, b'.') && page.at(end).is_some_and(|t| t.gap == Gap::Tight) {
        end += 1;
    }
    let mut at = end + usize::from(page.is_mark(end, b','));
    const UNITS: &[&str] = &["apt", "apartment", "suite", "ste", "unit", "floor", "fl", "room", "rm", "bldg", "building", "piso", "no", "lot"];
    if page.is_one_of(at, UNITS) || page.is_mark(at, b'#') {
        at += 1;
        while page.is_mark(at, b'.') || page.is_mark(at, b'#') {
            at += 1;
        }
        if page.at(at).is_some_and(|t| matches!(t.shape, Shape::Number | Shape::Initial | Shape::Upper)) {
            end = at + 1;
            // 5B, 5-B
            while page.at(end).is_some_and(|t| t.gap == Gap::Tight && !t.is_mark(b',') && !t.is_mark(b'.')) {
                end += 1;
            }
        }
    }
    let at = end + usize::from(page.is_mark(end, b','));
    match city_tail(page, at) {
        Some(tail) => tail,
        None => end,
    }
}

/// "Springfield, IL 62704", "Springfield IL", "Springfield": index after it.
fn city_tail(page: &Page<'_>, at: usize) -> Option<usize> {
    let known = page.phrase(at, CITY).map(|(end, _)| end);
    let unknown = || {
        let mut end = at;
        while end - at < 3 && page.at(end).is_some_and(|t| t.shape == Shape::Title && (end == at || t.gap == Gap::Space)) {
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

/// "Address: …", "Localidad/ Provincia: Madrid": the rest of the line, up to the next label.
fn after_label(page: &Page<'_>, colon: usize) -> Option<Span> {
    let label = colon.checked_sub(1)?;
    let labels = ["address", "domicilio", "dirección", "direccion", "localidad", "provincia", "residence", "birthplace", "town", "city", "municipio", "población", "poblacion"];
    // An address on the net has its own kind; so has that of a network card.
    if !page.is_one_of(label, &labels) || page.is_one_of(label.wrapping_sub(1), &["mail", "email", "e-mail", "ip", "mac", "web"]) {
        return None;
    }
    let first = colon + 1;
    let mut end = first;
    while end - first < LINE_TOKENS_MAX && page.at(end).is_some_and(|t| end == first || t.gap != Gap::Line) {
        if page.is_mark(end, b':') {
            end = end.saturating_sub(1).max(first);
            break;
        }
        end += 1;
    }
    let telling = (first..end).any(|i| page.at(i).is_some_and(|t| t.is_word() || t.shape == Shape::Number));
    telling.then(|| page.span(first, end, Kind::Address, 85)).flatten()
}

/// "lives in Norwich", "born in Gig Harbor": a place that no list knows.
fn lived_in(page: &Page<'_>, index: usize) -> Option<Span> {
    let before = |back: usize, words: &[&str]| index >= back && page.is_one_of(index - back, words);
    let placed = before(1, &["in", "at", "near", "to", "from"])
        && before(2, &["lives", "lived", "live", "living", "resides", "reside", "residing", "born", "raised", "moved", "relocated"]);
    let token = page.at(index)?;
    let other = STOP | CALENDAR | STATE | MEDICAL_NOUN | FACILITY | FACILITY_TAIL | FACILITY_MOD;
    if !placed || token.shape != Shape::Title || token.is(other) {
        return None;
    }
    let mut end = index + 1;
    while end - index < 3 && page.is_title(end) && page.at(end).is_some_and(|t| t.gap == Gap::Space && !t.is(other)) {
        end += 1;
    }
    page.span(index, with_place(page, end), Kind::Address, 60)
}

// --- cities ---

/// "Cedar Rapids, IA 52401": capitalised words, a comma, a state.
fn city_state(page: &Page<'_>, index: usize) -> Option<Span> {
    let token = page.at(index)?;
    if token.shape != Shape::Title || token.is(STOP | CALENDAR | STATE) && !token.is(HEAD) {
        return None;
    }
    let mut end = index + 1;
    while end - index < 3 && page.is_title(end) && page.at(end).is_some_and(|t| t.gap == Gap::Space && !t.is(STOP)) {
        end += 1;
    }
    if !page.is_mark(end, b',') {
        return None;
    }
    let after = state(page, end + 1)?;
    let with_zip = zip(page, after);
    let code = page.at(end + 1)?;
    // "Smith, MD" and "Jones, PA" are people; a ZIP code or a full name of the state makes a place.
    let degree = code.shape == Shape::Upper && page.is_one_of(end + 1, &["md", "do", "pa", "ma", "ms", "dc", "ct", "pt", "or", "in", "me", "hi", "ok"]);
    if degree && with_zip.is_none() && page.phrase(index, CITY).is_none() {
        return None;
    }
    page.span(index, with_zip.unwrap_or(after), Kind::Address, 85)
}

fn city_or_institution(page: &Page<'_>, index: usize) -> Option<Span> {
    let token = page.at(index)?;
    if !token.is(CITY | INSTITUTION | HEAD) || token.shape == Shape::Lower {
        return None;
    }
    let (end, found) = page.phrase(index, CITY | INSTITUTION)?;
    let words = end - index;
    // Most are other things as well: people, signs, verbs. Alone they need a preposition.
    let ambiguous = words == 1 && token.is(STOP | EPONYM | SURNAME | GIVEN | GIVEN_WORD | PLACE_WORD | MEDICAL_NOUN);
    if page.is(end, MEDICAL_NOUN) && !page.is(end, FACILITY_TAIL) {
        return None;
    }
    let placed = page.is_one_of(
        index.wrapping_sub(1),
        &["in", "at", "from", "to", "near", "outside", "of", "our", "through", "via", "visiting", "leaving", "en", "by", "with"],
    );
    if found & INSTITUTION != 0 {
        let unsure = words == 1 && (token.is(STOP | EPONYM | SURNAME | GIVEN) || page.text_at(index).len() < 5 && token.shape != Shape::Upper);
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

// --- places of care ---

/// "St. Mary's", "Saint Luke's Hospital"
fn saint(page: &Page<'_>, index: usize) -> Option<Span> {
    if !page.is_one_of(index, &["st", "saint", "mt", "mount"]) {
        return None;
    }
    let dot = usize::from(page.is_mark(index + 1, b'.'));
    let name = index + 1 + dot;
    let token = page.at(name)?;
    let named = token.shape == Shape::Title && page.continues(name) && !token.is(MEDICAL_NOUN);
    (named && token.possessive).then(|| page.span(index, name + 1, Kind::Facility, 70)).flatten()
}

/// From the last word ("Hospital", "Center") back to the first of the name, and on to "of Philadelphia".
fn facility(page: &Page<'_>, last: usize) -> Option<Span> {
    let token = page.at(last)?;
    let capital = matches!(token.shape, Shape::Title | Shape::Upper);
    let hospital = token.is(FACILITY);
    // The last word of the name is further on: "Health" in "Jefferson Health Clinic".
    if capital && page.continues(last + 1) && page.is(last + 1, FACILITY | FACILITY_TAIL) && page.at(last + 1).is_some_and(|t| t.shape != Shape::Lower || t.is(FACILITY)) {
        return None;
    }
    let mut first = last;
    let (mut proper, mut kind_words, mut placed) = (0, 0, false);
    while last - first < NAME_WORDS_MAX {
        let Some(at) = first.checked_sub(1) else { break };
        if !page.continues(first) {
            break;
        }
        let Some(part) = page.at(at) else { break };
        let fits = match part.shape {
            Shape::Mark(b'.') => page.is_one_of(at.wrapping_sub(1), &["st", "mt", "ft", "med", "dr"]),
            Shape::Mark(b'&') => true,
            Shape::Mark(b'-') => part.gap == Gap::Tight,
            Shape::Lower => page.is_one_of(at, &["of", "and", "for", "de", "la", "del", "the"]) && at > 0 && page.is_title(at - 1) && page.is_title(at + 1) && capital,
            Shape::Title | Shape::Upper => !part.is(CALENDAR) && (!is_plain(page, at) || part.is(FACILITY | FACILITY_TAIL)),
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
    while first < last && page.at(first).is_some_and(|t| !matches!(t.shape, Shape::Title | Shape::Upper)) {
        first += 1;
    }
    let of_place = capital && page.is_one_of(last + 1, &["of", "in"]) && page.is_title(last + 2) && !page.is(last + 2, STOP) ;
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
        (false, true) if proper > 0 && (kind_words > 0 || placed || is_strong_tail(page, last)) && ends_here(page, last) => 75,
        (false, true) if proper > 0 && ends_here(page, last) && !page.starts_sentence(first) => 55,
        (false, false) if placed && page.is_one_of(last, &["facility", "center", "centre", "campus", "health"]) => 70,
        _ => return None,
    };
    let kind = if school { Kind::Address } else { Kind::Facility };
    page.span(first, end, kind, sure)
}

/// A word that is only a word: no name of a place begins with it.
fn is_plain(page: &Page<'_>, at: usize) -> bool {
    let token_flags = page.flags(at);
    // In capitals it is an abbreviation: "LA Medical Center".
    let short = page.at(at).is_some_and(|t| t.shape == Shape::Upper && t.end - t.start <= 4);
    token_flags & STOP != 0 && !(short && token_flags & STATE_CODE != 0)
        && token_flags & (SURNAME | GIVEN | CITY | INSTITUTION | PLACE_WORD | STATE | FACILITY_MOD) == 0
}

fn is_strong_tail(page: &Page<'_>, last: usize) -> bool {
    page.is_one_of(last, &["center", "centre", "institute", "university", "hospice", "pavilion", "healthcare", "memorial", "rehab", "rehabilitation"])
}

/// Whether the name ends with this word: "Past Medical History" does not end with "Medical".
fn ends_here(page: &Page<'_>, last: usize) -> bool {
    let next = last + 1;
    !page.continues(next) || !page.is_title(next) || page.at(last).is_some_and(|t| t.possessive)
}

/// "…, Dallas", "… of Philadelphia", "… in NY", "… Los Angeles": index after it.
fn with_place(page: &Page<'_>, end: usize) -> usize {
    if !page.continues(end) {
        return end;
    }
    let joint = usize::from(page.is_mark(end, b',') || page.is_one_of(end, &["of", "in", "at"]));
    let at = end + joint;
    if let Some((city, _)) = page.phrase(at, CITY | STATE).filter(|_| page.at(at).is_some_and(|t| t.shape != Shape::Lower)) {
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
        while last - at < 3 && page.is_title(last) && page.continues(last) && !page.is(last, STOP | CALENDAR | MEDICAL_NOUN) {
            last += 1;
        }
        if last > at {
            return last;
        }
    }
    end
}
