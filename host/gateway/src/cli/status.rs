//! `almoner status`: whether the running gateway takes exchanges, and what it does.

use jiff::Timestamp;

use super::output::{Colour, Exit, Output, Table, clean};
use super::reach::Reach;
use super::when::{relative, rough, thousands};
use crate::admin::status::{SessionView, Status};

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 it takes exchanges, 1 it does not or cannot be asked, 2 usage."
)]
pub struct Args {
    #[command(flatten)]
    reach: Reach,
    /// List live sessions as well
    #[arg(long)]
    pub sessions: bool,
}

/// Runs the command.
pub fn run(args: Args, output: &Output) -> Exit {
    ask(&args, output).unwrap_or_else(|exit| exit)
}

fn ask(args: &Args, output: &Output) -> Result<Exit, Exit> {
    let gateway = args.reach.gateway(output)?;
    let status: Status = gateway.get("/v1/status", output)?;
    let sessions: Option<Vec<SessionView>> = if args.sessions {
        Some(gateway.get("/v1/sessions", output)?)
    } else {
        None
    };
    match &sessions {
        Some(sessions) => {
            output.json(&serde_json::json!({ "status": status, "sessions": sessions }))
        }
        None => output.json(&status),
    }
    print(&status, Timestamp::now(), output);
    if let Some(sessions) = &sessions {
        print_sessions(sessions, Timestamp::now(), output);
    }
    Ok(if status.ready { Exit::OK } else { Exit::FAILED })
}

fn print(status: &Status, now: Timestamp, output: &Output) {
    let about = &status.overview;
    if status.ready {
        output.line(output.paint(
            Colour::Green,
            "ready: exchanges are guarded, masked and recorded",
        ));
    } else {
        output.line(output.paint(Colour::Red, "NOT READY: no exchange is admitted"));
        status
            .not_ready
            .iter()
            .for_each(|why| output.line(format_args!("  {}", clean(why))));
    }
    let up = rough(now.duration_since(about.started_at));
    output.line(format_args!(
        "gateway    version {}, up {up}, postgres on {}",
        clean(&status.version),
        about.postgres_listen
    ));
    if let Some(address) = about.http_listen {
        output.line(format_args!("           http on {address}"));
    }
    for resource in &about.resources {
        let (name, protocol) = (clean(&resource.name), clean(&resource.protocol));
        output.line(format_args!(
            "resource   {name} ({protocol}), {} live sessions",
            resource.sessions
        ));
    }
    print_policy(status, now, output);
    let key = clean(&about.pseudonym_key);
    output.line(format_args!("keys       pseudonyms are made with {key}"));
    let waiting = match status.approvals_pending {
        0 => "none waiting".to_owned(),
        count => output.paint(
            Colour::Yellow,
            &format!("{count} waiting; see `almoner approvals list`"),
        ),
    };
    output.line(format_args!("approvals  {waiting}"));
    let audit = &status.audit;
    output.line(format_args!(
        "audit      {}, record {} durable, {} queued, {} not covered by a signed checkpoint",
        clean(&audit.origin),
        thousands(audit.durable_seq),
        audit.waiting,
        thousands((audit.durable_seq + 1).saturating_sub(audit.signed_size)),
    ));
    output.line(format_args!(
        "           {} MiB free on its disk, key {}",
        audit.disk_free_bytes >> 20,
        clean(&audit.verifier_key)
    ));
}

fn print_policy(status: &Status, now: Timestamp, output: &Output) {
    if let Some(policy) = &status.overview.policy {
        let digest: String = policy.digest.chars().take(12).collect();
        output.line(format_args!(
            "policy     generation {} ({}), activated {}, {} rules",
            policy.generation,
            clean(&digest),
            relative(policy.activated_at, now),
            policy.rules,
        ));
        for plugin in &policy.plugins {
            let digest: String = plugin.sha256.chars().take(12).collect();
            output.line(format_args!(
                "           plugin {} {} ({})",
                clean(&plugin.name),
                clean(&plugin.version),
                clean(&digest)
            ));
        }
    }
    if let Some(refused) = &status.overview.policy_refused {
        let heading = format!(
            "refused    a newer policy, {}: the one above stays in force",
            relative(refused.at, now)
        );
        output.line(output.paint(Colour::Red, &heading));
        refused
            .problems
            .iter()
            .for_each(|problem| output.line(format_args!("           {}", clean(problem))));
    }
}

fn print_sessions(sessions: &[SessionView], now: Timestamp, output: &Output) {
    let mut table = Table::new(&[
        "session",
        "who",
        "resource",
        "from",
        "age",
        "exchanges",
        "doing",
    ]);
    for session in sessions {
        let who = who(&session.subject, session.actor.as_deref());
        let age = rough(now.duration_since(session.started_at));
        let (from, exchanges) = (session.source.to_string(), session.exchanges.to_string());
        table.row([
            &session.id,
            &who,
            &session.resource,
            &from,
            &age,
            &exchanges,
            &session.doing,
        ]);
    }
    output.line("");
    if table.is_empty() {
        output.line("no live sessions");
    } else {
        output.table(&table);
    }
}

/// `copilot for ana`: never a machine alone.
pub(super) fn who(subject: &str, actor: Option<&str>) -> String {
    match actor {
        Some(actor) => format!("{actor} for {subject}"),
        None => subject.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::super::output::Captured;
    use super::*;
    use crate::admin::status::{AuditView, Overview, PolicyRefused, PolicyView, ResourceView};

    fn status() -> Status {
        Status {
            version: "0.1.0".into(),
            ready: false,
            not_ready: vec!["audit: the disk is full".into()],
            overview: Overview {
                started_at: Timestamp::UNIX_EPOCH,
                draining: false,
                postgres_listen: "127.0.0.1:6432".parse().unwrap(),
                http_listen: None,
                observe_listen: None,
                resources: vec![ResourceView {
                    name: "ehr".into(),
                    protocol: "postgres".into(),
                    sessions: 2,
                }],
                policy: Some(PolicyView {
                    generation: 3,
                    digest: "0123456789abcdef".into(),
                    activated_at: Timestamp::UNIX_EPOCH,
                    rules: 4,
                    plugins: Vec::new(),
                }),
                policy_refused: Some(PolicyRefused {
                    at: Timestamp::UNIX_EPOCH,
                    problems: vec!["10.toml:3: \u{1b}[2Jno".into()],
                }),
                audit_dir: "/a".into(),
                pseudonym_key: "k1".into(),
            },
            approvals_pending: 1,
            audit: AuditView {
                origin: "gw/1".into(),
                durable_seq: 1_233,
                durable_hash: "00".into(),
                waiting: 0,
                signed_size: 1_230,
                disk_free_bytes: 10 << 20,
                disk_full: true,
                failed: None,
                verifier_key: "gw+1+a".into(),
            },
        }
    }

    #[test]
    fn the_first_line_says_whether_it_works_and_the_rest_why() {
        let out = Captured::default();
        let output = Output::to(false, out.clone(), Captured::default());
        print(&status(), Timestamp::from_second(600).unwrap(), &output);
        let text = out.text();
        assert!(text.starts_with("NOT READY"), "{text}");
        for part in [
            "the disk is full",
            "up 10 min",
            "generation 3 (0123456789ab), activated 10 min ago, 4 rules",
            "refused    a newer policy",
            "10.toml:3: \\u{1b}[2Jno",
            "1 waiting",
            "pseudonyms are made with k1",
            "record 1,233 durable, 0 queued, 4 not covered",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
