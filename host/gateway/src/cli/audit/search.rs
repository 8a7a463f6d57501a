//! `almoner audit search`: records by what they say, newest first.

use super::super::output::{Exit, Output, Table};
use super::super::status::who;
use super::super::when;
use super::trail::Source;
use crate::admin::client::Search;
use crate::admin::status::RecordView;

/// Records asked for at a time; the API gives no more in one answer.
const PAGE: usize = 500;

/// What to look for; all that is given must hold.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// On whose authority
    #[arg(long)]
    subject: Option<String>,
    /// The resource
    #[arg(long)]
    resource: Option<String>,
    /// The session
    #[arg(long)]
    session: Option<String>,
    /// The exchange
    #[arg(long)]
    exchange: Option<String>,
    /// The kind of record: session, denied, intent, outcome, approval, …
    #[arg(long)]
    kind: Option<String>,
    /// allow, deny, hold or rewrite
    #[arg(long)]
    verdict: Option<String>,
    /// Not before: 15m, 2h, 3d (ago), 2026-01-31, or RFC 3339
    #[arg(long, value_parser = when::argument)]
    since: Option<jiff::Timestamp>,
    /// Before: as --since
    #[arg(long, value_parser = when::argument)]
    until: Option<jiff::Timestamp>,
    /// Not before this record
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// At most so many
    #[arg(long, short = 'n', default_value_t = 50, value_name = "COUNT")]
    limit: usize,
}

pub(super) fn run(args: &Args, source: &Source, output: &Output) -> Result<(), Exit> {
    let trail = source.open(output)?;
    let mut found: Vec<RecordView> = Vec::new();
    let mut search = args.search();
    let mut more = false;
    while found.len() < args.limit {
        search.limit = Some(PAGE.min(args.limit - found.len()));
        let page = trail.search(&search, output)?;
        found.extend(page.records);
        more = page.before.is_some();
        match page.before {
            Some(before) => search.before = Some(before),
            None => break,
        }
    }
    output.json(&found);
    if found.is_empty() {
        output.line("no records match");
    } else {
        output.table(&table(&found));
    }
    if more && !output.is_json() {
        output.note(format_args!(
            "there may be more; give a larger --limit than {}",
            args.limit
        ));
    }
    Ok(())
}

impl Args {
    fn search(&self) -> Search {
        Search {
            from: self.from,
            before: None,
            session: self.session.clone(),
            exchange: self.exchange.clone(),
            subject: self.subject.clone(),
            resource: self.resource.clone(),
            kind: self.kind.clone(),
            verdict: self.verdict.clone(),
            since: self.since,
            until: self.until,
            limit: None,
        }
    }
}

/// One row for each record.
pub(super) fn table(records: &[RecordView]) -> Table {
    let mut table = Table::new(&[
        "seq", "time", "what", "who", "resource", "verdict", "exchange",
    ]);
    for found in records {
        table.row(cells(found));
    }
    table
}

/// What matters of any record, in one row.
pub(super) fn cells(found: &RecordView) -> [String; 7] {
    let text = |name: &str| found.record.get(name).and_then(serde_json::Value::as_str);
    let time = text("time").unwrap_or_default();
    // To the second; the record has it all.
    let time = time.get(..19).unwrap_or(time).replace('T', " ");
    let what = match (text("kind").unwrap_or("?"), text("event")) {
        (kind, Some(event)) => format!("{kind} {event}"),
        (kind, None) => kind.to_owned(),
    };
    let who = text("subject")
        .map(|subject| who(subject, text("actor")))
        .unwrap_or_default();
    let of = |name: &str| text(name).unwrap_or_default().to_owned();
    [
        found.seq.to_string(),
        time,
        what,
        who,
        of("resource"),
        of("verdict"),
        of("exchange"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_what_matters_and_misses_nothing_that_is_absent() {
        let found = |record| RecordView {
            seq: 7,
            hash: String::new(),
            record,
            line: None,
        };
        let record = serde_json::json!({
            "actor": "copilot", "exchange": "s1.1", "kind": "denied", "resource": "ehr", "seq": 7,
            "subject": "ana", "time": "2026-01-31T18:00:00.000001Z", "verdict": "deny",
        });
        assert_eq!(
            cells(&found(record)),
            [
                "7",
                "2026-01-31 18:00:00",
                "denied",
                "copilot for ana",
                "ehr",
                "deny",
                "s1.1"
            ]
        );
        assert_eq!(
            cells(&found(serde_json::json!({}))),
            ["7", "", "?", "", "", "", ""]
        );
    }
}
