//! `almoner plugin`: from a plugin's source to the policy that obeys it. Needs no gateway, but to list what one has in
//! force.

mod build;
mod check;
mod list;
mod new;

use std::path::Path;

use super::output::{Exit, Output};

/// A file of settings or a module larger than this is not read.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Options.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Write the beginnings of a plugin: a crate that builds, with a test and golden vectors
    New(new::Args),
    /// Make a component of a WebAssembly module, or of a whole package
    Build(build::Args),
    /// Hold a component to everything the gateway holds it to, golden vectors included
    Check(check::Args),
    /// List the plugins that a running gateway has in force, or that a policy folder would load
    List(list::Args),
}

/// Runs the command.
pub fn run(args: Args, output: &Output) -> Exit {
    match args.command {
        Command::New(args) => new::run(&args, output),
        Command::Build(args) => build::run(&args, output),
        Command::Check(args) => check::run(&args, output),
        Command::List(args) => list::run(&args, output),
    }
}

/// A file's bytes, or what the user is told.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > FILE_BYTES_MAX {
        return Err(format!(
            "{} is larger than {} MiB",
            path.display(),
            FILE_BYTES_MAX >> 20
        ));
    }
    std::fs::read(path).map_err(unreadable)
}
