//! The way into `detect`: patterns for cells in which the words could tell anything. A cell that matches none of them
//! holds no name, place or label that the rules would find, and stays outside the sandbox.
//!
//! Each rule has a shape that it cannot do without ("two capitals", "a word for kin and a capital"); these are the
//! shapes, somewhat wider than the rules. Lists of words are written so that the gateway looks them up. A test makes cells of all sorts and compares: what the rules find in a cell
//! that stays outside is a gap here.

use almoner_plugin_sdk::Pattern;

use crate::{
    Kind, Settings, dates, labels,
    lexicon::{
        self, CALENDAR, CITY, COMMON, EPONYM, FACILITY, Flags, GIVEN, GIVEN_WORD, HONORIFIC,
        INSTITUTION, KIN, LABEL, MEDICAL_NOUN, NAME_LABEL, PARTICLE, PLACE_WORD, STATE, STOP,
        STREET, STREET_BEFORE, SURNAME,
    },
    names::DEEDS,
    places::{city, facility, street},
};

/// Bytes of the words of one pattern: what the gateway allows for a pattern, less the rest of it.
const WORDS_BYTES_MAX: usize = 7 * 1024;

/// Findings less sure than this are made of single capitals and words in lower case: every text must come in.
const NARROW_FROM: u8 = 50;

/// A capital, or two words, or a letter that is not ASCII.
const ANY_TEXT: &str = r"[A-Z]|[a-z]{2} [a-z]{3}|[\p{L}--[\x00-\x7Fµ]]";
/// A letter that is not ASCII; the micro sign of "µg" is none.
const LETTER_BEYOND_ASCII: &str = r"[\p{L}--[\x00-\x7Fµ]]";
/// What could be a name that another cell of the record tells.
const CAPITAL: &str = r"\p{Lu}";

/// Before a word; the tokens know no words with digits or underscores in them.
const BEFORE: &str = r"(?:\A|[^A-Za-z])";
/// After a word.
const AFTER: &str = r"(?:[^A-Za-z]|\z)";
/// White space.
const SPACE: &str = r"[ \t\r\n]";
/// The first word of two that make a name, and the marks that may stand between.
const CAPITALISED: &str = r"[A-Z][A-Za-z'-]*[ \t\r\n.,&'-]+";
/// Letters that people write when they do not look: "LaToya" must be met like "Latoya".
const MIXED: &str = r"[A-Z][a-z]+[A-Z][A-Za-z]|[A-Z][A-Z](?:[a-z]|-[a-z]|'[a-z]{2})|[a-z][A-Z]{3}";

/// The patterns under these settings.
pub(crate) fn declared(settings: &Settings) -> Vec<Pattern> {
    let kind = Kind::Name.index();
    if settings.threshold() < NARROW_FROM {
        return vec![Pattern::anywhere(ANY_TEXT, kind)];
    }
    let words = by_shape()
        .into_iter()
        .chain(after_words())
        .chain(given())
        .chain(given_in_lower_case())
        .chain(cities());
    let mut patterns: Vec<Pattern> = words.map(|words| Pattern::anywhere(words, kind)).collect();
    patterns.push(Pattern::companion(CAPITAL, kind));
    patterns
}

/// Two capitals, or a capital and a word that makes it a name or a place. Each is a pattern of its own, so that a cell
/// without a capital is told at once.
fn by_shape() -> Vec<String> {
    let joints = alternation(listed(PARTICLE, 0).chain(facility::JOINTS.iter().copied()));
    let deeds = any_case(DEEDS.iter().copied());
    vec![
        LETTER_BEYOND_ASCII.to_owned(),
        MIXED.to_owned(),
        format!(r"{CAPITALISED}(?:(?:{joints}|in|at|or)[ \t\r\n.,'-]+)*[A-Z]"),
        format!(
            "{CAPITALISED}(?:(?:{joints})[ .'-]+)*{}{AFTER}",
            lower_places()
        ),
        format!("[A-Z][A-Za-z'-]*{SPACE}+{deeds}{AFTER}"),
    ]
}

/// A word that announces something, and a beginning of what it announces.
fn after_words() -> Vec<String> {
    let mut announced = vec![name_labels(), kin(), streets(), dates(), identifiers()];
    announced.extend(titles());
    announced.extend(cues());
    announced
        .into_iter()
        .map(|words| format!("{BEFORE}(?:{words})"))
        .collect()
}

/// "Jefferson clinic", "Elm street".
fn lower_places() -> String {
    let plain = facility::PLAIN_TAILS.iter().chain(street::PLAIN_STREETS);
    format!(
        "(?:{})",
        alternation(listed(FACILITY, 0).chain(plain.copied()))
    )
}

/// "Patient: …", "Address: …".
fn name_labels() -> String {
    let labels = listed(NAME_LABEL | KIN | HONORIFIC, 0);
    let labels = any_case(labels.chain(street::ADDRESS_LABELS.iter().copied()));
    format!("{labels}(?:'s)?{SPACE}*:")
}

