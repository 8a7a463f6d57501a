//! The running server: start, ask, stop, start again on the same port.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::binaries;
use super::cluster::{self, SUPERUSER, SUPERUSER_PASSWORD};
use crate::account::{self, Account};
use crate::error::{Result, StageError, log_tail};
use crate::keeper::{Keeper, Plan, StopBy};
use crate::port;
use crate::psql::Psql;
use crate::wait::wait_until;

/// A start takes a fraction of a second; a loaded machine may take longer.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Somebody else may take the port between our looking and the server's binding.
const PORTS_TRIED_MAX: usize = 5;

/// What a server should be like.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Offer TLS with this certificate.
    pub tls: Option<Tls>,
    /// Refuse TCP clients without TLS.
    pub tls_required: bool,
    /// Keep fresh clusters here and copy them: saves a second per start.
    pub cache: Option<PathBuf>,
    /// Further settings, as in `postgresql.conf`.
    pub settings: Vec<(String, String)>,
}

/// A certificate and its key, PEM.
#[derive(Clone)]
pub struct Tls {
    /// Chain, leaf first.
    pub certificate: String,
    /// Private key.
    pub key: String,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(..)")
    }
}

/// A running private server.
#[derive(Debug)]
pub struct Postgres {
    // Field order is drop order: the server stops before its folder goes.
    keeper: Option<Keeper>,
    folder: TempDir,
    bin: PathBuf,
    account: Option<Account>,
    port: u16,
}

