//! Streets and what belongs to their address: number, unit, city, state, ZIP code. And lines labelled as an address.

use crate::{
    Kind,
    lexicon::{CALENDAR, GIVEN, PLACE_WORD, STOP, STREET, STREET_BEFORE, SURNAME},
    page::{Page, Span},
    token::{Gap, Shape},
};

use super::city::city_tail;

/// Words of a street or a place of care at most.
pub(super) const NAME_WORDS_MAX: usize = 7;

/// Words for streets that need no capital.
pub(crate) const PLAIN_STREETS: &[&str] = &[
    "street",
    "avenue",
    "road",
    "boulevard",
    "lane",
    "drive",
    "court",
];

/// Lower-case words within the name of a street: "5th Avenue", "Avenue of the Americas".
pub(crate) const STREET_JOINTS: &[&str] = &["st", "nd", "rd", "th", "of", "the", "de", "la", "del"];

/// What a line with an address is labelled.
pub(crate) const ADDRESS_LABELS: &[&str] = &[
    "address",
    "domicilio",
    "dirección",
    "direccion",
    "localidad",
    "provincia",
    "residence",
    "birthplace",
    "town",
    "city",
    "municipio",
    "población",
    "poblacion",
];

/// Tokens of an address on a labelled line at most: what fits the longest span, and then some.
const LINE_TOKENS_MAX: usize = 40;

/// "20789 Old Elm Street Apt 5B, Springfield, IL 62704"
pub(super) fn street_from_number(page: &Page<'_>, number: usize) -> Option<Span> {
    let digits = page.text_at(number).len();
    if digits > 6 || page.at(number)?.gap == Gap::Tight && number > 0 {
        return None;
    }
    let mut at = number + 1;
    // "221B", "12-34"
    if page
        .at(at)
        .is_some_and(|t| t.gap == Gap::Tight && t.shape == Shape::Initial)
    {
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
            Shape::Lower => page.is_one_of(at, STREET_JOINTS),
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
        matches!(t.shape, Shape::Title | Shape::Upper) || page.is_one_of(at, PLAIN_STREETS)
    })
}

/// "Elm Street": a name and a word that is nothing but a street.
pub(super) fn street_without_number(page: &Page<'_>, street: usize) -> Option<Span> {
    let sure = page.is_one_of(
        street,
        &[
            "street",
            "avenue",
            "boulevard",
            "road",
            "lane",
            "ave",
            "blvd",
            "rd",
        ],
    );
    let name = street.checked_sub(1)?;
    let token = page.at(name)?;
    if !sure || token.shape != Shape::Title || !page.continues(street) {
        return None;
    }
    let plain = token.is(STOP) && !token.is(SURNAME | GIVEN | PLACE_WORD);
    (!plain)
        .then(|| {
            page.span(
                name,
                with_rest_of_address(page, street + 1),
                Kind::Address,
                75,
            )
        })
        .flatten()
}

/// "Calle Miguel Benítez 90, 2º dcha"
pub(super) fn street_before(page: &Page<'_>, index: usize) -> Option<Span> {
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
    let numbered = page
        .at(number)
        .is_some_and(|t| t.shape == Shape::Number && t.gap != Gap::Line);
    let end = if numbered {
        with_rest_of_address(page, number + 1)
    } else {
        at
    };
    let long = page.text_at(index).len() > 4 && page.is_title(index);
    (named && (numbered || long))
        .then(|| page.span(index, end, Kind::Address, if numbered { 90 } else { 70 }))
        .flatten()
}

/// Unit, city, state and ZIP code after a street.
fn with_rest_of_address(page: &Page<'_>, end: usize) -> usize {
    let mut end = end;
    if page.is_mark(end, b'.') && page.at(end).is_some_and(|t| t.gap == Gap::Tight) {
        end += 1;
    }
    let mut at = end + usize::from(page.is_mark(end, b','));
    const UNITS: &[&str] = &[
        "apt",
        "apartment",
        "suite",
        "ste",
        "unit",
        "floor",
        "fl",
        "room",
        "rm",
        "bldg",
        "building",
        "piso",
        "no",
        "lot",
    ];
    if page.is_one_of(at, UNITS) || page.is_mark(at, b'#') {
        at += 1;
        while page.is_mark(at, b'.') || page.is_mark(at, b'#') {
            at += 1;
        }
        if page
            .at(at)
            .is_some_and(|t| matches!(t.shape, Shape::Number | Shape::Initial | Shape::Upper))
        {
            end = at + 1;
            // 5B, 5-B
            while page
                .at(end)
                .is_some_and(|t| t.gap == Gap::Tight && !t.is_mark(b',') && !t.is_mark(b'.'))
            {
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

/// "Address: …", "Localidad/ Provincia: Madrid": the rest of the line, up to the next label.
pub(super) fn after_label(page: &Page<'_>, colon: usize) -> Option<Span> {
    let label = colon.checked_sub(1)?;
    // An address on the net has its own kind; so has that of a network card.
    if !page.is_one_of(label, ADDRESS_LABELS)
        || page.is_one_of(
            label.wrapping_sub(1),
            &["mail", "email", "e-mail", "ip", "mac", "web"],
        )
    {
        return None;
    }
    let first = colon + 1;
    let mut end = first;
    while end - first < LINE_TOKENS_MAX
        && page
            .at(end)
            .is_some_and(|t| end == first || t.gap != Gap::Line)
    {
        if page.is_mark(end, b':') {
            end = end.saturating_sub(1).max(first);
            break;
        }
        end += 1;
    }
    let telling = (first..end).any(|i| {
        page.at(i)
            .is_some_and(|t| t.is_word() || t.shape == Shape::Number)
    });
    telling
        .then(|| page.span(first, end, Kind::Address, 85))
        .flatten()
}
