//! What a plugin answered before, for those that said that equal questions have equal answers.
//!
//! Per configured plugin of one generation, and gone with it. It keeps digests of questions, never a question:
//! no value of the traffic stays here. It keeps no failures, nothing that came with a log event, nothing long.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::failure::Failure;
use crate::types::{Answer, Assessment, Reason, Verdict};

/// Answers kept, in two halves: when the younger is full, the older is forgotten. Enough for the statements of an
/// application and the callers who share it; what is older is asked anew.
const ANSWERS_MAX: usize = 1024;
/// Bytes of an answer that is kept. With [`ANSWERS_MAX`] it bounds the whole to four megabytes.
const ANSWER_BYTES_MAX: usize = 4096;

/// A digest of everything an answer may rest on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key(pub(crate) [u8; 32]);

/// An answer, and where it comes from.
#[derive(Clone, Debug)]
pub struct Told<T> {
    /// What the plugin answered, or why it did not.
    pub answer: Result<T, Failure>,
    /// It answered an equal question before, and was not called.
    pub remembered: bool,
}

/// Answers by question.
pub(crate) struct Memory<A>(Mutex<Halves<A>>);

struct Halves<A> {
    younger: HashMap<Key, A>,
    older: HashMap<Key, A>,
}

impl<A> Default for Memory<A> {
    fn default() -> Self {
        Self(Mutex::new(Halves {
            younger: HashMap::new(),
            older: HashMap::new(),
        }))
    }
}

impl<A> std::fmt::Debug for Memory<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory(..)")
    }
}

impl<A: Clone + Weigh> Memory<A> {
    /// What is remembered for this question, or what `ask` says: an answer, and whether log events came with it.
    pub(crate) async fn or_ask<F>(&self, key: Option<Key>, ask: impl FnOnce() -> F) -> Told<A>
    where
        F: Future<Output = Result<(A, bool), Failure>>,
    {
        if let Some(known) = key.and_then(|key| self.recall(key)) {
            return Told {
                answer: Ok(known),
                remembered: true,
            };
        }
        let answer = ask().await.map(|(answer, spoke)| {
            if let Some(key) = key.filter(|_| !spoke) {
                self.keep(key, &answer);
            }
            answer
        });
        Told {
            answer,
            remembered: false,
        }
    }

    fn recall(&self, key: Key) -> Option<A> {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = halves.younger.get(&key) {
            return Some(known.clone());
        }
        let known = halves.older.remove(&key)?;
        halves.put(key, known.clone());
        Some(known)
    }

    fn keep(&self, key: Key, answer: &A) {
        if answer.bytes() <= ANSWER_BYTES_MAX {
            let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            halves.put(key, answer.clone());
        }
    }
}

impl<A> Halves<A> {
    fn put(&mut self, key: Key, answer: A) {
        if self.younger.len() >= ANSWERS_MAX / 2 && !self.younger.contains_key(&key) {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(key, answer);
    }
}

/// How much memory an answer takes, about.
pub(crate) trait Weigh {
    fn bytes(&self) -> usize;
}

impl Weigh for Verdict {
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Allow => 0,
                Self::Deny(reason) => reason.bytes(),
                Self::Hold(assessment) => assessment.bytes(),
                Self::Rewrite { body, reason } => body.len() + reason.bytes(),
            }
    }
}

impl Weigh for Answer {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.need.as_ref().map_or(0, Weigh::bytes)
    }
}

impl Weigh for Assessment {
    fn bytes(&self) -> usize {
        let reasons: usize = self.reasons.iter().map(Weigh::bytes).sum();
        let groups = self.all_of.iter();
        let groups: usize = groups.map(|one| size_of_val(one) + one.group.len()).sum();
        size_of::<Self>() + reasons + groups
    }
}

impl Weigh for Reason {
    fn bytes(&self) -> usize {
        let pair = |pair: &(String, String)| size_of_val(pair) + pair.0.len() + pair.1.len();
        let args: usize = self.args.iter().map(pair).sum();
        size_of::<Self>() + self.code.len() + self.message.len() + args
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weigh for usize {
        fn bytes(&self) -> usize {
            *self
        }
    }

    fn key(number: usize) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(number as u64).to_le_bytes());
        Key(key)
    }

    fn kept<A>(memory: &Memory<A>) -> usize {
        let halves = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
        halves.younger.len() + halves.older.len()
    }

    #[test]
    fn it_never_holds_more_than_its_bound_and_keeps_what_is_asked_again() {
        let memory = Memory::default();
        for number in 0..10 * ANSWERS_MAX {
            memory.keep(key(number), &1);
            assert!(kept(&memory) <= ANSWERS_MAX);
            assert_eq!(memory.recall(key(0)), Some(1));
        }
        assert_eq!(memory.recall(key(1)), None);
    }

    #[test]
    fn it_keeps_nothing_long() {
        let memory = Memory::default();
        memory.keep(key(1), &ANSWER_BYTES_MAX);
        memory.keep(key(2), &(ANSWER_BYTES_MAX + 1));
        assert_eq!(memory.recall(key(1)), Some(ANSWER_BYTES_MAX));
        assert_eq!(memory.recall(key(2)), None);
    }
}
