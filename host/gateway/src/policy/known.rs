//! Known values: a reply that names somebody in cells that are treated names the same person in its text.
//! What the treated cells hold is found again there, wherever in the reply it stands. It adds to what the
//! detectors find, and takes nothing away.

use std::collections::HashMap;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use almoner_sandbox::Finding;

use super::column::{ColumnMask, Decision, Masking, UNPROVEN};
use super::mask::{CellText, Part};

/// Different values of one reply. Beyond them its text is masked whole.
const VALUES_MAX: usize = 20_000;
/// Bytes of all of them.
const VALUES_BYTES_MAX: usize = 1 << 20;
/// A value is looked for up to this length: what is longer is a text of its own.
const VALUE_BYTES_MAX: usize = 128;
/// Identifiers and addresses that are shorter mean too many other things.
const VALUE_CHARS_MIN: usize = 4;
/// What the reply itself says is as sure as anything.
const CONFIDENCE: u8 = 100;

/// Words of names that name nobody.
const NO_NAMES: [&str; 27] = [
    "mr", "mrs", "ms", "miss", "mx", "dr", "prof", "sir", "md", "do", "phd", "rn", "np", "pa",
    "jr", "sr", "ii", "iii", "iv", "and", "of", "the", "von", "van", "der", "de", "la",
];

/// What is known of the people in one reply.
#[derive(Default)]
pub(super) struct Known(State);

#[derive(Default)]
enum State {
    /// Nothing that could be found again.
    #[default]
    Nobody,
    Values {
        matcher: AhoCorasick,
        values: Vec<Value>,
    },
    /// Too much to look for: any text may name anybody.
    Anybody,
}

/// A value, as far as finding it goes. Its text is in the matcher only.
struct Value {
    kind: Arc<str>,
    /// It is a word: in small letters it means something else.
    word: bool,
}

/// Only how much it is: the values are somebody's.
impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            State::Nobody => f.write_str("Nobody"),
            State::Values { values, .. } => write!(f, "Values({})", values.len()),
            State::Anybody => f.write_str("Anybody"),
        }
    }
}

impl Known {
    /// Gathers what the treated cells of a whole reply hold.
    pub(super) fn gather<P: Part>(masking: &Masking, parts: &[P]) -> Self {
        let searched = |column: &ColumnMask| column.decision == Decision::Detect;
        if !masking.columns.iter().any(searched) {
            return Self::default();
        }
        let mut gathered = Gathered::default();
        for part in parts {
            part.visit(&mut |_, column, _, content| {
                let mask = masking.columns.get(column).map(|mask| &mask.decision);
                if let (Some(Decision::Treat { kind, .. }), CellText::Text(text)) = (mask, content)
                {
                    gathered.value(&text, kind);
                }
            });
        }
        gathered.into_known()
    }

    /// Where known values stand in a text, each with `cell` as its cell. Places that overlap are one, so that
    /// there are never more of them than the text has bytes.
    pub(super) fn find(&self, cell: u32, text: &str, findings: &mut Vec<Finding>) {
        let finding = |kind: &Arc<str>, start: usize, end: usize| Finding {
            cell,
            start: u32::try_from(start).unwrap_or(u32::MAX),
            end: u32::try_from(end).unwrap_or(u32::MAX),
            kind: Arc::clone(kind),
            confidence: CONFIDENCE,
            detector: u32::MAX,
        };
        match &self.0 {
            State::Nobody => {}
            State::Anybody if text.is_empty() => {}
            State::Anybody => findings.push(finding(&UNPROVEN.into(), 0, text.len())),
            State::Values { matcher, values } => {
                // In the order of their ends, none overlapping another.
                let mut places: Vec<(usize, usize, &Value)> = Vec::new();
                for found in matcher.find_overlapping_iter(text) {
                    let (mut start, end) = (found.start(), found.end());
                    let Some(mut value) = values.get(found.pattern().as_usize()) else {
                        continue;
                    };
                    let meant = !value.word || !begins_small(text, start);
                    if !meant || !stands_alone(text, start, end) {
                        continue;
                    }
                    while let Some(last) = places.pop_if(|last| last.1 > start) {
                        if last.0 < start {
                            (start, value) = (last.0, last.2);
                        }
                    }
                    places.push((start, end, value));
                }
                let place =
                    |(start, end, value): (usize, usize, &Value)| finding(&value.kind, start, end);
                findings.extend(places.into_iter().map(place));
            }
        }
    }
}

