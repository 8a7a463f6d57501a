//! The option that names the gateway's configuration, the same for every command that needs it.

use std::path::PathBuf;

use super::output::{Exit, Output};
use crate::config::gateway::Gateway;
use crate::config::load;

/// File read where none is named.
pub const DEFAULT_FILE: &str = "almoner.toml";

/// `--config FILE`.
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigFile {
    /// The gateway's configuration
    #[arg(long, short, value_name = "FILE", default_value = DEFAULT_FILE, global = true)]
    pub config: PathBuf,
}

impl ConfigFile {
    /// Reads it, or says what is wrong with it.
    pub fn load(&self, output: &Output) -> Result<Gateway, Exit> {
        load::gateway(&self.config).map_err(|errors| {
            for problem in &errors.0 {
                output.error(problem);
            }
            Exit::USAGE
        })
    }
}
