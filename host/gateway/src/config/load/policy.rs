//! The policy folder: files as written to one policy set as meant.
//!
//! Two rounds: first every file yields its plugins, then rules are read, since a rule may name a plugin
//! of another file.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::policy::{Place, PolicySet};
use super::super::problem::{Problem, shown};
use super::super::written::at::At;
use super::super::written::policy as written;
use super::super::written::read::{Entry, Reader};
use super::plugin::plugin;
use super::rule::rule;
use super::tag::{choice, field, tag};

const SECTIONS: [&str; 5] = ["plugin", "rule", "column", "field", "treatment"];

/// Merges the files, in the order given.
pub(super) fn meant<'f>(
    dir: &Path,
    files: impl Iterator<Item = (&'f str, &'f str)>,
    digest: String,
) -> Result<PolicySet, Vec<Problem>> {
    let mut set = PolicySet {
        digest,
        plugins: Vec::new(),
        rules: Vec::new(),
        columns: Vec::new(),
        fields: Vec::new(),
        treatments: Vec::new(),
    };
    let mut taken = Taken::default();
    let mut rounds = Vec::new();
    let mut all_read = true;
    for (file, text) in files {
        let mut reader = Reader::new(shown(&dir.join(file)), text);
        if let Some(mut document) = reader.document() {
            for entry in reader.entries::<written::Plugin>(&mut document, "plugin") {
                set.plugins
                    .extend(plugin(&mut reader, file, dir, &entry, &mut taken));
            }
            let rules = reader.entries::<written::Rule>(&mut document, "rule");
            for entry in reader.entries(&mut document, "column") {
                set.columns.extend(tag(&mut reader, file, &entry));
            }
            for entry in reader.entries(&mut document, "field") {
                set.fields.extend(field(&mut reader, file, &entry));
            }
            for entry in reader.entries(&mut document, "treatment") {
                set.treatments.extend(choice(&mut reader, file, &entry));
            }
            reader.finish_document(&document, &SECTIONS);
            rounds.push((file, reader, rules));
        } else {
            all_read = false;
            rounds.push((file, reader, Vec::new()));
        }
    }
    let mut problems = Vec::new();
    for (file, mut reader, rules) in rounds {
        for entry in rules {
            set.rules
                .extend(rule(&mut reader, file, &entry, &mut taken, all_read));
        }
        problems.extend(reader.into_problems());
    }
    if problems.is_empty() {
        Ok(set)
    } else {
        Err(problems)
    }
}

