//! Names of people: by title, label, kinship and credentials, by given and family names, by the shape "Given X.".
//!
//! What no list knows is a name only where something else says so. A name that medicine took ("Babinski sign") is
//! none unless a person is meant.

use crate::{
    Kind,
    lexicon::{
        Flags, CALENDAR, CITY, CUE, EPONYM, FACILITY, FACILITY_MOD, FACILITY_TAIL, GENERATION, GIVEN,
        GIVEN_WORD, HONORIFIC, INSURER, KIN, MEDICAL_NOUN, NAME_LABEL, PARTICLE, POSTNOMINAL,
        STATE, STOP, STREET, SURNAME,
    },
    page::{Page, Span},
    token::{Gap, Shape, Token},
};

/// Parts of one name at most: "Maria del Carmen de la Cruz Jr."
const PARTS_MAX: usize = 8;

/// A run of tokens that can be one name.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    /// Index after its last token.
    end: usize,
    words: usize,
    initials: usize,
    givens: usize,
    surnames: usize,
    unknown: usize,
    /// Its last word is a name that medicine took.
    eponym_last: bool,
}

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
    found.or_else(|| announced(page, index, token))
}

/// Words that announce a name: titles, kin, credentials, "patient", "named".
fn announced(page: &Page<'_>, index: usize, token: &Token) -> Option<Span> {
    if token.flags & (HONORIFIC | KIN | POSTNOMINAL | CUE) == 0 {
        return None;
    }
    after_honorific(page, index)
        .or_else(|| before_postnominal(page, index))
        .or_else(|| after_kin(page, index))
        .or_else(|| after_cue(page, index))
}

// --- by what the words themselves are ---

