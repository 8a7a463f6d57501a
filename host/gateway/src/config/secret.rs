//! Fetches secrets from where the configuration says they are, at each use, so that rotating one needs
//! no restart. A secret is never logged, shown or part of an error.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::gateway::SecretSource;

/// Most a source may yield, bytes. Passwords are short, tokens a few KiB; more is the wrong file.
pub const SECRET_BYTES_MAX: usize = 64 << 10;
/// Longest a command may take: a vault over a slow network answers in seconds.
pub const COMMAND_DURATION_MAX: Duration = Duration::from_secs(10);

/// A secret's value. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a value as a secret.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a secret could not be fetched. Names the source, never what it held.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file could not be read.
    #[error("fetching a secret: cannot read {path}: {error}; check the path and its permissions")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The variable is not set, or not UTF-8.
    #[error("fetching a secret: the environment variable {0} is not set; set it for the gateway")]
    Env(String),
    /// The command could not be run.
    #[error(
        "fetching a secret: cannot run {program}: {error}; check the command in the configuration"
    )]
    Command {
        /// The program.
        program: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The command said that it failed.
    #[error(
        "fetching a secret: {program} ended with {status}; run it by hand as the gateway's user"
    )]
    Status {
        /// The program.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// The command took too long and was ended.
    #[error(
        "fetching a secret: {program} took longer than {limit:?} and was ended; see why it waits"
    )]
    Slow {
        /// The program.
        program: String,
        /// What it was given.
        limit: Duration,
    },
    /// More than [`SECRET_BYTES_MAX`].
    #[error(
        "fetching a secret: {from} gave more than {SECRET_BYTES_MAX} bytes; it is not a secret"
    )]
    Large {
        /// The file or program.
        from: String,
    },
    /// The first line is empty, or no text.
    #[error("fetching a secret: the first line of {from} is empty or not UTF-8 text")]
    Unusable {
        /// The file, variable or program.
        from: String,
    },
}

/// Fetches a secret from its source. Bounded in size and, for commands, in time.
pub async fn fetch(source: &SecretSource) -> Result<Secret, SecretError> {
    match source {
        SecretSource::File(path) => {
            warn_of_permissions(path);
            let path = path.clone();
            let from = path.display().to_string();
            let read = tokio::task::spawn_blocking(move || file(&path)).await;
            let cancelled = |_| SecretError::Unusable { from: from.clone() };
            first_line(&read.map_err(cancelled)??, &from)
        }
        SecretSource::Env(name) => {
            let value = std::env::var_os(name).ok_or_else(|| SecretError::Env(name.clone()))?;
            first_line(value.as_encoded_bytes(), name)
        }
        SecretSource::Command(words) => command(words, COMMAND_DURATION_MAX).await,
    }
}

/// What is wrong with the permissions of a file that holds secrets; `None` if only its owner can change
/// it and nobody outside its group can read it.
pub fn permissions_problem(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o037 != 0).then(|| {
        let path = path.display();
        format!("{path} has mode {mode:04o}: others can read or change it. Run: chmod 600 {path}")
    })
}

/// Once per file, since a secret is fetched at each connection.
fn warn_of_permissions(path: &Path) {
    static WARNED_OF: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    if let Some(problem) = permissions_problem(path)
        && WARNED_OF
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path.to_owned())
    {
        tracing::warn!("{problem}");
    }
}

fn file(path: &Path) -> Result<Vec<u8>, SecretError> {
    let failed = |error| SecretError::File {
        path: path.to_owned(),
        error,
    };
    // Opening a pipe would wait for a writer that may never come.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(std::io::Error::other("not a regular file")));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(SECRET_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > SECRET_BYTES_MAX {
        return Err(SecretError::Large {
            from: path.display().to_string(),
        });
    }
    Ok(bytes)
}

