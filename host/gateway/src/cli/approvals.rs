//! `almoner approvals`: who wants what and why, and the approver's word on it.
//!
//! What is shown comes from callers and may try to look like something else: control characters are made
//! visible, and every line of a statement is marked as one. The password comes from the environment, a file or
//! the terminal, never from an argument, where every process could read it.

use std::path::PathBuf;

use jiff::Timestamp;

use super::output::{Colour, Exit, Output, Table, clean};
use super::password;
use super::reach::{Gateway, Reach};
use super::status::who;
use super::when::{relative, shown};
use crate::admin::client::Credentials;
use crate::admin::status::{Decided, Deciding};
use crate::approvals::{ApprovalId, State, View, Word};
use crate::config::secret::Secret;

/// The variable that holds the approver's password.
const PASSWORD_VARIABLE: &str = "ALMONER_PASSWORD";
/// The variable that names the approver's login.
const USER_VARIABLE: &str = "ALMONER_USER";
/// Characters of a statement in the list.
const LISTED_CHARS: usize = 60;
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
        output.table(&listed(&views, all, Timestamp::now()));
    }
    Ok(())
}

fn listed(views: &[View], all: bool, now: Timestamp) -> Table {
    let state = if all { "state" } else { "expires" };
    let mut table = Table::new(&[
        "id",
        state,
        "who",
        "resource",
        "needs",
        "reasons",
        "statement",
    ]);
    for view in views {
        let state = match view.state {
            State::Pending => relative(view.expires_at, now),
            other => other.to_string(),
        };
        let who = who(&view.requester.subject, view.requester.actor.as_deref());
        let mut statement: String = view.statement.chars().take(LISTED_CHARS).collect();
        if statement.len() < view.statement.len() {
            statement.push('…');
        }
        let id = view.id.as_str();
        table.row([
            id,
            &state,
            &who,
            &view.resource,
            &needs(view),
            &view.reasons.join("; "),
            &statement,
        ]);
    }
    table
}

fn show(gateway: &Gateway, id: &ApprovalId, output: &Output) -> Result<(), Exit> {
    let view: View = gateway.get(&format!("/v1/approvals/{id}"), output)?;
    output.json(&view);
    print(&view, Timestamp::now(), output);
    Ok(())
}

