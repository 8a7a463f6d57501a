//! The one thread on which PostgreSQL's C parser runs.
//!
//! Three properties of that library ask for it. It redirects the process's standard error to a pipe while it parses, so
//! two parses at once could leave standard error lost for good. It takes a pthread key for every thread that ever parses
//! and never gives it back. And it needs a known stack: a tree as deep as the library emits is decoded, walked and
//! dropped by recursion, which must fit whoever the caller is.
//!
//! While a parse runs (tens of microseconds), what other threads write to file descriptor 2 is swallowed: a program that
//! logs to standard error keeps a duplicate of the descriptor and writes there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::Unparseable;

/// Stack of the parser's thread. The library refuses to emit trees nested deeper than 10,000 messages; decoding, walking and
/// dropping the deepest ones of twelve shapes took between 8 and 24 MiB. Only what a text really needs is ever touched.
const STACK_BYTES: usize = 128 << 20;

/// Texts that may wait at the desk. Each waiting text has a caller blocked behind it, so this bounds hand-over, not work.
const QUEUE_MAX: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

static DESK: Mutex<Option<SyncSender<Job>>> = Mutex::new(None);

/// Runs `job` at the desk and waits for its answer. A job that panics costs its caller an error, nobody else anything.
pub(crate) fn run<T, F>(job: F) -> Result<T, Unparseable>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (answer, wait) = sync_channel(1);
    let job: Job = Box::new(move || {
        if let Ok(value) = catch_unwind(AssertUnwindSafe(job)) {
            // The caller waits below for as long as the job runs, so it is there to receive.
            let _ = answer.send(value);
        }
    });
    desk()?.send(job).map_err(|_| Unparseable::Unavailable)?;
    wait.recv().map_err(|_| Unparseable::Unavailable)
}

/// The way to the parser's thread, which is started at its first use.
fn desk() -> Result<SyncSender<Job>, Unparseable> {
    let mut desk = DESK.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(desk) = desk.as_ref() {
        return Ok(desk.clone());
    }
    let (sender, receiver) = sync_channel(QUEUE_MAX);
    thread::Builder::new()
        .name("sql-parser".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || serve(&receiver))
        .map_err(|_| Unparseable::Unavailable)?;
    Ok(desk.insert(sender).clone())
}

fn serve(jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        job();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]

    use super::*;

    #[test]
    fn a_panicking_job_leaves_the_desk_serving() {
        let failed: Result<(), _> = run(|| panic!("planned"));
        assert_eq!(failed, Err(Unparseable::Unavailable));
        assert_eq!(run(|| 7).unwrap(), 7);
    }

    #[test]
    fn every_job_runs_on_the_same_thread() {
        let first = run(|| thread::current().id()).unwrap();
        let others: Vec<_> = (0..8)
            .map(|_| thread::spawn(|| run(|| thread::current().id()).unwrap()))
            .map(|handle| handle.join().unwrap())
            .collect();
        assert!(others.iter().all(|other| *other == first));
    }
}
