//! `almoner check`: says everything a start or a reload would say about the configuration, and warns of what it
//! permits. Changes nothing, connects to nothing.

mod plugins;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use plugins::Built;
use serde::Serialize;

use super::config::DEFAULT_FILE;
use super::output::{Colour, Exit, Output};
use crate::config::gateway::Gateway;
use crate::config::lint::{self, Warning};
use crate::config::load;
use crate::config::policy::PolicySet;
use crate::config::problem::{ConfigErrors, Problem, shown};
use crate::config::users::User;
use crate::identity::users::check_permissions;

/// Options.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all is well, 1 there are warnings and --strict was given, 2 something is wrong."
)]
pub struct Args {
    /// The gateway's configuration; almoner.toml, unless only --policies is given
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A policy folder to check instead of the one the configuration names
    #[arg(long, short, value_name = "DIR")]
    pub policies: Option<PathBuf>,
    /// Do not build the plugins: quicker, but their files, settings and golden vectors stay unchecked
    #[arg(long)]
    pub skip_plugins: bool,
    /// Fail if there are warnings
    #[arg(long)]
    pub strict: bool,
}

/// Runs the command.
pub fn run(args: Args, output: &Output) -> Exit {
    let mut report = Report::default();
    check(&args, &mut report);
    report.ok = report.problems.is_empty();
    output.json(&report);
    if !output.is_json() {
        print(&report, output);
    }
    match (report.ok, report.warnings.is_empty()) {
        (false, _) => Exit::USAGE,
        (true, false) if args.strict => Exit::FAILED,
        (true, _) => Exit::OK,
    }
}

/// What was looked at, and what was found.
#[derive(Default, Serialize)]
struct Report {
    ok: bool,
    checked: Vec<Checked>,
    problems: Vec<Found>,
    warnings: Vec<Warning>,
}

/// One document or folder.
#[derive(Serialize)]
struct Checked {
    what: &'static str,
    path: String,
    ok: bool,
    summary: String,
}

#[derive(Serialize)]
struct Found {
    file: String,
    line: usize,
    column: usize,
    what: String,
    remedy: String,
    #[serde(skip)]
    text: String,
}

impl From<Problem> for Found {
    fn from(problem: Problem) -> Self {
        Self {
            text: problem.to_string(),
            file: problem.place.file,
            line: problem.place.line,
            column: problem.column,
            what: problem.what,
            remedy: problem.remedy,
        }
    }
}

impl Report {
    /// Notes how a document fared; hands it on if nothing is wrong with it.
    fn take<T>(
        &mut self,
        what: &'static str,
        path: &Path,
        read: Result<T, ConfigErrors>,
        summary: impl Fn(&T) -> String,
    ) -> Option<T> {
        let (path, ok) = (shown(path), read.is_ok());
        let summary = match &read {
            Ok(value) => summary(value),
            Err(errors) => count(errors.0.len(), "problem"),
        };
        self.checked.push(Checked {
            what,
            path,
            ok,
            summary,
        });
        read.map_err(|errors| self.problems.extend(errors.0.into_iter().map(Found::from)))
            .ok()
    }

    /// Builds the plugins and notes what came of it.
    fn build(&mut self, set: &PolicySet, dir: &Path) {
        let (ok, summary) = match plugins::build(set, dir) {
            Built::Usable(number) => (true, count(number, "plugin")),
            Built::Wrong(found) => {
                let summary = count(found.len(), "problem");
                self.problems.extend(found);
                (false, summary)
            }
            Built::Unchecked(why) => {
                let what = format!("the plugins were not checked: {why}");
                self.warnings.push(Warning {
                    file: String::new(),
                    line: 0,
                    what,
                });
                return;
            }
        };
        self.checked.push(Checked {
            what: "plugins",
            path: shown(dir),
            ok,
            summary,
        });
    }
}

