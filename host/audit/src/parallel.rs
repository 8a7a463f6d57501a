//! Work on chunks by several threads, with the results in order.
//!
//! Chunk `i` goes to thread `i mod jobs` through a short queue of its own, and its result comes back through
//! another, so the order needs no sorting and memory is bounded by the queues.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

/// Chunks that may lie between the source and each thread, and between it and the reader of results.
const QUEUED: usize = 2;

/// Runs `work` over the chunks of `source` on `jobs` threads of the scope.
pub(crate) fn ordered<'s, C, R, W>(
    scope: &'s Scope<'s, '_>,
    jobs: usize,
    source: impl Iterator<Item = C> + Send + 's,
    work: W,
) -> Ordered<R>
where
    C: Send + 's,
    R: Send + 's,
    W: Fn(C) -> R + Send + Clone + 's,
{
    let mut feeds = Vec::new();
    let mut results: Vec<Receiver<R>> = Vec::new();
    for _ in 0..jobs.max(1) {
        let (feed, chunks) = sync_channel::<C>(QUEUED);
        let (done, result) = sync_channel::<R>(QUEUED);
        let work = work.clone();
        scope.spawn(move || {
            // Whoever reads the results may stop early; then so does the work.
            for chunk in chunks {
                if done.send(work(chunk)).is_err() {
                    return;
                }
            }
        });
        feeds.push(feed);
        results.push(result);
    }
    scope.spawn(move || {
        for (chunk, feed) in source.zip(std::iter::repeat_with(|| feeds.iter()).flatten()) {
            if feed.send(chunk).is_err() {
                return;
            }
        }
    });
    Ordered { results, turn: 0 }
}

/// Results in the order of their chunks.
pub(crate) struct Ordered<R> {
    results: Vec<Receiver<R>>,
    turn: usize,
}

impl<R> Iterator for Ordered<R> {
    type Item = R;

    fn next(&mut self) -> Option<R> {
        // A thread without a next chunk hangs up; in this order, the first to have none is the end.
        let result = self.results.get(self.turn)?.recv().ok()?;
        self.turn = (self.turn + 1) % self.results.len();
        Some(result)
    }
}

/// The number of threads that `jobs` asks for; 0 means one for each core.
pub(crate) fn threads(jobs: usize) -> usize {
    match jobs {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        jobs => jobs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_their_chunks() {
        for jobs in 1..5 {
            for count in [0_u64, 1, 2, 7, 100] {
                let squares = std::thread::scope(|scope| {
                    let slow_start = |n: u64| {
                        std::thread::sleep(std::time::Duration::from_micros(100 / (n + 1)));
                        n * n
                    };
                    ordered(scope, jobs, 0..count, slow_start).collect::<Vec<_>>()
                });
                assert_eq!(squares, (0..count).map(|n| n * n).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn stopping_early_stops_the_work() {
        let first = std::thread::scope(|scope| ordered(scope, 3, 0..u64::MAX, |n| n).next());
        assert_eq!(first, Some(0));
    }
}
