//! `almoner demo`: the product told as a story. The story itself lies in `demo/`.

use super::output::Exit;
use crate::demo::{self, Plan};

/// Options.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// End after the story instead of staying up to be tried
    #[arg(long)]
    pub once: bool,
}

/// Runs the demo.
pub fn run(args: &Args) -> Exit {
    demo::run(Plan { once: args.once })
}
