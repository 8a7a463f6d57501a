//! Requests as an approver sees them. All that callers wrote is cleaned, kept on its line, and marked.

use jiff::Timestamp;

use super::super::output::{Colour, Output, Table, clean};
use super::super::status::who;
use super::super::when::{relative, shown};
use crate::approvals::{State, View, Word};

/// Characters of a statement in the list.
const LISTED_CHARS: usize = 60;
/// One row for each request.
pub(super) fn table(views: &[View], all: bool, now: Timestamp) -> Table {
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

/// The whole request, for somebody who has to answer for it.
pub(super) fn print(view: &View, now: Timestamp, output: &Output) {
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

/// Who has to say yes, and how many did.
pub(super) fn needs(view: &View) -> String {
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
    use super::super::super::output::Captured;
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
        output.table(&table(
            &[view(&long), view("select 2")],
            false,
            Timestamp::UNIX_EPOCH,
        ));
        let text = out.text();
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains("in 10 min") && text.contains('…'), "{text}");
    }
}
