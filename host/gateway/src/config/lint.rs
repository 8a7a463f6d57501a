//! What a configuration permits that its author may not have meant. Nothing here is wrong, and nothing here
//! keeps a policy from taking effect; `almoner check` says it loudly.

mod gateway;
mod policies;
mod resources;
mod users;

pub use gateway::gateway;
pub use policies::policies;
pub use resources::resources;
pub use users::users;

use super::policy::{Glob, Place};

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

fn has_star(globs: &[Glob]) -> bool {
    globs.iter().any(|glob| glob.as_str() == "*")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::super::load;
    use super::super::policy::PolicySet;
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
