//! PostgreSQL's own load generator: a cheap process of its own, the same for everything that is compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::sample::median;

/// Of so many transactions one is written to the log of latencies: enough for a median, too few to cost.
const SAMPLED: &str = "0.1";
/// At one client all are: there are few, and the log costs nothing that a round trip would notice.
const SAMPLED_ALONE: &str = "1";

/// Where to connect, as whom.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) database: String,
}

/// What one run measured.
pub(crate) struct Run {
    pub(crate) tps: f64,
    pub(crate) latency_us: f64,
}

/// The program and its script.
pub(crate) struct Pgbench {
    program: PathBuf,
    folder: TempDir,
}

impl Pgbench {
    /// Finds the program and keeps the script for it.
    pub(crate) fn new(script: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("making a folder for pgbench")?;
        fs::write(folder.path().join("script.sql"), script).context("writing pgbench's script")?;
        Ok(Self {
            program: find()?,
            folder,
        })
    }

    /// Runs the script with prepared statements for this long.
    pub(crate) fn run(&self, target: &Target, clients: u32, time: Duration) -> anyhow::Result<Run> {
        let log = tempfile::tempdir_in(self.folder.path()).context("making a folder for a log")?;
        let sampled = if clients == 1 { SAMPLED_ALONE } else { SAMPLED };
        let output = Command::new(&self.program)
            .args([
                "--no-vacuum",
                "--protocol=prepared",
                "--file=script.sql",
                "--log",
            ])
            .arg(format!("--log-prefix={}", log.path().join("log").display()))
            .arg(format!("--sampling-rate={sampled}"))
            .arg(format!("--client={clients}"))
            .arg(format!("--time={}", time.as_secs().max(1)))
            .args(["--host=127.0.0.1", &format!("--port={}", target.port)])
            .args(["--username", &target.user, &target.database])
            .env("PGPASSWORD", &target.password)
            .env("PGSSLMODE", "disable")
            .env("LC_ALL", "C")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .context("running pgbench")?;
        if !output.status.success() {
            // The script names no person, so its errors may be shown.
            bail!(
                "pgbench failed: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let tps = tps(&String::from_utf8_lossy(&output.stdout));
        Ok(Run {
            tps: tps.context("pgbench printed no rate")?,
            latency_us: median(latencies(log.path())?),
        })
    }
}

fn tps(output: &str) -> Option<f64> {
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix("tps = "))?;
    line.split(' ').next()?.parse().ok()
}

/// The third number of each line of the logs: microseconds.
fn latencies(folder: &Path) -> anyhow::Result<Vec<f64>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).context("reading pgbench's logs")? {
        let text = fs::read_to_string(entry?.path()).context("reading a log of pgbench")?;
        all.extend(text.lines().filter_map(latency));
    }
    Ok(all)
}

fn latency(line: &str) -> Option<f64> {
    line.split(' ').nth(2)?.parse().ok()
}

/// Distributions keep it beside the server, out of `PATH`, by version.
fn find() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    let found = folders
        .iter()
        .map(|folder| folder.join("pgbench"))
        .find(|program| program.is_file());
    found.context("pgbench was not found in PATH or /usr/lib/postgresql: it comes with PostgreSQL's server package")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pgbench_prints_is_read() {
        let printed = "latency average = 0.060 ms\ninitial connection time = 9.1 ms\ntps = 16594.345 (without initial connection time)\n";
        assert_eq!(tps(printed), Some(16_594.345));
        assert_eq!(tps("nothing"), None);
        assert_eq!(latency("0 199 2241 0 1175850568 995598"), Some(2_241.0));
    }
}