fn say(gateway: &Gateway, verb: &str, decide: Decide, output: &Output) -> Result<(), Exit> {
    let path = format!("/v1/approvals/{}", decide.id);
    // Before the password: nobody decides on what they have not been shown.
    let view: View = gateway.get(&path, output)?;
    print(&view, Timestamp::now(), output);
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
            let still = decided.approval.as_ref().map(needs).unwrap_or_default();
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

/// The whole request, for somebody who has to answer for it.
fn print(view: &View, now: Timestamp, output: &Output) {
    let field =
        |name: &str, value: &str| output.line(format_args!("  {name:<10} {}", one_line(value)));
    let state = match view.state {
        State::Pending => output.paint(
            Colour::Yellow,
            &format!("waits, expires {}", relative(view.expires_at, now)),
        ),
        State::Approved => output.paint(Colour::Green, "approved"),
        other => output.paint(Colour::Red, other.as_str()),
    };
    output.line(format_args!(
        "{}  {state}",
        output.paint(Colour::Bold, view.id.as_str())
    ));
    let requester = &view.requester;
    field(
        "who",
        &format!(
            "{} (groups: {})",
            who(&requester.subject, requester.actor.as_deref()),
            requester.groups.join(", ")
        ),
    );
    if requester.person != requester.subject {
        field("person", &requester.person);
    }
    field("resource", &view.resource);
    field(
        "why",
        &format!(
            "{} (rule {}, policy generation {})",
            view.reasons.join("; "),
            view.rule,
            view.generation
        ),
    );
    field("needs", &needs(view));
    let rows = view
        .max_rows
        .map_or("all rows".to_owned(), |rows| format!("up to {rows} rows"));
    field(
        "covers",
        &format!("{rows}; {} went out already", view.rows_so_far),
    );
    field(
        "asked",
        &format!("{}, exchange {}", shown(view.asked_at), view.exchange),
    );
    field(
        "fingerprint",
        view.fingerprint.get(..16).unwrap_or(&view.fingerprint),
    );
    for word in &view.approvals {
        field("approved by", &said(word));
    }
    if let Some(word) = &view.denied {
        field("denied by", &said(word));
    }
    if let Some(why) = &view.withdrawn {
        field("withdrawn", why);
    }
    output.line("  it would do, as masked:");
    for line in clean(&view.statement).lines() {
        output.line(format_args!("    | {line}"));
    }
    for parameter in &view.parameters {
        output.line(format_args!("    | {}", one_line(parameter)));
    }
}

fn needs(view: &View) -> String {
    let each = view.requirements.iter().map(|one| match one.filled {
        0 => format!("{} of {}", one.count, one.group),
        filled => format!("{} of {} ({filled} so far)", one.count, one.group),
    });
    each.collect::<Vec<_>>().join(" and ")
}

fn said(word: &Word) -> String {
    let reason = word
        .reason
        .as_ref()
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default();
    format!(
        "{} (login {}, audit record {}){reason}",
        word.person, word.login, word.seq
    )
}

fn one_line(text: &str) -> String {
    clean(text).replace(['\n', '\t'], " ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::super::output::Captured;
    use super::*;
    use crate::approvals::{Needed, Requester};

    fn view(statement: &str) -> View {
        View {
            id: "A-7K3Q-9FM2".parse().unwrap(),
            state: State::Pending,
            asked_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::from_second(600).unwrap(),
            ended_at: None,
            exchange: "s1.1".into(),
            session: "s1".into(),
            requester: Requester {
                subject: "ana".into(),
                actor: Some("copilot".into()),
                person: "ana".into(),
                groups: vec!["nurses".into()],
            },
            resource: "ehr".into(),
            rule: "bulk".into(),
            statement: statement.into(),
            parameters: vec!["$1 = ?".into()],
            facts: serde_json::Value::Null,
            reasons: vec!["more than 100 rows".into()],
            requirements: vec![Needed {
                group: "managers".into(),
                count: 2,
                filled: 1,
            }],
            rows_so_far: 100,
            max_rows: Some(500),
            fingerprint: "07".repeat(32),
            generation: 3,
            approvals: vec![Word {
                person: "ben".into(),
                login: "ben".into(),
                reason: None,
                seq: 12,
            }],
            denied: None,
            withdrawn: None,
        }
    }

    fn printed(view: &View) -> String {
        let out = Captured::default();
        print(
            view,
            Timestamp::UNIX_EPOCH,
            &Output::to(false, out.clone(), Captured::default()),
        );
        out.text()
    }

    #[test]
    fn an_approver_sees_who_what_why_and_how_much() {
        let text = printed(&view("select *\nfrom patients"));
        for part in [
            "A-7K3Q-9FM2  waits, expires in 10 min",
            "copilot for ana (groups: nurses)",
            "more than 100 rows (rule bulk, policy generation 3)",
            "2 of managers (1 so far)",
            "up to 500 rows; 100 went out already",
            "ben (login ben, audit record 12)",
            "    | select *\n    | from patients\n    | $1 = ?\n",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn a_statement_cannot_pass_for_the_programs_own_words() {
        let text = printed(&view(
            "select 1 --\x1b[1A\x1b[2K\n  who        ceo\r  resource   toys",
        ));
        assert!(!text.contains('\x1b') && !text.contains('\r'), "{text}");
        assert!(text.contains("    |   who        ceo"), "{text}");
        let mut sly = view("x");
        sly.resource = "ehr\n  needs      nobody".into();
        assert!(!printed(&sly).contains("\n  needs      nobody"));
    }

    #[test]
    fn the_list_keeps_each_request_on_one_line() {
        let out = Captured::default();
        let output = Output::to(false, out.clone(), Captured::default());
        let long = format!("select\n{}", "x".repeat(500));
        output.table(&listed(
            &[view(&long), view("select 2")],
            false,
            Timestamp::UNIX_EPOCH,
        ));
        let text = out.text();
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains("in 10 min") && text.contains('…'), "{text}");
    }
}
