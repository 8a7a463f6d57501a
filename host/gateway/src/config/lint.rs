//! What a configuration permits that its author may not have meant. Nothing here is wrong, and nothing here
//! keeps a policy from taking effect; `almoner check` says it loudly.

use std::collections::{BTreeMap, BTreeSet};

use super::gateway::{Gateway, ListenerTls, SecretSource, UpstreamTls};
use super::load::stays_here;
use super::policy::{Glob, Opaque, Place, PolicySet, Rule, Treatment};
use super::problem::list;
use super::secret::permissions_problem;
use super::users::User;

/// Names listed in one remark.
const NAMES_LISTED_MAX: usize = 10;

/// Entries compared with each other, which costs their number squared; the rest of a longer list is not compared.
const COMPARED_MAX: usize = 5_000;

/// One remark.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Warning {
    /// File within its folder; empty if it is about more than one.
    pub file: String,
    /// Line, 1-based; 0 if unknown.
    pub line: usize,
    /// What it permits, and what to write instead.
    pub what: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.file.as_str(), self.line) {
            ("", _) => write!(f, "{}", self.what),
            (file, 0) => write!(f, "{file}: {}", self.what),
            (file, line) => write!(f, "{file}:{line}: {}", self.what),
        }
    }
}

fn at(place: &Place, what: String) -> Warning {
    Warning {
        file: place.file.clone(),
        line: place.line,
        what,
    }
}

fn overall(what: String) -> Warning {
    Warning {
        file: String::new(),
        line: 0,
        what,
    }
}

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

/// Remarks on the gateway's own file.
pub fn gateway(gateway: &Gateway) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |what: String| warnings.push(overall(what));
    let address = gateway.postgres_listen;
    if !address.ip().is_loopback() {
        if !gateway.tls_required {
            warn(format!(
                "[tls] required = false: callers may send data to {address} in plain text"
            ));
        }
        if matches!(gateway.tls, ListenerTls::SelfSigned { .. }) {
            let what = "[tls] names no certificate: a self-signed one is shown to other machines, which cannot check it";
            warn(what.to_owned());
        }
    }
    if let Some(observe) = gateway
        .observe_listen
        .filter(|address| !address.ip().is_loopback())
    {
        warn(format!(
            "[listen] observe: metrics are shown to whoever reaches {observe}"
        ));
    }
    for resource in &gateway.resources {
        let (name, upstream) = (&resource.name, &resource.upstream);
        match upstream.tls {
            UpstreamTls::Disable if !stays_here(&upstream.host) => {
                warn(format!(
                    "resource \"{name}\": allow-plaintext sends its password and all data in plain text"
                ));
            }
            UpstreamTls::VerifyCa => {
                let what = "tls = \"verify-ca\" takes the certificate of any host that the authority vouches for";
                warn(format!("resource \"{name}\": {what}"));
            }
            _ => {}
        }
        if let Some(SecretSource::File(path)) = &upstream.password {
            if let Err(e) = std::fs::metadata(path) {
                warn(format!(
                    "resource \"{name}\": the password file {} cannot be read: {e}",
                    path.display()
                ));
            } else if let Some(problem) = permissions_problem(path) {
                warn(format!("resource \"{name}\": {problem}"));
            }
        }
    }
    warnings
}

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

