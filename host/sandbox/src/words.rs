//! Word sets that an operator mounts for plugins: names, deny-lists, allow-lists. Read-only, in memory.
//!
//! They are the only data a plugin can reach beside its call; it can ask whether a word is in a set, and
//! nothing else.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

/// Named sets of words. Cloning shares them.
#[derive(Clone, Default)]
pub struct WordSets(Arc<BTreeMap<String, HashSet<Box<str>>>>);

impl WordSets {
    /// From names and their words.
    pub fn new<N, W, I>(sets: I) -> Self
    where
        N: Into<String>,
        W: IntoIterator<Item: Into<Box<str>>>,
        I: IntoIterator<Item = (N, W)>,
    {
        let named =
            |(name, words): (N, W)| (name.into(), words.into_iter().map(Into::into).collect());
        Self(Arc::new(sets.into_iter().map(named).collect()))
    }

    /// `None`: no such set is mounted.
    pub(crate) fn set(&self, name: &str) -> Option<&HashSet<Box<str>>> {
        self.0.get(name)
    }
}

impl fmt::Debug for WordSets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(name, words)| (name, words.len())))
            .finish()
    }
}