/// "dr Smith", "dr. smith".
fn titles() -> [String; 2] {
    let titles = any_case(listed(HONORIFIC, 0));
    [
        format!("{titles}(?:'s)?{SPACE}+[A-Z]"),
        format!(r"{titles}{SPACE}*\.{SPACE}*[A-Za-z]"),
    ]
}

/// "wife Anna", "son, John".
fn kin() -> String {
    let kin = any_case(listed(KIN, 0));
    format!(r"{kin}[ \t\r\n,(]+(?:(?i:named|called|is){SPACE}+)?[A-Z]")
}

/// "named Rubija", "my name is rubija", "Regards, Rubija".
fn cues() -> [String; 3] {
    let token = r"(?:[A-Za-z'-]+|[0-9]+|[^A-Za-z0-9 \t\r\n])";
    let announcing =
        "(?i:named|called|dear|hi|hello|hey|am|i['’]m|patient|pt|client|resident|by)(?:'s)?";
    let closing = "(?i:regards|sincerely|thanks|cheers)";
    [
        format!("{announcing}{SPACE}+[A-Z]"),
        format!("(?i:names?{SPACE}+(?:is|was)){AFTER}"),
        format!("{closing}{SPACE}*{token}{SPACE}*[A-Z]"),
    ]
}

/// "Calle Miguel", "5th Avenue", "lives in Norwich".
fn streets() -> String {
    let before = any_case(listed(STREET_BEFORE, 0));
    let joints = street::STREET_JOINTS.join("|");
    // In any case: behind a house number the rule takes small letters.
    let streets = any_case(listed(STREET, 0));
    let (lived, lived_in) = (
        any_case(city::LIVED.iter().copied()),
        any_case(city::LIVED_IN.iter().copied()),
    );
    format!(
        r"{before}[ \t\r\n./]+(?:(?:de|del|la|las|los|el|y)[ \t\r\n./]+)*[A-Z]|(?:{joints}){SPACE}+{streets}{AFTER}|{lived}{SPACE}+{lived_in}{SPACE}+[A-Z]"
    )
}

/// "on 7/29".
fn dates() -> String {
    let when = any_case(dates::WHEN.iter().copied());
    format!("{when}{SPACE}*[0-9]{{1,2}}/[0-9]{{1,2}}")
}

/// "MRN: ST-998877": a label, what may stand between, and two digits within a code.
fn identifiers() -> String {
    let labels = any_case(listed(LABEL, 0));
    let between = any_case(labels::between().chain(["s"]));
    format!(
        "{labels}(?:[^A-Za-z0-9]+{between})*[^A-Za-z0-9]*[A-Za-z*_./-]*[0-9][A-Za-z0-9*_./ -]*[0-9]"
    )
}

/// Given names that are names wherever they stand.
fn given() -> impl Iterator<Item = String> {
    let other = GIVEN_WORD | STOP | EPONYM | STATE | MEDICAL_NOUN;
    let words = listed(GIVEN, other).map(title).collect();
    chunks(words).map(|names| format!("{BEFORE}{names}{AFTER}"))
}

/// "patricia smith": given names in lower case that are nothing else.
fn given_in_lower_case() -> impl Iterator<Item = String> {
    let other = STOP
        | COMMON
        | GIVEN_WORD
        | MEDICAL_NOUN
        | EPONYM
        | KIN
        | STREET
        | FACILITY
        | PARTICLE
        | CALENDAR;
    let words = listed(GIVEN, other).map(str::to_owned).collect();
    chunks(words).map(|names| format!("{BEFORE}{names}{AFTER}"))
}

/// Cities and institutions; those that are other things as well only after "in", "from" and the like.
fn cities() -> impl Iterator<Item = String> {
    let other = STOP | EPONYM | SURNAME | GIVEN | GIVEN_WORD | PLACE_WORD | MEDICAL_NOUN;
    let written = |word: &str| [title(word), word.to_ascii_uppercase()];
    let (unsure, alone): (Vec<&str>, Vec<&str>) = listed(CITY | INSTITUTION, 0)
        .partition(|word| lexicon::flags(word.as_bytes()) & other != 0);
    let alone = alone.into_iter().flat_map(written).collect();
    let unsure = unsure.into_iter().flat_map(written).collect();
    let before = any_case(city::BEFORE_PLACES.iter().copied());
    let alone = chunks(alone).map(|names| format!("{BEFORE}{names}{AFTER}"));
    let unsure = chunks(unsure).map(move |names| format!("{BEFORE}{before}{SPACE}*{names}{AFTER}"));
    alone.chain(unsure)
}

/// Entries of the lexicon that are ASCII; other letters bring their cell in by themselves.
fn listed(wanted: Flags, other: Flags) -> impl Iterator<Item = &'static str> {
    lexicon::entries(wanted, other).filter(|word| word.is_ascii())
}

fn title(word: &str) -> String {
    let mut bytes = word.as_bytes().to_vec();
    if let Some(first) = bytes.first_mut() {
        first.make_ascii_uppercase();
    }
    String::from_utf8(bytes).unwrap_or_default()
}

