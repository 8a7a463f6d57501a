//! What can keep the stage from being set, said so that whoever runs the demo or a test can mend it.

use std::path::Path;

/// Why a server or a client could not be started or asked.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A program is not installed.
    #[error("{program} was not found (looked in {looked}); {remedy}")]
    Missing {
        /// Its name.
        program: String,
        /// Where it was looked for.
        looked: String,
        /// What to install or set.
        remedy: &'static str,
    },
    /// The operating system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What it said.
        source: std::io::Error,
    },
    /// A program ended with an error.
    #[error("{program} failed ({status}): {output}")]
    Failed {
        /// Its name and what it was doing.
        program: String,
        /// Its exit status.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// A server did not come up or a condition did not come true in time.
    #[error("{what} did not happen within {seconds} s{log}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// The end of the log, if there is one.
        log: String,
    },
    /// A server ended instead of serving.
    #[error("{what} ended instead of getting ready{log}")]
    Ended {
        /// Which server.
        what: String,
        /// The end of its log.
        log: String,
    },
}

impl StageError {
    /// An operating system error with what was being done.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

/// Shorthand of this crate.
pub type Result<T> = std::result::Result<T, StageError>;

/// The last lines of a log, read at once: its folder may be gone when the error is shown.
pub(crate) fn log_tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    if text.is_empty() {
        return String::new();
    }
    format!("; its log ends with:\n{}", tail(&text))
}

/// The last lines of a text.
pub fn tail(text: &str) -> String {
    const LINES: usize = 20;
    let lines: Vec<&str> = text.lines().collect();
    lines
        .iter()
        .skip(lines.len().saturating_sub(LINES))
        .copied()
        .collect::<Vec<_>>()
        .join("\n")
}
