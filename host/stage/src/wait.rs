//! Waiting for something to come true, with an end to the patience.

use std::time::{Duration, Instant};

/// Between two looks: short beside a server's start, long beside a look.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until `probe` answers or `limit` has passed. `None`: it did not come true.
pub fn wait_until<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = probe() {
            return Some(answer);
        }
        if start.elapsed() >= limit {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}
