//! A few threads on which calls run that are not sure to be short.
//!
//! A call waits for a place of its plugin, then for a thread, then runs; one deadline covers all three.
//! A caller that gives up is noticed before its call starts, not after: a running call ends by its epoch.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout_at;

use crate::failure::Failure;
use crate::gate::Gate;

/// Calls that may wait for a thread. Each plugin contributes at most its places, so this is for hundreds of
/// plugins at once.
const QUEUE_MAX: usize = 1024;
/// The answer of a call that was ended at its deadline may be late by a few ticks and a switch of threads.
const GRACE: Duration = Duration::from_millis(20);

type Job = Box<dyn FnOnce() + Send>;

/// The threads. They end when this is dropped and their calls are done.
pub(crate) struct Threads {
    queue: Arc<Queue>,
    pub(crate) count: usize,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Threads {
    pub(crate) fn start(count: usize) -> std::io::Result<Self> {
        let threads = Self {
            queue: Arc::default(),
            count: count.max(1),
        };
        for number in 0..threads.count {
            let queue = Arc::clone(&threads.queue);
            thread::Builder::new()
                .name(format!("sandbox-{number}"))
                .spawn(move || queue.work())?;
        }
        Ok(threads)
    }

    /// Runs `call` on a thread within `time`, which includes the waiting. `call` is given what is left of it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        gate: &Gate,
        time: Duration,
        call: impl FnOnce(Duration) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let ends = Instant::now() + time;
        let _waiting = gate.queue()?;
        let place = timeout_at(ends.into(), Arc::clone(&gate.places).acquire_owned()).await;
        let place = place
            .map_err(|_| Failure::Deadline)?
            .map_err(|_| Failure::NotLoaded)?;
        let (answer, answered) = oneshot::channel();
        self.queue.push(Box::new(move || {
            let left = ends.saturating_duration_since(Instant::now());
            if !answer.is_closed() && !left.is_zero() {
                // The caller may have left meanwhile; then nobody wants the answer.
                drop(answer.send(call(left)));
            }
            drop(place);
        }))?;
        let answer = timeout_at((ends + GRACE).into(), answered).await;
        answer
            .map_err(|_| Failure::Deadline)?
            .map_err(|_| Failure::Deadline)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.ready.notify_all();
    }
}

impl Queue {
    fn push(&self, job: Job) -> Result<(), Failure> {
        let mut state = self.lock();
        if state.jobs.len() >= QUEUE_MAX {
            return Err(Failure::QueueFull(
                "too many calls are waiting for a thread",
            ));
        }
        state.jobs.push_back(job);
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            // A panic ends the call, whose caller sees its channel close, never the thread.
            drop(catch_unwind(AssertUnwindSafe(job)));
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            match state.jobs.pop_front() {
                Some(job) => return Some(job),
                None if state.closed => return None,
                None => {
                    state = self
                        .ready
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner)
                }
            }
        }
    }

    /// Jobs run outside the lock, so a poisoned lock still guards a whole queue.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]

    use super::*;

    #[tokio::test]
    async fn a_call_answers_from_another_thread() {
        let threads = Threads::start(2).unwrap();
        let gate = Gate::new(2);
        let there = threads
            .run(&gate, Duration::from_secs(5), |_| thread::current().id())
            .await
            .unwrap();
        assert_ne!(there, thread::current().id());
    }

    #[tokio::test]
    async fn waiting_for_a_place_counts_against_the_deadline() {
        let threads = Threads::start(1).unwrap();
        let gate = Gate::new(1);
        let long = threads.run(&gate, Duration::from_secs(5), |_| {
            thread::sleep(Duration::from_millis(200))
        });
        let short = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            threads.run(&gate, Duration::from_millis(30), |_| ()).await
        };
        let (long, short) = tokio::join!(long, short);
        assert_eq!((long, short), (Ok(()), Err(Failure::Deadline)));
    }

    #[tokio::test]
    async fn a_plugin_that_holds_all_its_places_leaves_threads_to_others() {
        let threads = Threads::start(8).unwrap();
        let (greedy, other) = (Gate::new(8), Gate::new(8));
        let sleep = |_| thread::sleep(Duration::from_millis(300));
        let long = async {
            let run = || threads.run(&greedy, Duration::from_secs(5), sleep);
            tokio::join!(run(), run(), run(), run())
        };
        let start = Instant::now();
        let short = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            threads
                .run(&other, Duration::from_secs(5), |_| ())
                .await
                .unwrap();
            start.elapsed()
        };
        let (_, short) = tokio::join!(long, short);
        assert!(short < Duration::from_millis(200), "took {short:?}");
    }

    #[tokio::test]
    async fn a_call_whose_caller_left_does_not_start() {
        let threads = Threads::start(1).unwrap();
        let (gate, other) = (Gate::new(1), Gate::new(1));
        let (started, seen) = std::sync::mpsc::sync_channel(1);
        let long = threads.run(&gate, Duration::from_secs(5), |_| {
            thread::sleep(Duration::from_millis(100))
        });
        let left = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let call = threads.run(&other, Duration::from_secs(5), move |_| started.send(()));
            drop(tokio::time::timeout(Duration::from_millis(20), call).await);
        };
        let (long, ()) = tokio::join!(long, left);
        long.unwrap();
        threads
            .run(&gate, Duration::from_secs(5), |_| ())
            .await
            .unwrap();
        assert!(seen.try_recv().is_err());
    }
}
