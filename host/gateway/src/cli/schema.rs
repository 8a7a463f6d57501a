//! `almoner schema`: prints a published JSON Schema, for editors and for pipelines that check documents.

use super::output::{Exit, Output};
use crate::config::schema;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Point your editor at it, for example with this first line of a policy file:\n  \
                        #:schema ./almoner-policy.json"
)]
pub struct Args {
    /// The document
    #[arg(value_enum)]
    pub document: Document,
}

/// Documents that have a schema.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Document {
    /// The gateway's configuration, almoner.toml
    Config,
    /// A file of the policy folder
    Policy,
}

/// Runs the command.
pub fn run(args: Args, output: &Output) -> Exit {
    let schema = match args.document {
        Document::Config => schema::config(),
        Document::Policy => schema::policy(),
    };
    // JSON with and without `--json`: there is nothing else to print.
    output.raw(&format!("{schema:#}\n"));
    Exit::OK
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests state what they expect")]
    use super::super::output::Captured;
    use super::*;

    #[test]
    fn the_schema_is_printed_as_json_whatever_was_asked_for() {
        for json in [false, true] {
            let out = Captured::default();
            let output = Output::to(json, out.clone(), Captured::default());
            assert_eq!(
                run(
                    Args {
                        document: Document::Policy
                    },
                    &output
                ),
                Exit::OK
            );
            let schema: Result<serde_json::Value, _> = serde_json::from_str(&out.text());
            assert!(schema.is_ok_and(|schema| schema["title"] == "Almoner policy file"));
        }
    }
}
