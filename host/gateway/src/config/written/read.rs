//! Reads a TOML file entry by entry, so that one mistake hides no other: what cannot be understood is
//! reported and taken out, and the rest of the entry is read again.
//!
//! Values are not quoted in messages about types: a password written where a table belongs would end in a log.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::super::policy::Place;
use super::super::problem::{Lines, Problem, list, suggestion};
use super::at::At;

/// Mistakes reported per entry; each costs another reading of it.
const MISTAKES_PER_ENTRY_MAX: usize = 30;

/// One file being read, and what was found wrong with it so far.
pub(crate) struct Reader<'a> {
    file: String,
    text: &'a str,
    lines: Lines<'a>,
    problems: Vec<Problem>,
}

/// An entry with the keys that could not be understood, so that they are not reported as missing too.
pub(crate) struct Entry<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
    pub(crate) dropped: Vec<String>,
}

impl<'a> Reader<'a> {
    /// `file` as messages shall name it.
    pub(crate) fn new(file: impl Into<String>, text: &'a str) -> Self {
        Self {
            file: file.into(),
            text,
            lines: Lines::of(text),
            problems: Vec::new(),
        }
    }

    /// The file's tables; none if its syntax is broken, since what a parser guesses is not what was meant.
    pub(crate) fn document(&mut self) -> Option<DeTable<'a>> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        let mut line_before = 0;
        for error in &errors {
            let span = error.span().unwrap_or(self.text.len()..self.text.len());
            let (line, _) = self.lines.locate(span.start);
            // A slip makes the parser stumble several times over the same line.
            if line != std::mem::replace(&mut line_before, line) {
                self.report(&span, format!("not valid TOML: {}", error.message()), "");
            }
        }
        errors.is_empty().then(|| document.into_inner())
    }

    /// The single table `[key]`, with defaults if it is not there.
    pub(crate) fn section<T: DeserializeOwned + Default>(
        &mut self,
        document: &mut DeTable<'a>,
        key: &str,
    ) -> Entry<T> {
        let read = document
            .remove(key)
            .and_then(|value| self.entry(&format!("[{key}]"), value));
        read.unwrap_or_else(|| Entry {
            value: T::default(),
            span: 0..0,
            dropped: Vec::new(),
        })
    }

    /// The entries `[[key]]`, in the order of the file.
    pub(crate) fn entries<T: DeserializeOwned>(
        &mut self,
        document: &mut DeTable<'a>,
        key: &str,
    ) -> Vec<Entry<T>> {
        let Some(value) = document.remove(key) else {
            return Vec::new();
        };
        let span = value.span();
        match value.into_inner() {
            DeValue::Array(entries) => {
                let about = format!("[[{key}]]");
                entries
                    .into_iter()
                    .filter_map(|entry| self.entry(&about, entry))
                    .collect()
            }
            _ => {
                let what = format!("\"{key}\" is not a list of tables");
                self.report(&span, what, format!("Begin each entry with [[{key}]]."));
                Vec::new()
            }
        }
    }

    /// Reports what is left of the document after all known keys were taken.
    pub(crate) fn finish_document(&mut self, rest: &DeTable<'a>, known: &[&str]) {
        for key in rest.keys() {
            let what = format!("unknown section \"{}\"", key.get_ref());
            self.report(
                &key.span(),
                what,
                suggestion(key.get_ref(), known.iter().copied(), ""),
            );
        }
    }

    /// Everything that was reported, in the order of the file.
    pub(crate) fn into_problems(mut self) -> Vec<Problem> {
        self.problems
            .sort_by_key(|problem| (problem.place.line, problem.column));
        self.problems
    }

    /// Notes a problem at a place of the file.
    pub(crate) fn report(
        &mut self,
        span: &Range<usize>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (line, column) = self.lines.locate(span.start);
        let place = Place {
            file: self.file.clone(),
            line,
        };
        self.problems.push(Problem {
            place,
            column,
            what: what.into(),
            remedy: remedy.into(),
        });
    }

    /// Line of a place of the file.
    pub(crate) fn line(&self, span: &Range<usize>) -> usize {
        self.lines.locate(span.start).0
    }

    fn entry<T: DeserializeOwned>(
        &mut self,
        about: &str,
        value: Spanned<DeValue<'a>>,
    ) -> Option<Entry<T>> {
        let span = value.span();
        let DeValue::Table(mut table) = value.into_inner() else {
            self.report(&span, format!("{about}: expected a table"), "");
            return None;
        };
        // Entries are told apart by their names, where they have one.
        let named = table.get("name").and_then(|name| name.get_ref().as_str());
        let about = match (named, about.trim_matches(['[', ']'])) {
            (Some(name), kind) if about.starts_with("[[") => format!("{kind} \"{name}\""),
            _ => about.to_owned(),
        };
        let mut dropped = Vec::new();
        for _ in 0..MISTAKES_PER_ENTRY_MAX {
            let whole = Spanned::new(span.clone(), DeValue::Table(table.clone()));
            let error = match T::deserialize(ValueDeserializer::from(whole)) {
                Ok(value) => {
                    return Some(Entry {
                        value,
                        span,
                        dropped,
                    });
                }
                Err(error) => error,
            };
            let at = error.span().unwrap_or_else(|| span.clone());
            let culprit = remove(&mut table, &at);
            let key = culprit.as_ref().map(|(key, _)| key.as_str());
            let (what, remedy) = reworded(error.message(), key);
            self.report(&at, format!("{about}: {what}"), remedy);
            // Without a culprit the next reading would stumble over the same mistake.
            let (_, outermost) = culprit?;
            dropped.push(outermost);
        }
        None
    }
}

