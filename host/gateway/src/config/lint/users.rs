//! Policies held against the users there are.

use std::collections::{BTreeMap, BTreeSet};

use super::super::policy::{Glob, Opaque, PolicySet, Rule};
use super::super::problem::list;
use super::super::users::User;
use super::{Warning, at, overall};

/// Names listed in one remark.
const NAMES_LISTED_MAX: usize = 10;

/// Remarks on policies against the users there are.
pub fn users(set: &PolicySet, users: &BTreeMap<String, User>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let active = || users.values().filter(|user| !user.disabled);
    let inside = |glob: &Glob, user: &User| user.groups.iter().any(|group| glob.matches(group));
    for rule in &set.rules {
        let named = rule
            .groups
            .iter()
            .filter(|glob| rule.allow && glob.as_str() != "*");
        for glob in named {
            if !active().any(|user| inside(glob, user)) {
                let what = format!(
                    "rule \"{}\": nobody is in group \"{}\"",
                    rule.name,
                    glob.as_str()
                );
                warnings.push(at(&rule.place, what));
            }
        }
        let needed = &rule.strictest_approval;
        let people: BTreeSet<&String> = active()
            .filter(|user| user.groups.contains(&needed.group))
            .map(|user| &user.person)
            .collect();
        let may_ask = rule.allow && (!rule.approvals.is_empty() || rule.opaque == Opaque::Hold);
        if may_ask && people.len() < usize::from(needed.count) {
            let what = format!(
                "rule \"{}\": approvals need {} of group \"{}\", which has {}: nothing can be approved",
                rule.name,
                needed.count,
                needed.group,
                people.len()
            );
            warnings.push(at(&rule.place, what));
        }
    }
    let admitted = |user: &User| {
        let lets_in = |rule: &Rule| {
            rule.allow
                && rule
                    .groups
                    .iter()
                    .any(|glob| glob.as_str() == "*" || inside(glob, user))
        };
        let approves = |rule: &Rule| user.groups.contains(&rule.strictest_approval.group);
        set.rules.iter().any(|rule| lets_in(rule) || approves(rule))
    };
    let mut remark = |names: Vec<&str>, what: &str| {
        if !names.is_empty() {
            let more = names.len().saturating_sub(NAMES_LISTED_MAX);
            let shown: Vec<&str> = names.into_iter().take(NAMES_LISTED_MAX).collect();
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            warnings.push(overall(format!("{}{more}: {what}", list(&shown))));
        }
    };
    let outside = active()
        .filter(|user| !admitted(user))
        .map(|user| user.name.as_str())
        .collect();
    remark(outside, "no rule lets these users in");
    let without = active()
        .filter(|user| user.verifier.is_none())
        .map(|user| user.name.as_str())
        .collect();
    remark(
        without,
        "these users have no password; set one with: almoner users passwd NAME",
    );
    let mut costs: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for user in active() {
        if let Some(verifier) = &user.verifier {
            costs
                .entry(verifier.iterations())
                .or_default()
                .push(&user.name);
        }
    }
    let usual = costs.values().map(Vec::len).max();
    if let (2.., Some(usual)) = (costs.len(), usual) {
        let odd = costs
            .into_values()
            .filter(|names| names.len() < usual)
            .flatten()
            .collect();
        remark(
            odd,
            "their verifiers have another iteration count than most, which shows that they exist",
        );
    }
    warnings
}
