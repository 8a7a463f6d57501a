//! `almoner audit verify`: checks a trail offline. Of a running gateway it takes a copy first, so that what is
//! checked is what lies on the disk, and the gateway's own words count for nothing.
//!
//! The exit code is the finding: 0 verified, 1 failed, 2 usage, 3 incomplete, 4 unreadable, 5 internal.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use almoner_audit::{Progress, ReadError, VerifyStore, verify_export, verify_store};
use almoner_ledger::{Report, VerifierKey};

use super::super::output::{Exit, Output, clean};
use super::super::reach::{Panicked, Worked};
use super::super::when::thousands;
use super::report;
use super::trail::{Source, Trail, TrailCopy};

/// The trail cannot be read, or is of an unknown version.
const UNREADABLE: Exit = Exit(4);
/// A fault of this program.
const INTERNAL: Exit = Exit(5);
/// Interrupted by the user, as shells have it.
const INTERRUPTED: Exit = Exit(130);
/// Pause between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// What to check, and against what.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 verified, complete and signed to the end; 1 failed: something was changed, removed or \
                        added; 2 usage; 3 incomplete: nothing wrong was found, but not everything could be checked, or \
                        there was nothing to check; 4 unreadable, or no gateway answers; 5 internal."
)]
pub(super) struct Args {
    /// An export to check, instead of a running gateway or --store
    #[arg(long, value_name = "DIR", conflicts_with = "store")]
    export: Option<PathBuf>,
    /// A key that you know from elsewhere, as name+id+base64 or a file that holds it; may be given several times
    #[arg(long = "verifier-key", value_name = "KEY|FILE")]
    keys: Vec<String>,
    /// A signed checkpoint that you kept, to be held against the trail; may be given several times
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// The head anchor to hold --store against [default: the one that --config names, else the one in the folder,
    /// else the one beside a folder called audit]
    #[arg(long, value_name = "FILE", conflicts_with = "export")]
    anchor: Option<PathBuf>,
    /// Do not read what is stored beside the records
    #[arg(long)]
    skip_bodies: bool,
    /// Threads; 0: one for each core
    #[arg(long, short, default_value_t = 0, value_name = "COUNT")]
    jobs: usize,
}

pub(super) fn run(args: Args, source: &Source, output: &Output) -> Exit {
    let mut options = match options(&args) {
        Ok(options) => options,
        Err(why) => {
            output.error(why);
            return Exit::USAGE;
        }
    };
    match anchor(&args, source, output) {
        Ok(anchor) => options.anchor = anchor,
        Err(exit) => return exit,
    }
    match check(&args, source, options, output) {
        Ok(Ok(Ok(report))) => {
            report::print(&report, output);
            Exit(report.exit_code)
        }
        Ok(Ok(Err(error))) => {
            output.error(clean(&error.to_string()));
            Exit(error.exit_code())
        }
        Ok(Err(Panicked)) => {
            output.error("the verifier failed; this is a fault of the program, and no finding about the trail");
            INTERNAL
        }
        Err(exit) => exit,
    }
}

type Checked = Worked<Result<Report, ReadError>>;

fn check(
    args: &Args,
    source: &Source,
    options: VerifyStore,
    output: &Output,
) -> Result<Checked, Exit> {
    let show = !output.is_json() && std::io::stderr().is_terminal();
    if let Some(dir) = args.export.clone() {
        return Ok(apart(move || {
            with_progress(show, |progress| verify_export(&dir, &options, progress))
        }));
    }
    if let Some(dir) = source.store.clone() {
        return Ok(apart(move || {
            with_progress(show, |progress| verify_store(&dir, &options, progress))
        }));
    }
    // What failed on the way to the trail is no finding about it: 1 would mean that it was tampered with.
    let no_finding = |exit| {
        if exit == Exit::FAILED {
            UNREADABLE
        } else {
            exit
        }
    };
    let Trail::Live(gateway) = source.open(output).map_err(no_finding)? else {
        return Err(INTERNAL);
    };
    let copy = TrailCopy::of(&gateway, output).map_err(no_finding)?;
    let dir = copy.dir().to_owned();
    let checked = gateway.unless_interrupted(move || {
        with_progress(show, |progress| verify_store(&dir, &options, progress))
    });
    drop(copy);
    checked.ok_or_else(|| {
        output.error("interrupted; the copy was removed");
        INTERRUPTED
    })
}

