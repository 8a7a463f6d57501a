//! Checks a component as the gateway would before activating it, and measures a detector.
//!
//! `almoner-plugin-check PLUGIN.wasm [--golden FILE] [--settings JSON] [--texts TEXTS.jsonl [--out FINDINGS.jsonl]]`
//!
//! With texts (`{"id", "text"}` a line) it prints how fast a detector is over them, and writes what it finds.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks to its terminal"
)]

use std::{error::Error, fs, process::ExitCode};

use almoner_plugin_testkit::Kit;
use almoner_sandbox::{Batch, CallContext, Configured, DetectorSet, Direction, Field};
use serde_json::{Value, json};

const USAGE: &str = "usage: almoner-plugin-check PLUGIN.wasm [--golden FILE] [--settings JSON] \
                     [--texts TEXTS.jsonl [--out FINDINGS.jsonl]]";
/// What the gateway masks unless a rule says otherwise.
const CONFIDENCE_MIN: u8 = 50;

#[derive(Default)]
struct Args {
    wasm: String,
    golden: Option<String>,
    settings: Option<String>,
    texts: Option<String>,
    out: Option<String>,
}

fn main() -> ExitCode {
    let Some(args) = args(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match check(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("almoner-plugin-check: {error}");
            ExitCode::FAILURE
        }
    }
}

fn args(mut given: impl Iterator<Item = String>) -> Option<Args> {
    let mut args = Args::default();
    while let Some(arg) = given.next() {
        match arg.as_str() {
            "--golden" => args.golden = Some(given.next()?),
            "--settings" => args.settings = Some(given.next()?),
            "--texts" => args.texts = Some(given.next()?),
            "--out" => args.out = Some(given.next()?),
            flag if flag.starts_with('-') => return None,
            _ if args.wasm.is_empty() => args.wasm = arg,
            _ => return None,
        }
    }
    (!args.wasm.is_empty()).then_some(args)
}

fn check(args: &Args) -> Result<(), Box<dyn Error>> {
    let guest = Kit::new()?.load(&args.wasm)?;
    let manifest = guest.manifest();
    println!(
        "{} {}: {}",
        manifest.name, manifest.version, manifest.description
    );
    let settings: Value = match &args.settings {
        Some(settings) => serde_json::from_str(settings)?,
        None => json!({}),
    };
    let configured = guest.configure(&settings)?;
    if let Some(golden) = &args.golden {
        println!("{} golden vectors hold", guest.golden(golden)?);
    }
    if let Some(path) = &args.texts {
        let records: Vec<Value> = (fs::read_to_string(path)?.lines())
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        let texts: Vec<&str> = (records.iter())
            .map(|record| {
                record
                    .get("text")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            })
            .collect();
        let rate = guest.rate(&settings, &texts)?;
        println!(
            "{:.1} MB/s, {} findings in {} texts",
            rate.megabytes_per_second(),
            rate.findings,
            texts.len()
        );
        if let (Some(out), Configured::Detector(detector)) = (&args.out, configured) {
            let host = almoner_sandbox::Host::new(almoner_sandbox::HostSettings::default())?;
            let set = DetectorSet::new(&host, vec![detector])?;
            fs::write(out, findings(&set, &records, &texts))?;
        }
    }
    Ok(())
}

/// One line of JSON for each text.
fn findings(set: &DetectorSet, records: &[Value], texts: &[&str]) -> String {
    let mut session = set.session();
    let mut lines = String::new();
    for (record, text) in records.iter().zip(texts) {
        let mut batch = Batch::new(Direction::Response, vec![Field::default()]);
        batch.push(*text, 0, 0);
        let outcome = session.find_blocking(&CallContext::default(), &batch);
        let findings: Vec<Value> = (outcome.findings.iter())
            .filter(|finding| finding.confidence >= CONFIDENCE_MIN)
            .map(|f| json!({"start": f.start, "end": f.end, "kind": *f.kind, "confidence": f.confidence}))
            .collect();
        lines.push_str(&json!({"id": record.get("id"), "findings": findings}).to_string());
        lines.push('\n');
    }
    lines
}
