//! A list without duplicates, in the order of first mention, and with an end.

use std::collections::HashSet;
use std::hash::Hash;

use crate::NAMES_MAX;

/// Different things of one sort, at most [`NAMES_MAX`].
#[derive(Debug)]
pub(crate) struct Unique<T> {
    items: Vec<T>,
    seen: HashSet<T>,
    overflown: bool,
}

impl<T> Default for Unique<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            seen: HashSet::new(),
            overflown: false,
        }
    }
}

impl<T: Clone + Eq + Hash> Unique<T> {
    pub(crate) fn push(&mut self, item: T) {
        if self.seen.contains(&item) {
            return;
        }
        if self.items.len() == NAMES_MAX {
            self.overflown = true;
            return;
        }
        self.seen.insert(item.clone());
        self.items.push(item);
    }

    /// Whether something had to be left out: the list must then not be used.
    pub(crate) fn overflown(&self) -> bool {
        self.overflown
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn into_items(self) -> Vec<T> {
        self.items
    }
}
