//! `almoner audit export`: the trail as plain files, for whoever wants to check it with other tools.

use std::path::PathBuf;

use super::super::output::{Exit, Output};
use super::super::when::thousands;
use super::trail::{Source, Trail, TrailCopy, open_files, said};

/// Where to.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder to make; must not exist
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

pub(super) fn run(args: &Args, source: &Source, output: &Output) -> Result<(), Exit> {
    let (reader, copy) = match source.open(output)? {
        Trail::Files(reader) => (reader, None),
        Trail::Live(gateway) => {
            let copy = TrailCopy::of(&gateway, output)?;
            (open_files(copy.dir(), output)?, Some(copy))
        }
    };
    let records = almoner_audit::export(&reader, &args.dir)
        .map_err(|error| said(&error.to_string(), output))?;
    drop(copy);
    output.json(&serde_json::json!({ "dir": args.dir, "records": records }));
    output.line(format_args!(
        "{} records in {}",
        thousands(records),
        args.dir.display()
    ));
    output.line(format_args!(
        "check it with: almoner audit verify --export {}",
        args.dir.display()
    ));
    Ok(())
}
