//! What a world says of itself: its metrics, its trail, its status.

use anyhow::Context;
use serde_json::Value;

use crate::World;

impl World {
    /// The sum of a metric over all series whose labels contain all of these pairs, such as
    /// `verdict="deny"`; 0 where there is none.
    pub fn metric_sum(&self, name: &str, labels: &[&str]) -> anyhow::Result<f64> {
        let (status, text) = self.gateway.get("/metrics")?;
        anyhow::ensure!(status == 200, "/metrics answers {status}");
        let series = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, with) = series.split_once('{').unwrap_or((series, ""));
            let fits = found == name && labels.iter().all(|label| with.contains(label));
            fits.then(|| value.parse::<f64>().unwrap_or(f64::NAN))
        });
        Ok(series.sum())
    }

    /// Records of a kind, oldest first.
    pub fn records_of(&self, kind: &str) -> anyhow::Result<Vec<Value>> {
        let found = self.json(&["audit", "search", "--kind", kind, "-n", "5000"])?;
        let mut records: Vec<Value> = found
            .as_array()
            .context("a list of records")?
            .iter()
            .map(|found| found["record"].clone())
            .collect();
        records.reverse();
        Ok(records)
    }

    /// The records of a kind whose statement contains this text.
    pub fn records_about(&self, kind: &str, text: &str) -> anyhow::Result<Vec<Value>> {
        let mut records = self.records_of(kind)?;
        records.retain(|record| record["actions"].to_string().contains(text));
        Ok(records)
    }

    /// Exit code and output of `almoner audit verify` with further arguments.
    pub fn verify(&self, arguments: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
        let arguments = [&["audit", "verify"], arguments].concat();
        let finished = self.gateway.almoner(&arguments, &[])?;
        Ok((finished.code, finished.stdout + &finished.stderr))
    }
}
