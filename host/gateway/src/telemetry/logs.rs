//! Structured logs on standard error, for people or for machines.
//!
//! Through a descriptor of their own: while PostgreSQL's parser runs, descriptor 2 leads into a pipe of the
//! parser's, and what is written there is lost.
//!
//! Say what the gateway did, never what passed through it. Libraries are held to `info`, whatever is asked
//! for: their debug output may show bytes of traffic.

use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;

use tracing::Level;
use tracing_subscriber::filter::{FilterExt, ParseError, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, fmt};

/// The variable that sets the level: a word (`debug`) for the gateway's own code, or a list of directives
/// as `tracing-subscriber` knows them (`almoner::policy=trace,info`).
pub const LEVEL_VARIABLE: &str = "ALMONER_LOG";

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line
    Json,
    /// Text for people, coloured on a terminal
    Human,
}

/// Logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The variable's text is not understood.
    #[error(
        "reading {LEVEL_VARIABLE}: {0}; write a level (error, warn, info, debug, trace) or target=level,…"
    )]
    Level(#[from] ParseError),
    /// The variable is not text.
    #[error("reading {LEVEL_VARIABLE}: it is not UTF-8")]
    NotText,
    /// No second descriptor for standard error.
    #[error("opening the log: standard error cannot be duplicated: {0}")]
    Duplicate(#[from] std::io::Error),
    /// Something else in this process logs already.
    #[error("setting up logs: {0}")]
    Installed(#[from] TryInitError),
}

/// Sends this process's log to where standard error leads at this moment, so call it before anything is parsed.
/// Without a format: text on a terminal, JSON elsewhere.
pub fn install(format: Option<LogFormat>) -> Result<(), LogError> {
    let wanted = match std::env::var(LEVEL_VARIABLE) {
        Ok(text) => text,
        Err(std::env::VarError::NotPresent) => String::new(),
        Err(std::env::VarError::NotUnicode(_)) => return Err(LogError::NotText),
    };
    let filter = directives(&wanted)?.and(filter_fn(|metadata| {
        may_speak(metadata.target(), *metadata.level())
    }));
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal {
        LogFormat::Human
    } else {
        LogFormat::Json
    });
    let own = File::from(std::io::stderr().as_fd().try_clone_to_owned()?);
    let layer = fmt::layer().with_writer(own);
    let layer = match format {
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .boxed(),
        LogFormat::Human => layer
            .with_ansi(terminal && std::env::var_os("NO_COLOR").is_none())
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init()?;
    Ok(())
}

/// From here on a panic says where it happened and nothing else: its text may quote what passed through (the
/// standard library's own do, where a string is cut in the wrong place).
pub fn hide_panic_texts() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let thread = std::thread::current();
        tracing::error!(
            place = place.as_deref().unwrap_or("unknown"),
            thread = thread.name().unwrap_or("unnamed"),
            "a panic; this is a fault of the program"
        );
    }));
}

/// A bare level is meant for the gateway; libraries then speak up only when something is wrong.
fn directives(wanted: &str) -> Result<EnvFilter, ParseError> {
    let wanted = wanted.trim();
    if wanted.contains(['=', ',']) {
        return EnvFilter::try_new(wanted);
    }
    let level = if wanted.is_empty() { "info" } else { wanted };
    let own =
        ["almoner", "almoner_audit", "almoner_sandbox"].map(|target| format!(",{target}={level}"));
    EnvFilter::try_new(format!("warn{}", own.concat()))
}

fn may_speak(target: &str, level: Level) -> bool {
    let own = target
        .split("::")
        .next()
        .is_some_and(|name| name == "almoner" || name.starts_with("almoner_"));
    own || level <= Level::INFO
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::string_slice,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_says_where_and_not_what() {
        let written = Written::default();
        let log = written.clone();
        let subscriber = tracing_subscriber::registry().with(
            fmt::layer()
                .with_ansi(false)
                .with_writer(move || log.clone()),
        );
        tracing::subscriber::with_default(subscriber, || {
            let before = std::panic::take_hook();
            hide_panic_texts();
            let text = String::from("é 123-45-6789");
            let cut = std::panic::catch_unwind(|| text[1..].len());
            std::panic::set_hook(before);
            assert!(cut.is_err());
        });
        let said = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert!(
            said.contains("logs.rs:") && !said.contains("6789"),
            "{said}"
        );
    }

    /// Set where the test below is run once more, as the process that logs.
    const LOGS: &str = "ALMONER_TEST_LOGS";
    /// Lines that it logs.
    const LINES: usize = 3_000;

    #[test]
    fn no_line_is_lost_while_the_parser_has_standard_error() {
        if std::env::var_os(LOGS).is_some() {
            return log_while_parsing();
        }
        let name = "telemetry::logs::tests::no_line_is_lost_while_the_parser_has_standard_error";
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(LOGS, "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(log.matches("\"counted\"").count(), LINES);
    }

    fn log_while_parsing() {
        install(Some(LogFormat::Json)).unwrap();
        let (parsed, done) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let number = parsed.fetch_add(1, Ordering::Relaxed);
                    almoner_sql::facts(&format!("select {number} from t")).unwrap();
                }
            });
            for line in 0..LINES {
                // The parser keeps up, so that most lines meet it at work.
                while parsed.load(Ordering::Relaxed) < line / 10 {
                    std::thread::yield_now();
                }
                tracing::warn!(line, "counted");
            }
            done.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn libraries_never_get_to_debug() {
        for (target, level, speaks) in [
            ("almoner", Level::TRACE, true),
            ("almoner_audit::writer", Level::DEBUG, true),
            ("hyper::proto", Level::DEBUG, false),
            ("rustls", Level::INFO, true),
            ("almonerish", Level::DEBUG, false),
        ] {
            assert_eq!(may_speak(target, level), speaks, "{target} {level}");
        }
    }

    #[test]
    fn a_bare_level_is_for_the_gateway_and_a_list_is_taken_as_written() {
        let shown = |wanted| directives(wanted).map(|filter| filter.to_string());
        assert!(shown("debug").unwrap().contains("almoner=debug"));
        assert!(shown("").unwrap().contains("almoner=info"));
        assert_eq!(
            shown("almoner::policy=trace").unwrap(),
            "almoner::policy=trace"
        );
        assert!(shown("almoner=loud").is_err());
        assert!(shown("loud").is_err());
    }
}