fn options(args: &Args) -> Result<VerifyStore, String> {
    let keys = args
        .keys
        .iter()
        .map(|key| verifier_key(key))
        .collect::<Result<_, _>>()?;
    let note = |path: &PathBuf| {
        std::fs::read_to_string(path)
            .map_err(|error| format!("reading the checkpoint {}: {error}", path.display()))
    };
    let checkpoints = args
        .checkpoints
        .iter()
        .map(note)
        .collect::<Result<_, _>>()?;
    Ok(VerifyStore {
        keys,
        checkpoints,
        bodies: !args.skip_bodies,
        jobs: args.jobs,
        anchor: None,
    })
}

/// Where the anchor of --store lies, if something says so. The copy of a running gateway has its own.
fn anchor(args: &Args, source: &Source, output: &Output) -> Result<Option<PathBuf>, Exit> {
    match (&args.anchor, &source.store) {
        (Some(_), None) => {
            output.error("--anchor goes with --store DIR");
            Err(Exit::USAGE)
        }
        (None, Some(_)) => Ok(source
            .configured(output)?
            .map(|gateway| gateway.anchor_file)),
        (given, _) => Ok(given.clone()),
    }
}

/// A key as it is written, or a file that holds one.
fn verifier_key(text: &str) -> Result<VerifierKey, String> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    let held = std::fs::read_to_string(Path::new(text));
    let held = held.map_err(|error| {
        format!(
            "{text:?} is no key in the form name+id+base64, and no file that can be read: {error}"
        )
    })?;
    held.trim()
        .parse()
        .map_err(|error| format!("{text}: {error}"))
}

/// Does the work on a thread of its own, so that a fault in it is told from a finding.
fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Worked<T> {
    std::thread::spawn(work).join().map_err(|_| Panicked)
}

/// Shows on a terminal how far the work is, and wipes that off at the end.
fn with_progress<T>(show: bool, work: impl FnOnce(&mut dyn FnMut(Progress)) -> T) -> T {
    let mut shown: Option<Instant> = None;
    let done = work(&mut |progress| {
        if show && shown.is_none_or(|at| at.elapsed() >= PROGRESS_EVERY) {
            shown = Some(Instant::now());
            // Nobody is hurt if the terminal is gone.
            let _ = write!(std::io::stderr(), "\r\x1b[K{}", progress_line(progress));
        }
    });
    if shown.is_some() {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    done
}

fn progress_line(progress: Progress) -> String {
    let records = thousands(progress.records);
    match progress.total {
        Some(total @ 1..) => {
            let percent = (u128::from(progress.records) * 100 / u128::from(total)).min(100);
            format!("{records} of {} records, {percent} %", thousands(total))
        }
        _ => format!("{records} records"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_numbers_and_percent() {
        let line = |records, total| progress_line(Progress { records, total });
        assert_eq!(line(500, Some(1_000)), "500 of 1,000 records, 50 %");
        assert_eq!(line(1_500, None), "1,500 records");
        assert_eq!(line(0, Some(0)), "0 records");
    }

    #[test]
    fn a_key_that_is_none_says_what_one_looks_like() {
        assert!(verifier_key("nonsense").is_err_and(|why| why.contains("name+id+base64")));
    }

    #[test]
    fn a_fault_of_the_verifier_is_no_finding() {
        assert!(
            apart(|| {
                if std::hint::black_box(true) {
                    panic!("fault")
                }
            })
            .is_err()
        );
    }
}
