//! `almoner schema`: prints a published JSON Schema, for editors and for pipelines that check documents.

use super::output::{Exit, Output};
use crate::config::schema;
use crate::protocols::http;

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
    /// What a guard is told about a SQL statement
    SqlFacts,
    /// What a guard is told about an HTTP request
    HttpFacts,
}

/// Runs the command.
pub fn run(args: Args, output: &Output) -> Exit {
    let text = match args.document {
        Document::Config => format!("{:#}\n", schema::config()),
        Document::Policy => format!("{:#}\n", schema::policy()),
        Document::SqlFacts => almoner_sql::schema_json(),
        Document::HttpFacts => format!("{:#}\n", http::facts_schema()),
    };
    // JSON with and without `--json`: there is nothing else to print.
    output.raw(&text);
    Exit::OK
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use super::super::output::Captured;
    use super::*;

    #[test]
    fn a_schema_is_printed_as_json_whatever_was_asked_for() {
        for (json, document) in [
            (false, Document::Policy),
            (true, Document::Config),
            (true, Document::SqlFacts),
            (false, Document::HttpFacts),
        ] {
            let out = Captured::default();
            let output = Output::to(json, out.clone(), Captured::default());
            assert_eq!(run(Args { document }, &output), Exit::OK);
            let schema: serde_json::Value = serde_json::from_str(&out.text()).unwrap();
            assert!(schema["title"].is_string(), "{document:?}");
        }
    }
}
