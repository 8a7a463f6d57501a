//! `almoner users`: adds, lists and removes logins, and sets their passwords. Works on the users file; a
//! running gateway obeys a change within a second.
//!
//! Passwords are typed, piped or generated, never given as an argument, where every process could read them.

use std::path::PathBuf;

use almoner_wire::postgres::scram::{ITERATIONS, SALT_BYTES, Verifier};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::config::ConfigFile;
use super::output::{Colour, Exit, Output, Table};
use super::password;
use crate::config::load;
use crate::config::secret::Secret;
use crate::config::users::User;
use crate::identity::user_edit::{self, NewUser};

/// Bytes of a generated password: 144 bits, beyond guessing even with the verifier at hand.
const GENERATED_BYTES: usize = 18;

/// Options.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, clap::Args)]
struct Place {
    #[command(flatten)]
    config: ConfigFile,
    /// The users file itself, instead of the one the configuration names
    #[arg(long, value_name = "FILE", global = true)]
    file: Option<PathBuf>,
}

/// What can be done.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Add a person or an agent
    #[command(after_help = "An agent that acts for a person has both: \
                            almoner users add joy-scheduler --actor scheduler --subject joy --group nurses")]
    Add {
        /// Login name
        name: String,
        /// A group of the subject; may be given several times
        #[arg(long = "group", short, value_name = "GROUP")]
        groups: Vec<String>,
        /// The human or service behind the login, if several logins belong to one [default: the subject]
        #[arg(long)]
        person: Option<String>,
        /// The agent this login is, if it acts for somebody else
        #[arg(long, requires = "subject")]
        actor: Option<String>,
        /// On whose authority it acts [default: the login itself]
        #[arg(long)]
        subject: Option<String>,
        /// Where its password comes from
        #[command(flatten)]
        password: PasswordFrom,
    },
    /// List all logins
    List,
    /// Remove a login
    Remove {
        /// Login name
        name: String,
    },
    /// Set a login's password
    Passwd {
        /// Login name
        name: String,
        /// Where its password comes from
        #[command(flatten)]
        password: PasswordFrom,
    },
}

/// Where the password comes from; typed at the terminal if neither is given.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub struct PasswordFrom {
    /// Read the password from the first line of standard input
    #[arg(long)]
    pub password_stdin: bool,
    /// Make a password and print it, once
    #[arg(long)]
    pub generate: bool,
}

/// Runs the command.
pub fn run(args: Args, output: &Output) -> Exit {
    let file = match args.place.file {
        Some(file) => file,
        None => match args.place.config.load(output) {
            Ok(gateway) => gateway.users_file,
            Err(exit) => return exit,
        },
    };
    let done = match args.command {
        Command::Add {
            name,
            groups,
            person,
            actor,
            subject,
            password,
        } => set_password(&password, |verifier| {
            let user = NewUser {
                name: &name,
                groups: &groups,
                person: person.as_deref(),
                actor: actor.as_deref(),
                subject: subject.as_deref(),
                verifier,
            };
            user_edit::add(&file, &user)
        })
        .map(|generated| told(output, &format!("added user \"{name}\""), generated)),
        Command::Passwd { name, password } => set_password(&password, |verifier| {
            user_edit::set_verifier(&file, &name, verifier)
        })
        .map(|generated| {
            told(
                output,
                &format!("set the password of user \"{name}\""),
                generated,
            )
        }),
        Command::Remove { name } => user_edit::remove(&file, &name)
            .map(|()| told(output, &format!("removed user \"{name}\""), None))
            .map_err(|e| e.to_string()),
        Command::List => match load::users(&file) {
            Ok(users) => {
                list(output, users.into_values());
                Ok(())
            }
            Err(errors) => {
                output.error(errors);
                return Exit::USAGE;
            }
        },
    };
    match done {
        Ok(()) => Exit::OK,
        Err(why) => {
            output.error(why);
            Exit::FAILED
        }
    }
}