fn check(args: &Args, report: &mut Report) {
    let config = match (&args.config, &args.policies) {
        (Some(config), _) => Some(config.clone()),
        (None, Some(_)) => None,
        (None, None) => Some(PathBuf::from(DEFAULT_FILE)),
    };
    let gateway = config.and_then(|config| {
        let summary = |gateway: &Gateway| count(gateway.resources.len(), "resource");
        report.take("configuration", &config, load::gateway(&config), summary)
    });
    let policy_dir = args
        .policies
        .clone()
        .or(gateway.as_ref().map(|gateway| gateway.policy_dir.clone()));
    let set = policy_dir
        .as_ref()
        .and_then(|dir| report.take("policies", dir, load::policies(dir), summary));
    let users = gateway.as_ref().and_then(|gateway| {
        let path = &gateway.users_file;
        let read = check_permissions(path).and_then(|()| load::users(path));
        report.take("users", path, read, |users| count(users.len(), "user"))
    });
    report.warnings = warnings(gateway.as_ref(), set.as_ref(), users.as_ref());
    if let (Some(set), Some(dir), false) = (&set, &policy_dir, args.skip_plugins) {
        report.build(set, dir);
    }
    for warning in report
        .warnings
        .iter_mut()
        .filter(|warning| !warning.file.is_empty())
    {
        warning.file = shown(
            &policy_dir
                .as_deref()
                .unwrap_or(Path::new(""))
                .join(&warning.file),
        );
    }
}

fn warnings(
    gateway: Option<&Gateway>,
    set: Option<&PolicySet>,
    users: Option<&BTreeMap<String, User>>,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    warnings.extend(gateway.map(lint::gateway).into_iter().flatten());
    warnings.extend(set.map(lint::policies).into_iter().flatten());
    warnings.extend(
        set.zip(gateway)
            .map(|(set, gateway)| lint::resources(set, gateway))
            .into_iter()
            .flatten(),
    );
    warnings.extend(
        set.zip(users)
            .map(|(set, users)| lint::users(set, users))
            .into_iter()
            .flatten(),
    );
    warnings
}

fn summary(set: &PolicySet) -> String {
    let parts = [
        count(set.plugins.len(), "plugin"),
        count(set.rules.len(), "rule"),
        count(set.columns.len(), "column tag"),
        count(set.treatments.len(), "treatment"),
    ];
    let digest = set.digest.get(..12).unwrap_or(&set.digest);
    format!("{}, digest {digest}…", parts.join(", "))
}

fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn print(report: &Report, output: &Output) {
    for problem in &report.problems {
        output.error(&problem.text);
    }
    for warning in &report.warnings {
        output.warn(warning);
    }
    for checked in &report.checked {
        let verdict = if checked.ok {
            output.paint(Colour::Green, "ok")
        } else {
            output.paint(Colour::Red, "wrong")
        };
        let about = format!("{} {}", checked.what, checked.path);
        output.line(format_args!(
            "{verdict}  {}: {}",
            output.paint(Colour::Bold, &about),
            checked.summary
        ));
    }
    if !report.ok {
        output.line("The gateway would not take this: at a start it ends, at a reload the policies in force stay.");
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use std::os::unix::fs::PermissionsExt;

    use almoner_wire::postgres::scram::Verifier;

    use super::super::output::Captured;
    use super::*;
    use crate::identity::user_edit;

    fn checked(args: &Args, json: bool) -> (Exit, String, String) {
        let (out, err) = (Captured::default(), Captured::default());
        let exit = run(args.clone(), &Output::to(json, out.clone(), err.clone()));
        (exit, out.text(), err.text())
    }

    /// A copy of the example with its users file in place.
    fn clinic() -> (tempfile::TempDir, Args) {
        let example = Path::new("../../examples/clinic");
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("policies")).unwrap();
        std::fs::create_dir(dir.path().join("secrets")).unwrap();
        for (from, to) in [
            ("almoner.toml", "almoner.toml"),
            ("users.toml.example", "users.toml"),
            ("policies/10-clinic.toml", "policies/10-clinic.toml"),
        ] {
            std::fs::copy(example.join(from), dir.path().join(to)).unwrap();
        }
        std::fs::write(dir.path().join("secrets/ehr.pw"), "pw\n").unwrap();
        for file in ["users.toml", "secrets/ehr.pw"] {
            std::fs::set_permissions(dir.path().join(file), PermissionsExt::from_mode(0o600))
                .unwrap();
        }
        let users = dir.path().join("users.toml");
        let verifier = Verifier::generate(b"correct horse", b"0123456789abcdef", 4096).unwrap();
        for name in load::users(&users).unwrap().keys() {
            user_edit::set_verifier(&users, name, &verifier).unwrap();
        }
        let args = Args {
            config: Some(dir.path().join("almoner.toml")),
            policies: None,
            strict: true,
            skip_plugins: true,
        };
        (dir, args)
    }

    #[test]
    fn the_example_is_accepted_without_a_warning() {
        let (_dir, args) = clinic();
        let with_plugins = Args {
            skip_plugins: false,
            ..args
        };
        let (exit, out, err) = checked(&with_plugins, false);
        assert_eq!((exit, err.as_str()), (Exit::OK, ""), "{out}");
        assert_eq!(
            out.lines().filter(|line| line.starts_with("ok  ")).count(),
            4,
            "{out}"
        );
    }

    #[test]
    fn settings_that_plugins_do_not_take_and_files_that_are_others_are_all_reported() {
        let (dir, args) = clinic();
        std::fs::write(dir.path().join("policies/mine.wasm"), "not a component").unwrap();
        let text = format!(
            "[[plugin]]\nname = \"a\"\nuse = \"builtin:bulk-export\"\nsettings = {{ rows = 0 }}\n\
             [[plugin]]\nname = \"b\"\nuse = \"builtin:phi\"\nsettings = {{ profil = \"strict\" }}\n\
             [[plugin]]\nname = \"c\"\nuse = \"file:mine.wasm\"\nsha256 = \"{}\"\n",
            "0".repeat(64)
        );
        std::fs::write(dir.path().join("policies/20-more.toml"), text).unwrap();
        let with_plugins = Args {
            skip_plugins: false,
            ..args
        };
        let (exit, out, err) = checked(&with_plugins, false);
        assert_eq!(exit, Exit::USAGE, "{out}");
        for expected in [
            "20-more.toml:1: plugin \"a\": ",
            "20-more.toml:5: plugin \"b\": ",
            "20-more.toml:9: plugin \"c\": ",
        ] {
            assert!(err.contains(expected), "{expected}: {err}");
        }
    }

    #[test]
    fn every_broken_file_is_reported_at_once() {
        let (dir, args) = clinic();
        std::fs::write(
            dir.path().join("policies/20-broken.toml"),
            "[[rule]]\nname = \"x\"\n",
        )
        .unwrap();
        std::fs::set_permissions(
            dir.path().join("users.toml"),
            PermissionsExt::from_mode(0o644),
        )
        .unwrap();
        let (exit, out, err) = checked(&args, false);
        assert_eq!(exit, Exit::USAGE);
        assert!(
            err.contains("20-broken.toml:1: rule \"x\": \"resources\" is missing."),
            "{err}"
        );
        assert!(err.contains("the users file has mode 0644"), "{err}");
        assert!(out.contains("the policies in force stay"), "{out}");
    }

    #[test]
    fn a_program_gets_places_as_numbers() {
        let (dir, args) = clinic();
        let text = "[[rule]]\nname = \"x\"\nresources = [\"*\"]\ngroups = [\"*\"]\nguards = [\"read-onyl\"]\n";
        std::fs::write(dir.path().join("policies/20-broken.toml"), text).unwrap();
        let (exit, out, err) = checked(&args, true);
        assert_eq!((exit, err.as_str()), (Exit::USAGE, ""));
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["ok"], false);
        let problem = &report["problems"][1];
        assert_eq!(
            (problem["line"].as_u64(), problem["column"].as_u64()),
            (Some(5), Some(11)),
            "{out}"
        );
        assert_eq!(problem["remedy"], "Did you mean \"reads-only\"?");
    }

    #[test]
    fn a_policy_folder_can_be_checked_by_itself_and_warnings_fail_only_if_asked() {
        let (dir, _) = clinic();
        let only = |strict| Args {
            config: None,
            policies: Some(dir.path().join("policies")),
            strict,
            skip_plugins: true,
        };
        assert_eq!(checked(&only(true), false).0, Exit::OK);
        let text = "[[rule]]\nname = \"x\"\nresources = [\"*\"]\ngroups = [\"*\"]\nguards = []\ndetect = false\n";
        std::fs::write(dir.path().join("policies/20-wide.toml"), text).unwrap();
        let (exit, _, err) = checked(&only(false), false);
        assert_eq!(exit, Exit::OK);
        assert!(
            err.contains("policies/20-wide.toml:1: rule \"x\": detect = false"),
            "{err}"
        );
        assert_eq!(checked(&only(true), false).0, Exit::FAILED);
    }
}