impl Postgres {
    /// Makes a cluster and starts it.
    pub fn start(options: &Options) -> Result<Self> {
        let bin = binaries::find()?;
        let account = account::unprivileged()?;
        let folder = tempfile::Builder::new()
            .prefix("almoner-postgres-")
            .tempdir();
        let folder = folder.map_err(StageError::io("making a temporary folder"))?;
        let owned = fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700));
        owned
            .and_then(|()| cluster::give(folder.path(), account.as_ref()))
            .map_err(StageError::io("giving a folder away"))?;
        cluster::make(
            &bin,
            &folder.path().join("data"),
            account.as_ref(),
            options.cache.as_deref(),
        )?;

        let mut server = Self {
            keeper: None,
            folder,
            bin,
            account,
            port: 0,
        };
        server.configure(options)?;
        let mut tried = 0;
        loop {
            tried += 1;
            server.port = port::free()?;
            match server.start_again() {
                Err(_) if tried < PORTS_TRIED_MAX && server.log().contains("could not bind") => {}
                Err(e) => return Err(e),
                Ok(()) => return Ok(server),
            }
        }
    }

    /// Starts the stopped server on its port, with its data.
    pub fn start_again(&mut self) -> Result<()> {
        let log = self.log_file();
        let _ = fs::remove_file(self.folder.path().join("data/postmaster.pid"));
        let port = self.port.to_string();
        let program = self.bin.join("postgres");
        let data = self.folder.path().join("data");
        let command = [
            program.as_os_str(),
            OsStr::new("-D"),
            data.as_os_str(),
            OsStr::new("-p"),
            OsStr::new(&port),
        ];
        self.keeper = None;
        let mut keeper = Keeper::start(&Plan {
            command: &command,
            environment: &[("LC_ALL", "C.UTF-8")],
            folder: self.folder.path(),
            log: &log,
            account: self.account.as_ref(),
            stop_by: StopBy::Interrupt,
        })?;
        let up = wait_until(START_LIMIT, || {
            if self.is_ready() {
                Some(true)
            } else {
                keeper.ended().map(|_| false)
            }
        });
        self.keeper = Some(keeper);
        match up {
            Some(true) => Ok(()),
            Some(false) => Err(StageError::Ended {
                what: "PostgreSQL".into(),
                log: log_tail(&log),
            }),
            None => Err(StageError::TimedOut {
                what: "the start of PostgreSQL".into(),
                seconds: START_LIMIT.as_secs(),
                log: log_tail(&log),
            }),
        }
    }

    /// Stops the server; its data stays until this value is dropped.
    pub fn stop(&mut self) -> Result<()> {
        match self.keeper.take() {
            Some(mut keeper) => keeper.stop().map(|_| ()),
            None => Ok(()),
        }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the server's Unix socket.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data folder's parent: log, socket, certificate.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client with all rights.
    pub fn superuser(&self, database: &str) -> Psql {
        Psql::new(
            "127.0.0.1",
            self.port,
            SUPERUSER,
            SUPERUSER_PASSWORD,
            database,
        )
    }

    /// Runs a script with all rights; the first error ends it and is returned. Answers what it printed,
    /// rows without decoration.
    pub fn script(&self, database: &str, sql: &str) -> Result<String> {
        self.superuser(database).script(sql)
    }

    /// What the server wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("postgres.log")
    }

    fn configure(&self, options: &Options) -> Result<()> {
        let data = self.folder.path().join("data");
        let mut conf = format!(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\n\
             fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nautovacuum = off\n\
             shared_buffers = 32MB\nmax_connections = 120\nmin_wal_size = 2MB\nmax_wal_size = 64MB\n\
             max_prepared_transactions = 4\nlog_min_messages = warning\n",
            self.folder.path().display()
        );
        if let Some(tls) = &options.tls {
            let (certificate, key) = (
                self.folder.path().join("server.crt"),
                self.folder.path().join("server.key"),
            );
            self.write(&certificate, &tls.certificate, 0o644)?;
            self.write(&key, &tls.key, 0o600)?;
            conf += &format!(
                "ssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\n",
                certificate.display(),
                key.display()
            );
        }
        for (name, value) in &options.settings {
            conf += &format!("{name} = '{}'\n", value.replace('\'', "''"));
        }
        let host = if options.tls_required {
            "hostssl"
        } else {
            "host"
        };
        let hba =
            format!("local all all scram-sha-256\n{host} all all 127.0.0.1/32 scram-sha-256\n");
        self.append(&data.join("postgresql.conf"), &conf)?;
        self.write(&data.join("pg_hba.conf"), &hba, 0o600)
    }

    fn write(&self, path: &Path, text: &str, mode: u32) -> Result<()> {
        fs::write(path, text)
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
            .and_then(|()| cluster::give(path, self.account.as_ref()))
            .map_err(StageError::io(format!("writing {}", path.display())))
    }

    fn append(&self, path: &Path, text: &str) -> Result<()> {
        let before = fs::read_to_string(path)
            .map_err(StageError::io(format!("reading {}", path.display())))?;
        self.write(path, &(before + text), 0o600)
    }

    /// What `pg_ctl` looks at: the eighth line of the pid file.
    fn is_ready(&self) -> bool {
        let pid_file = fs::read_to_string(self.folder.path().join("data/postmaster.pid"));
        pid_file.is_ok_and(|text| {
            text.lines()
                .nth(7)
                .is_some_and(|line| line.trim() == "ready")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_server_answers_stops_and_starts_again_with_its_data() {
        let cache = tempfile::tempdir().expect("a cache folder");
        let options = Options {
            cache: Some(cache.path().to_owned()),
            ..Options::default()
        };
        let mut server = Postgres::start(&options).expect("a server");
        server
            .script(
                "postgres",
                "create table t(a int); insert into t values (7);",
            )
            .expect("a table");
        let folder = server.folder().to_owned();
        server.stop().expect("a stop");
        assert!(server.script("postgres", "select 1").is_err());
        server.start_again().expect("a second start");
        assert_eq!(
            server.script("postgres", "select a from t").expect("rows"),
            "7\n"
        );

        let second = Postgres::start(&options).expect("a server from the kept cluster");
        assert!(
            second.script("postgres", "select a from t").is_err(),
            "clusters share nothing"
        );
        drop((server, second));
        assert!(!folder.exists());
    }

    #[test]
    fn a_wrong_password_is_refused_over_tcp_and_over_the_socket() {
        let server = Postgres::start(&Options::default()).expect("a server");
        for host in ["127.0.0.1", &server.socket_folder().display().to_string()] {
            let psql = Psql::new(host, server.port(), SUPERUSER, "wrong", "postgres");
            let error = psql.script("select 1").expect_err("a refusal").to_string();
            assert!(
                error.contains("password authentication failed")
                    || error.contains("Permission denied"),
                "{error}"
            );
        }
    }
}
