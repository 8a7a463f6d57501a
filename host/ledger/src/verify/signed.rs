//! The signed checkpoints that a chain is held against.

use super::{Break, BreakCode, Signed};
use crate::checkpoint::{Checkpoint, CheckpointError, VerifierKey};
use crate::hash::Root;
use crate::origin::Origin;
use crate::tree::Frontier;

/// A checkpoint that is to be met on the way.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) note: String,
    pub(super) says: Checkpoint,
    pub(super) elsewhere: bool,
}

/// All checkpoints, and what became of them.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    /// Largest first, so that the next one is at the end. Sorted when the first record comes.
    waiting: Vec<Waiting>,
    sorted: bool,
    pub(super) agreed: u64,
    pub(super) last: Option<Signed>,
    /// The largest size for which a checkpoint kept elsewhere agreed.
    pub(super) elsewhere: Option<u64>,
    differing: Option<Differing>,
}

/// Sizes and roots of the next checkpoints.
pub(super) struct Upcoming(Vec<(u64, Root)>);

impl Upcoming {
    /// Whether `tree` is what was signed at its size, if something was.
    pub(super) fn agrees(&self, tree: &Frontier) -> Option<bool> {
        self.0
            .iter()
            .find(|(size, _)| *size == tree.size())
            .map(|(_, root)| *root == tree.root())
    }
}

/// The roots that differ.
#[derive(Debug, Clone, Copy)]
struct Differing {
    /// The size of the last one that agreed before the first that did not.
    agreed: u64,
    first: u64,
    last: u64,
    count: u64,
}

impl Checkpoints {
    pub(super) fn add(&mut self, note: String, elsewhere: bool) -> Option<Break> {
        match Checkpoint::peek(&note) {
            Ok(says) if says.size > 0 => {
                self.waiting.push(Waiting {
                    note,
                    says,
                    elsewhere,
                });
                self.sorted = false;
                None
            }
            _ => Some(signature_break(
                None,
                "a checkpoint is malformed".to_owned(),
            )),
        }
    }

    /// The next checkpoint for a tree of `size`, if there is one.
    pub(super) fn next_at(&mut self, size: u64) -> Option<Waiting> {
        if !self.sorted {
            self.waiting
                .sort_by_key(|waiting| std::cmp::Reverse(waiting.says.size));
            self.sorted = true;
        }
        self.waiting.pop_if(|waiting| waiting.says.size <= size)
    }

    /// What the next two checkpoints say, to be asked while they are being taken out.
    pub(super) fn upcoming(&self) -> Upcoming {
        Upcoming(
            self.waiting
                .iter()
                .rev()
                .take(2)
                .map(|waiting| (waiting.says.size, waiting.says.root))
                .collect(),
        )
    }

    /// Those that were never reached, smallest first.
    pub(super) fn unreached(&mut self) -> Vec<Waiting> {
        let mut rest = std::mem::take(&mut self.waiting);
        rest.sort_by_key(|waiting| waiting.says.size);
        rest
    }

    /// Holds a checkpoint against the tree of its size.
    pub(super) fn check(
        &mut self,
        waiting: &Waiting,
        tree: &Frontier,
        keys: &[VerifierKey],
    ) -> Option<Break> {
        let key = match signed_by(waiting, keys) {
            Ok(key) => key,
            Err(found) => return Some(found),
        };
        let size = waiting.says.size;
        if tree.root() != waiting.says.root {
            let agreed = self
                .last
                .as_ref()
                .map_or(0, |signed| signed.size)
                .min(size - 1);
            let differing = self.differing.get_or_insert(Differing {
                agreed,
                first: size,
                last: size,
                count: 0,
            });
            differing.last = size;
            differing.count += 1;
            return None;
        }
        self.agreed += 1;
        self.last = Some(Signed {
            origin: waiting.says.origin.clone(),
            size,
            root: waiting.says.root.to_string(),
            key: key.to_string(),
        });
        if waiting.elsewhere {
            self.elsewhere = Some(size);
        }
        None
    }

    /// The break that the roots that differed amount to. One for all: a changed record spoils every root
    /// after it. `broken` says whether a record is known to be broken: nothing vouches for the hash of the
    /// last one but the root, so that its break explains the root's.
    pub(super) fn differed(&self, broken: impl Fn(u64) -> bool) -> Option<Break> {
        let Differing {
            agreed: from,
            first,
            last,
            count,
        } = self.differing?;
        let to = first - 1;
        let (seq, explain) = if from == to || broken(to) {
            (to, format!("record {to} is not the one that was signed"))
        } else {
            let what = "are not all as they were signed: the last was changed, or all of them were rewritten";
            (from, format!("the records from {from} to {to} {what}"))
        };
        let more = if count > 1 {
            format!(" ({count} checkpoints differ, the last at size {last})")
        } else {
            String::new()
        };
        Some(Break {
            code: BreakCode::Root,
            seq: Some(seq),
            explain: explain + &more,
        })
    }
}

/// The key that signed, under the name of the checkpoint's origin.
pub(super) fn signed_by(waiting: &Waiting, keys: &[VerifierKey]) -> Result<VerifierKey, Break> {
    let seq = Some(waiting.says.size - 1);
    let log = Origin::parse(&waiting.says.origin);
    let same_log = |key: &&VerifierKey| {
        Origin::parse(key.name())
            .zip(log.as_ref())
            .is_some_and(|(key, log)| key.name() == log.name())
    };
    for key in keys.iter().filter(same_log) {
        let key = key.renamed(&waiting.says.origin);
        match Checkpoint::open(&waiting.note, &key) {
            Ok(_) => return Ok(key),
            Err(CheckpointError::NoSignature) => {}
            Err(error) => {
                return Err(signature_break(
                    seq,
                    format!("at size {}: {error}", waiting.says.size),
                ));
            }
        }
    }
    let explain = format!(
        "the checkpoint at size {} is of another log or signed by no key that may sign it",
        waiting.says.size
    );
    Err(signature_break(seq, explain))
}

fn signature_break(seq: Option<u64>, explain: String) -> Break {
    Break {
        code: BreakCode::Signature,
        seq,
        explain,
    }
}
