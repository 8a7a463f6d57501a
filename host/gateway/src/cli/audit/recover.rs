//! `almoner audit recover`: after a loss, an operator says what happened and opens a new epoch of the trail.
//!
//! Repairs nothing and removes nothing: the record it adds tells what was acknowledged and is missing, in the
//! operator's name and words. The gateway must not be running.

use std::path::{Path, PathBuf};

use almoner_audit::{Audit, Options, usual_anchor};

use super::super::output::{Exit, Output};
use super::trail::{Source, open_files, said};

/// What happened, and who says so.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What happened; goes on record
    #[arg(long, short)]
    reason: String,
    /// Who you are; goes on record [default: $USER]
    #[arg(long)]
    by: Option<String>,
    /// The head anchor [default: the one that --config names, else the one in the folder, else the one beside a
    /// folder called audit]
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,
    /// The log's name, if no record is left to tell it
    #[arg(long)]
    name: Option<String>,
}

pub(super) fn run(args: &Args, source: &Source, output: &Output) -> Result<(), Exit> {
    let by = args
        .by
        .clone()
        .or_else(|| std::env::var("USER").ok())
        .filter(|by| !by.is_empty());
    let Some(by) = by else {
        output.error("who opens the new epoch? Give --by NAME");
        return Err(Exit::USAGE);
    };
    let (dir, anchor) = place(args, source, output)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => name_of(&dir, output)?,
    };
    let options = Options {
        anchor: Some(anchor),
        ..Options::new(name)
    };
    let recovery = Audit::recover(&dir, options, &by, &args.reason)
        .map_err(|error| said(&error.to_string(), output))?;
    output.json(&recovery);
    let shown = |seq: Option<u64>| seq.map_or("none".to_owned(), |seq| seq.to_string());
    output.line(format_args!(
        "the trail goes on as {} with record {}",
        recovery.origin, recovery.seq
    ));
    output.line(format_args!(
        "  last record that is there      {}",
        shown(recovery.last_seq)
    ));
    output.line(format_args!(
        "  last record acknowledged       {}",
        shown(recovery.anchor_seq)
    ));
    output.line("what lies between them is lost; the recovery record says so for good");
    Ok(())
}

/// The folder and the anchor: as given, or as the configuration says.
fn place(args: &Args, source: &Source, output: &Output) -> Result<(PathBuf, PathBuf), Exit> {
    let configured = source.configured(output)?;
    let dir = source
        .store
        .clone()
        .or_else(|| configured.as_ref().map(|gateway| gateway.audit_dir.clone()));
    let Some(dir) = dir else {
        output.error("which trail? Give --store DIR, or --config FILE");
        return Err(Exit::USAGE);
    };
    let anchor = args
        .anchor
        .clone()
        .or(configured.map(|gateway| gateway.anchor_file))
        .unwrap_or_else(|| usual_anchor(&dir));
    Ok((dir, anchor))
}

/// The name that the last record carries: its origin without the epoch.
fn name_of(dir: &Path, output: &Output) -> Result<String, Exit> {
    let reader = open_files(dir, output)?;
    let last = reader
        .tail(1)
        .map_err(|error| said(&error.to_string(), output))?;
    let origin = last
        .first()
        .and_then(|stored| stored.value().ok())
        .and_then(|record| {
            let origin = record.get("origin")?.as_str()?;
            origin.rsplit_once('/').map(|(name, _)| name.to_owned())
        });
    origin.ok_or_else(|| {
        said(
            "no record is left that tells the log's name; give it with --name",
            output,
        )
    })
}
