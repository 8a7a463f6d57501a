//! Rules of the policy folder.

use std::time::Duration;

use super::super::policy::{APPROVAL_TTL_MAX, Glob, Opaque, Release, Requirement, Rule, Treatment};
use super::super::written::at::At;
use super::super::written::policy as written;
use super::super::written::read::{Entry, Reader, items};
use super::super::written::units::Span;
use super::check::{bounded, globs, name, required, seconds, some_globs, undefined, word};
use super::policy::{Taken, place};
use super::tag::treatment;

/// Approvers asked for where a rule names none.
const DEFAULT_APPROVERS: &str = "approvers";
const DEFAULT_APPROVAL_TTL_SECONDS: u64 = 15 * 60;
const DEFAULT_LOCALE: &str = "en-US";
const DEFAULT_CONFIDENCE_MIN: u64 = 50;

/// One `[[rule]]`. `all_read`: every file of the folder could be read, so a name that is not known is wrong.
pub(super) fn rule(
    reader: &mut Reader<'_>,
    file: &str,
    entry: &Entry<written::Rule>,
    taken: &mut Taken,
    all_read: bool,
) -> Option<Rule> {
    let written = &entry.value;
    let place = place(reader, file, entry);
    let at = required(
        reader,
        entry,
        "rule",
        "name",
        &written.name,
        "Records and denials name it.",
    )?;
    let name = name(reader, "rule", at)?;
    taken.note(reader, "rule", at, &place);
    let about = format!("rule \"{name}\"");
    let mut patterns = |key: &str, value: &Option<At<Vec<At<String>>>>, remedy: &str| {
        let list = required(reader, entry, &about, key, value, remedy);
        list.map(|list| some_globs(reader, &format!("{about}: \"{key}\""), list, remedy))
            .unwrap_or_default()
    };
    let resources = patterns(
        "resources",
        &written.resources,
        "For all of them write resources = [\"*\"].",
    );
    let groups = patterns(
        "groups",
        &written.groups,
        "For everyone write groups = [\"*\"].",
    );
    let allow = written.allow.as_ref().is_none_or(|at| at.value);
    let detect = written.detect.as_ref().is_none_or(|at| at.value);
    if allow {
        check_what_is_asked(reader, entry, &about, detect);
    }
    let mut used = |key: &'static str, value: &Option<At<Vec<At<String>>>>| {
        plugins_used(reader, &about, key, items(value.as_ref()), taken, all_read)
    };
    let guards = used("guards", &written.guards);
    let approvals = used("approvals", &written.approvals);
    let detectors = used("detectors", &written.detectors);
    let (strictest_approval, approval_ttl) = approval(reader, &about, written.approval.as_ref());
    let unproven = written.unproven.as_ref().map(|at| treatment(at.value));
    Some(Rule {
        resources,
        groups,
        allow,
        guards,
        approvals,
        detectors,
        locale: locale(reader, &about, written.locale.as_ref()),
        opaque: opaque(written.opaque.as_ref()),
        known_functions: functions(reader, &about, items(written.known_functions.as_ref())),
        unproven: unproven.unwrap_or(Treatment::Redact),
        detect,
        unmasked_types: media_types(reader, &about, items(written.unmasked_types.as_ref())),
        confidence_min: confidence(reader, &about, written.confidence_min.as_ref()),
        release: release(written.release.as_ref()),
        strictest_approval,
        approval_ttl,
        name,
        place,
    })
}

/// A rule that lets callers in says what is asked, or says that nothing is.
fn check_what_is_asked(
    reader: &mut Reader<'_>,
    entry: &Entry<written::Rule>,
    about: &str,
    detect: bool,
) {
    let written = &entry.value;
    let remedy = "Name guards, or write guards = [] if none shall be asked.";
    required(reader, entry, about, "guards", &written.guards, remedy);
    let dropped = entry.dropped.iter().any(|key| key == "detectors");
    if detect && !dropped && items(written.detectors.as_ref()).is_empty() {
        let span = written.detectors.as_ref().map(|at| &at.span);
        let what = format!("{about}: no detector looks for identifiers");
        let remedy = "Name one, or write detect = false if only tagged columns shall be masked.";
        reader.report(span.unwrap_or(&entry.span), what, remedy);
    }
}

/// `type/subtype`, without parameters.
fn media_types(reader: &mut Reader<'_>, about: &str, written: &[At<String>]) -> Vec<String> {
    let token = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    let mut types = Vec::new();
    for at in written {
        match at.value.split_once('/') {
            Some((one, other)) if token(one) && token(other) => {
                types.push(at.value.to_ascii_lowercase());
            }
            _ => {
                let what = format!(
                    "{about}: \"unmasked_types\": {:?} is not a media type",
                    at.value
                );
                reader.report(&at.span, what, "Write one such as \"image/png\".");
            }
        }
    }
    types
}

