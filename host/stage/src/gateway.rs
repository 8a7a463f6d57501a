//! The real `almoner serve` as a child process: its folder with configuration, policies and users, two
//! free ports, and the other commands of the binary run against it.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::compiled;
use crate::error::{Result, StageError, log_tail};
use crate::keeper::{Keeper, Plan, StopBy};
use crate::port;
use crate::psql::{Finished, Psql};
use crate::users::{self, User};
use crate::wait::wait_until;

/// Plugins are compiled and self-tested before the gateway is ready: seconds without a cache, on a busy machine.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// An answer to a local HTTP request.
const HTTP_LIMIT: Duration = Duration::from_secs(5);
/// Somebody else may take a port between our looking and the gateway's binding.
const PORTS_TRIED_MAX: usize = 5;

/// What a gateway should be like.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The `almoner` binary.
    pub binary: PathBuf,
    /// Policy files: name and text.
    pub policies: Vec<(String, String)>,
    /// Further files of the policy folder, such as components: name and content.
    pub files: Vec<(String, Vec<u8>)>,
    /// Logins.
    pub users: Vec<User>,
    /// The `[[resource]]` tables of `almoner.toml`.
    pub resources: String,
    /// Further keys of the `[data]` table of `almoner.toml`.
    pub data: String,
    /// Further tables of `almoner.toml`, such as `[limits]`.
    pub more: String,
    /// Secrets, written with mode 0600: name and text. Resources refer to them by name.
    pub secrets: Vec<(String, String)>,
    /// Set for the gateway, in addition to our own environment.
    pub environment: Vec<(String, String)>,
    /// A folder where compiled plugins may be kept for the next gateway.
    pub cache: Option<PathBuf>,
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    // Field order is drop order: the gateway stops before its folder goes.
    keeper: Option<Keeper>,
    folder: TempDir,
    setup: Setup,
    port: u16,
    http_port: u16,
    observe_port: u16,
}

impl Gateway {
    /// Writes the folder and starts the gateway; returns once it is ready.
    pub fn start(setup: Setup) -> Result<Self> {
        let mut gateway = Self::prepare(setup)?;
        let mut tried = 0;
        loop {
            tried += 1;
            match gateway.start_again() {
                Err(_)
                    if tried < PORTS_TRIED_MAX
                        && gateway
                            .log()
                            .to_lowercase()
                            .contains("address already in use") =>
                {
                    gateway.choose_ports()?;
                }
                Err(e) => return Err(e),
                Ok(()) => return Ok(gateway),
            }
        }
    }

