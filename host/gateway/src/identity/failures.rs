//! Failed logins by source: recorded one by one up to a rate, then counted, so that nobody can flood the
//! trail. Each protocol asks; none decides by itself what is recorded.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Sources whose failed logins are counted at once; beyond it all count as one.
const SOURCES_MAX: usize = 10_000;

/// Failed logins by source: recorded one by one up to a rate, then counted, so that nobody can flood the
/// trail.
pub struct Logins {
    per_minute_max: u32,
    started: Instant,
    sources: Mutex<HashMap<IpAddr, (u64, u32, u64)>>,
}

/// What to do about one more failed login.
#[derive(Debug, PartialEq, Eq)]
pub enum Note {
    /// Record it; and so many of the source's earlier ones, which were only counted.
    Record {
        /// Counted since the last record.
        counted: u64,
    },
    /// Count it.
    Count,
}

impl Logins {
    /// Records up to so many failed logins a minute and source one by one.
    pub fn new(per_minute_max: u32) -> Self {
        Self {
            per_minute_max,
            started: Instant::now(),
            sources: Mutex::new(HashMap::new()),
        }
    }

    /// Takes note of one more.
    pub fn failed(&self, source: IpAddr) -> Note {
        let minute = self.started.elapsed().as_secs() / 60;
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if sources.len() >= SOURCES_MAX && !sources.contains_key(&source) {
            sources.retain(|_, (last, _, counted)| *last == minute || *counted > 0);
            if sources.len() >= SOURCES_MAX {
                return Note::Count;
            }
        }
        let (last, recorded, counted) = sources.entry(source).or_insert((minute, 0, 0));
        if *last != minute {
            (*last, *recorded) = (minute, 0);
        }
        if *recorded < self.per_minute_max {
            *recorded += 1;
            Note::Record {
                counted: std::mem::take(counted),
            }
        } else {
            *counted += 1;
            Note::Count
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_failed_logins_is_counted_not_recorded() {
        let logins = Logins::new(2);
        let (a, b) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let record = Note::Record { counted: 0 };
        assert_eq!(logins.failed(a), record);
        assert_eq!(logins.failed(a), record);
        assert_eq!(logins.failed(a), Note::Count);
        assert_eq!(logins.failed(b), record);
    }
}
