//! Verifying a trail, against reading it and hashing every line once on one thread.

use std::path::Path;

use almoner_audit::{VerifyStore, verify_store};
use anyhow::ensure;

use crate::bare::Lines;
use crate::options::Options;
use crate::report::{Table, at_least, count};
use crate::sample::{float, median, timed};

/// Of a single-threaded scan that hashes.
const RATIO_TARGET: f64 = 0.8;

/// The table that rows are added to.
pub(crate) fn table() -> Table {
    let columns = [
        "record",
        "Almoner, 1 thread",
        "Almoner, all cores",
        "scan and BLAKE3",
        "ratio, 1 thread",
        "target",
        "verdict",
    ];
    let mut table = Table::new("Audit: verify", &columns);
    table.remark("Cells: records per second, MB/s. Opening the database is included in each.");
    table
}

/// Verifies the trail in this folder.
pub(crate) fn measure(options: &Options, trail: &Path, table: &mut Table) -> anyhow::Result<()> {
    // Once before anything is timed, so that all find the files in memory alike.
    let (records, bytes) = scan(trail)?;
    let [mut one, mut all, mut bare] = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..options.rounds() {
        for (jobs, times) in [(1, &mut one), (0, &mut all)] {
            let (report, us) = timed(|| verify(trail, jobs));
            report?;
            times.push(us);
        }
        let (scanned, us) = timed(|| scan(trail));
        scanned?;
        bare.push(us);
    }
    let [one, all, bare] = [one, all, bare].map(median);
    let cell = |us: f64| {
        let rate = |amount: usize| float(amount) / (us / 1e6);
        format!("{}, {:.0}", count(rate(records)), rate(bytes) / 1e6)
    };
    let cells = [
        format!("{} B", bytes / records.max(1)),
        cell(one),
        cell(all),
        cell(bare),
    ];
    table.row(cells.into_iter().chain(at_least(bare / one, RATIO_TARGET)));
    Ok(())
}

fn verify(trail: &Path, jobs: usize) -> anyhow::Result<()> {
    let how = VerifyStore {
        jobs,
        ..VerifyStore::default()
    };
    let report = verify_store(trail, &how, &mut |_| ())?;
    ensure!(report.failures_total == 0, "the trail does not verify");
    Ok(())
}

/// Reads and hashes every line; how many there are, and their bytes.
fn scan(trail: &Path) -> anyhow::Result<(usize, usize)> {
    let (mut records, mut bytes) = (0, 0);
    let mut mixed = 0_u8;
    Lines::open(trail)?.each(|line| {
        records += 1;
        bytes += line.len();
        mixed ^= blake3::hash(line)
            .as_bytes()
            .iter()
            .fold(0, |all, byte| all ^ byte);
    })?;
    // Or the compiler would see that nobody asks for the hashes.
    std::hint::black_box(mixed);
    Ok((records, bytes))
}