fn any_case<'w>(words: impl Iterator<Item = &'w str>) -> String {
    format!("(?i:{})", alternation(words))
}

fn alternation<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let words: Vec<String> = words.filter(|word| word.is_ascii()).map(escaped).collect();
    words.join("|")
}

/// Alternations of so many words as one pattern may have.
fn chunks(words: Vec<String>) -> impl Iterator<Item = String> {
    let mut chunks: Vec<String> = Vec::new();
    for word in words {
        let word = escaped(&word);
        match chunks.last_mut() {
            Some(chunk) if chunk.len() + word.len() < WORDS_BYTES_MAX => {
                chunk.push('|');
                chunk.push_str(&word);
            }
            _ => chunks.push(word),
        }
    }
    chunks.into_iter().map(|chunk| format!("(?:{chunk})"))
}

/// Letters, apostrophes, dashes and spaces stand for themselves; full stops and slashes are all that is left.
fn escaped(word: &str) -> String {
    word.replace('.', r"\.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]

    use std::collections::HashSet;
    use std::sync::LazyLock;

    use almoner_plugin_sdk::Batch;
    use proptest::prelude::*;
    use regex::RegexSet;

    use super::*;
    use crate::words::Examiner;

    static ALL: LazyLock<RegexSet> = LazyLock::new(|| {
        let patterns = declared(&Settings::default());
        let narrow = patterns.iter().filter(|p| !p.regex.contains("companion"));
        RegexSet::new(narrow.map(|p| &p.regex)).unwrap()
    });

    /// What the words of a cell tell, if it is shown.
    fn found(cell: &str) -> bool {
        let (settings, allowed, mut findings) = (Settings::default(), HashSet::new(), Vec::new());
        let batch = Batch {
            cells: vec![cell.to_owned()],
            row_of: vec![0],
            ..Batch::default()
        };
        Examiner::new(&settings, &allowed).examine(&batch, &mut findings);
        !findings.is_empty()
    }

    /// Words of every list, and of none, as people write them.
    fn word() -> impl Strategy<Value = String> {
        let lists: Vec<&'static str> = lexicon::entries(Flags::MAX, 0).collect();
        let some = [
            "was", "Zhorz", "rubij", "QXT", "B", "j", "7", "29", "01234", "AB-12", "IL", "02115",
            "is",
        ];
        let other = DEEDS
            .iter()
            .chain(city::LIVED)
            .chain(city::LIVED_IN)
            .chain(dates::WHEN);
        let other: Vec<&'static str> = some
            .iter()
            .chain(other)
            .chain(street::PLAIN_STREETS)
            .copied()
            .collect();
        // Without a weight the long lists of names would leave nothing else.
        let rare =
            STREET | FACILITY | HONORIFIC | KIN | LABEL | NAME_LABEL | STREET_BEFORE | PARTICLE;
        let rare: Vec<&'static str> = lexicon::entries(rare, 0).collect();
        let any = prop_oneof![
            proptest::sample::select(lists),
            proptest::sample::select(other),
            proptest::sample::select(rare),
        ];
        (any, 0..4).prop_map(|(word, how)| match how {
            0 => word.to_owned(),
            1 => word.to_uppercase(),
            _ => title(word),
        })
    }

    fn cell() -> impl Strategy<Value = String> {
        let between = proptest::sample::select(vec![
            " ", " ", " ", " ", ". ", ", ", ": ", "-", "'s ", "\n", ":", " (", ".", "/", "#",
            " of ", " & ", "_",
        ]);
        proptest::collection::vec((word(), between), 1..6).prop_map(|words| {
            words
                .into_iter()
                .flat_map(|(word, gap)| [word, gap.to_owned()])
                .collect()
        })
    }

    proptest! {
        // The same cases in every run, so that a change is judged by what it changes.
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            rng_seed: proptest::test_runner::RngSeed::Fixed(0),
            ..ProptestConfig::with_cases(16_384)
        })]

        #[test]
        fn a_cell_in_which_the_words_tell_something_comes_in(cell in cell()) {
            prop_assert!(!found(&cell) || ALL.is_match(&cell), "{cell:?}");
        }
    }

    #[test]
    fn cells_that_name_nobody_stay_outside() {
        for cell in [
            "chest pain on exertion",
            "poorly controlled type 2 diabetes",
            "acute exacerbation of COPD",
            "Cardiology",
            "Orthopedics",
            "inpatient",
            "hemoglobin A1c",
            "mg/dL",
            "I20.9",
            "Metformin 500 mg oral tablet",
            "2.5 %",
            "8302-2",
        ] {
            assert!(!ALL.is_match(cell), "{cell:?}");
        }
    }

    #[test]
    fn every_pattern_is_within_the_gateways_limits() {
        let patterns = declared(&Settings::default());
        assert!(patterns.len() < 32, "{}", patterns.len());
        for pattern in patterns {
            assert!(pattern.regex.len() <= 8192, "{} bytes", pattern.regex.len());
        }
    }
}
