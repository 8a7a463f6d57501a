//! Asks for approval when many rows leave: at a count of rows, for COPY, for queries without a limit, and over a window.
//!
//! It reads the facts that the gateway parsed and the counts that the gateway keeps; it sees no rows. What it cannot
//! read (another schema of facts) it treats as unlimited.

mod assess;
mod settings;

use almoner_plugin_sdk::prelude::*;

pub use settings::{Copying, MissingLimit, Settings};

/// The plugin, configured.
#[derive(Debug)]
pub struct BulkExport {
    settings: Settings,
}

impl Plugin for BulkExport {
    type Settings = Settings;

    fn manifest() -> Manifest {
        let manifest = Manifest::new("bulk-export", env!("CARGO_PKG_VERSION"))
            .description("Asks for approval when many rows leave.");
        assess::MESSAGES
            .iter()
            .fold(manifest, |manifest, (code, template)| {
                manifest.message(*code, *template)
            })
    }

    fn configure(settings: Settings) -> Result<Self, Vec<SettingsError>> {
        let mistakes = settings.mistakes();
        if mistakes.is_empty() {
            Ok(Self { settings })
        } else {
            Err(mistakes)
        }
    }

    /// Of the moment it reads what the subject has had in this window, where a budget is set.
    fn unread(&self) -> Unread {
        Unread {
            moment: self.settings.rows_per_window == 0,
            values: true,
        }
    }
}

impl Approval for BulkExport {
    fn assess(
        &self,
        ctx: &CallContext,
        op: &Operation,
        rows_so_far: u64,
    ) -> Result<Answer, Failure> {
        Ok(assess::assess(&self.settings, ctx, op, rows_so_far))
    }
}

export!(Approval, BulkExport);
