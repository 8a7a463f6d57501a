//! The PHI detector compiled natively, with no sandbox around it: what the sandbox is measured against.
//!
//! The patterns are the very same native code in both. What differs is the way into `detect` and back, and the code
//! that runs there.

use std::hint::black_box;
use std::time::Instant;

use almoner_plugin_sdk::emulate::Stand;
use almoner_plugin_sdk::{self as sdk, Detector, Plugin};
use almoner_sandbox::{Batch, DetectorSet};
use anyhow::anyhow;
use phi::{Phi, Settings};

use crate::options::Options;
use crate::sample::float;

/// MB/s of the patterns and of `detect` over what it would be asked.
pub(crate) fn rate(
    options: &Options,
    detectors: &DetectorSet,
    batches: &[Batch<'_>],
) -> anyhow::Result<f64> {
    let phi = Phi::configure(Settings::default()).map_err(|errors| anyhow!("{errors:?}"))?;
    let stand = Stand::new(phi)?;
    // What is asked is decided beforehand, so that only the work itself is timed.
    let questions: Vec<Option<sdk::Batch>> = batches
        .iter()
        .map(|batch| stand.question(&owned(batch)))
        .collect();
    let context = sdk::CallContext::default();
    let mut bytes = 0;
    let begun = Instant::now();
    while begun.elapsed() < options.turn() {
        for (batch, question) in batches.iter().zip(&questions) {
            black_box(detectors.hits(batch));
            if let Some(question) = question {
                let found = stand.detector().detect(&context, question);
                black_box(found.map_err(|failure| anyhow!("{failure:?}"))?);
            }
            bytes += batch.text_bytes();
        }
    }
    Ok(float(bytes) / 1e6 / begun.elapsed().as_secs_f64())
}

/// The batch as the SDK has it; every cell is a record of its own.
fn owned(batch: &Batch<'_>) -> sdk::Batch {
    let cells: Vec<String> = (0..)
        .map_while(|cell| batch.cell(cell))
        .map(str::to_owned)
        .collect();
    sdk::Batch {
        row_of: (0..).take(cells.len()).collect(),
        field_of: vec![0; cells.len()],
        fields: vec![sdk::Field::default()],
        cells,
        last: true,
        ..sdk::Batch::default()
    }
}
