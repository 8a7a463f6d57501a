//! Runs a detector as the gateway runs it over labelled texts and prints what it finds, for scoring:
//! `cargo run --release -p almoner-sandbox --example predict -- DETECTOR.wasm FOLDER [SETTINGS.json] > FOUND.jsonl`
//!
//! Each `.jsonl` file of the folder is a set, each of its lines a text: `{"id": …, "text": …}`. Each line printed is
//! `{"set", "id", "findings": [{"start", "end", "kind", "confidence"}]}` with offsets in bytes. Findings below
//! confidence 50 are left out, as the gateway leaves them out by default. Nothing of the texts is printed.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks to its terminal"
)]

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use almoner_sandbox::{
    Batch, CallContext, CallLimits, Configured, DetectorSet, Direction, Field, Grant, Host,
    HostSettings,
};
use serde_json::{Value, json};

const CONFIDENCE_MIN: u8 = 50;
const USAGE: &str = "usage: predict DETECTOR.wasm FOLDER [SETTINGS.json]";

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let wasm = fs::read(args.next().ok_or(USAGE)?)?;
    let folder = args.next().ok_or(USAGE)?;
    let settings = match args.next() {
        Some(file) => serde_json::from_slice(&fs::read(file)?)?,
        None => json!({}),
    };
    let detectors = detectors(&wasm, &settings)?;
    let mut sets: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "jsonl")
        })
        .collect();
    sets.sort();
    for set in sets {
        let name = set.file_stem().unwrap_or_default().to_string_lossy();
        for line in fs::read_to_string(&set)?.lines() {
            let record: Value = serde_json::from_str(line)?;
            let text = record.get("text").and_then(Value::as_str);
            let findings = find(&detectors, text.unwrap_or_default())?;
            println!(
                "{}",
                json!({"set": name, "id": record.get("id"), "findings": findings})
            );
        }
    }
    Ok(())
}

fn detectors(wasm: &[u8], settings: &Value) -> Result<DetectorSet, Box<dyn Error>> {
    let host = Host::new(HostSettings::default())?;
    let grant = Grant {
        limits: CallLimits::detector(),
        ..Grant::default()
    };
    match host.configure(&host.load(wasm)?, settings, grant)? {
        Configured::Detector(detector) => Ok(DetectorSet::new(&host, vec![detector])?),
        _ => Err("the component is no detector".into()),
    }
}

/// A session of its own for each text: none learns from another.
fn find(detectors: &DetectorSet, text: &str) -> Result<Vec<Value>, Box<dyn Error>> {
    let mut batch = Batch::new(Direction::Response, vec![Field::default()]);
    batch.push(text, 0, 0);
    let outcome = detectors
        .session()
        .find_blocking(&CallContext::default(), &batch);
    if let Some(failed) = outcome.failures.first() {
        return Err(format!("the detector failed: {:?}", failed.failure).into());
    }
    let found = outcome
        .findings
        .iter()
        .filter(|f| f.confidence >= CONFIDENCE_MIN);
    let shown = |f: &almoner_sandbox::Finding| json!({"start": f.start, "end": f.end, "kind": &*f.kind, "confidence": f.confidence});
    Ok(found.map(shown).collect())
}
