//! Checks that entries of all documents share: presence, names, bounds, lists of patterns.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use super::super::policy::Glob;
use super::super::problem::suggestion;
use super::super::written::at::At;
use super::super::written::read::{Entry, Reader};
use super::super::written::units::{Size, Span};

/// Longest name of anything, bytes: it appears in every record and in what callers are told.
const NAME_BYTES_MAX: usize = 64;
/// Longest pattern, bytes; a PostgreSQL name has at most 63, and a pattern joins three of them.
const PATTERN_BYTES_MAX: usize = 256;

/// A value that must be there. Silent if it was written but not understood: that is reported already.
pub(super) fn required<'e, E, T>(
    reader: &mut Reader<'_>,
    entry: &Entry<E>,
    about: &str,
    key: &str,
    value: &'e Option<At<T>>,
    remedy: &str,
) -> Option<&'e At<T>> {
    if value.is_none() && !entry.dropped.iter().any(|dropped| dropped == key) {
        reader.report(
            &entry.span,
            format!("{about}: \"{key}\" is missing"),
            remedy,
        );
    }
    value.as_ref()
}

/// A name of a rule, plugin or resource: letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
pub(super) fn name(reader: &mut Reader<'_>, about: &str, name: &At<String>) -> Option<String> {
    let text = &name.value;
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = text.len() <= NAME_BYTES_MAX
        && text.chars().all(word)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !fits {
        let what = format!("{about}: \"{text}\" is not a name");
        let remedy =
            format!("Names have 1 to {NAME_BYTES_MAX} letters, digits, \"-\", \"_\" or \".\".");
        reader.report(&name.span, what, remedy);
    }
    fits.then(|| text.clone())
}

/// A name of a group or another word that others chose: anything that can be read, without blanks around it.
pub(super) fn word(reader: &mut Reader<'_>, about: &str, word: &At<String>) -> Option<String> {
    let text = &word.value;
    let fits = (1..=PATTERN_BYTES_MAX).contains(&text.len())
        && text.trim() == text
        && !text.chars().any(char::is_control);
    if !fits {
        let remedy =
            format!("Write 1 to {PATTERN_BYTES_MAX} characters without blanks around them.");
        reader.report(
            &word.span,
            format!("{about}: {text:?} is not a name"),
            remedy,
        );
    }
    fits.then(|| text.clone())
}

/// Patterns, none of them twice.
pub(super) fn globs(reader: &mut Reader<'_>, about: &str, list: &[At<String>]) -> Vec<Glob> {
    let mut globs: Vec<Glob> = Vec::new();
    for item in list {
        if let Some(text) = word(reader, about, item) {
            let glob = Glob::new(text);
            if globs.contains(&glob) {
                let what = format!("{about}: \"{}\" is listed twice", glob.as_str());
                reader.report(&item.span, what, "Remove one of them.");
            } else {
                globs.push(glob);
            }
        }
    }
    globs
}

/// A list of patterns that must have at least one.
pub(super) fn some_globs(
    reader: &mut Reader<'_>,
    about: &str,
    list: &At<Vec<At<String>>>,
    remedy: &str,
) -> Vec<Glob> {
    if list.value.is_empty() {
        reader.report(
            &list.span,
            format!("{about} is empty, so it matches nothing"),
            remedy,
        );
    }
    globs(reader, about, &list.value)
}

/// A number, size or duration within bounds, or the default.
pub(super) fn bounded<T: Copy + PartialOrd + Display>(
    reader: &mut Reader<'_>,
    about: &str,
    written: Option<&At<T>>,
    default: T,
    bounds: RangeInclusive<T>,
) -> T {
    let Some(written) = written else {
        return default;
    };
    if !bounds.contains(&written.value) {
        let what = format!("{about}: {} is out of bounds", written.value);
        let remedy = format!("It is {} to {}.", bounds.start(), bounds.end());
        reader.report(&written.span, what, remedy);
    }
    written.value
}

/// Shorthand for bounds.
pub(super) const fn ms(ms: u64) -> Span {
    Span(Duration::from_millis(ms))
}

/// Shorthand for bounds.
pub(super) const fn seconds(seconds: u64) -> Span {
    Span(Duration::from_secs(seconds))
}

/// Shorthand for bounds.
pub(super) const fn kib(kib: u64) -> Size {
    Size(kib << 10)
}

/// Shorthand for bounds.
pub(super) const fn mib(mib: u64) -> Size {
    Size(mib << 20)
}

/// Reports that a name is not defined, with the nearest that is.
pub(super) fn undefined<'n>(
    reader: &mut Reader<'_>,
    about: &str,
    at: &Range<usize>,
    name: &str,
    known: impl IntoIterator<Item = &'n str>,
    none: &str,
) {
    let remedy = suggestion(name, known, none);
    reader.report(at, format!("{about} \"{name}\" is not defined"), remedy);
}
