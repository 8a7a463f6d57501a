//! Names that something announces: a title, a label, kinship, credentials, "patient", "named".

use crate::{
    Kind,
    lexicon::{
        CALENDAR, CITY, CUE, FACILITY, FACILITY_MOD, GENERATION, GIVEN, HONORIFIC, KIN,
        MEDICAL_NOUN, NAME_LABEL, PARTICLE, POSTNOMINAL, STOP, SURNAME,
    },
    page::{Page, Span},
    token::{Shape, Token},
};

use super::run::{PARTS_MAX, Run, ends_with_dot, is_unknown, is_unknown_lower, run};

/// Words that announce a name: titles, kin, credentials, "patient", "named".
pub(super) fn announced(page: &Page<'_>, index: usize, token: &Token) -> Option<Span> {
    if token.flags & (HONORIFIC | KIN | POSTNOMINAL | CUE) == 0 {
        return None;
    }
    after_honorific(page, index)
        .or_else(|| before_postnominal(page, index))
        .or_else(|| after_kin(page, index))
        .or_else(|| after_cue(page, index))
}

fn after_honorific(page: &Page<'_>, index: usize) -> Option<Span> {
    let token = page.at(index)?;
    if !token.is(HONORIFIC) {
        return None;
    }
    let dot = page.is_mark(index + 1, b'.');
    let next = index + 1 + usize::from(dot);
    let word = page.text_at(index);
    // MS is a disease and MR an image, unless a full stop makes them titles.
    if token.shape == Shape::Upper && !dot || !page.continues(next) {
        return None;
    }
    let clear = [
        "mr", "mrs", "ms", "dr", "dra", "prof", "sra", "srta", "sr", "mx",
    ];
    let clear =
        clear.iter().any(|w| w.eq_ignore_ascii_case(word)) && (token.shape != Shape::Lower || dot);
    let name = page.at(next)?;
    if clear && dot && name.shape == Shape::Lower && name.is(GIVEN | SURNAME) && !name.is(STOP) {
        return page.span(index, next + 1, Kind::Name, 80);
    }
    let run = run(
        page,
        next,
        name.shape == Shape::Upper && name.is(SURNAME | GIVEN),
    )?;
    let known = run.givens + run.surnames > 0;
    let sure = match (clear, known) {
        (true, _) => 92,
        (false, true) if run.words >= 1 && !page.is(next, STOP) => 75,
        _ => return None,
    };
    // The title belongs to the span: "Dr. Adams" as a whole names the person.
    page.span(index, run.end, Kind::Name, sure)
}

/// "Anna Smith, MD" and "Smith M.D."
fn before_postnominal(page: &Page<'_>, index: usize) -> Option<Span> {
    let token = page.at(index)?;
    let text = page.text_at(index);
    let written = text.len() >= 2 && token.shape == Shape::Upper
        || ["PhD", "PharmD", "PsyD", "Esq"].contains(&text);
    if !token.is(POSTNOMINAL) || !written {
        return None;
    }
    let comma = usize::from(index > 0 && page.is_mark(index - 1, b','));
    let end = index.checked_sub(comma)?;
    let mut first = end;
    while let Some(part) = first.checked_sub(1)
        && end - first < 4
        && page.continues(first)
        && page.at(part).is_some_and(|t| {
            t.is_mark(b'.')
                && page
                    .at(part.wrapping_sub(1))
                    .is_some_and(|i| i.shape == Shape::Initial)
                || t.shape == Shape::Initial
                || t.shape == Shape::Title && (is_unknown(t) || t.is(GIVEN | SURNAME))
        })
    {
        first = part;
    }
    let words = (first..end).filter(|&i| page.is_title(i)).count();
    let known = (first..end).any(|i| page.is(i, GIVEN | SURNAME));
    // "Baltimore, MD" and "Chicago MD" are places; two words or a known name are people.
    (words >= 2 || words == 1 && known && !page.is(first, CITY))
        .then(|| page.span(first, end, Kind::Name, 85))
        .flatten()
}

/// "wife Anna", "son, John", "mother Maria Lopez".
fn after_kin(page: &Page<'_>, index: usize) -> Option<Span> {
    let token = page.at(index)?;
    if !token.is(KIN) || token.possessive() {
        return None;
    }
    let mut next = index + 1;
    if page.is_mark(next, b',')
        || page.is_mark(next, b'(')
        || page.is_one_of(next, &["named", "called", "is"])
    {
        next += 1;
    }
    if !page.continues(next) || !page.is_title(next) {
        return None;
    }
    let run = run(page, next, false)?;
    let sure = match () {
        () if page.is(next, GIVEN) && !page.is(next, STOP) => 85,
        () if run.givens + run.surnames > 0 && !page.is(next, STOP) => 70,
        () if next == index + 1
            && page.at(next).is_some_and(is_unknown)
            && token.shape == Shape::Lower =>
        {
            55
        }
        () => return None,
    };
    page.span(next, run.end, Kind::Name, sure)
}