fn confidence(reader: &mut Reader<'_>, about: &str, written: Option<&At<u64>>) -> u8 {
    let about = format!("{about}: \"confidence_min\"");
    let least = bounded(reader, &about, written, DEFAULT_CONFIDENCE_MIN, 0..=100);
    u8::try_from(least).unwrap_or(u8::MAX)
}

fn opaque(written: Option<&At<written::Opaque>>) -> Opaque {
    match written.map(|at| at.value) {
        None | Some(written::Opaque::Deny) => Opaque::Deny,
        Some(written::Opaque::Hold) => Opaque::Hold,
        Some(written::Opaque::Allow) => Opaque::Allow,
    }
}

fn release(written: Option<&At<written::Release>>) -> Release {
    match written.map(|at| at.value) {
        None | Some(written::Release::UntilThreshold) => Release::UntilThreshold,
        Some(written::Release::AfterDecision) => Release::AfterDecision,
    }
}

/// Names of plugins that exist and, where it is known, are of the right sort.
fn plugins_used(
    reader: &mut Reader<'_>,
    about: &str,
    key: &'static str,
    written: &[At<String>],
    taken: &Taken,
    all_read: bool,
) -> Vec<String> {
    let one = key.trim_end_matches('s');
    let mut names: Vec<String> = Vec::new();
    for at in written {
        let name = &at.value;
        if names.contains(name) {
            let what = format!("{about}: {one} \"{name}\" is listed twice");
            reader.report(&at.span, what, "Remove one of them.");
            continue;
        }
        match taken.plugins.get(name) {
            Some(Some(role)) if *role != key => {
                let article = if role.starts_with('a') { "an" } else { "a" };
                let is = format!("{article} {} plugin", role.trim_end_matches('s'));
                let what = format!("{about}: \"{name}\" is {is}, not one of the {key}");
                reader.report(&at.span, what, format!("Move it to {role} = [\"{name}\"]."));
            }
            Some(_) => {}
            // It may be in the file that cannot be read.
            None if !all_read => {}
            None => {
                let known = taken.plugins.keys().map(String::as_str);
                let none = format!("Define it: [[plugin]] name = \"{name}\", use = \"builtin:…\".");
                undefined(
                    reader,
                    &format!("{about}: {one}"),
                    &at.span,
                    name,
                    known,
                    &none,
                );
            }
        }
        names.push(name.clone());
    }
    names
}

fn approval(
    reader: &mut Reader<'_>,
    about: &str,
    written: Option<&At<written::Approval>>,
) -> (Requirement, Duration) {
    let about = format!("{about}: approval");
    let written = written.map(|at| &at.value);
    let group = written.and_then(|w| w.group.as_ref());
    let group = group.and_then(|at| word(reader, &format!("{about}: \"group\""), at));
    let count = written.and_then(|w| w.count.as_ref());
    let count = bounded(reader, &format!("{about}: \"count\""), count, 1, 1..=9);
    let ttl = written.and_then(|w| w.ttl.as_ref());
    let default = seconds(DEFAULT_APPROVAL_TTL_SECONDS);
    let bounds = seconds(10)..=Span(APPROVAL_TTL_MAX);
    let ttl = bounded(reader, &format!("{about}: \"ttl\""), ttl, default, bounds);
    let requirement = Requirement {
        group: group.unwrap_or_else(|| DEFAULT_APPROVERS.to_owned()),
        count: u8::try_from(count).unwrap_or(u8::MAX),
    };
    (requirement, ttl.0)
}

/// A language tag's shape, so that a slip is seen here and not as a detector that finds less.
fn locale(reader: &mut Reader<'_>, about: &str, written: Option<&At<String>>) -> String {
    let Some(at) = written else {
        return DEFAULT_LOCALE.to_owned();
    };
    let part = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let language = at.value.split('-').next().unwrap_or_default();
    let fits = at.value.split('-').all(part)
        && (2..=3).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic());
    if !fits {
        let what = format!(
            "{about}: \"locale\": \"{}\" is not a language tag",
            at.value
        );
        reader.report(&at.span, what, "Write one such as \"en-US\".");
    }
    at.value.clone()
}

fn functions(reader: &mut Reader<'_>, about: &str, written: &[At<String>]) -> Vec<Glob> {
    for at in written {
        if !at.value.contains('.') {
            let what = format!("{about}: function \"{}\" has no schema", at.value);
            let remedy = format!("Write \"public.{}\".", at.value);
            reader.report(&at.span, what, remedy);
        }
    }
    globs(reader, &format!("{about}: \"known_functions\""), written)
}