#[derive(Default)]
struct Gathered {
    values: HashMap<String, Value>,
    bytes: usize,
}

impl Gathered {
    fn value(&mut self, text: &str, kind: &Arc<str>) {
        let is = |name: &str| {
            kind.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let text = text.trim();
        if text.len() > VALUE_BYTES_MAX || self.is_too_much() {
            return;
        }
        if is("phi.name") {
            for word in text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’') {
                let small = word.to_lowercase();
                let letters = word.chars().filter(|c| c.is_alphabetic()).count();
                if letters >= 2 && !NO_NAMES.contains(&small.as_str()) {
                    self.add(word, kind, true);
                }
            }
        } else if IDENTIFYING.iter().any(|name| is(name)) && text.chars().count() >= VALUE_CHARS_MIN
        {
            self.add(text, kind, !text.contains(|c: char| c.is_ascii_digit()));
        }
    }

    fn add(&mut self, text: &str, kind: &Arc<str>, word: bool) {
        // The matcher takes letters of ASCII in any case; of others, as they stand and as capitals.
        let mut forms = vec![text.to_owned()];
        if !text.is_ascii() {
            forms.push(text.to_uppercase());
        }
        for form in forms {
            let bytes = form.len();
            self.values.entry(form).or_insert_with(|| {
                self.bytes += bytes;
                let kind = Arc::clone(kind);
                Value { kind, word }
            });
        }
    }

    fn is_too_much(&self) -> bool {
        self.values.len() > VALUES_MAX || self.bytes > VALUES_BYTES_MAX
    }

    fn into_known(self) -> Known {
        if self.values.is_empty() {
            return Known::default();
        }
        if self.is_too_much() {
            return Known(State::Anybody);
        }
        let (texts, values): (Vec<String>, Vec<Value>) = self.values.into_iter().unzip();
        let matcher = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .build(&texts);
        Known(match matcher {
            Ok(matcher) => State::Values { matcher, values },
            Err(_) => State::Anybody,
        })
    }
}

/// Kinds whose whole value means one person, or a few, wherever it stands. Dates and ages are left to the
/// detectors, which know how a date is written in text.
const IDENTIFYING: [&str; 16] = [
    "phi.account",
    "phi.address",
    "phi.biometric",
    "phi.device",
    "phi.email",
    "phi.fax",
    "phi.id",
    "phi.ip",
    "phi.license",
    "phi.mrn",
    "phi.phone",
    "phi.plan",
    "phi.ssn",
    "phi.url",
    "phi.vehicle",
    "phi.zip",
];

/// Whether no letter or digit is next to it.
fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let before = text
        .get(..start)
        .and_then(|before| before.chars().next_back());
    let after = text.get(end..).and_then(|after| after.chars().next());
    !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
}

