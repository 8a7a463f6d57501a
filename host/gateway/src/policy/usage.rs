//! Counts what each subject did lately, so that stateless plugins can hold budgets. In memory: a restart
//! forgets, which a plugin that holds budgets must be allowed to lean on only for slowing down.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use almoner_sandbox::Usage;

/// Length of the window.
const WINDOW: Duration = Duration::from_secs(3600);
/// Buckets of the window; the oldest is forgotten whole.
const BUCKETS: u64 = 12;
/// Subjects counted at once; beyond it the idlest are forgotten.
const SUBJECTS_MAX: usize = 10_000;

/// What one exchange adds.
#[derive(Clone, Copy, Default)]
pub(super) struct Use {
    pub(super) exchanges: u64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) denials: u64,
}

pub(super) struct UsageBook {
    started: Instant,
    subjects: Mutex<HashMap<String, Vec<(u64, Use)>>>,
}

impl UsageBook {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            subjects: Mutex::new(HashMap::new()),
        }
    }

    pub(super) fn add(&self, subject: &str, what: Use) {
        let bucket = self.bucket();
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        if !subjects.contains_key(subject) {
            if subjects.len() >= SUBJECTS_MAX {
                subjects.retain(|_, buckets| {
                    buckets.last().is_some_and(|(last, _)| *last + 1 >= bucket)
                });
            }
            // Still full: forget one, so that the book stays bounded.
            if subjects.len() >= SUBJECTS_MAX
                && let Some(any) = subjects.keys().next().cloned()
            {
                subjects.remove(&any);
            }
            subjects.insert(subject.to_owned(), Vec::new());
        }
        let Some(buckets) = subjects.get_mut(subject) else {
            return;
        };
        buckets.retain(|(number, _)| number + BUCKETS > bucket);
        match buckets.last_mut() {
            Some((number, sum)) if *number == bucket => {
                sum.exchanges += what.exchanges;
                sum.rows += what.rows;
                sum.bytes += what.bytes;
                sum.denials += what.denials;
            }
            _ => buckets.push((bucket, what)),
        }
    }

    pub(super) fn of(&self, subject: &str) -> Usage {
        let bucket = self.bucket();
        let subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut usage = Usage {
            window_seconds: u32::try_from(WINDOW.as_secs()).unwrap_or(u32::MAX),
            ..Usage::default()
        };
        for (number, sum) in subjects.get(subject).into_iter().flatten() {
            if number + BUCKETS > bucket {
                usage.exchanges += sum.exchanges;
                usage.rows += sum.rows;
                usage.bytes += sum.bytes;
                usage.denials += sum.denials;
            }
        }
        usage
    }

    fn bucket(&self) -> u64 {
        self.started.elapsed().as_secs() / (WINDOW.as_secs() / BUCKETS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_counted_apart() {
        let book = UsageBook::new();
        let rows = |rows| Use {
            rows,
            exchanges: 1,
            ..Use::default()
        };
        book.add("ann", rows(10));
        book.add("ann", rows(5));
        book.add("bob", rows(1));
        assert_eq!(book.of("ann").rows, 15);
        assert_eq!(book.of("ann").exchanges, 2);
        assert_eq!(book.of("bob").rows, 1);
        assert_eq!(book.of("eve").rows, 0);
    }
}