fn has_star(globs: &[Glob]) -> bool {
    globs.iter().any(|glob| glob.as_str() == "*")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::super::load;
    use super::*;

    const RULE: &str =
        "resources = [\"ehr\"]\ngroups = [\"nurses\"]\nguards = [\"g\"]\ndetectors = [\"d\"]\n";
    const PLUGINS: &str = "[[plugin]]\nname = \"g\"\nuse = \"builtin:sql-guard\"\n\
                           [[plugin]]\nname = \"d\"\nuse = \"builtin:phi\"\n";

    fn set(text: &str) -> PolicySet {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.toml"), format!("{PLUGINS}{text}")).unwrap();
        load::policies(dir.path()).unwrap()
    }

    fn said(warnings: &[Warning]) -> Vec<String> {
        warnings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_careful_policy_is_not_nagged_about() {
        assert_eq!(
            said(&policies(&set(&format!("[[rule]]\nname = \"r\"\n{RULE}")))),
            [""; 0]
        );
    }

    #[test]
    fn every_wide_door_is_named() {
        let text = "[[rule]]\nname = \"r\"\nresources = [\"*\"]\ngroups = [\"*\"]\nguards = []\ndetect = false\n\
                    opaque = \"allow\"\nunproven = \"keep\"\nknown_functions = [\"public.*\"]\n\
                    [[treatment]]\nkind = \"phi.*\"\nuse = \"keep\"\n";
        let said = said(&policies(&set(text)));
        for expected in [
            "groups = [\"*\"] lets everyone in to every resource",
            "no guard is asked",
            "detect = false",
            "opaque = \"allow\"",
            "unproven = \"keep\"",
            "known_functions trusts whole schemas",
            "\"phi.*\" is shown to everyone as it is",
            "no rule uses plugin \"g\"",
        ] {
            assert!(
                said.iter().any(|said| said.contains(expected)),
                "{expected}: {said:#?}"
            );
        }
        assert_eq!(said.len(), 9, "{said:#?}");
        assert!(
            said.iter().all(|said| said.starts_with("a.toml:")),
            "{said:#?}"
        );
    }

    #[test]
    fn what_an_earlier_entry_takes_is_never_reached() {
        let text = format!(
            "[[rule]]\nname = \"wide\"\n{}[[rule]]\nname = \"narrow\"\n{RULE}[[rule]]\nname = \"other\"\n{}\
             [[column]]\ncolumn = \"*.ssn\"\nkind = \"phi.ssn\"\n[[column]]\ncolumn = \"patients.ssn\"\nkind = \"phi.ssn\"\n\
             [[treatment]]\nkind = \"phi.*\"\nuse = \"redact\"\n[[treatment]]\nkind = \"phi.ssn\"\ngroups = [\"x\"]\nuse = \"last4\"\n",
            RULE.replace("\"nurses\"", "\"nur*\", \"x\"")
                .replace("\"ehr\"", "\"e*\""),
            RULE.replace("\"nurses\"", "\"nurses\", \"doctors\""),
        );
        let said = said(&policies(&set(&text)));
        assert_eq!(said.len(), 3, "{said:#?}");
        assert!(
            said.iter()
                .any(|s| s.contains("rule \"narrow\" is never reached: rule \"wide\" (a.toml:7)"))
        );
        assert!(said.iter().any(|s| s.contains("column tag is never used")));
        assert!(said.iter().any(|s| s.contains("treatment is never used")));
    }

    #[test]
    fn policies_are_held_against_resources_and_users() {
        let text = format!(
            "[[plugin]]\nname = \"b\"\nuse = \"builtin:bulk-export\"\n\
             [[rule]]\nname = \"r\"\n{RULE}approvals = [\"b\"]\napproval = {{ group = \"managers\", count = 2 }}\n\
             [[rule]]\nname = \"s\"\n{}",
            RULE.replace("\"ehr\"", "\"ehx\"")
                .replace("nurses", "nurse")
        );
        let set = set(&text);
        let dir = tempfile::tempdir().unwrap();
        let (config, file) = (
            dir.path().join("almoner.toml"),
            dir.path().join("users.toml"),
        );
        let resource = |name: &str| {
            format!(
                "[[resource]]\nname = \"{name}\"\npostgres = {{ host = \"db\", user = \"a\" }}\n"
            )
        };
        std::fs::write(&config, resource("ehr") + &resource("lab")).unwrap();
        let names = said(&resources(&set, &load::gateway(&config).unwrap()));
        assert_eq!(names.len(), 2, "{names:#?}");
        assert!(
            names
                .iter()
                .any(|s| s.contains("\"ehx\" matches no resource; there is \"ehr\" and \"lab\""))
        );
        assert!(
            names
                .iter()
                .any(|s| s == "resource \"lab\": no rule lets anybody use it")
        );

        let text = "[[user]]\nname = \"joy\"\ngroups = [\"nurses\"]\n[[user]]\nname = \"joy2\"\nperson = \"max\"\n\
                    groups = [\"managers\"]\n[[user]]\nname = \"max\"\ngroups = [\"managers\"]\n[[user]]\nname = \"eve\"\n";
        std::fs::write(&file, text).unwrap();
        let people = said(&users(&set, &load::users(&file).unwrap()));
        assert_eq!(people.len(), 4, "{people:#?}");
        assert!(
            people
                .iter()
                .any(|s| s.contains("rule \"s\": nobody is in group \"nurse\""))
        );
        assert!(
            people
                .iter()
                .any(|s| s.contains("approvals need 2 of group \"managers\", which has 1"))
        );
        assert!(
            people
                .iter()
                .any(|s| s == "\"eve\": no rule lets these users in")
        );
        assert!(
            people
                .iter()
                .any(|s| s.contains("these users have no password"))
        );
    }

    #[test]
    fn plain_text_and_unchecked_certificates_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("almoner.toml");
        let text = "[listen]\npostgres = \"0.0.0.0:6432\"\nobserve = \"0.0.0.0:9464\"\n[tls]\nrequired = false\n\
                    [[resource]]\nname = \"ehr\"\n[resource.postgres]\nhost = \"db\"\nuser = \"a\"\ntls = \"disable\"\n\
                    allow-plaintext = true\npassword = { file = \"missing\" }\n";
        std::fs::write(&path, text).unwrap();
        let said = said(&gateway(&load::gateway(&path).unwrap()));
        assert_eq!(said.len(), 5, "{said:#?}");
        assert!(said.iter().any(|s| s.contains("allow-plaintext")));
        assert!(said.iter().any(|s| s.contains("self-signed")));
        assert!(said.iter().any(|s| s.contains("password file")));
    }
}
