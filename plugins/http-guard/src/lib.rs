//! A guard for HTTP: which requests may be sent, by method, path, query, headers, size and how much was asked.
//!
//! It judges the facts that the gateway read, on the path that the gateway will send. What it does not
//! understand it denies. Reasons name methods, path templates and keys that the settings name, never data.

mod judge;
mod settings;

use almoner_plugin_sdk::prelude::*;

pub use settings::{Budget, PathRule, Settings};

/// The guard, configured.
#[derive(Debug)]
pub struct HttpGuard {
    settings: Settings,
}

impl Plugin for HttpGuard {
    type Settings = Settings;

    fn manifest() -> Manifest {
        let manifest = Manifest::new("http-guard", env!("CARGO_PKG_VERSION"))
            .description("Judges HTTP requests by method, path, query, headers and size.");
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

    /// Of the moment it reads what the subject has had in this window, where a budget is set.
    fn unread(&self) -> Unread {
        Unread {
            moment: !self.settings.budget.is_set(),
            values: false,
        }
    }
}

impl Guard for HttpGuard {
    fn inspect(&self, ctx: &CallContext, op: &Operation) -> Result<Verdict, Failure> {
        Ok(match http::request(op) {
            Ok(request) => judge::judge(&self.settings, ctx, op, &request),
            // No facts, no judgement: closed.
            Err(_) => Verdict::Deny(Reason::new("no-facts")),
        })
    }
}

export!(Guard, HttpGuard);
