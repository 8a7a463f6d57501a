//! Measures the gateway and its parts, each against the least that such a thing must cost, in one run.
//!
//! `almoner-bench [--quick] [--only NAME]…` prints tables in Markdown to standard output and what it is
//! doing to standard error. It takes the machine for itself: what else runs shows in the figures. It never
//! judges: a target that is missed is printed as missed, and the exit code says only whether it could measure.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks to its terminal"
)]

mod append;
mod bare;
mod distinct;
mod guests;
mod machine;
mod native;
mod options;
mod pgbench;
mod plugins;
mod reads;
mod relay;
mod report;
mod sample;
mod verify;
mod world;

use std::process::ExitCode;

use options::Options;
use report::Table;

/// A part of the run: its name on the command line, and what measures it.
type Part = (&'static str, fn(&Options) -> anyhow::Result<Vec<Table>>);

const PARTS: [Part; 3] = [
    ("postgres", reads::measure),
    ("audit", append::measure),
    ("plugins", plugins::measure),
];

fn main() -> ExitCode {
    let names = PARTS.map(|(name, _)| name);
    let options = match Options::parse(std::env::args().skip(1), &names) {
        Ok(options) => options,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("almoner-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    println!("{}", machine::facts());
    for (name, measure) in PARTS {
        if options.wants(name) {
            eprintln!("measuring: {name}");
            for table in measure(options)? {
                println!("{table}");
            }
        }
    }
    println!("{}", machine::load());
    Ok(())
}