/// Names given so far, with the place where.
#[derive(Default)]
pub(super) struct Taken {
    /// Plugins, with the key of rules that builtins belong to.
    pub(super) plugins: BTreeMap<String, Option<&'static str>>,
    places: BTreeMap<(&'static str, String), Place>,
}

impl Taken {
    /// Notes the name, or reports that another entry has it.
    pub(super) fn note(
        &mut self,
        reader: &mut Reader<'_>,
        kind: &'static str,
        name: &At<String>,
        place: &Place,
    ) {
        let key = (kind, name.value.clone());
        if let Some(first) = self.places.get(&key) {
            let what = format!(
                "{kind} \"{}\" is defined twice, first in {}:{}",
                name.value, first.file, first.line
            );
            reader.report(&name.span, what, "Rename one of them.");
        } else {
            self.places.insert(key, place.clone());
        }
    }
}

/// Where an entry begins.
pub(super) fn place<T>(reader: &Reader<'_>, file: &str, entry: &Entry<T>) -> Place {
    Place {
        file: file.to_owned(),
        line: reader.line(&entry.span),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use std::time::Duration;

    use super::super::super::policy::{APPROVAL_TTL_MAX, Opaque, PluginSource, Release, Treatment};
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<PolicySet, Vec<String>> {
        meant(Path::new("policies"), files.iter().copied(), "d".to_owned())
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    const PLUGINS: &str = "[[plugin]]\nname = \"sql-guard\"\nuse = \"builtin:sql-guard\"\n\
                           [[plugin]]\nname = \"phi\"\nuse = \"builtin:phi\"\n";

    #[test]
    fn a_rule_may_name_plugins_of_a_later_file() {
        let rule = "[[rule]]\nname = \"all\"\nresources = [\"*\"]\ngroups = [\"*\"]\nguards = [\"sql-guard\"]\n\
                    detectors = [\"phi\"]\n";
        let set = read(&[("10.toml", rule), ("20.toml", PLUGINS)]).unwrap();
        let rule = &set.rules[0];
        assert_eq!(
            rule.place,
            Place {
                file: "10.toml".into(),
                line: 1
            }
        );
        assert_eq!(rule.guards, ["sql-guard"]);
        assert!(rule.allow && rule.detect && rule.approvals.is_empty());
        assert_eq!(
            (rule.opaque, rule.release),
            (Opaque::Deny, Release::UntilThreshold)
        );
        assert_eq!(
            (rule.unproven, rule.confidence_min),
            (Treatment::Redact, 50)
        );
        assert_eq!(
            (
                rule.strictest_approval.group.as_str(),
                rule.strictest_approval.count
            ),
            ("approvers", 1)
        );
        assert_eq!(
            (rule.approval_ttl, rule.locale.as_str()),
            (Duration::from_secs(900), "en-US")
        );
        assert_eq!(
            set.plugins[1].place,
            Place {
                file: "20.toml".into(),
                line: 4
            }
        );
        assert_eq!(set.plugins[1].deadline, Duration::from_millis(500));
        assert_eq!(set.plugins[1].memory_bytes_max, 64 << 20);
    }

    #[test]
    fn an_approval_that_could_wait_longer_than_requests_live_is_refused() {
        let rule = |ttl: &str| {
            format!(
                "{PLUGINS}[[rule]]\nname = \"r\"\nresources = [\"*\"]\ngroups = [\"*\"]\nguards = [\"sql-guard\"]\n\
                 detectors = [\"phi\"]\napproval = {{ group = \"managers\", ttl = \"{ttl}\" }}\n"
            )
        };
        assert_eq!(
            read(&[("10.toml", &rule("7d"))]).unwrap_err(),
            [
                "policies/10.toml:13: rule \"r\": approval: \"ttl\": 7d is out of bounds. It is 10s to 1d."
            ]
        );
        let set = read(&[("10.toml", &rule("24h"))]).unwrap();
        assert_eq!(set.rules[0].approval_ttl, APPROVAL_TTL_MAX);
    }

    #[test]
    fn everything_that_can_be_written_arrives_as_meant() {
        let sha256 = "AB".repeat(32);
        let text = format!(
            "{PLUGINS}[[plugin]]\nname = \"mine\"\nuse = \"file:plugins/mine.wasm\"\nsha256 = \"{sha256}\"\n\
             deadline = \"20ms\"\nmemory = \"8 MiB\"\n[plugin.settings]\nrows = 100\n\
             [[rule]]\nname = \"r\"\nresources = [\"ehr*\"]\ngroups = [\"nurses\"]\nguards = []\napprovals = [\"mine\"]\n\
             detectors = [\"phi\"]\nlocale = \"de-CH\"\nopaque = \"hold\"\nknown_functions = [\"public.age_years\"]\n\
             unproven = \"null\"\nconfidence_min = 70\nrelease = \"after-decision\"\n\
             approval = {{ group = \"managers\", count = 2, ttl = \"1h\" }}\n\
             [[column]]\ncolumn = \"Patients.SSN\"\nkind = \"phi.ssn\"\ntreatment = \"last4\"\n\
             [[treatment]]\nkind = \"phi.*\"\ngroups = [\"billing\"]\nuse = \"zip3\"\n"
        );
        let set = read(&[("10.toml", &text)]).unwrap();
        let PluginSource::File { path, sha256 } = &set.plugins[2].source else {
            unreachable!("a file was named")
        };
        assert_eq!(
            (path.as_path(), sha256.as_str()),
            (Path::new("policies/plugins/mine.wasm"), &*"ab".repeat(32))
        );
        assert_eq!(set.plugins[2].settings, serde_json::json!({"rows": 100}));
        let rule = &set.rules[0];
        assert_eq!(
            (rule.opaque, rule.release),
            (Opaque::Hold, Release::AfterDecision)
        );
        assert_eq!((rule.unproven, rule.confidence_min), (Treatment::Null, 70));
        assert_eq!(
            (
                rule.strictest_approval.group.as_str(),
                rule.strictest_approval.count
            ),
            ("managers", 2)
        );
        assert_eq!(rule.known_functions[0].as_str(), "public.age_years");
        let tag = &set.columns[0];
        let names =
            [&tag.resource, &tag.schema, &tag.relation, &tag.column].map(|glob| glob.as_str());
        assert_eq!(names, ["*", "public", "patients", "ssn"]);
        assert_eq!(tag.treatment, Some(Treatment::Last4));
        assert_eq!(set.treatments[0].treatment, Treatment::Zip3);
    }

    #[test]
    fn a_rule_that_lets_in_must_say_what_is_asked_or_that_nothing_is() {
        let rule = |rest: &str| {
            read(&[(
                "10.toml",
                &format!(
                    "{PLUGINS}[[rule]]\nname = \"r\"\nresources = [\"*\"]\ngroups = [\"*\"]\n{rest}"
                ),
            )])
        };
        assert!(rule("allow = false\n").is_ok());
        assert!(rule("guards = []\ndetect = false\n").is_ok());
        let refused = rule("").unwrap_err();
        assert_eq!(
            refused,
            [
                "policies/10.toml:7: rule \"r\": \"guards\" is missing. \
                 Name guards, or write guards = [] if none shall be asked.",
                "policies/10.toml:7: rule \"r\": no detector looks for identifiers. \
                 Name one, or write detect = false if only tagged columns shall be masked.",
            ]
        );
    }

    #[test]
    fn names_that_do_not_fit_together_are_all_reported_with_the_nearest() {
        let text = format!(
            "{PLUGINS}[[plugin]]\nname = \"phi\"\nuse = \"builtin:pih\"\nsha256 = \"x\"\n\
             [[plugin]]\nname = \"mine\"\nuse = \"file:mine.wasm\"\n\
             [[rule]]\nname = \"nurses\"\nresources = []\ngroups = [\"a\", \"a\"]\nguards = [\"sql-gaurd\"]\n\
             detectors = [\"phi\", \"sql-guard\"]\nlocale = \"english\"\nknown_functions = [\"now\"]\n\
             [[rule]]\nname = \"nurses\"\nresources = [\"*\"]\ngroups = [\"*\"]\nallow = false\n\
             [[column]]\ncolumn = \"ssn\"\nkind = \"SSN\"\n[[treatment]]\nkind = \"phi.*\"\n"
        );
        let refused = read(&[("10.toml", &text)]).unwrap_err();
        let expected = [
            "8: plugin \"phi\" is defined twice, first in 10.toml:4. Rename one of them.",
            "9: plugin \"phi\": there is no builtin \"pih\". Did you mean \"phi\"?",
            "10: plugin \"phi\": \"sha256\" belongs to files; the binary carries this one. Remove it.",
            "11: plugin \"mine\": \"sha256\" is missing. \
             Pin the file: sha256 = \"…\", which \"sha256sum mine.wasm\" prints.",
            "16: rule \"nurses\": \"resources\" is empty, so it matches nothing. \
             For all of them write resources = [\"*\"].",
            "17: rule \"nurses\": \"groups\": \"a\" is listed twice. Remove one of them.",
            "18: rule \"nurses\": guard \"sql-gaurd\" is not defined. Did you mean \"sql-guard\"?",
            "19: rule \"nurses\": \"sql-guard\" is a guard plugin, not one of the detectors. \
             Move it to guards = [\"sql-guard\"].",
            "20: rule \"nurses\": \"locale\": \"english\" is not a language tag. Write one such as \"en-US\".",
            "21: rule \"nurses\": function \"now\" has no schema. Write \"public.now\".",
            "23: rule \"nurses\" is defined twice, first in 10.toml:14. Rename one of them.",
            "28: column \"ssn\": name the relation too; \"*.NAME\" is the column of every relation in schema public.",
            "29: column \"ssn\": \"SSN\" is not a kind. \
             Kinds are dotted words in lower case: phi.ssn, phi.date.birth.",
            "30: treatment of \"phi.*\": \"use\" is missing. Say what is done: use = \"redact\".",
        ];
        assert_eq!(
            refused,
            expected.map(|line| format!("policies/10.toml:{line}"))
        );
    }

    #[test]
    fn a_broken_file_does_not_make_rules_of_others_look_wrong() {
        let rule = "[[rule]]\nname = \"r\"\nresources = [\"*\"]\ngroups = [\"*\"]\nguards = [\"x\"]\ndetectors = [\"y\"]\n";
        let refused = read(&[("10.toml", rule), ("20.toml", "[[plugin]\n")]).unwrap_err();
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].starts_with("policies/20.toml:1: not valid TOML"));
    }
}
