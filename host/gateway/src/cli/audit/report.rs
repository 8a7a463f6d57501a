//! What a verification found, in words: the verdict first, then what it rests on, what is broken, and what this
//! run could not show.

use almoner_ledger::Report;
use almoner_ledger::verify::Verdict;

use super::super::output::{Colour, Output, clean};
use super::super::when::thousands;

/// Runs of good records that are listed; a trail with more breaks is better read as JSON.
const RANGES_SHOWN: usize = 20;

pub(super) fn print(report: &Report, output: &Output) {
    output.json(&serde_json::json!({
        "tool": "almoner",
        "version": env!("CARGO_PKG_VERSION"),
        "report": report,
    }));
    output.line(verdict(report, output));
    print_scope(report, output);
    print_breaks(report, output);
    print_list("remarkable, and no failure:", &report.notes, output);
    print_list("what this run does NOT show:", &report.limits, output);
}

fn verdict(report: &Report, output: &Output) -> String {
    let records = records(report);
    match report.verdict {
        Verdict::Verified => {
            output.paint(Colour::Green, &format!("VERIFIED: {records}, complete and signed to the end"))
        }
        Verdict::Failed => {
            let first = report.first_bad_seq.map(|seq| format!("; the first bad record is {seq}")).unwrap_or_default();
            let breaks = thousands(report.failures_total);
            output.paint(Colour::Red, &format!("FAILED: {breaks} breaks in {records}{first}"))
        }
        Verdict::Incomplete if report.records == 0 => output.paint(Colour::Yellow, "INCOMPLETE: there was nothing to verify"),
        Verdict::Incomplete => {
            let why = "nothing wrong was found, but not everything could be checked";
            output.paint(Colour::Yellow, &format!("INCOMPLETE: {why} in {records}"))
        }
        Verdict::Unreadable => output.paint(Colour::Red, &format!("UNREADABLE: the trail is of an unknown version, or damaged beyond reading ({records})")),
    }
}

fn records(report: &Report) -> String {
    let count = thousands(report.records);
    match (report.first_seq, report.last_seq) {
        (Some(first), Some(last)) => format!("{count} records ({first} to {last})"),
        _ => format!("{count} records"),
    }
}

fn print_scope(report: &Report, output: &Output) {
    for origin in &report.origins {
        output.line(format_args!("  origin       {}", clean(origin)));
    }
    if let Some(head) = report.head {
        output.line(format_args!("  head         {head}"));
    }
    output.line(format_args!(
        "  sessions     {}, their records numbered without gaps where no break says otherwise",
        thousands(report.sessions)
    ));
    let bodies = report.bodies;
    output.line(format_args!(
        "  bodies       {} of {} read and as recorded, {} deleted on purpose",
        thousands(bodies.checked),
        thousands(bodies.referenced),
        thousands(bodies.tombstoned),
    ));
    match &report.signed {
        Some(signed) => {
            output.line(format_args!(
                "  signed       {} records by {}",
                thousands(signed.size),
                clean(&signed.key)
            ));
            output.line(format_args!(
                "               {} checkpoints agree, the last with root {}",
                thousands(report.checkpoints),
                clean(&signed.root)
            ));
        }
        None => output.line("  signed       nothing: no checkpoint agrees with the records"),
    }
    if report.unsigned_tail > 0 {
        output.line(format_args!(
            "  unsigned     the last {} records",
            thousands(report.unsigned_tail)
        ));
    }
    for (first, last) in report.good.iter().take(RANGES_SHOWN) {
        output.line(format_args!("  unbroken     {first} to {last}"));
    }
    if let Some(more @ 1..) = report.good.len().checked_sub(RANGES_SHOWN) {
        output.line(format_args!(
            "               and {more} further ranges; --json lists them"
        ));
    }
}

fn print_breaks(report: &Report, output: &Output) {
    if report.failures.is_empty() {
        return;
    }
    output.line(output.paint(Colour::Red, "breaks:"));
    for found in &report.failures {
        let code = serde_json::to_value(found.code).ok();
        let code = code.as_ref().and_then(|code| code.as_str()).unwrap_or("E");
        let at = found.seq.map_or("-".to_owned(), |seq| seq.to_string());
        output.line(format_args!(
            "  {code:<14} at {at:<8} {}",
            clean(&found.explain)
        ));
    }
    let listed = report.failures.len() as u64;
    if report.failures_total > listed {
        output.line(format_args!(
            "  and {} more",
            thousands(report.failures_total - listed)
        ));
    }
}

fn print_list(heading: &str, all: &[String], output: &Output) {
    if !all.is_empty() {
        output.line(heading);
        all.iter()
            .for_each(|one| output.line(format_args!("  - {}", clean(one))));
    }
}
