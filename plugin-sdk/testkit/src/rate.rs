//! How fast a detector is, measured in batches of the size the gateway sends.

use std::time::{Duration, Instant};

use almoner_sandbox::{CallContext, DetectorSession};

use crate::{KitError, batch};

/// Texts in one batch.
const BATCH_TEXTS: usize = 256;
/// Long enough for a steady figure, short enough for a test.
const MEASURED: Duration = Duration::from_secs(2);

/// Bytes of text in a time.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Bytes examined.
    pub bytes: u64,
    /// Findings in one pass over all texts.
    pub findings: u64,
    /// Time it took, native patterns included.
    pub elapsed: Duration,
}

impl Rate {
    /// Million bytes per second.
    pub fn megabytes_per_second(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.elapsed.as_secs_f64()
    }
}

pub(crate) fn measure<T: AsRef<str>>(
    session: &mut DetectorSession,
    texts: &[T],
) -> Result<Rate, KitError> {
    // The first pass warms the instance and counts.
    let findings = pass(session, texts)?;
    let pass_bytes: usize = texts.iter().map(|text| text.as_ref().len()).sum();
    let (begun, mut bytes) = (Instant::now(), 0);
    while begun.elapsed() < MEASURED {
        pass(session, texts)?;
        bytes += pass_bytes as u64;
    }
    Ok(Rate {
        bytes,
        findings,
        elapsed: begun.elapsed(),
    })
}

fn pass<T: AsRef<str>>(session: &mut DetectorSession, texts: &[T]) -> Result<u64, KitError> {
    let mut findings = 0;
    for texts in texts.chunks(BATCH_TEXTS) {
        let outcome = session.find_blocking(&CallContext::default(), &batch(texts));
        if let Some(failed) = outcome.failures.first() {
            return Err(KitError::Failed(failed.failure.to_string()));
        }
        findings += outcome.findings.len() as u64;
    }
    Ok(findings)
}
