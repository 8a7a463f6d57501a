//! Child servers that never outlive whoever started them.
//!
//! A server is started below a small shell script (`keeper.sh`) which reads a pipe from us: when we end,
//! orderly or by `kill -9`, the pipe closes and the script stops the server. Dropping a `Keeper` stops it
//! and waits; the folder then still lies there for its owner to read. Never leaves a server behind.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::account::Account;
use crate::error::{Result, StageError, log_tail};
use crate::wait::wait_until;

/// The script gives a server ten seconds to stop before it kills it; it needs a moment itself.
const STOP_LIMIT: Duration = Duration::from_secs(12);
/// From the script's start to the server's process id: a fork.
const START_LIMIT: Duration = Duration::from_secs(10);
const SCRIPT: &str = include_str!("keeper.sh");

/// How a server is asked to end.
#[derive(Clone, Copy, Debug)]
pub enum StopBy {
    /// SIGINT: PostgreSQL disconnects its clients and writes a checkpoint.
    Interrupt,
    /// SIGTERM: the gateway finishes what it does.
    Terminate,
    /// SIGQUIT: PostgreSQL ends at once, for servers whose data nobody needs again.
    Quit,
}

impl StopBy {
    fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "INT",
            Self::Terminate => "TERM",
            Self::Quit => "QUIT",
        }
    }
}

/// What to start, and how.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Program and arguments.
    pub command: &'a [&'a std::ffi::OsStr],
    /// Set for the server, in addition to our own environment.
    pub environment: &'a [(&'a str, &'a str)],
    /// The server's folder: working directory, `child.pid`; removed if we die.
    pub folder: &'a Path,
    /// Takes both output streams, appended.
    pub log: &'a Path,
    /// Runs under this account.
    pub account: Option<&'a Account>,
    /// How it is asked to end.
    pub stop_by: StopBy,
}

/// A running server.
#[derive(Debug)]
pub struct Keeper {
    script: Child,
    lifeline: Option<ChildStdin>,
    pid_file: PathBuf,
}

impl Keeper {
    /// Starts the server. Returns once the process exists, not once it serves.
    pub fn start(plan: &Plan<'_>) -> Result<Self> {
        let pid_file = plan.folder.join("child.pid");
        let _ = fs::remove_file(&pid_file);
        let log = File::options().create(true).append(true).open(plan.log);
        let log = log.map_err(StageError::io(format!("opening {}", plan.log.display())))?;
        let errors = log
            .try_clone()
            .map_err(StageError::io("duplicating the log's handle"))?;

        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(SCRIPT)
            .arg("keeper")
            .arg(plan.stop_by.name())
            .arg(plan.folder);
        command
            .args(plan.command)
            .envs(plan.environment.iter().copied());
        command
            .current_dir(plan.folder)
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors);
        if let Some(account) = plan.account {
            command.uid(account.uid).gid(account.gid);
        }
        let mut script = command
            .spawn()
            .map_err(StageError::io("starting a server"))?;
        let lifeline = script.stdin.take();
        let keeper = Self {
            script,
            lifeline,
            pid_file,
        };
        wait_until(START_LIMIT, || keeper.pid()).ok_or_else(|| StageError::TimedOut {
            what: "starting a server process".into(),
            seconds: START_LIMIT.as_secs(),
            log: log_tail(plan.log),
        })?;
        Ok(keeper)
    }

    /// The server's process id.
    pub fn pid(&self) -> Option<i32> {
        fs::read_to_string(&self.pid_file).ok()?.trim().parse().ok()
    }

    /// The exit status, once the server has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.script.try_wait().ok().flatten()
    }

    /// Sends the server SIGKILL and waits for its end: what a power cut does to a process.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.wait(STOP_LIMIT).map(|_| ())
    }

    /// Sends the server a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let Some(pid) = self.pid().and_then(Pid::from_raw) else {
            return Ok(());
        };
        rustix::process::kill_process(pid, signal).map_err(|e| StageError::Io {
            doing: "signalling a server".into(),
            source: e.into(),
        })
    }

    /// Waits for the server to end by itself.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        wait_until(limit, || self.ended()).ok_or_else(|| StageError::TimedOut {
            what: "the end of a server".into(),
            seconds: limit.as_secs(),
            log: String::new(),
        })
    }

    /// Asks the server to end, and waits until it has.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(mut lifeline) = self.lifeline.take() {
            // If the script has ended already there is nobody to tell.
            let _ = lifeline.write_all(b"stop\n");
        }
        self.wait(STOP_LIMIT)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Nothing to be done about a server that survives SIGKILL; the script has sent it by then.
        let _ = self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    fn sleeper(folder: &Path) -> Result<Keeper> {
        Keeper::start(&Plan {
            command: &[OsStr::new("sleep"), OsStr::new("60")],
            environment: &[],
            folder,
            log: &folder.join("log"),
            account: None,
            stop_by: StopBy::Terminate,
        })
    }

    fn lives(pid: i32) -> bool {
        rustix::process::test_kill_process(Pid::from_raw(pid).expect("a process id")).is_ok()
    }

    #[test]
    fn a_stopped_server_is_gone_and_its_folder_stays() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut keeper = sleeper(folder.path()).expect("a server");
        let pid = keeper.pid().expect("its id");
        assert!(lives(pid));
        keeper.stop().expect("an end");
        assert!(!lives(pid));
        assert!(folder.path().join("child.pid").exists());
    }

    #[test]
    fn a_server_whose_holder_dies_is_stopped_and_its_folder_removed() {
        let folder = tempfile::tempdir().expect("a temporary folder").keep();
        let mut keeper = sleeper(&folder).expect("a server");
        let pid = keeper.pid().expect("its id");
        // A death closes the pipe without a word.
        drop(keeper.lifeline.take());
        keeper.wait(STOP_LIMIT).expect("an end");
        assert!(!lives(pid));
        assert!(!folder.exists());
    }

    #[test]
    fn a_server_that_ends_by_itself_tells_its_status() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut keeper = Keeper::start(&Plan {
            command: &[
                OsStr::new("sh"),
                OsStr::new("-c"),
                OsStr::new("echo failed; exit 7"),
            ],
            environment: &[],
            folder: folder.path(),
            log: &folder.path().join("log"),
            account: None,
            stop_by: StopBy::Terminate,
        })
        .expect("a server");
        assert_eq!(keeper.wait(STOP_LIMIT).expect("an end").code(), Some(7));
        assert_eq!(
            fs::read_to_string(folder.path().join("log")).expect("a log"),
            "failed\n"
        );
    }
}
