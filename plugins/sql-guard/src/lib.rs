//! A guard for SQL: which statements may run, by kind, by table and by form.
//!
//! It judges the facts that the gateway parsed with PostgreSQL's own grammar, never the text. What it does not
//! understand (another schema of facts, a kind it has no word for) it denies. Reasons name tables and kinds, never data.

mod judge;
mod settings;

use almoner_plugin_sdk::prelude::*;

pub use settings::{Settings, TableRule};

/// The guard, configured.
#[derive(Debug)]
pub struct SqlGuard {
    settings: Settings,
}

impl Plugin for SqlGuard {
    type Settings = Settings;

    fn manifest() -> Manifest {
        let manifest = Manifest::new("sql-guard", env!("CARGO_PKG_VERSION"))
            .description("Judges SQL statements by kind, table and form.");
        judge::MESSAGES
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

    /// It judges the facts alone.
    fn unread(&self) -> Unread {
        Unread {
            moment: true,
            values: true,
        }
    }
}

impl Guard for SqlGuard {
    fn inspect(&self, _: &CallContext, op: &Operation) -> Result<Verdict, Failure> {
        Ok(match facts::sql(op) {
            Ok(statement) => judge::judge(&self.settings, &statement),
            // No facts, no judgement: closed.
            Err(_) => Verdict::Deny(Reason::new("no-facts")),
        })
    }
}

export!(Guard, SqlGuard);