/// Fetches or makes a password, derives its verifier, and hands that on. Returns the password if it was made.
fn set_password(
    from: &PasswordFrom,
    store: impl FnOnce(&Verifier) -> Result<(), user_edit::EditError>,
) -> Result<Option<Secret>, String> {
    let no_randomness = |_| "the system gave no random numbers".to_owned();
    let password = if from.generate {
        let mut bytes = [0; GENERATED_BYTES];
        getrandom::fill(&mut bytes).map_err(no_randomness)?;
        Secret::new(URL_SAFE_NO_PAD.encode(bytes))
    } else if from.password_stdin {
        password::from_stdin().map_err(|e| e.to_string())?
    } else {
        password::typed().map_err(|e| e.to_string())?
    };
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(no_randomness)?;
    let verifier = Verifier::generate(password.expose().as_bytes(), &salt, ITERATIONS);
    store(&verifier.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    Ok(from.generate.then_some(password))
}

fn told(output: &Output, what: &str, generated: Option<Secret>) {
    let password = generated.as_ref().map(Secret::expose);
    output.json(&json!({ "done": what, "password": password }));
    if let Some(password) = password {
        output.line(format_args!("{what}; its password, shown this once:"));
        output.line(password);
    } else {
        output.line(what);
    }
}

fn list(output: &Output, users: impl Iterator<Item = User>) {
    let users: Vec<User> = users.collect();
    let state = |user: &User| match (user.disabled, &user.verifier) {
        (true, _) => "disabled",
        (false, None) => "no password",
        (false, Some(_)) => "active",
    };
    let document: Vec<_> = users
        .iter()
        .map(|user| {
            json!({
                "name": user.name, "person": user.person, "actor": user.actor, "subject": user.subject,
                "groups": user.groups, "state": state(user),
            })
        })
        .collect();
    output.json(&document);
    let mut table = Table::new(&["name", "acts for", "as agent", "person", "groups", "state"]);
    for user in &users {
        let groups = user.groups.join(", ");
        let actor = user.actor.as_deref().unwrap_or("-");
        table.row([
            &user.name,
            &user.subject,
            actor,
            &user.person,
            &groups,
            state(user),
        ]);
    }
    if table.is_empty() {
        output.line(output.paint(
            Colour::Dim,
            "no users; add one with: almoner users add NAME",
        ));
    } else {
        output.table(&table);
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use clap::Parser;

    use super::super::output::Captured;
    use super::super::{Cli, Command as Top};
    use super::*;
    use crate::identity::users::Users;

    fn almoner(dir: &std::path::Path, words: &[&str], json: bool) -> (Exit, String, String) {
        let file = dir.join("users.toml");
        let given = ["almoner", "users", "--file", file.to_str().unwrap()];
        let Top::Users(args) = Cli::try_parse_from(given.iter().chain(words))
            .unwrap()
            .command
        else {
            unreachable!("the words begin with users")
        };
        let (out, err) = (Captured::default(), Captured::default());
        let exit = run(args, &Output::to(json, out.clone(), err.clone()));
        (exit, out.text(), err.text())
    }

    #[test]
    fn a_generated_password_logs_in_until_another_one_is_set() {
        let dir = tempfile::tempdir().unwrap();
        let add = [
            "add",
            "joy",
            "--group",
            "nurses",
            "-g",
            "night shift",
            "--generate",
        ];
        let (exit, out, _) = almoner(dir.path(), &add, false);
        assert_eq!(exit, Exit::OK);
        let first = out.lines().last().unwrap().to_owned();
        assert_eq!(first.len(), 24);
        let logs_in = |password: &str| {
            let users = Users::open(&dir.path().join("users.toml"), [7; 32]).unwrap();
            users.verify_password("joy", password)
        };
        assert_eq!(logs_in(&first).unwrap().groups, ["nurses", "night shift"]);
        let (exit, out, _) = almoner(dir.path(), &["passwd", "joy", "--generate"], true);
        assert_eq!(exit, Exit::OK);
        let told: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert!(logs_in(told["password"].as_str().unwrap()).is_some());
        assert!(logs_in(&first).is_none());
    }

    #[test]
    fn logins_are_listed_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let add = [
            "add",
            "bot",
            "--actor",
            "scheduler",
            "--subject",
            "joy",
            "--generate",
        ];
        assert_eq!(almoner(dir.path(), &add, false).0, Exit::OK);
        let (_, out, _) = almoner(dir.path(), &["list"], false);
        assert!(
            out.lines()
                .nth(1)
                .unwrap()
                .starts_with("bot   joy       scheduler"),
            "{out}"
        );
        let (exit, _, err) = almoner(dir.path(), &add, false);
        assert_eq!(exit, Exit::FAILED);
        assert!(err.contains("there is a user \"bot\" already"), "{err}");
        assert_eq!(almoner(dir.path(), &["remove", "bot"], false).0, Exit::OK);
        let (_, out, _) = almoner(dir.path(), &["list"], false);
        assert!(out.starts_with("no users"), "{out}");
        assert_eq!(
            almoner(dir.path(), &["remove", "bot"], false).0,
            Exit::FAILED
        );
    }

    #[test]
    fn an_agent_without_a_subject_is_a_usage_error() {
        let words = ["almoner", "users", "add", "bot", "--actor", "scheduler"];
        assert!(Cli::try_parse_from(words).is_err());
        let words = [
            "almoner",
            "users",
            "add",
            "bot",
            "--generate",
            "--password-stdin",
        ];
        assert!(Cli::try_parse_from(words).is_err());
    }
}