fn begins_small(text: &str, start: usize) -> bool {
    let first = text.get(start..).and_then(|from| from.chars().next());
    first.is_some_and(char::is_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(values: &[(&str, &str)]) -> Known {
        let mut gathered = Gathered::default();
        for (kind, text) in values {
            gathered.value(text, &Arc::from(*kind));
        }
        gathered.into_known()
    }

    /// The text with what is found in brackets.
    fn shown(known: &Known, text: &str) -> String {
        let mut findings = Vec::new();
        known.find(0, text, &mut findings);
        findings.sort_by_key(|finding| (finding.start, finding.end));
        let mut out = String::new();
        let mut done = 0;
        for finding in findings {
            let (start, end) = (finding.start as usize, finding.end as usize);
            if start >= done {
                out += &format!("{}[{}]", &text[done..start], &text[start..end]);
                done = end;
            }
        }
        out + &text[done..]
    }

    #[test]
    fn words_of_names_are_found_with_a_capital_and_alone() {
        let known = known(&[
            ("phi.name", "Dr. Adaeze Okafor-Young, MD"),
            ("phi.name", "Siân O'Neill"),
            ("phi.name", "J."),
        ]);
        for (text, expected) in [
            ("Okafor was seen.", "[Okafor] was seen."),
            ("ADAEZE OKAFOR'S chart", "[ADAEZE] [OKAFOR]'S chart"),
            ("a young woman, Mrs Young", "a young woman, Mrs [Young]"),
            (
                "Okaforville; Dr. Smith, MD; J. Doe",
                "Okaforville; Dr. Smith, MD; J. Doe",
            ),
            ("SIÂN and Siân O'Neill", "[SIÂN] and [Siân] [O'Neill]"),
        ] {
            assert_eq!(shown(&known, text), expected);
        }
    }

    #[test]
    fn identifiers_and_addresses_are_found_as_a_whole() {
        let known = known(&[
            ("phi.mrn", " AB-12X "),
            ("phi.address", "12 Elm Street"),
            ("phi.address", "Springfield"),
            ("phi.address", "MA"),
            ("phi.date.birth", "1974-03-12"),
            ("phi.note", "Stable"),
        ]);
        for (text, expected) in [
            ("chart ab-12x; AB-12X3", "chart [ab-12x]; AB-12X3"),
            ("12 elm street, MA, Elm", "[12 elm street], MA, Elm"),
            ("Springfield, a springfield", "[Springfield], a springfield"),
            ("Stable since 1974-03-12", "Stable since 1974-03-12"),
        ] {
            assert_eq!(shown(&known, text), expected);
        }
    }

    #[test]
    fn more_values_than_can_be_looked_for_make_any_text_theirs() {
        let mut gathered = Gathered::default();
        for number in 0..=VALUES_MAX {
            gathered.value(&format!("MRN{number:06}"), &Arc::from("phi.mrn"));
        }
        let known = gathered.into_known();
        assert_eq!(shown(&known, "final"), "[final]");
        assert_eq!(shown(&known, ""), "");
    }

    #[test]
    fn values_within_values_make_one_place_of_the_longest() {
        let known = known(&[
            ("phi.mrn", "12 A7 B9"),
            ("phi.id", "A7 B9 C1"),
            ("phi.plan", "A7 B9"),
        ]);
        let mut findings = Vec::new();
        known.find(3, "chart 12 A7 B9 C1, A7 B9", &mut findings);
        let places: Vec<_> = findings
            .iter()
            .map(|one| (one.cell, one.start, one.end))
            .collect();
        assert_eq!(places, [(3, 6, 17), (3, 19, 24)]);
        assert_eq!(
            (&*findings[0].kind, &*findings[1].kind),
            ("phi.mrn", "phi.plan")
        );
    }

    #[test]
    fn a_text_of_nothing_but_values_has_no_more_places_than_bytes() {
        let lengths: Vec<String> = (4..=VALUE_BYTES_MAX)
            .map(|length| "-".repeat(length))
            .collect();
        let values: Vec<(&str, &str)> = lengths
            .iter()
            .map(|text| ("phi.id", text.as_str()))
            .collect();
        let mut findings = Vec::new();
        known(&values).find(0, &"-".repeat(10_000), &mut findings);
        assert_eq!(findings.len(), 1);
    }

    #[test]
    fn nothing_of_it_is_in_its_description() {
        let known = known(&[("phi.name", "Okafor")]);
        assert_eq!(format!("{known:?}"), "Values(1)");
    }
}
