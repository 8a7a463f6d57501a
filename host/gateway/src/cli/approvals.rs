//! `almoner approvals`: who wants what and why, and the approver's word on it.
//!
//! What is shown comes from callers and may try to look like something else: control characters are made
//! visible, and every line of a statement is marked as one. The password comes from the environment, a file or
//! the terminal, never from an argument, where every process could read it.

mod shown;

use std::path::PathBuf;

use jiff::Timestamp;

use super::output::{Colour, Exit, Output, clean};
use super::password;
use super::reach::{Gateway, Reach};
use crate::admin::client::Credentials;
use crate::admin::status::{Decided, Deciding};
use crate::approvals::{ApprovalId, View};
use crate::config::secret::Secret;

/// The variable that holds the approver's password.
const PASSWORD_VARIABLE: &str = "ALMONER_PASSWORD";
/// The variable that names the approver's login.
const USER_VARIABLE: &str = "ALMONER_USER";
/// Longest password file that is read, bytes.
const PASSWORD_FILE_BYTES_MAX: usize = 1_024;

/// Options.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    reach: Reach,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the requests that wait
    List {
        /// Decided ones as well
        #[arg(long)]
        all: bool,
    },
    /// Show one request in full
    Show {
        /// The request, such as A-7K3Q-9FM2
        id: ApprovalId,
    },
    /// Say yes, as yourself; the exchange goes on once everybody needed has
    Approve(Decide),
    /// Say no, as yourself; the exchange is refused
    Deny(Decide),
}

/// One decision.
#[derive(Debug, clap::Args)]
pub struct Decide {
    /// The request, such as A-7K3Q-9FM2
    pub id: ApprovalId,
    /// Why; goes on record
    #[arg(long, short)]
    pub reason: Option<String>,
    /// Your login [default: $ALMONER_USER, or $USER]
    #[arg(long, short, value_name = "NAME")]
    pub user: Option<String>,
    /// Read your password from the first line of this file [default: $ALMONER_PASSWORD, or the terminal]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: Args, output: &Output) -> Exit {
    let done = args
        .reach
        .gateway(output)
        .and_then(|gateway| match args.command {
            Command::List { all } => list(&gateway, all, output),
            Command::Show { id } => show(&gateway, &id, output),
            Command::Approve(decide) => say(&gateway, "approve", decide, output),
            Command::Deny(decide) => say(&gateway, "deny", decide, output),
        });
    done.map_or_else(|exit| exit, |()| Exit::OK)
}

fn list(gateway: &Gateway, all: bool, output: &Output) -> Result<(), Exit> {
    let views: Vec<View> = gateway.get(
        if all {
            "/v1/approvals?all=true"
        } else {
            "/v1/approvals"
        },
        output,
    )?;
    output.json(&views);
    if views.is_empty() {
        output.line(if all {
            "no requests"
        } else {
            "no requests wait for approval"
        });
    } else {
        output.table(&shown::table(&views, all, Timestamp::now()));
    }
    Ok(())
}

fn show(gateway: &Gateway, id: &ApprovalId, output: &Output) -> Result<(), Exit> {
    let view: View = gateway.get(&format!("/v1/approvals/{id}"), output)?;
    output.json(&view);
    shown::print(&view, Timestamp::now(), output);
    Ok(())
}

fn say(gateway: &Gateway, verb: &str, decide: Decide, output: &Output) -> Result<(), Exit> {
    let path = format!("/v1/approvals/{}", decide.id);
    // Before the password: nobody decides on what they have not been shown.
    let view: View = gateway.get(&path, output)?;
    shown::print(&view, Timestamp::now(), output);
    let credentials = credentials(&decide, verb, output)?;
    let deciding = Deciding {
        reason: decide.reason,
    };
    let decided: Decided = gateway.post(
        &format!("{path}/{verb}"),
        &deciding,
        Some(&credentials),
        output,
    )?;
    output.json(&decided);
    let outcome = match (verb, decided.complete) {
        ("deny", _) => output.paint(Colour::Red, "denied"),
        (_, true) => output.paint(Colour::Green, "approved; the exchange goes on"),
        (_, false) => {
            let still = decided
                .approval
                .as_ref()
                .map(shown::needs)
                .unwrap_or_default();
            output.paint(
                Colour::Yellow,
                &format!("your approval counts; still needed: {still}"),
            )
        }
    };
    output.line(format_args!(
        "{}: {outcome} (audit record {})",
        decide.id, decided.seq
    ));
    Ok(())
}

fn credentials(decide: &Decide, verb: &str, output: &Output) -> Result<Credentials, Exit> {
    let usage = |error: String| {
        output.error(error);
        Exit::USAGE
    };
    let of = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let login = decide
        .user
        .clone()
        .or_else(|| of(USER_VARIABLE))
        .or_else(|| of("USER"));
    let login = login.ok_or_else(|| {
        usage(format!(
            "who decides? Give --user NAME, or set {USER_VARIABLE}"
        ))
    })?;
    let password = match (&decide.password_file, of(PASSWORD_VARIABLE)) {
        (Some(file), _) => {
            first_line(file).map_err(|error| usage(format!("{}: {error}", file.display())))?
        }
        (None, Some(password)) => Secret::new(password),
        (None, None) => {
            let question = format!("Password of {} to {verb} {}: ", clean(&login), decide.id);
            password::once(&question).map_err(|error| usage(error.to_string()))?
        }
    };
    Ok(Credentials { login, password })
}

fn first_line(file: &PathBuf) -> std::io::Result<Secret> {
    use std::io::Read;
    let mut text = String::new();
    let limit = PASSWORD_FILE_BYTES_MAX as u64;
    std::fs::File::open(file)?
        .take(limit)
        .read_to_string(&mut text)?;
    Ok(Secret::new(text.lines().next().unwrap_or_default()))
}
