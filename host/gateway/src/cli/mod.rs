//! The command line: one file per command, each with its `Args` and a `run` that says in its exit code
//! how it went (0 done, 1 refused or failed, 2 command line or configuration wrong).
//!
//! Commands speak to a running gateway over its admin socket, or to files; none opens a socket of its
//! own except `serve` and `demo`.

pub mod approvals;
pub mod audit;
pub mod check;
pub mod config;
pub mod demo;
pub mod keys;
#[cfg(test)]
mod live;
pub mod output;
mod password;
pub mod plugin;
mod reach;
pub mod schema;
pub mod serve;
pub mod status;
pub mod users;
mod when;
mod workshop;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use output::{Exit, Output};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "almoner",
    version,
    about = "Guards, approves, masks and records what AI agents do with protected health information",
    long_about = "Almoner stands between AI agents and the systems that hold protected health information. Every \
                  exchange is judged by your policy, approved by a person where the policy asks for it, masked on \
                  the way back, and recorded in a tamper-evident trail before the caller sees a byte.",
    after_help = "Exit codes: 0 done, 1 refused or failed, 2 command line or configuration wrong.",
    disable_help_subcommand = true,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// One variant per command, in the order of the help text.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// See the product at work on a private PostgreSQL with a made-up clinic
    Demo(demo::Args),
    /// Serve callers until told to stop
    Serve(serve::Args),
    /// Check the configuration and the policies as a reload would, and warn about what is risky
    Check(check::Args),
    /// Write, build and check policy plugins, and list those in force
    Plugin(plugin::Args),
    /// Manage the people and agents of the users file
    Users(users::Args),
    /// List and rotate the keys that pseudonyms are made with
    Keys(keys::Args),
    /// Tell whether the running gateway takes exchanges, and what it does
    Status(status::Args),
    /// List, show, approve and deny the requests that wait for people
    Approvals(approvals::Args),
    /// Verify, show, search and export the audit trail
    Audit(audit::Args),
    /// Print the JSON Schema of a document
    Schema(schema::Args),
}

impl Command {
    fn run(self, output: &Output) -> Exit {
        match self {
            Self::Demo(args) => demo::run(&args),
            Self::Serve(args) => serve::run(args, output),
            Self::Check(args) => check::run(args, output),
            Self::Plugin(args) => plugin::run(args, output),
            Self::Users(args) => users::run(args, output),
            Self::Keys(args) => keys::run(args, output),
            Self::Status(args) => status::run(args, output),
            Self::Approvals(args) => approvals::run(args, output),
            Self::Audit(args) => audit::run(args, output),
            Self::Schema(args) => schema::run(args, output),
        }
    }
}

/// Reads the process's command line and does what it says.
pub fn main() -> ExitCode {
    // Clap prints help and usage errors itself, and ends with 0 or 2.
    let cli = Cli::parse();
    cli.command.run(&Output::standard(cli.json)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_option_has_a_help_text() {
        fn visit(command: &clap::Command) {
            assert!(
                command.get_about().is_some(),
                "{} has no help text",
                command.get_name()
            );
            for arg in command.get_arguments() {
                let id = arg.get_id();
                assert!(
                    arg.get_help().is_some(),
                    "{} {id} has no help text",
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(visit);
        }
        visit(&Cli::command());
    }
}