    /// Writes the folder without starting the gateway.
    pub fn prepare(setup: Setup) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("almoner-gateway-")
            .tempdir();
        let folder = folder.map_err(StageError::io("making a temporary folder"))?;
        let mut gateway = Self {
            keeper: None,
            folder,
            setup,
            port: 0,
            http_port: 0,
            observe_port: 0,
        };
        fs::create_dir(gateway.policy_folder())
            .map_err(StageError::io("making the policy folder"))?;
        for (name, text) in &gateway.setup.policies {
            write(&gateway.policy_folder().join(name), text, 0o644)?;
        }
        for (name, bytes) in &gateway.setup.files {
            write(&gateway.policy_folder().join(name), bytes, 0o644)?;
        }
        for (name, text) in &gateway.setup.secrets {
            write(&gateway.folder().join(name), text, 0o600)?;
        }
        write(
            &gateway.folder().join("users.toml"),
            users::file(&gateway.setup.users),
            0o600,
        )?;
        if let Some(cache) = &gateway.setup.cache {
            compiled::lend(cache, &gateway.compiled_folder());
        }
        gateway.choose_ports()?;
        Ok(gateway)
    }

    /// Starts the stopped gateway on its ports, with its data.
    pub fn start_again(&mut self) -> Result<()> {
        self.spawn()?;
        let up = wait_until(READY_LIMIT, || {
            if self.get("/readyz").is_ok_and(|(status, _)| status == 200) {
                return Some(true);
            }
            self.keeper
                .as_mut()
                .is_none_or(|keeper| keeper.ended().is_some())
                .then_some(false)
        });
        let log = log_tail(&self.log_file());
        let error = match up {
            Some(true) => {
                if let Some(cache) = &self.setup.cache {
                    compiled::keep(cache, &self.compiled_folder());
                }
                return Ok(());
            }
            Some(false) => StageError::Ended {
                what: "the gateway".into(),
                log,
            },
            None => StageError::TimedOut {
                what: "the gateway getting ready".into(),
                seconds: READY_LIMIT.as_secs(),
                log,
            },
        };
        self.keeper = None;
        Err(error)
    }

    /// Starts the process without waiting for it to be ready: for gateways that should refuse to serve.
    pub fn spawn(&mut self) -> Result<()> {
        let config = self.config_file();
        let program = self.setup.binary.clone();
        let command = [
            program.as_os_str(),
            OsStr::new("serve"),
            OsStr::new("--config"),
            config.as_os_str(),
        ];
        let environment: Vec<(&str, &str)> = self
            .setup
            .environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.keeper = None;
        self.keeper = Some(Keeper::start(&Plan {
            command: &command,
            environment: &environment,
            folder: self.folder.path(),
            log: &self.log_file(),
            account: None,
            stop_by: StopBy::Terminate,
        })?);
        Ok(())
    }

    /// Stops the gateway as an operator does; its folder stays until this value is dropped.
    pub fn stop(&mut self) -> Result<Option<ExitStatus>> {
        self.keeper
            .take()
            .map(|mut keeper| keeper.stop())
            .transpose()
    }

    /// Kills the gateway with SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.keeper
            .take()
            .map_or(Ok(()), |mut keeper| keeper.kill())
    }

    /// Waits until the gateway ends by itself.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        self.keeper
            .as_mut()
            .map(|keeper| keeper.wait(limit))
            .transpose()
    }

    /// The gateway's process id.
    pub fn pid(&self) -> Option<i32> {
        self.keeper.as_ref().and_then(Keeper::pid)
    }

    /// The port for PostgreSQL callers on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port for HTTP callers on 127.0.0.1.
    pub fn http_port(&self) -> u16 {
        self.http_port
    }

    /// The port of `/readyz` and `/metrics` on 127.0.0.1.
    pub fn observe_port(&self) -> u16 {
        self.observe_port
    }

    /// The folder with everything of this gateway.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its `almoner.toml`.
    pub fn config_file(&self) -> PathBuf {
        self.folder().join("almoner.toml")
    }

    /// Its policy files.
    pub fn policy_folder(&self) -> PathBuf {
        self.folder().join("policies")
    }

    /// Its evidence and keys.
    pub fn data_folder(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// Saves a file of the policy folder the way editors do: a new file, renamed into place.
    pub fn save_policy(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let draft = self.policy_folder().join(format!(".{name}.draft"));
        write(&draft, content, 0o644)?;
        fs::rename(&draft, self.policy_folder().join(name))
            .map_err(StageError::io("saving a policy file"))
    }

    /// `psql` to a resource, as one of the users.
    pub fn psql(&self, user: &str, resource: &str) -> Psql {
        let password = self
            .setup
            .users
            .iter()
            .find(|u| u.name == user)
            .map_or("", |u| u.password.as_str());
        Psql::new("127.0.0.1", self.port, user, password, resource)
    }

    /// Runs another command of the binary in this gateway's folder, where it finds the configuration.
    pub fn almoner(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Finished> {
        let mut command = Command::new(&self.setup.binary);
        command.args(arguments).envs(environment.iter().copied());
        command
            .env("NO_COLOR", "1")
            .current_dir(self.folder())
            .stdin(Stdio::null());
        let output = command
            .output()
            .map_err(StageError::io("running almoner"))?;
        Ok(Finished {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code(),
        })
    }

    /// Asks the observing address: status and body.
    pub fn get(&self, path: &str) -> Result<(u16, String)> {
        http_get(self.observe_port, path).map_err(StageError::io(format!("asking for {path}")))
    }

    /// What the gateway wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn compiled_folder(&self) -> PathBuf {
        self.data_folder().join("cache")
    }

    fn log_file(&self) -> PathBuf {
        self.folder().join("gateway.log")
    }

    fn choose_ports(&mut self) -> Result<()> {
        self.port = port::free()?;
        self.http_port = other_than(&[self.port])?;
        self.observe_port = other_than(&[self.port, self.http_port])?;
        let config = format!(
            "[listen]\npostgres = \"127.0.0.1:{}\"\nhttp = \"127.0.0.1:{}\"\nobserve = \"127.0.0.1:{}\"\n\n[data]\ndir = \"data\"\n{}\n\
             [policies]\ndir = \"policies\"\n\n[users]\nfile = \"users.toml\"\n\n{}\n{}",
            self.port,
            self.http_port,
            self.observe_port,
            self.setup.data,
            self.setup.resources,
            self.setup.more
        );
        write(&self.config_file(), &config, 0o644)
    }
}

/// A free port that is none of these.
fn other_than(taken: &[u16]) -> Result<u16> {
    loop {
        let port = port::free()?;
        if !taken.contains(&port) {
            return Ok(port);
        }
    }
}

fn write(path: &Path, content: impl AsRef<[u8]>, mode: u32) -> Result<()> {
    let doing = format!("writing {}", path.display());
    let mut options = fs::OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path);
    file.and_then(|mut file| {
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(content.as_ref())
    })
    .map_err(StageError::io(doing))
}

fn http_get(port: u16, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(HTTP_LIMIT))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}
