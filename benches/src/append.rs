//! Appending to the audit trail, against RocksDB alone with the same bytes in batches of the same size.
//!
//! The trail decides by itself how many records share a sync, so it goes first in each round, and the bare
//! loop repeats what it did.

use std::path::Path;
use std::time::Instant;

use almoner_audit::{Audit, Entry, Options as TrailOptions, now};
use almoner_ledger::{Draft, Kind};
use anyhow::{Context, ensure};
use tokio::runtime::Runtime;

use crate::bare::{Bare, Lines};
use crate::options::Options;
use crate::report::{Table, at_least, count};
use crate::sample::{float, median};
use crate::verify;

/// Tasks that append at the same time, each waiting for its record before the next.
const TASKS: usize = 64;
/// Record sizes in bytes, with the ratio that is wanted.
const SIZES: [(usize, f64); 2] = [(1024, 0.85), (4096, 0.90)];
/// The trail's name, as long as real ones are.
const NAME: &str = "gateway-1.hospital.example";

/// Measures appending, and verifying what was appended.
pub(crate) fn measure(options: &Options) -> anyhow::Result<Vec<Table>> {
    let mut appends = Table::new(
        format!("Audit: append and wait for the disk, {TASKS} tasks"),
        &[
            "record",
            "records per sync",
            "Almoner, records/s",
            "bare, records/s",
            "ratio",
            "target",
            "verdict",
        ],
    );
    let mut verifies = verify::table();
    for (bytes, target) in SIZES {
        eprintln!("  records of {bytes} bytes");
        let folder = tempfile::tempdir().context("making a folder for a trail")?;
        let mut rounds = Vec::new();
        for round in 0..options.rounds() {
            let trail = folder.path().join(format!("trail-{round}"));
            rounds.push(self::round(
                options,
                &trail,
                &folder.path().join(format!("bare-{round}")),
                bytes,
            )?);
        }
        let middle = |of: fn(&Round) -> f64| median(rounds.iter().map(of).collect());
        let cells = [
            format!("{} B", count(middle(|round| round.line_bytes))),
            format!("{:.0}", middle(|round| round.batch)),
            count(middle(|round| round.trail_rate)),
            count(middle(|round| round.bare_rate)),
        ];
        let ratio = middle(|round| round.trail_rate / round.bare_rate);
        appends.row(cells.into_iter().chain(at_least(ratio, target)));
        verify::measure(options, &folder.path().join("trail-0"), &mut verifies)?;
    }
    appends.remark(
        "Bare: one thread that writes the same lines in batches of the trail's mean size, each synced. \
         The ratio is the middle one of the rounds.",
    );
    Ok(vec![appends, verifies])
}

struct Round {
    line_bytes: f64,
    batch: f64,
    trail_rate: f64,
    bare_rate: f64,
}

fn round(options: &Options, trail: &Path, bare: &Path, bytes: usize) -> anyhow::Result<Round> {
    let (records, seconds) = fill(options, trail, bytes)?;
    let (lines, batch) = written(trail)?;
    let bare_seconds = repeat(bare, &lines, batch)?;
    let total: usize = lines.iter().map(Vec::len).sum();
    Ok(Round {
        line_bytes: float(total) / float(lines.len()),
        batch: float(batch),
        trail_rate: float(records) / seconds,
        bare_rate: float(lines.len()) / bare_seconds,
    })
}

/// Appends for one turn; how many records became durable, in how many seconds.
fn fill(options: &Options, folder: &Path, bytes: usize) -> anyhow::Result<(usize, f64)> {
    let runtime = Runtime::new().context("starting a runtime")?;
    let audit = Audit::open(folder, TrailOptions::new(NAME))?;
    let padding = "x".repeat(padding(bytes)?);
    let turn = options.turn();
    let begun = Instant::now();
    let appended = runtime.block_on(async {
        let mut tasks = Vec::new();
        for task in 0..TASKS {
            let (audit, padding) = (audit.clone(), padding.clone());
            tasks.push(tokio::spawn(async move {
                let mut appended = 0_usize;
                while begun.elapsed() < turn {
                    audit
                        .append(Entry::new(draft(task, appended, &padding)))
                        .await?;
                    appended += 1;
                }
                anyhow::Ok(appended)
            }));
        }
        let mut appended = 0;
        for task in tasks {
            appended += task.await??;
        }
        anyhow::Ok(appended)
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    runtime.block_on(audit.close())?;
    Ok((appended, seconds))
}

/// What the gateway writes of a read, with filler in place of the statement.
fn draft(task: usize, number: usize, padding: &str) -> Draft {
    Draft::new(Kind::Outcome, now())
        .with("exchange", format!("{task:04x}{number:012x}"))
        .with("subject", "maria.santos")
        .with("actor", "ward-assistant")
        .with("resource", "ehr")
        .with("verdict", "allow")
        .with("action", padding)
        .with("rows", 1)
}

/// Characters that make a line of this length; numbers of fewer digits make it a few bytes shorter.
fn padding(bytes: usize) -> anyhow::Result<usize> {
    let without = draft(0, 0, "")
        .prepare(None, &[])?
        .line_bytes_max(NAME.len() + 2);
    bytes
        .checked_sub(without)
        .context("a record is longer than that by itself")
}

/// Every line of a closed trail, and the mean size of the batches that they were written in.
fn written(trail: &Path) -> anyhow::Result<(Vec<Vec<u8>>, usize)> {
    let database = Lines::open(trail)?;
    let mut lines = Vec::new();
    database.each(|line| lines.push(line.to_vec()))?;
    ensure!(!lines.is_empty(), "nothing was recorded");
    // Beside its records, each batch writes the head once. Checkpoints, one or two a second, are lost in it.
    let batches = database.writes().saturating_sub(lines.len() as u64).max(1);
    let batch = lines.len() / usize::try_from(batches)?.max(1);
    Ok((lines, batch.max(1)))
}

/// Writes the same lines without a trail; seconds.
fn repeat(folder: &Path, lines: &[Vec<u8>], batch: usize) -> anyhow::Result<f64> {
    let mut bare = Bare::open(folder)?;
    let begun = Instant::now();
    for lines in lines.chunks(batch) {
        bare.write(lines)?;
    }
    Ok(begun.elapsed().as_secs_f64())
}
