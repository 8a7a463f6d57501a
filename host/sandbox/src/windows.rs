//! Where the matches of each pattern end in one cell: windows of ends that are near each other, so that asking
//! where a match starts reads the few bytes before an end and not the whole cell.
//!
//! Ends of one pattern are apart if a match that ends at the second cannot reach back to the first.

/// Ends of one pattern's matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Window {
    pub(crate) pattern: usize,
    /// The first end.
    pub(crate) first: usize,
    /// The last end. All ends between belong to it.
    pub(crate) last: usize,
}

/// The windows of one cell.
pub(crate) struct Windows {
    all: Vec<Window>,
    /// Per pattern: where its newest window is in `all`, plus one; 0 without one.
    newest: Vec<usize>,
    /// Per pattern: bytes of its longest match.
    longest: Vec<usize>,
}

impl Windows {
    /// For patterns whose longest matches have so many bytes.
    pub(crate) fn new(longest: Vec<usize>) -> Self {
        Self {
            all: Vec::new(),
            newest: vec![0; longest.len()],
            longest,
        }
    }

    /// Forgets the last cell.
    pub(crate) fn clear(&mut self) {
        for window in self.all.drain(..) {
            if let Some(newest) = self.newest.get_mut(window.pattern) {
                *newest = 0;
            }
        }
    }

    /// Ends come in the order of the text.
    pub(crate) fn add(&mut self, pattern: usize, end: usize) {
        let (Some(newest), Some(longest)) =
            (self.newest.get_mut(pattern), self.longest.get(pattern))
        else {
            return;
        };
        let open = newest
            .checked_sub(1)
            .and_then(|index| self.all.get_mut(index));
        match open {
            Some(window) if end - window.last <= *longest => window.last = end,
            _ => {
                self.all.push(Window {
                    pattern,
                    first: end,
                    last: end,
                });
                *newest = self.all.len();
            }
        }
    }

    /// Nobody knows: each of these patterns may end anywhere.
    pub(crate) fn everywhere(&mut self, patterns: &[usize], bytes: usize) {
        let whole = |pattern: &usize| Window {
            pattern: *pattern,
            first: 0,
            last: bytes,
        };
        self.all.extend(patterns.iter().map(whole));
    }

    /// Windows so far, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Window> {
        self.all.iter()
    }

    /// By pattern, and in the order of the text. One that is the whole text stands before those within it.
    pub(crate) fn sorted(&mut self) -> &[Window] {
        self.all.sort_unstable();
        &self.all
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_that_one_match_could_join_share_a_window() {
        let mut windows = Windows::new(vec![4, usize::MAX]);
        for end in [3, 4, 8, 13] {
            windows.add(0, end);
            windows.add(1, end);
        }
        let window = |pattern, first, last| Window {
            pattern,
            first,
            last,
        };
        let expected = [window(0, 3, 8), window(0, 13, 13), window(1, 3, 13)];
        assert_eq!(windows.sorted(), expected);
        windows.clear();
        assert!(windows.is_empty());
        windows.add(0, 9);
        assert_eq!(windows.sorted(), [window(0, 9, 9)]);
    }

    #[test]
    fn when_nobody_knows_every_pattern_has_the_whole_cell() {
        let mut windows = Windows::new(vec![4, 4]);
        windows.add(0, 2);
        windows.everywhere(&[0, 1], 7);
        let whole = |w: &&Window| (w.first, w.last) == (0, 7);
        assert_eq!(windows.sorted().iter().filter(whole).count(), 2);
        assert!(windows.sorted().first().as_ref().is_some_and(whole));
    }
}
