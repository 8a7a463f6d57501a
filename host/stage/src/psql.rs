//! The real `psql`: one run, or a session that stays open and is fed through a pipe, as an agent's
//! connection pool would hold it.

use std::io::{PipeReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Result, StageError, tail};
use crate::wait::wait_until;

/// Whom to connect to, as whom.
#[derive(Clone)]
pub struct Psql {
    host: String,
    port: u16,
    user: String,
    password: String,
    database: String,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
}

/// What one run printed and how it ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Standard output.
    pub stdout: String,
    /// Standard error: notices and errors.
    pub stderr: String,
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
}

/// The password stays out of debug output.
impl std::fmt::Debug for Psql {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Psql({}@{}:{}/{})",
            self.user, self.host, self.port, self.database
        )
    }
}

impl Psql {
    /// A client for this address (or folder of a Unix socket), account and database.
    pub fn new(host: &str, port: u16, user: &str, password: &str, database: &str) -> Self {
        Self {
            host: host.into(),
            port,
            user: user.into(),
            password: password.into(),
            database: database.into(),
            environment: Vec::new(),
            arguments: Vec::new(),
        }
    }

    /// The same with one of libpq's environment variables set, such as `PGSSLMODE`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The same with further arguments on the command line, such as `--csv`.
    #[must_use]
    pub fn with_arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Runs psql with these arguments and this standard input.
    pub fn run(&self, arguments: &[&str], input: &str) -> Result<Finished> {
        let mut command = self.command();
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(missing)?;
        let stdin = child.stdin.take();
        let input = input.to_owned();
        // From a thread of its own: psql may answer before it has read everything.
        let writer = std::thread::spawn(move || {
            // psql may end before it has read everything; its status then tells more.
            stdin.map(|mut stdin| stdin.write_all(input.as_bytes()))
        });
        let output = child
            .wait_with_output()
            .map_err(StageError::io("waiting for psql"))?;
        let _ = writer.join();
        Ok(Finished {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code(),
        })
    }

    /// Runs one command string, as `psql -c` does.
    pub fn query(&self, sql: &str) -> Result<Finished> {
        self.run(&["-c", sql], "")
    }

    /// Runs a script; the first error ends it and is returned. Answers rows without decoration.
    pub fn script(&self, sql: &str) -> Result<String> {
        let finished = self.run(&["-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"], sql)?;
        if finished.code == Some(0) {
            return Ok(finished.stdout);
        }
        Err(StageError::Failed {
            program: "psql".into(),
            status: format!("exit code {:?}", finished.code),
            output: tail(&finished.stderr),
        })
    }

    /// Opens a session that stays open.
    pub fn session(&self) -> Result<PsqlSession> {
        PsqlSession::open(self)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("psql");
        // -X: nobody's own settings; no pager and no localised messages, whatever the environment says.
        command.args([
            "-X",
            "-h",
            &self.host,
            "-p",
            &self.port.to_string(),
            "-U",
            &self.user,
            "-d",
            &self.database,
        ]);
        command.args(&self.arguments);
        command
            .env("PGPASSWORD", &self.password)
            .env("PGCONNECT_TIMEOUT", "10")
            .env("PAGER", "")
            .env("LC_ALL", "C.UTF-8");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// An open psql, its output and errors read as one stream.
#[derive(Debug)]
pub struct PsqlSession {
    child: Child,
    input: Option<ChildStdin>,
    printed: Arc<Mutex<String>>,
    taken: usize,
    asked: usize,
}

impl PsqlSession {
    fn open(psql: &Psql) -> Result<Self> {
        let (reader, writer) = std::io::pipe().map_err(StageError::io("making a pipe"))?;
        let errors = writer
            .try_clone()
            .map_err(StageError::io("duplicating a pipe"))?;
        let mut command = psql.command();
        command.stdin(Stdio::piped()).stdout(writer).stderr(errors);
        let mut child = command.spawn().map_err(missing)?;
        let input = child.stdin.take();
        let printed = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&printed);
        std::thread::spawn(move || collect(reader, &into));
        Ok(Self {
            child,
            input,
            printed,
            taken: 0,
            asked: 0,
        })
    }

    /// Types a line without waiting for what it does.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        let Some(input) = &mut self.input else {
            return Err(StageError::Io {
                doing: "typing into psql".into(),
                source: std::io::ErrorKind::BrokenPipe.into(),
            });
        };
        writeln!(input, "{line}")
            .and_then(|()| input.flush())
            .map_err(StageError::io("typing into psql"))
    }

    /// Types a line and answers everything printed until it is done.
    pub fn ask(&mut self, line: &str, limit: Duration) -> Result<String> {
        self.type_line(line)?;
        self.finish(limit)
    }

    /// Answers everything printed until what was typed is done.
    pub fn finish(&mut self, limit: Duration) -> Result<String> {
        self.asked += 1;
        let mark = format!("-- done {} --\n", self.asked);
        self.type_line(&format!("\\echo {}", mark.trim_end()))?;
        let printed = self.wait_for(&mark, limit)?;
        Ok(printed.strip_suffix(&mark).unwrap_or(&printed).to_owned())
    }

    /// Waits until what was typed is done in a session whose output goes to a file, and closes the file.
    pub fn finish_into_file(&mut self, limit: Duration) -> Result<()> {
        self.type_line("\\o")?;
        self.finish(limit).map(|_| ())
    }

    /// Answers what is printed up to and including `text`, as soon as it is.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> Result<String> {
        let found = wait_until(limit, || {
            let fresh = self.fresh();
            fresh.find(text).map(|at| {
                fresh
                    .chars()
                    .take(fresh[..at + text.len()].chars().count())
                    .collect::<String>()
            })
        });
        let found = found.ok_or_else(|| StageError::TimedOut {
            what: format!("psql printing {text:?} (it printed {:?})", self.fresh()),
            seconds: limit.as_secs(),
            log: String::new(),
        })?;
        self.taken += found.len();
        Ok(found)
    }

    /// What was printed and not yet taken.
    pub fn fresh(&self) -> String {
        let printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        printed.get(self.taken..).unwrap_or_default().to_owned()
    }

    /// Sends the session a Ctrl-C: psql then asks the server to cancel.
    pub fn interrupt(&self) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).map_err(|e| {
            StageError::Io {
                doing: "interrupting psql".into(),
                source: e.into(),
            }
        })
    }
}

