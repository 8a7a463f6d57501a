//! `almoner audit tail`: the last records, and with `-f` those to come as they become durable.

use super::super::output::{Exit, Output, clean};
use super::search;
use super::trail::{Source, Trail};
use crate::admin::status::{RecordPage, RecordView};

/// Seconds that the gateway holds an empty answer back before this asks again.
const WAIT_SECONDS: u64 = 25;

/// How many, and whether to go on.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many of the last records
    #[arg(long, short = 'n', default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=500))]
    lines: u16,
    /// Go on with records as they come, until interrupted
    #[arg(long, short)]
    follow: bool,
}

pub(super) fn run(args: &Args, source: &Source, output: &Output) -> Result<(), Exit> {
    let trail = source.open(output)?;
    let page = trail.last(args.lines.into(), output)?;
    page.records.iter().for_each(|found| print(found, output));
    if !args.follow {
        return Ok(());
    }
    let Trail::Live(gateway) = trail else {
        output.error("only the trail of a running gateway can be followed");
        return Err(Exit::USAGE);
    };
    let mut after = page.after.unwrap_or(0);
    loop {
        let page: RecordPage = gateway.get(
            &format!("/v1/audit/tail?after={after}&wait={WAIT_SECONDS}"),
            output,
        )?;
        page.records.iter().for_each(|found| print(found, output));
        after = page.after.unwrap_or(after);
    }
}

/// A line for each record: columns for people, one JSON document a line for programs.
fn print(found: &RecordView, output: &Output) {
    if output.is_json() {
        output.raw(&format!("{}\n", found.record));
        return;
    }
    let [seq, time, what, who, resource, verdict, exchange] =
        search::cells(found).map(|cell| clean(&cell).replace(['\n', '\t'], " "));
    output.line(
        format_args!(
            "{seq:>8}  {time}  {what:<18}  {who:<24}  {resource:<10}  {verdict:<8}  {exchange}"
        )
        .to_string()
        .trim_end(),
    );
}
