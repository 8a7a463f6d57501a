//! `almoner audit`: looks into the audit trail, checks it, copies it out, and opens it again after a loss.
//!
//! Works on a running gateway through its socket, or on files: a copy, an export, or the folder of a gateway
//! that is not running. Nothing here changes or deletes a record; only `recover` adds one.

mod export;
mod recover;
mod report;
mod search;
mod show;
mod tail;
mod trail;
mod verify;

use super::output::{Exit, Output};
use trail::Source;

/// Options.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// What to do
    #[command(subcommand)]
    command: Command,
}

/// What can be done.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check that no record was changed, removed, added or reordered
    Verify(verify::Args),
    /// Show one record, or all records of an exchange
    Show(show::Args),
    /// Show the last records, and those to come
    Tail(tail::Args),
    /// Find records by what they say
    Search(search::Args),
    /// Write the trail as plain files that anyone can check
    Export(export::Args),
    /// Open the trail again after records were lost; says in it what is missing
    Recover(recover::Args),
}

/// Runs the command.
pub fn run(args: Args, output: &Output) -> Exit {
    let source = args.source;
    let done = match args.command {
        // The one command whose exit code is a finding.
        Command::Verify(args) => return verify::run(args, &source, output),
        Command::Show(args) => show::run(&args, &source, output),
        Command::Tail(args) => tail::run(&args, &source, output),
        Command::Search(args) => search::run(&args, &source, output),
        Command::Export(args) => export::run(&args, &source, output),
        Command::Recover(args) => recover::run(&args, &source, output),
    };
    done.map_or_else(|exit| exit, |()| Exit::OK)
}
