//! Whether each record is the one that its successor was chained to, and the tree over all of them.
//!
//! When a link is broken, one of its two ends was changed. The link after it tells which: a record that
//! joins neither neighbour was changed itself; one that its successor still vouches for was not. So a record
//! is settled only when the next two are known. The tree takes the hash that the neighbours vouch for,
//! which keeps one change from spoiling every later root.

use super::{Break, BreakCode};
use crate::hash::{Hash, Root};
use crate::tree::{self, Frontier};

/// A record in its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) seq: u64,
    pub(super) hash: Hash,
    pub(super) leaf: Root,
    /// `None` if the line could not be read.
    pub(super) prev: Option<Hash>,
    /// A break was already reported for this record.
    pub(super) suspect: bool,
}

/// The chain so far.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// The tree over what is settled.
    tree: Frontier,
    /// Why the tree stopped growing: the place from which on it is unknown.
    pub(super) lost_at: Option<u64>,
    /// The last record, not settled.
    held: Option<Place>,
    /// The record before it, if the link between the two is broken.
    doubt: Option<Place>,
    /// Where the current run of unbroken links began.
    run: u64,
    /// Finished runs, first and last.
    pub(super) good: Vec<(u64, u64)>,
}

/// Something that settling brought to light.
#[derive(Debug)]
pub(super) enum Event {
    Break(Break),
    /// The tree has grown to this size and has this root.
    Grown(u64),
}

impl Links {
    /// The tree over the records settled so far.
    pub(super) fn tree(&self) -> &Frontier {
        &self.tree
    }

    /// The last record taken.
    pub(super) fn last(&self) -> Option<Place> {
        self.held
    }

    /// The next record, which follows the last one without a gap in its place.
    pub(super) fn follow(&mut self, place: Place, events: &mut impl FnMut(&Links, Event)) {
        let Some(held) = self.held.replace(place) else {
            self.run = place.seq;
            return;
        };
        let joined = place.prev.is_none_or(|prev| prev == held.hash);
        match (self.doubt.take(), joined) {
            (None, true) => self.settle(&held, held.leaf, events),
            (None, false) => self.doubt = Some(held),
            (Some(first), true) => {
                self.blame_first(&first, &held, events);
                self.settle(&held, held.leaf, events);
            }
            (Some(first), false) => {
                self.settle_break(&first, first.leaf, events);
                self.blame(
                    &held,
                    "it joins neither the record before it nor the one after it",
                    events,
                );
                let leaf = place.prev.map_or(held.leaf, |prev| tree::leaf(&prev));
                self.grow(leaf, events);
                self.run = place.seq;
            }
        }
    }

    /// The next record does not follow from the last one in place. `missing` says how many records lie
    /// between; the place of exactly one is known from its successor.
    pub(super) fn jump(
        &mut self,
        place: Place,
        missing: Option<u64>,
        events: &mut impl FnMut(&Links, Event),
    ) {
        self.rest(&|_| None, events);
        match (missing, place.prev) {
            (Some(1), Some(prev)) => self.grow(tree::leaf(&prev), events),
            _ => self.lost_at = self.lost_at.or(Some(place.seq)),
        }
        self.held = Some(place);
        self.run = place.seq;
    }

    /// There is no further record. `signed` says whether a tree is the one that was signed at its size, if
    /// that is known.
    pub(super) fn rest(
        &mut self,
        signed: &impl Fn(&Frontier) -> Option<bool>,
        events: &mut impl FnMut(&Links, Event),
    ) {
        let Some(mut held) = self.held.take() else {
            return;
        };
        if let Some(first) = self.doubt.take() {
            // No successor tells which end of the link was changed, but a signed root may.
            let mut claimed = self.tree.clone();
            claimed.push(held.prev.map_or(first.leaf, |prev| tree::leaf(&prev)));
            claimed.push(held.leaf);
            if self.lost_at.is_none() && !first.suspect && signed(&claimed) == Some(false) {
                self.settle_break(&first, first.leaf, events);
                self.blame(
                    &held,
                    "it does not join the record before it, and is not the one that was signed",
                    events,
                );
                held.suspect = true;
            } else {
                self.blame_first(&first, &held, events);
            }
        }
        self.settle(&held, held.leaf, events);
        if !held.suspect {
            self.close_run(held.seq + 1);
        }
    }

    /// `first` was changed: the record after it was chained to something else.
    fn blame_first(
        &mut self,
        first: &Place,
        second: &Place,
        events: &mut impl FnMut(&Links, Event),
    ) {
        if first.suspect {
            self.close_run(first.seq);
        } else {
            self.blame(
                first,
                "it is not the record that the one after it was chained to",
                events,
            );
        }
        let leaf = second.prev.map_or(first.leaf, |prev| tree::leaf(&prev));
        self.grow(leaf, events);
        self.run = second.seq;
    }

    fn blame(&mut self, place: &Place, why: &str, events: &mut impl FnMut(&Links, Event)) {
        self.close_run(place.seq);
        if !place.suspect {
            let explain = format!("record {} was changed: {why}", place.seq);
            events(
                self,
                Event::Break(Break {
                    code: BreakCode::Chain,
                    seq: Some(place.seq),
                    explain,
                }),
            );
        }
    }

    /// A record whose successor does not vouch for it: it may be well, but nothing says so.
    fn settle_break(&mut self, place: &Place, leaf: Root, events: &mut impl FnMut(&Links, Event)) {
        self.close_run(place.seq);
        self.grow(leaf, events);
        self.run = place.seq + 1;
    }

    fn settle(&mut self, place: &Place, leaf: Root, events: &mut impl FnMut(&Links, Event)) {
        if place.suspect || place.prev.is_none() {
            self.close_run(place.seq);
            self.run = place.seq + 1;
        }
        self.grow(leaf, events);
    }

    fn grow(&mut self, leaf: Root, events: &mut impl FnMut(&Links, Event)) {
        if self.lost_at.is_none() {
            self.tree.push(leaf);
            events(self, Event::Grown(self.tree.size()));
        }
    }

    /// Ends the current run before `end`.
    fn close_run(&mut self, end: u64) {
        if self.run < end {
            self.good.push((self.run, end - 1));
        }
        self.run = end;
    }
}