fn from_title(page: &Page<'_>, index: usize) -> Option<Span> {
    let token = page.at(index)?;
    if !token.is(GIVEN | GIVEN_WORD | SURNAME) {
        return from_unknown(page, index);
    }
    // "North Carolina"
    if index > 0 && page.phrase(index - 1, STATE).is_some_and(|(end, _)| end > index) {
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
        Run { initials: 1.., .. } if token.is(GIVEN | GIVEN_WORD) => match page.starts_sentence(index) {
            true => 55,
            false => 80,
        },
        Run { words: 2.., surnames, givens, .. } if token.is(GIVEN | GIVEN_WORD) => {
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
        Run { words: 2.., surnames: 2.., .. } if !ambiguous => 70,
        Run { words: 2.., .. } if !ambiguous && !page.starts_sentence(index) => 50,
        Run { initials: 1.., .. } if !ambiguous && !token.is(EPONYM) => 60,
        _ => return None,
    };
    page.span(index, run.end, Kind::Name, sure)
}

fn from_given(page: &Page<'_>, index: usize, run: Run) -> Option<u8> {
    let token = page.at(index)?;
    Some(match run {
        Run { surnames: 1.., words: 2.., .. } => 95,
        Run { initials: 1.., .. } => 92,
        Run { words: 2.., givens: 2.., .. } => 90,
        Run { words: 2.., .. } => 75,
        // Alone: a name, unless it is as likely a place, a sign or a family name used as a term.
        _ if token.is(EPONYM | STATE | MEDICAL_NOUN) => return None,
        _ if token.is(CITY) => 55,
        _ => 70,
    })
}

/// "patricia smith": in lower case both must be known, and neither an ordinary word.
fn from_lower(page: &Page<'_>, index: usize) -> Option<Span> {
    let plain = STOP | GIVEN_WORD | MEDICAL_NOUN | EPONYM | KIN | STREET | FACILITY | PARTICLE | CALENDAR;
    let named = |at: usize, what: Flags| page.at(at).is_some_and(|t| t.shape == Shape::Lower && t.is(what) && !t.is(plain));
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
        Run { words: 2.., initials: 1.., .. } => 75,
        _ if page.starts_sentence(index) && !page.strict => return None,
        Run { words: 2.., givens, surnames, .. } if givens + surnames > 0 => 65,
        Run { initials: 1.., .. } if ends_with_dot(page, run.end) => 60,
        Run { words: 2..4, .. } if page.strict => 55,
        Run { words: 1, initials: 0, .. } if page.strict && token.end - token.start > 3 => 50,
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
    if first.words != 1 || first.initials > 0 || !page.is(index, SURNAME) || !page.is_mark(first.end, b',') {
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

// --- by what stands before or after ---

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
    let clear = ["mr", "mrs", "ms", "dr", "dra", "prof", "sra", "srta", "sr", "mx"];
    let clear = clear.iter().any(|w| w.eq_ignore_ascii_case(word)) && (token.shape != Shape::Lower || dot);
    let name = page.at(next)?;
    if clear && dot && name.shape == Shape::Lower && name.is(GIVEN | SURNAME) && !name.is(STOP) {
        return page.span(index, next + 1, Kind::Name, 80);
    }
    let run = run(page, next, name.shape == Shape::Upper && name.is(SURNAME | GIVEN))?;
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
            t.is_mark(b'.') && page.at(part.wrapping_sub(1)).is_some_and(|i| i.shape == Shape::Initial)
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
    if !token.is(KIN) || token.possessive {
        return None;
    }
    let mut next = index + 1;
    if page.is_mark(next, b',') || page.is_mark(next, b'(') || page.is_one_of(next, &["named", "called", "is"]) {
        next += 1;
    }
    if !page.continues(next) || !page.is_title(next) {
        return None;
    }
    let run = run(page, next, false)?;
    let sure = match () {
        () if page.is(next, GIVEN) && !page.is(next, STOP) => 85,
        () if run.givens + run.surnames > 0 && !page.is(next, STOP) => 70,
        () if next == index + 1 && page.at(next).is_some_and(is_unknown) && token.shape == Shape::Lower => 55,
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
    if name.is(STOP) && !name.is(GIVEN) || name.is(CALENDAR | MEDICAL_NOUN | FACILITY | FACILITY_MOD) {
        return None;
    }
    let run = run(page, next, name.shape == Shape::Upper && single == 85)?;
    let sure = match run {
        Run { givens: 1.., .. } | Run { surnames: 1.., words: 2.., .. } => single.max(75),
        Run { initials: 1.., .. } if ends_with_dot(page, run.end) => single.max(75),
        Run { words: 2..4, unknown: 2.., .. } => single.max(55),
        _ => single,
    };
    page.span(next, run.end, Kind::Name, sure)
}

/// "Patient: John Smith", "Apellidos: Rivera Bueno", "Attending: SMITH, JOHN".
fn after_label(page: &Page<'_>, colon: usize) -> Option<Span> {
    let label = colon.checked_sub(1)?;
    let label_token = page.at(label)?;
    if !label_token.is(NAME_LABEL | KIN | HONORIFIC) {
        return None;
    }
    let first = colon + 1;
    let strong = page.is_one_of(
        label,
        &["name", "nombre", "apellidos", "apellido", "surname", "paciente", "names", "médico", "medico"],
    ) && !page.is_one_of(label.wrapping_sub(1), &["file", "drug", "product", "brand", "trade", "generic", "test", "study", "plan", "user", "domain", "host", "facility", "hospital", "clinic", "company", "employer", "medication"]);
    let mut end = first;
    let mut known = 0;
    let mut words = 0;
    while end - first < PARTS_MAX && page.continues(end) {
        let Some(token) = page.at(end) else { break };
        let named = token.is(GIVEN | SURNAME);
        let fits = match token.shape {
            Shape::Title | Shape::Upper => named && !token.is(CALENDAR) || is_unknown(token) || token.is(GENERATION | PARTICLE),
            Shape::Initial => true,
            Shape::Lower => token.is(PARTICLE) && end > first || strong && (named || is_unknown_lower(token)),
            Shape::Mark(b',') => end > first && page.is(end + 1, GIVEN) && words == 1,
            Shape::Mark(b'.') => page.before(end).is_some_and(|t| t.shape == Shape::Initial || t.is(HONORIFIC)),
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

// --- runs ---

/// The longest run from here that can be a name. `upper`: written in capitals throughout.
fn run(page: &Page<'_>, index: usize, upper: bool) -> Option<Run> {
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
                if token.possessive {
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
                let name = (at + 1..at + 4).find(|&i| !page.is(i, PARTICLE) || page.is(i, SURNAME))?;
                let and = page.is_one_of(at, &["y", "e", "do", "san", "santa"]);
                if !page.is_title(name) || page.is(name, STOP) || and && !page.is(name, SURNAME) || !page.continues(name) {
                    break;
                }
                at = name;
            }
            Shape::Mark(b',') if page.is(at + 1, GENERATION) && run.words > 0 && !page.is_one_of(at + 1, &["senior", "junior"]) => at += 1,
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
    let other = CALENDAR | FACILITY | FACILITY_TAIL | STREET | MEDICAL_NOUN | HONORIFIC | STATE | INSURER;
    shape
        && (first
            || named && !token.is(FACILITY | CALENDAR)
            || token.flags & (STOP | other) == 0)
}

/// Initials stand after a name ("John D.") or before one ("J. Smith"); a bare "I" or "A" is a word.
fn initial_fits(page: &Page<'_>, at: usize, words: usize) -> bool {
    let dot = page.is_mark(at + 1, b'.') && page.at(at + 1).is_some_and(|t| t.gap == Gap::Tight);
    let bare = !page.is_one_of(at, &["i", "a"])
        && !page.at(at + 1).is_some_and(|t| t.gap == Gap::Tight && (t.shape == Shape::Number || t.is_mark(b'-')));
    dot || words > 0 && bare
}

/// Whether medicine means the name: "Parkinson's disease", "Lou Gehrig disease", "Austin Flint murmur".
fn named_after(page: &Page<'_>, run: Run) -> bool {
    let noun = |i: usize| page.is(i, MEDICAL_NOUN) && page.continues(i);
    let next = run.end;
    let joined = page.is_mark(next, b'-') && page.is_title(next + 1);
    noun(next) && !page.is(next, GIVEN) || run.eponym_last && (noun(next + 1) || joined)
}

fn ends_with_dot(page: &Page<'_>, end: usize) -> bool {
    page.is_mark(end, b'.') && page.at(end).is_some_and(|t| t.gap == Gap::Tight)
}

/// Capitalised and in no list, or in none that explains it.
fn is_unknown(token: &Token) -> bool {
    matches!(token.shape, Shape::Title | Shape::Upper) && token.flags & !crate::lexicon::HEAD == 0
}

fn is_unknown_lower(token: &Token) -> bool {
    token.shape == Shape::Lower && (token.flags & !crate::lexicon::HEAD == 0 || token.is(GIVEN | SURNAME) && !token.is(STOP))
}
