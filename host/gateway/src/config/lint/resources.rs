//! Policies held against the resources there are.

use super::super::gateway::Gateway;
use super::super::policy::{Glob, PolicySet, Rule};
use super::super::problem::list;
use super::{Warning, at, overall};

/// Remarks on policies against the resources there are.
pub fn resources(set: &PolicySet, gateway: &Gateway) -> Vec<Warning> {
    let names = || {
        gateway
            .resources
            .iter()
            .map(|resource| resource.name.as_str())
    };
    let mut warnings = Vec::new();
    let matched = |glob: &Glob| names().any(|name| glob.matches(name));
    let all: Vec<&str> = names().collect();
    for rule in &set.rules {
        for glob in rule.resources.iter().filter(|glob| !matched(glob)) {
            let what = format!(
                "rule \"{}\": \"{}\" matches no resource; there is {}",
                rule.name,
                glob.as_str(),
                list(&all)
            );
            warnings.push(at(&rule.place, what));
        }
    }
    for tag in set.columns.iter().filter(|tag| !matched(&tag.resource)) {
        let what = format!(
            "column tag: \"{}\" matches no resource; there is {}",
            tag.resource.as_str(),
            list(&all)
        );
        warnings.push(at(&tag.place, what));
    }
    for tag in set.fields.iter().filter(|tag| !matched(&tag.resource)) {
        let what = format!(
            "field tag: \"{}\" matches no resource; there is {}",
            tag.resource.as_str(),
            list(&all)
        );
        warnings.push(at(&tag.place, what));
    }
    for name in names() {
        let open = |rule: &Rule| rule.allow && rule.resources.iter().any(|glob| glob.matches(name));
        if !set.rules.iter().any(open) {
            warnings.push(overall(format!(
                "resource \"{name}\": no rule lets anybody use it"
            )));
        }
    }
    warnings
}