/// A list as written, or empty.
pub(crate) fn items<T>(list: Option<&At<Vec<At<T>>>>) -> &[At<T>] {
    list.map_or(&[], |list| &list.value)
}

/// Takes the innermost key out that the span belongs to. Returns it and its outermost key.
fn remove(table: &mut DeTable<'_>, at: &Range<usize>) -> Option<(String, String)> {
    let touches = |span: Range<usize>| span.start <= at.start && at.end <= span.end;
    let keys: Vec<(String, Range<usize>)> = table
        .keys()
        .map(|key| (key.get_ref().to_string(), key.span()))
        .collect();
    for (key, key_span) in keys {
        let Some(value) = table.get_mut(key.as_str()) else {
            continue;
        };
        let value_span = value.span();
        // A table under its own header has the header's span: its content is looked at first.
        if let DeValue::Table(inner) = value.get_mut()
            && let Some((innermost, _)) = remove(inner, at)
        {
            return Some((innermost, key));
        }
        if touches(key_span) || touches(value_span) {
            table.remove(key.as_str());
            return Some((key.clone(), key));
        }
    }
    None
}

/// Serde's words in ours, without the value.
fn reworded(message: &str, key: Option<&str>) -> (String, String) {
    let message = message.trim_end();
    let about = key.map(|key| format!("\"{key}\": ")).unwrap_or_default();
    let (first, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    if let Some(name) = quoted(first, "unknown field ") {
        let known = backticked(expected);
        return (
            format!("unknown key \"{name}\""),
            suggestion(name, known, "It takes none."),
        );
    }
    if let Some(name) = quoted(first, "unknown variant ") {
        let known = backticked(expected);
        let remedy = format!("It is one of {}.", list(&known));
        let remedy = match suggestion(name, known, "") {
            near if near.starts_with("Did") => format!("{near} {remedy}"),
            _ => remedy,
        };
        return (format!("{about}\"{name}\" is not a choice"), remedy);
    }
    for prefix in ["invalid type: ", "invalid value: "] {
        if let Some(found) = first.strip_prefix(prefix) {
            let kind = found.split(['"', '`', ',']).next().unwrap_or(found).trim();
            let found = match (prefix, kind) {
                ("invalid value: ", _) => String::new(),
                (_, "sequence") => ", found a list".to_owned(),
                (_, "map") => ", found a table".to_owned(),
                (_, "integer") => ", found an integer".to_owned(),
                (_, kind) => format!(", found a {kind}"),
            };
            // The value may itself hold ", expected ": the last one is serde's.
            let expected = message
                .rsplit_once(", expected ")
                .map_or(expected, |(_, last)| last);
            let expected = match expected {
                "a sequence" => "a list",
                "u64" => "a whole number that is not negative",
                other => other,
            };
            return (format!("{about}expected {expected}{found}"), String::new());
        }
    }
    (format!("{about}{message}"), String::new())
}

/// The word in backticks that follows the prefix.
fn quoted<'m>(message: &'m str, prefix: &str) -> Option<&'m str> {
    message
        .strip_prefix(prefix)?
        .strip_prefix('`')?
        .strip_suffix('`')
}