async fn command(words: &[String], limit: Duration) -> Result<Secret, SecretError> {
    let (program, args) = words.split_first().ok_or_else(|| SecretError::Command {
        program: "nothing".to_owned(),
        error: std::io::Error::other("no program is named"),
    })?;
    let failed = |error| SecretError::Command {
        program: program.clone(),
        error,
    };
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // What a failing helper says may hold part of the secret.
        .stderr(Stdio::null())
        // A group of its own, so that helpers of the helper end with it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let group = child
        .id()
        .and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
    let run = async {
        let mut bytes = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout
                .take(SECRET_BYTES_MAX as u64 + 1)
                .read_to_end(&mut bytes)
                .await
                .map_err(failed)?;
        }
        if bytes.len() > SECRET_BYTES_MAX {
            return Err(SecretError::Large {
                from: program.clone(),
            });
        }
        let status = child.wait().await.map_err(failed)?;
        if !status.success() {
            return Err(SecretError::Status {
                program: program.clone(),
                status,
            });
        }
        first_line(&bytes, program)
    };
    let outcome = tokio::time::timeout(limit, run).await;
    let slow = || SecretError::Slow {
        program: program.clone(),
        limit,
    };
    let outcome = outcome.unwrap_or_else(|_| Err(slow()));
    let still_running = matches!(
        outcome,
        Err(SecretError::Slow { .. } | SecretError::Large { .. })
    );
    if let (true, Some(group)) = (still_running, group) {
        // It may have ended by itself in the meantime: then there is nothing to end.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = child.wait().await;
    }
    outcome
}

fn first_line(bytes: &[u8], from: &str) -> Result<Secret, SecretError> {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok(text) if !text.is_empty() && !text.contains('\0') => Ok(Secret::new(text)),
        _ => Err(SecretError::Unusable {
            from: from.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    fn shell(script: &str) -> SecretSource {
        SecretSource::Command(["sh", "-c", script].map(str::to_owned).to_vec())
    }

    #[tokio::test]
    async fn the_first_line_of_a_file_is_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        std::fs::write(&path, "hunter2\r\nsecond line\n").unwrap();
        let secret = fetch(&SecretSource::File(path.clone())).await.unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        std::fs::write(&path, "\n").unwrap();
        let refused = fetch(&SecretSource::File(path.clone())).await.unwrap_err();
        assert!(matches!(refused, SecretError::Unusable { .. }));
        std::fs::write(&path, vec![b'x'; SECRET_BYTES_MAX + 1]).unwrap();
        let refused = fetch(&SecretSource::File(path)).await.unwrap_err();
        assert!(matches!(refused, SecretError::Large { .. }));
        let refused = fetch(&SecretSource::File(dir.path().to_owned()))
            .await
            .unwrap_err();
        assert!(
            refused.to_string().contains("not a regular file"),
            "{refused}"
        );
    }

    #[test]
    fn a_file_that_others_can_read_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        std::fs::write(&path, "x").unwrap();
        for (mode, noticed) in [(0o600, false), (0o640, false), (0o644, true), (0o660, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(permissions_problem(&path).is_some(), noticed, "{mode:o}");
        }
    }

    #[tokio::test]
    async fn a_command_is_run_without_a_shell_and_must_succeed() {
        let echo = ["echo", "a; $b"].map(str::to_owned).to_vec();
        assert_eq!(
            fetch(&SecretSource::Command(echo)).await.unwrap().expose(),
            "a; $b"
        );
        let refused = fetch(&shell("echo hunter2; exit 3")).await.unwrap_err();
        assert!(matches!(refused, SecretError::Status { .. }), "{refused}");
        assert!(!refused.to_string().contains("hunter2"));
        let refused = fetch(&shell("yes")).await.unwrap_err();
        assert!(matches!(refused, SecretError::Large { .. }), "{refused}");
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_ended_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("child");
        let script = format!("sleep 600 & echo $! > {}; wait", path.display());
        let words = ["sh", "-c", &script].map(str::to_owned);
        // Long enough for a shell to start on a busy machine.
        let refused = command(&words, Duration::from_secs(2)).await.unwrap_err();
        assert!(matches!(refused, SecretError::Slow { .. }), "{refused}");
        let child = std::fs::read_to_string(&path).unwrap();
        let is_alive = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        for _ in 0..200 {
            if is_alive() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        assert!(!is_alive(), "the child outlived its parent");
    }

    #[tokio::test]
    async fn a_variable_that_is_not_set_is_named() {
        let refused = fetch(&SecretSource::Env("ALMONER_NOT_SET".into()))
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("ALMONER_NOT_SET"));
        assert!(
            !fetch(&SecretSource::Env("PATH".into()))
                .await
                .unwrap()
                .expose()
                .is_empty()
        );
    }
}
