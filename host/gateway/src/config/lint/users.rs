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
    let active: Vec<&User> = users.values().filter(|user| !user.disabled).collect();
    let mut warnings: Vec<Warning> = Vec::new();
    for rule in &set.rules {
        warnings.extend(empty_groups(rule, &active));
        warnings.extend(too_few_approvers(rule, &active));
    }
    let outside = active.iter().filter(|user| !has_a_part(set, user));
    warnings.extend(remark(outside.copied(), "no rule lets these users in"));
    let without = active.iter().filter(|user| user.verifier.is_none());
    let what = "these users have no password; set one with: almoner users passwd NAME";
    warnings.extend(remark(without.copied(), what));
    let what =
        "their verifiers have another iteration count than most, which shows that they exist";
    warnings.extend(remark(with_odd_verifiers(&active).into_iter(), what));
    warnings
}

fn empty_groups(rule: &Rule, active: &[&User]) -> Vec<Warning> {
    let named = rule
        .groups
        .iter()
        .filter(|glob| rule.allow && glob.as_str() != "*");
    let empty = named.filter(|glob| !active.iter().any(|user| is_inside(user, glob)));
    let what = |glob: &Glob| {
        format!(
            "rule \"{}\": nobody is in group \"{}\"",
            rule.name,
            glob.as_str()
        )
    };
    empty.map(|glob| at(&rule.place, what(glob))).collect()
}

fn too_few_approvers(rule: &Rule, active: &[&User]) -> Option<Warning> {
    let needed = &rule.strictest_approval;
    let approvers = active
        .iter()
        .filter(|user| user.groups.contains(&needed.group));
    let people: BTreeSet<&String> = approvers.map(|user| &user.person).collect();
    let may_ask = rule.allow && (!rule.approvals.is_empty() || rule.opaque == Opaque::Hold);
    (may_ask && people.len() < usize::from(needed.count)).then(|| {
        let what = format!(
            "rule \"{}\": approvals need {} of group \"{}\", which has {}: nothing can be approved",
            rule.name,
            needed.count,
            needed.group,
            people.len()
        );
        at(&rule.place, what)
    })
}

/// Whether a rule lets the user in, or may ask them for approval.
fn has_a_part(set: &PolicySet, user: &User) -> bool {
    set.rules.iter().any(|rule| {
        let fits = |glob: &Glob| glob.as_str() == "*" || is_inside(user, glob);
        let approves = user.groups.contains(&rule.strictest_approval.group);
        approves || (rule.allow && rule.groups.iter().any(fits))
    })
}

/// Users whose passwords cost another number of iterations than most: a mock cannot look like both.
fn with_odd_verifiers<'u>(active: &[&'u User]) -> Vec<&'u User> {
    let mut by_cost: BTreeMap<u32, Vec<&User>> = BTreeMap::new();
    for user in active {
        if let Some(verifier) = &user.verifier {
            by_cost.entry(verifier.iterations()).or_default().push(user);
        }
    }
    let usual = by_cost.values().map(Vec::len).max().unwrap_or(0);
    let odd = by_cost.into_values().filter(|users| users.len() < usual);
    odd.flatten().collect()
}

fn is_inside(user: &User, glob: &Glob) -> bool {
    user.groups.iter().any(|group| glob.matches(group))
}

/// One remark on all of them; none if there are none.
fn remark<'u>(users: impl Iterator<Item = &'u User>, what: &str) -> Option<Warning> {
    let names: Vec<&str> = users.map(|user| user.name.as_str()).collect();
    let shown = list(names.get(..NAMES_LISTED_MAX).unwrap_or(&names));
    let more = match names.len().saturating_sub(NAMES_LISTED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!names.is_empty()).then(|| overall(format!("{shown}{more}: {what}")))
}
