//! Wide doors of a policy set, and entries that are never reached.

use std::collections::BTreeSet;

use super::super::policy::{Glob, Opaque, PolicySet, Rule, Treatment};
use super::{Warning, at, has_star, overall};

/// Entries compared with each other, which costs their number squared; the rest of a longer list is not compared.
const COMPARED_MAX: usize = 5_000;

/// Remarks on a policy set by itself.
pub fn policies(set: &PolicySet) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = set.rules.iter().flat_map(rule).collect();
    if !set.rules.iter().any(|rule| rule.allow) {
        warnings.push(overall(
            "no rule lets anybody in: every caller is refused".to_owned(),
        ));
    }
    for (earlier, later) in shadowed(&set.rules, |a, b| {
        covers_all(&a.resources, &b.resources) && covers_all(&a.groups, &b.groups)
    }) {
        let what = format!(
            "rule \"{}\" is never reached: rule \"{}\" ({}:{}) matches the same callers before it",
            later.name, earlier.name, earlier.place.file, earlier.place.line
        );
        warnings.push(at(&later.place, what));
    }
    for (earlier, later) in shadowed(&set.columns, |a, b| {
        covers(&a.resource, &b.resource)
            && covers(&a.schema, &b.schema)
            && covers(&a.relation, &b.relation)
            && covers(&a.column, &b.column)
    }) {
        let what = format!(
            "this column tag is never used: the one in {}:{} fits the same columns before it",
            earlier.place.file, earlier.place.line
        );
        warnings.push(at(&later.place, what));
    }
    for (earlier, later) in shadowed(&set.treatments, |a, b| {
        let groups =
            a.groups.is_empty() || (!b.groups.is_empty() && covers_all(&a.groups, &b.groups));
        covers(&a.kind, &b.kind) && groups
    }) {
        let what = format!(
            "this treatment is never used: the one in {}:{} fits the same kinds and groups before it",
            earlier.place.file, earlier.place.line
        );
        warnings.push(at(&later.place, what));
    }
    for choice in &set.treatments {
        let everyone = choice.groups.is_empty() || has_star(&choice.groups);
        if choice.treatment == Treatment::Keep && everyone {
            let kind = choice.kind.as_str();
            warnings.push(at(
                &choice.place,
                format!("\"{kind}\" is shown to everyone as it is"),
            ));
        }
    }
    let used: BTreeSet<&String> = set
        .rules
        .iter()
        .flat_map(|rule| {
            rule.guards
                .iter()
                .chain(&rule.approvals)
                .chain(&rule.detectors)
        })
        .collect();
    for plugin in set
        .plugins
        .iter()
        .filter(|plugin| !used.contains(&plugin.name))
    {
        warnings.push(at(
            &plugin.place,
            format!("no rule uses plugin \"{}\"", plugin.name),
        ));
    }
    warnings
}

fn rule(rule: &Rule) -> Vec<Warning> {
    let name = &rule.name;
    let mut warnings = Vec::new();
    let mut warn =
        |what: String| warnings.push(at(&rule.place, format!("rule \"{name}\": {what}")));
    if !rule.allow {
        return warnings;
    }
    if has_star(&rule.groups) {
        let which = if has_star(&rule.resources) {
            "to every resource"
        } else {
            ""
        };
        warn(
            format!("groups = [\"*\"] lets everyone in {which}")
                .trim_end()
                .to_owned(),
        );
    }
    if rule.guards.is_empty() {
        warn("no guard is asked: every statement that the upstream permits runs".to_owned());
    }
    if !rule.detect {
        warn(
            "detect = false: only tagged columns are masked, everything else is shown as it is"
                .to_owned(),
        );
    }
    if !rule.unmasked_types.is_empty() {
        let types = rule.unmasked_types.join(", ");
        warn(format!(
            "unmasked_types: replies of type {types} pass as they are"
        ));
    }
    if rule.opaque == Opaque::Allow {
        warn("opaque = \"allow\": statements that hide what they do are run".to_owned());
    }
    if rule.unproven == Treatment::Keep {
        let what =
            "unproven = \"keep\": values whose origin cannot be proven are shown as they are";
        warn(what.to_owned());
    }
    if rule
        .known_functions
        .iter()
        .any(|glob| glob.as_str().ends_with(".*") || glob.as_str() == "*")
    {
        warn(
            "known_functions trusts whole schemas: who can create a function there can do anything"
                .to_owned(),
        );
    }
    warnings
}

/// Pairs of an entry and an earlier one that takes everything the later one could.
fn shadowed<T>(entries: &[T], covers: impl Fn(&T, &T) -> bool) -> Vec<(&T, &T)> {
    let mut pairs = Vec::new();
    for (nr, later) in entries.iter().enumerate().take(COMPARED_MAX) {
        if let Some(earlier) = entries
            .iter()
            .take(nr)
            .find(|earlier| covers(earlier, later))
        {
            pairs.push((earlier, later));
        }
    }
    pairs
}

fn covers_all(wide: &[Glob], narrow: &[Glob]) -> bool {
    narrow
        .iter()
        .all(|narrow| wide.iter().any(|wide| covers(wide, narrow)))
}

/// Whether every name that fits `narrow` fits `wide`. A `*` of `narrow` is matched by a `*` of `wide` only,
/// and whatever stands for it then fits, too.
fn covers(wide: &Glob, narrow: &Glob) -> bool {
    wide.matches(narrow.as_str())
}
