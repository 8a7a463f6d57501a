//! Finds the running gateway and asks it: what every command does that speaks over the admin socket.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;

use super::config::DEFAULT_FILE;
use super::output::{Exit, Output, clean};
use crate::admin::client::{Client, ClientError, Credentials};
use crate::config::load;

/// The variable that names the socket where no option does.
const SOCKET_VARIABLE: &str = "ALMONER_SOCKET";

/// Options that say which gateway is meant.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Reach {
    /// The gateway's admin socket [default: $ALMONER_SOCKET, or the one that the configuration names]
    #[arg(long, value_name = "PATH", global = true)]
    pub socket: Option<PathBuf>,
    /// The gateway's configuration, which names the socket [default: almoner.toml]
    #[arg(long, short, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

/// A gateway to ask, from a command that waits for each answer.
pub(super) struct Gateway {
    client: Client,
    runtime: Runtime,
}

impl Reach {
    /// The gateway that is meant. Whether it runs shows when it is asked.
    pub(super) fn gateway(&self, output: &Output) -> Result<Gateway, Exit> {
        let socket = self.path(std::env::var_os(SOCKET_VARIABLE).map(PathBuf::from), output)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| {
                output.error(format!(
                    "the system gives this process nothing to wait with: {error}"
                ));
                Exit::FAILED
            })?;
        Ok(Gateway {
            client: Client::new(socket),
            runtime,
        })
    }

    /// Options before the environment, the environment before a file that happens to lie here.
    fn path(&self, variable: Option<PathBuf>, output: &Output) -> Result<PathBuf, Exit> {
        let variable = variable.filter(|path| !path.as_os_str().is_empty());
        match (&self.socket, &self.config, variable) {
            (Some(socket), _, _) => Ok(socket.clone()),
            (None, Some(config), _) => configured(config, output),
            (None, None, Some(variable)) => Ok(variable),
            (None, None, None) if Path::new(DEFAULT_FILE).exists() => {
                configured(Path::new(DEFAULT_FILE), output)
            }
            (None, None, None) => {
                output.error(format!(
                    "which gateway? There is no {DEFAULT_FILE} in this folder; give --config FILE or --socket PATH, or set {SOCKET_VARIABLE}"
                ));
                Err(Exit::USAGE)
            }
        }
    }
}

impl Gateway {
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str, output: &Output) -> Result<T, Exit> {
        self.runtime
            .block_on(self.client.get(path))
            .map_err(|error| failed(&error, output))
    }

    pub(super) fn get_bytes(&self, path: &str, output: &Output) -> Result<Vec<u8>, Exit> {
        let bytes = self
            .runtime
            .block_on(self.client.get_bytes(path))
            .map_err(|error| failed(&error, output))?;
        Ok(bytes.into())
    }

    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        credentials: Option<&Credentials>,
        output: &Output,
    ) -> Result<T, Exit> {
        let answer = self
            .runtime
            .block_on(self.client.post(path, body, credentials));
        answer.map_err(|error| failed(&error, output))
    }

    /// Does work off this thread; `None` if the user interrupts it meanwhile. The work itself goes on until the
    /// process ends.
    pub(super) fn unless_interrupted<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<Worked<T>> {
        let (done, worked) = tokio::sync::oneshot::channel();
        // A plain thread: the runtime would wait for one of its own before this process may end.
        std::thread::spawn(move || {
            // Nobody listens any more if the user gave up.
            let _ = done.send(work());
        });
        self.runtime.block_on(async {
            tokio::select! {
                worked = worked => Some(worked.map_err(|_| Panicked)),
                _ = tokio::signal::ctrl_c() => None,
            }
        })
    }
}

/// What work came to.
pub(super) type Worked<T> = Result<T, Panicked>;

/// The work ended in a fault of this program.
#[derive(Debug)]
pub(super) struct Panicked;

/// The gateway's words are its own, but may repeat names that others chose.
fn failed(error: &ClientError, output: &Output) -> Exit {
    output.error(clean(&error.to_string()));
    Exit::FAILED
}

fn configured(file: &Path, output: &Output) -> Result<PathBuf, Exit> {
    load::gateway(file)
        .map(|gateway| gateway.admin_socket)
        .map_err(|errors| {
            for problem in &errors.0 {
                output.error(problem);
            }
            Exit::USAGE
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::super::output::Captured;
    use super::*;

    #[test]
    fn what_is_said_here_comes_before_what_is_set_elsewhere() {
        let output = Output::to(false, Captured::default(), Captured::default());
        let path = |socket: Option<&str>, variable: Option<&str>| {
            let reach = Reach {
                socket: socket.map(Into::into),
                config: None,
            };
            reach.path(variable.map(Into::into), &output)
        };
        assert_eq!(path(Some("/a"), Some("/b")).unwrap(), Path::new("/a"));
        assert_eq!(path(None, Some("/b")).unwrap(), Path::new("/b"));
        // The tests' folder has no almoner.toml, and an empty variable is none.
        assert_eq!(path(None, Some("")), Err(Exit::USAGE));
    }

    #[test]
    fn a_configuration_that_is_not_there_is_a_usage_error() {
        let err = Captured::default();
        let output = Output::to(false, Captured::default(), err.clone());
        let reach = Reach {
            socket: None,
            config: Some("/nonexistent/almoner.toml".into()),
        };
        assert_eq!(reach.path(Some("/b".into()), &output), Err(Exit::USAGE));
        assert!(
            err.text().contains("/nonexistent/almoner.toml"),
            "{}",
            err.text()
        );
    }

    #[test]
    fn without_a_gateway_the_command_fails_and_says_what_to_do() {
        let err = Captured::default();
        let output = Output::to(false, Captured::default(), err.clone());
        let reach = Reach {
            socket: Some("/nonexistent/admin.sock".into()),
            config: None,
        };
        let gateway = reach.gateway(&output).unwrap();
        assert_eq!(
            gateway.get::<serde_json::Value>("/v1/status", &output),
            Err(Exit::FAILED)
        );
        assert!(err.text().contains("almoner serve"), "{}", err.text());
    }
}