/// "patient Rubija K.", "named Rubija", "my name is Rubija", "Dear Rubija", "signed by Rubija Varvio".
fn after_cue(page: &Page<'_>, index: usize) -> Option<Span> {
    if !page.is(index, CUE) {
        return None;
    }
    let (next, single) = match page.text_at(index).to_ascii_lowercase().as_str() {
        "named" | "called" => (index + 1, 65),
        "name" | "names" if page.is_one_of(index + 1, &["is", "was"]) => (index + 2, 85),
        "dear" | "hi" | "hello" | "hey" => (index + 1, 65),
        "regards" | "sincerely" | "thanks" | "cheers" => (index + 2, 60),
        "am" if page.is_one_of(index.wrapping_sub(1), &["i"]) => (index + 1, 50),
        "i'm" | "i’m" => (index + 1, 50),
        "patient" | "pt" | "client" | "resident" => (index + 1, 45),
        "by" => (index + 1, 45),
        _ => return None,
    };
    let name = page.at(next)?;
    if !(page.continues(next) || single == 60) {
        return None;
    }
    let lower_ok = single == 85 && name.shape == Shape::Lower && is_unknown_lower(name);
    if lower_ok {
        return page.span(next, next + 1, Kind::Name, 75);
    }
    if name.is(STOP) && !name.is(GIVEN)
        || name.is(CALENDAR | MEDICAL_NOUN | FACILITY | FACILITY_MOD)
    {
        return None;
    }
    let run = run(page, next, name.shape == Shape::Upper && single == 85)?;
    let sure = match run {
        Run { givens: 1.., .. }
        | Run {
            surnames: 1..,
            words: 2..,
            ..
        } => single.max(75),
        Run { initials: 1.., .. } if ends_with_dot(page, run.end) => single.max(75),
        Run {
            words: 2..4,
            unknown: 2..,
            ..
        } => single.max(55),
        _ => single,
    };
    page.span(next, run.end, Kind::Name, sure)
}

/// "Patient: John Smith", "Apellidos: Rivera Bueno", "Attending: SMITH, JOHN".
pub(super) fn after_label(page: &Page<'_>, colon: usize) -> Option<Span> {
    let label = colon.checked_sub(1)?;
    let label_token = page.at(label)?;
    if !label_token.is(NAME_LABEL | KIN | HONORIFIC) {
        return None;
    }
    let first = colon + 1;
    let strong = page.is_one_of(
        label,
        &[
            "name",
            "nombre",
            "apellidos",
            "apellido",
            "surname",
            "paciente",
            "names",
            "médico",
            "medico",
        ],
    ) && !page.is_one_of(
        label.wrapping_sub(1),
        &[
            "file",
            "drug",
            "product",
            "brand",
            "trade",
            "generic",
            "test",
            "study",
            "plan",
            "user",
            "domain",
            "host",
            "facility",
            "hospital",
            "clinic",
            "company",
            "employer",
            "medication",
        ],
    );
    let mut end = first;
    let mut known = 0;
    let mut words = 0;
    while end - first < PARTS_MAX && page.continues(end) {
        let Some(token) = page.at(end) else { break };
        let named = token.is(GIVEN | SURNAME);
        let fits = match token.shape {
            Shape::Title | Shape::Upper => {
                named && !token.is(CALENDAR) || is_unknown(token) || token.is(GENERATION | PARTICLE)
            }
            Shape::Initial => true,
            Shape::Lower => {
                token.is(PARTICLE) && end > first || strong && (named || is_unknown_lower(token))
            }
            Shape::Mark(b',') => end > first && page.is(end + 1, GIVEN) && words == 1,
            Shape::Mark(b'.') => page
                .before(end)
                .is_some_and(|t| t.shape == Shape::Initial || t.is(HONORIFIC)),
            _ => false,
        } || token.is(HONORIFIC) && end == first;
        if !fits {
            break;
        }
        known += usize::from(named);
        words += usize::from(token.is_word() && !token.is(HONORIFIC));
        end += 1;
    }
    // The next label is not part of the name: "Name: Anna Sex: F".
    if page.is_mark(end, b':') && words > 1 {
        end -= 1;
        words -= 1;
    }
    let sure = match (strong, known, words) {
        (_, _, 0) => return None,
        (true, ..) => 90,
        (false, 1.., _) => 85,
        (false, 0, 2..=4) if !label_token.is(KIN) => 70,
        _ => return None,
    };
    page.span(first, end, Kind::Name, sure)
}