/// All words in backticks.
fn backticked(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use super::super::gateway::Resource;
    use super::super::policy::Rule;
    use super::*;

    fn read<T: DeserializeOwned>(text: &str, key: &str) -> (Vec<Entry<T>>, Vec<String>) {
        let mut reader = Reader::new("f.toml", text);
        let Some(mut document) = reader.document() else {
            return (Vec::new(), printed(reader));
        };
        let entries = reader.entries(&mut document, key);
        reader.finish_document(&document, &[key]);
        (entries, printed(reader))
    }

    fn printed(reader: Reader<'_>) -> Vec<String> {
        reader
            .into_problems()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn every_mistake_of_an_entry_is_reported_at_its_line() {
        let text = "[[rule]]\nname = \"a\"\nopaque = \"alow\"\ngaurds = []\ndetect = \"no\"\ngroups = \"x\"\n\
                    confidence_min = -1\napproval = { group = \"g\", cuont = 2, ttl = \"1 week\" }\n\
                    [[rule]]\nname = \"b\"\nguards = [1]\n[ruls]\n";
        let (entries, problems) = read::<Rule>(text, "rule");
        assert_eq!(
            problems,
            [
                "f.toml:3: rule \"a\": \"opaque\": \"alow\" is not a choice. Did you mean \"allow\"? \
                 It is one of \"deny\", \"hold\" and \"allow\".",
                "f.toml:4: rule \"a\": unknown key \"gaurds\". Did you mean \"guards\"?",
                "f.toml:5: rule \"a\": \"detect\": expected a boolean, found a string.",
                "f.toml:6: rule \"a\": \"groups\": expected a list, found a string.",
                "f.toml:7: rule \"a\": \"confidence_min\": expected a whole number that is not negative.",
                "f.toml:8: rule \"a\": unknown key \"cuont\". Did you mean \"count\"?",
                "f.toml:8: rule \"a\": \"ttl\": \"1 week\" is not a duration such as \"250ms\", \"10s\" or \"15m\".",
                "f.toml:11: rule \"b\": \"guards\": expected a string, found an integer.",
                "f.toml:12: unknown section \"ruls\". Did you mean \"rule\"?",
            ]
        );
        let approval = entries[0].value.approval.as_ref().unwrap();
        assert_eq!(approval.value.group.as_ref().unwrap().value, "g");
        assert_eq!(entries[0].dropped.len(), 7);
        assert_eq!(entries[1].value.name.as_ref().unwrap().value, "b");
    }

    #[test]
    fn a_key_below_its_own_header_is_found_too() {
        let text = "[[rule]]\nname = \"a\"\n[rule.approval]\ngroup = \"g\"\ncount = \"two\"\n";
        let (entries, problems) = read::<Rule>(text, "rule");
        let expected = "f.toml:5: rule \"a\": \"count\": expected a whole number that is not negative, \
                        found a string.";
        assert_eq!(problems, [expected]);
        assert!(entries[0].value.approval.is_some());
    }

    #[test]
    fn a_password_in_the_wrong_place_is_not_repeated() {
        let text = "[[resource]]\nname = \"ehr\"\n[resource.postgres]\nhost = \"h\"\npassword = \"hunter2, expected `x`\"\n";
        let (_, problems) = read::<Resource>(text, "resource");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("f.toml:5: resource \"ehr\": \"password\": expected "));
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
    }

    #[test]
    fn broken_syntax_is_reported_once_a_line_and_nothing_is_guessed() {
        let text = "[[rule]\nname = \"a\"\nguards = [\n\ndetect = tru\n";
        let (entries, problems) = read::<Rule>(text, "rule");
        assert!(entries.is_empty());
        assert!(
            problems[0].starts_with("f.toml:1: not valid TOML: "),
            "{problems:?}"
        );
        let lines: Vec<&str> = problems
            .iter()
            .map(|p| p.split(':').nth(1).unwrap())
            .collect();
        let mut unique = lines.clone();
        unique.dedup();
        assert_eq!(lines, unique);
    }

    #[test]
    fn a_table_where_a_list_of_tables_belongs_says_how() {
        let (_, problems) = read::<Rule>("[rule]\nname = \"a\"\n", "rule");
        let expected =
            "f.toml:1: \"rule\" is not a list of tables. Begin each entry with [[rule]].";
        assert_eq!(problems, [expected]);
    }
}
