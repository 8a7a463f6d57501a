//! Runs the detector natively over a file of texts and prints what it finds, for scoring against labels.
//!
//! `cargo run --release -p phi --example score -- TEXTS.jsonl [SETTINGS.json] > FINDINGS.jsonl`
//!
//! Each line in is `{"id": …, "text": …}`; each line out `{"id": …, "findings": [{"start", "end", "kind", "confidence"}]}`
//! with offsets in bytes. Findings below confidence 50 are left out, as the gateway leaves them out by default. At the
//! end it says on standard error how fast `detect` was.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks to its terminal"
)]

use std::{error::Error, fs, time::Instant};

use almoner_plugin_sdk::{Batch, Plugin, emulate::Stand, parse_settings};
use phi::{Kind, Phi};
use serde_json::{Value, json};

const CONFIDENCE_MIN: u8 = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let texts = args
        .next()
        .ok_or("usage: score TEXTS.jsonl [SETTINGS.json]")?;
    let settings = args.next().unwrap_or_default();
    let settings = parse_settings(&settings).map_err(|e| format!("{e:?}"))?;
    let phi = Phi::configure(settings).map_err(|e| format!("{e:?}"))?;
    let stand = Stand::new(phi)?;
    let mut bytes = 0;
    let begun = Instant::now();
    for line in fs::read_to_string(texts)?.lines() {
        let record: Value = serde_json::from_str(line)?;
        let text = record
            .get("text")
            .and_then(Value::as_str)
            .unwrap_or_default();
        bytes += text.len();
        let batch = Batch {
            cells: vec![text.to_owned()],
            row_of: vec![0],
            last: true,
            ..Batch::default()
        };
        let findings = stand.run(&batch).map_err(|e| format!("{e:?}"))?;
        let findings: Vec<Value> = (findings.iter())
            .filter(|f| f.confidence >= CONFIDENCE_MIN)
            .map(|f| {
                let kind = Kind::ALL.get(f.kind as usize).map(|k| k.name());
                json!({"start": f.start, "end": f.end, "kind": kind, "confidence": f.confidence})
            })
            .collect();
        println!("{}", json!({"id": record.get("id"), "findings": findings}));
    }
    let rate = bytes as f64 / 1e6 / begun.elapsed().as_secs_f64();
    eprintln!("{bytes} bytes, {rate:.1} MB/s with native patterns one by one");
    Ok(())
}