impl Drop for PsqlSession {
    fn drop(&mut self) {
        // End of input ends an idle psql; one that waits for the server is killed.
        drop(self.input.take());
        if wait_until(Duration::from_millis(500), || {
            self.child.try_wait().ok().flatten()
        })
        .is_none()
        {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn collect(mut from: PipeReader, into: &Mutex<String>) {
    let mut pending = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        pending.extend_from_slice(buffer.get(..read).unwrap_or_default());
        // Whole characters only: a read may end in the middle of one.
        let whole = pending
            .utf8_chunks()
            .next()
            .map_or(0, |chunk| chunk.valid().len());
        let text: Vec<u8> = pending.drain(..whole).collect();
        into.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_str(&String::from_utf8_lossy(&text));
    }
}

fn missing(source: std::io::Error) -> StageError {
    if source.kind() == std::io::ErrorKind::NotFound {
        return StageError::Missing {
            program: "psql".into(),
            looked: "PATH".into(),
            remedy: "install your system's package, 'postgresql-client' on Debian",
        };
    }
    StageError::Io {
        doing: "starting psql".into(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::{Options, Postgres};

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn an_open_session_answers_line_by_line_errors_in_their_place() {
        let server = Postgres::start(&Options::default()).expect("a server");
        let mut session = server.superuser("postgres").session().expect("a session");
        let first = session
            .ask("select 'é' as letter; select 1/0; select 2 as two;", LIMIT)
            .expect("an answer");
        let (letter, error, two) = (
            first.find('é'),
            first.find("division by zero"),
            first.find("two"),
        );
        assert!(letter < error && error < two && letter.is_some(), "{first}");
        session
            .type_line("select pg_sleep(0.1); \\warn 'half'")
            .expect("typing");
        session.wait_for("half\n", LIMIT).expect("the half");
        assert_eq!(session.finish(LIMIT).expect("the rest"), "");
        session.type_line("select pg_sleep(60);").expect("typing");
        std::thread::sleep(Duration::from_millis(300));
        session.interrupt().expect("a Ctrl-C");
        let cancelled = session.wait_for("canceling statement due to user request", LIMIT);
        assert!(cancelled.is_ok(), "{cancelled:?}");
    }

    #[test]
    fn a_run_tells_output_errors_and_exit_code_apart() {
        let server = Postgres::start(&Options::default()).expect("a server");
        let finished = server.superuser("postgres").run(
            &["-A", "-t", "-v", "ON_ERROR_STOP=1"],
            "select 1;\nselect x;\n",
        );
        let finished = finished.expect("a run");
        assert_eq!((finished.stdout.as_str(), finished.code), ("1\n", Some(3)));
        assert!(
            finished.stderr.contains("column \"x\" does not exist"),
            "{}",
            finished.stderr
        );
    }
}
