//! `almoner serve`: runs the gateway in the foreground until it is told to stop.

use crate::cli::config::ConfigFile;
use crate::cli::output::{Exit, Output};
use crate::serve;
use crate::telemetry::logs::{self, LogFormat};
use crate::telemetry::metrics;

/// Serve callers until SIGTERM or SIGINT, then drain.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigFile,
    /// How log lines are written; default: for people on a terminal, JSON elsewhere
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
}

/// Serves.
pub fn run(args: Args, output: &Output) -> Exit {
    if let Err(error) = logs::install(args.log_format) {
        output.error(error);
        return Exit::USAGE;
    }
    logs::hide_panic_texts();
    let config = match args.config.load(output) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let exposition = match metrics::install() {
        Ok(exposition) => exposition,
        Err(error) => {
            output.error(error);
            return Exit::FAILED;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            output.error(format!("starting the runtime: {error}"));
            return Exit::FAILED;
        }
    };
    let started = |config: &crate::config::gateway::Gateway| {
        tracing::info!(
            postgres = %config.postgres_listen,
            http = config.http_listen.map(tracing::field::display),
            observe = config.observe_listen.map(tracing::field::display),
            admin = %config.admin_socket.display(),
            "serving"
        );
    };
    match runtime.block_on(serve::run(config, exposition, started, told_to_stop())) {
        Ok(()) => Exit::OK,
        Err(error) => {
            tracing::error!(%error, "the gateway stopped");
            output.error(error);
            Exit::FAILED
        }
    }
}

async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tracing::info!("told to stop; waiting for sessions to finish what they do");
}
