//! The verifier: reads records in order, and says what was changed, removed, added or never signed.
//!
//! It goes on after a break, so that one run lists them all. It never repairs, never skips a line that lacks
//! something, and never finds that all is well when there was nothing to look at. What it was not shown, it
//! lists as a limit.

mod examine;
mod links;
mod report;
mod signed;

use std::collections::HashMap;

pub use examine::Examined;
pub use report::{BodyCounts, Break, BreakCode, Report, Signed, Verdict};

use crate::checkpoint::VerifierKey;
use crate::hash::Hash;
use crate::origin::Origin;
use crate::record::Kind;
use crate::time::Timestamp;
use examine::{Facts, Fault, Special};
use links::{Event, Links, Place};
use signed::{Checkpoints, Waiting};

/// The most breaks a report lists; more are counted. A trail that is broken everywhere needs no longer list.
pub const BREAKS_MAX: usize = 10_000;

/// A verification under way. Give it checkpoints first, then every record in order, then finish.
#[derive(Debug)]
pub struct Verifier {
    keys: Vec<VerifierKey>,
    keys_given: bool,
    bodies_supplied: bool,
    checkpoints: Checkpoints,
    links: Links,
    breaks: Vec<Break>,
    breaks_total: u64,
    first_bad: Option<u64>,
    records: u64,
    first_seq: Option<u64>,
    /// The place after the last record.
    expected: u64,
    head: Option<Hash>,
    epochs: Vec<Epoch>,
    /// For each session, the number its next record must have and the place of its last one.
    sessions: HashMap<Box<str>, (u64, u64)>,
    sessions_total: u64,
    /// The last place at which records are missing or unreadable: counters may jump across it.
    hole: Option<u64>,
    bodies: BodyCounts,
    /// Records with absent bodies, and how many.
    absent: Vec<(u64, u64)>,
    tombstones: Vec<(u64, u64)>,
    clock: Option<Timestamp>,
    clock_back: Option<(u64, u64)>,
    incomplete: Vec<String>,
}

/// The records of one origin.
#[derive(Debug)]
struct Epoch {
    origin: Box<str>,
    /// Its first record.
    from: u64,
    /// Of the epoch before it: the last record that had been acknowledged.
    acknowledged: Option<u64>,
}

impl Verifier {
    /// A verifier that believes checkpoints signed by `keys`; with none, it believes the keys that the
    /// records themselves name, and says so. `bodies_supplied` says that every body there is will be
    /// offered, so that one which is not is missing.
    pub fn new(keys: Vec<VerifierKey>, bodies_supplied: bool) -> Verifier {
        Verifier {
            keys_given: !keys.is_empty(),
            keys,
            bodies_supplied,
            checkpoints: Checkpoints::default(),
            links: Links::default(),
            breaks: Vec::new(),
            breaks_total: 0,
            first_bad: None,
            records: 0,
            first_seq: None,
            expected: 0,
            head: None,
            epochs: Vec::new(),
            sessions: HashMap::new(),
            sessions_total: 0,
            hole: None,
            bodies: BodyCounts::default(),
            absent: Vec::new(),
            tombstones: Vec::new(),
            clock: None,
            clock_back: None,
            incomplete: Vec::new(),
        }
    }

    /// A signed note that comes with the records, or was kept elsewhere. Before the first record.
    pub fn checkpoint(&mut self, note: impl Into<String>, kept_elsewhere: bool) {
        if let Some(found) = self.checkpoints.add(note.into(), kept_elsewhere) {
            self.report_break(found);
        }
    }

    /// The next line, without its line feed and without bodies.
    pub fn line(&mut self, line: &[u8]) {
        self.accept(Examined::of(line));
    }

    /// The next line, examined.
    pub fn accept(&mut self, examined: Examined) {
        self.records += 1;
        let claimed = examined.seq();
        self.bodies.checked += examined.bodies_checked;
        let mut place = Place {
            seq: self.expected,
            hash: examined.hash,
            leaf: examined.leaf,
            prev: None,
            suspect: false,
        };
        match examined.facts {
            Err(fault) => {
                self.fault(place.seq, fault);
                // A record of another version is vouched for by its successor, or it was changed.
                place.suspect = fault != Fault::Version;
            }
            Ok(facts) => {
                place.prev = Some(facts.prev);
                place.seq = facts.seq;
                self.sequence(&mut place);
                self.origin(&facts, place.seq);
                self.session(&facts, place.seq);
                self.time(facts.time, place.seq);
                self.bodies(&facts, place.seq, examined.bodies_offered);
                match facts.special {
                    Special::Key(key) if !self.keys_given => self.keys.push(key),
                    Special::Tombstone(from, to) => self.tombstones.push((from, to)),
                    _ => {}
                }
            }
        }
        // What is wrong beside the record is said of the place it has, not of one that it may only claim.
        for mut found in examined.breaks {
            if found.seq == claimed {
                found.seq = Some(place.seq);
            }
            self.report_break(found);
        }
        self.first_seq = self.first_seq.or(Some(place.seq));
        self.head = Some(place.hash);
        self.link(place);
    }

    /// Something that whoever reads the records found wrong with what lies beside them.
    pub fn report_break(&mut self, found: Break) {
        self.breaks_total += 1;
        if let Some(seq) = found.seq {
            self.first_bad = Some(self.first_bad.map_or(seq, |first| first.min(seq)));
        }
        if self.breaks.len() < BREAKS_MAX {
            self.breaks.push(found);
        }
    }

    /// Something that could not be looked at, which keeps the verdict from being `verified`.
    pub fn report_incomplete(&mut self, what: impl Into<String>) {
        self.incomplete.push(what.into());
    }

    /// The place after the last record taken.
    pub fn next_seq(&self) -> u64 {
        self.expected
    }

    /// The place that the next record has, so that what lies beside it is looked for there: the one it claims,
    /// unless it is chained to the last record, which leaves it one place whatever it claims.
    pub fn place_of(&self, examined: &Examined) -> u64 {
        match &examined.facts {
            Ok(facts) if !self.joins(&facts.prev) => facts.seq,
            _ => self.expected,
        }
    }

    /// There are no more records.
    pub fn finish(mut self) -> Report {
        self.rest();
        self.unreached();
        let broken = |seq| {
            let of_the_record = |found: &Break| {
                matches!(
                    found.code,
                    BreakCode::NotCanonical
                        | BreakCode::Chain
                        | BreakCode::SeqOrder
                        | BreakCode::Version
                )
            };
            self.breaks
                .iter()
                .any(|found| found.seq == Some(seq) && of_the_record(found))
        };
        if let Some(found) = self.checkpoints.differed(broken) {
            self.report_break(found);
        }
        self.absences();
        report::conclude(self)
    }

    fn fault(&mut self, seq: u64, fault: Fault) {
        let (code, explain) = match fault {
            Fault::NotCanonical(why) => (
                BreakCode::NotCanonical,
                format!("the line at place {seq} is no record: {why}"),
            ),
            Fault::Version => (
                BreakCode::Version,
                format!("record {seq} is of a version that this verifier does not know"),
            ),
        };
        self.hole = Some(seq);
        self.report_break(Break {
            code,
            seq: Some(seq),
            explain,
        });
    }

    /// Whether the record is in its place. A record that its predecessor's hash ties in is, whatever
    /// number it bears.
    fn sequence(&mut self, place: &mut Place) {
        let expected = self.expected;
        if place.seq == expected {
            return;
        }
        let joins = place.prev.is_some_and(|prev| self.joins(&prev));
        let (code, seq, explain) = if joins {
            let claimed = std::mem::replace(&mut place.seq, expected);
            place.suspect = true;
            (
                BreakCode::SeqOrder,
                expected,
                format!("record {expected} says that its place is {claimed}"),
            )
        } else if place.seq > expected {
            let last = place.seq - 1;
            self.hole = Some(last);
            (
                BreakCode::SeqGap,
                expected,
                format!("records {expected} to {last} are missing"),
            )
        } else {
            self.hole = Some(expected);
            let explain = format!(
                "record {} is here, after record {}",
                place.seq,
                expected - 1
            );
            (BreakCode::SeqOrder, place.seq, explain)
        };
        self.report_break(Break {
            code,
            seq: Some(seq),
            explain,
        });
    }

    /// Whether a record with this predecessor stands right behind the last one.
    fn joins(&self, prev: &Hash) -> bool {
        *prev == self.links.last().map_or(Hash::ZERO, |last| last.hash)
    }

    fn origin(&mut self, facts: &Facts, seq: u64) {
        let acknowledged = match facts.special {
            Special::Recovery(acknowledged) => acknowledged,
            _ => None,
        };
        let explain = match self.epochs.last() {
            None => {
                let named = |key: &VerifierKey| {
                    Origin::parse(key.name()).map(|origin| origin.name().to_owned())
                };
                let name = Origin::parse(&facts.origin).map(|origin| origin.name().to_owned());
                if self.keys_given && !self.keys.iter().any(|key| named(key) == name) {
                    Some("the records are of a log that none of the given keys is for".to_owned())
                } else if !matches!(facts.kind, Kind::Genesis | Kind::Recovery) {
                    Some(format!(
                        "record {seq} is the first, and is not a genesis record"
                    ))
                } else {
                    None
                }
            }
            Some(epoch) if epoch.origin == facts.origin => {
                let again = matches!(facts.kind, Kind::Genesis | Kind::Recovery);
                if again {
                    let explain = format!(
                        "record {seq} begins a chain or an epoch that is already under way"
                    );
                    self.report_break(Break {
                        code: BreakCode::Origin,
                        seq: Some(seq),
                        explain,
                    });
                }
                return;
            }
            Some(epoch) => {
                let follows = Origin::parse(&epoch.origin).map(|origin| origin.next().to_string());
                let follows = follows.as_deref() == Some(&*facts.origin);
                (facts.kind != Kind::Recovery || !follows)
                    .then(|| format!("record {seq} is of another origin than the one before it, without a recovery"))
            }
        };
        if let Some(explain) = explain {
            self.report_break(Break {
                code: BreakCode::Origin,
                seq: Some(seq),
                explain,
            });
        }
        if facts.kind == Kind::Recovery {
            let lost = match acknowledged {
                Some(last) if last >= seq => {
                    format!("records {seq} to {last} of the epoch before were lost")
                }
                _ => "the epoch before it may have lost records at its end".to_owned(),
            };
            self.incomplete.push(format!(
                "the recovery at record {seq} declares a loss: {lost}"
            ));
        }
        self.epochs.push(Epoch {
            origin: facts.origin.clone(),
            from: seq,
            acknowledged,
        });
    }

    fn session(&mut self, facts: &Facts, seq: u64) {
        let Some((session, n)) = &facts.session else {
            return;
        };
        let known = self.sessions.get(session).copied();
        let (next, since) = known.unwrap_or((0, 0));
        self.sessions_total += u64::from(known.is_none());
        // Whatever is missing is reported already, and may have held this session's records.
        let excused = self
            .hole
            .is_some_and(|hole| known.is_none() || hole >= since);
        if *n != next && !(excused && *n > next) {
            let explain =
                format!("record {seq} is number {n} of its session, where {next} was due");
            self.report_break(Break {
                code: BreakCode::Session,
                seq: Some(seq),
                explain,
            });
        }
        if facts.session_ends {
            self.sessions.remove(session);
        } else {
            self.sessions.insert(session.clone(), (n + 1, seq));
        }
    }

    fn time(&mut self, time: Timestamp, seq: u64) {
        if self.clock.is_some_and(|clock| time < clock) {
            let (first, count) = self.clock_back.unwrap_or((seq, 0));
            self.clock_back = Some((first, count + 1));
        }
        self.clock = Some(time);
    }

    fn bodies(&mut self, facts: &Facts, seq: u64, offered: u64) {
        let referenced = facts.bodies.len() as u64;
        self.bodies.referenced += referenced;
        if self.bodies_supplied && offered < referenced {
            self.absent.push((seq, referenced - offered));
        }
    }

    fn link(&mut self, place: Place) {
        let Verifier {
            links,
            checkpoints,
            keys,
            epochs,
            ..
        } = self;
        let mut found = Vec::new();
        let mut incomplete = Vec::new();
        let mut events = |links: &Links, event: Event| {
            heed(
                links,
                event,
                checkpoints,
                keys,
                epochs,
                &mut found,
                &mut incomplete,
            );
        };
        if place.seq == self.expected {
            links.follow(place, &mut events);
        } else {
            links.jump(place, place.seq.checked_sub(self.expected), &mut events);
        }
        self.expected = place.seq.saturating_add(1);
        found.into_iter().for_each(|found| self.report_break(found));
        self.incomplete.append(&mut incomplete);
    }

    fn rest(&mut self) {
        let Verifier {
            links,
            checkpoints,
            keys,
            epochs,
            ..
        } = self;
        let mut found = Vec::new();
        let mut incomplete = Vec::new();
        // The checkpoint that decides is taken out by the events; what it says is noted before.
        let signed = checkpoints.upcoming();
        links.rest(&|tree| signed.agrees(tree), &mut |links, event| {
            heed(
                links,
                event,
                checkpoints,
                keys,
                epochs,
                &mut found,
                &mut incomplete,
            );
        });
        found.into_iter().for_each(|found| self.report_break(found));
        self.incomplete.append(&mut incomplete);
    }

    /// Checkpoints that sign more records than there are.
    fn unreached(&mut self) {
        for waiting in self.checkpoints.unreached() {
            if let Some(lost) = self.links.lost_at {
                self.incomplete.push(format!(
                    "checkpoints of more than {lost} records could not be compared"
                ));
                break;
            }
            match signed::signed_by(&waiting, &self.keys) {
                Err(found) => self.report_break(found),
                Ok(_) => {
                    let mut events = (Vec::new(), Vec::new());
                    outgrown(
                        &waiting,
                        &self.epochs,
                        &mut events.0,
                        &mut events.1,
                        Some(self.expected),
                    );
                    events
                        .0
                        .into_iter()
                        .for_each(|found| self.report_break(found));
                    self.incomplete.append(&mut events.1);
                }
            }
        }
    }

    fn absences(&mut self) {
        for (seq, count) in std::mem::take(&mut self.absent) {
            if self
                .tombstones
                .iter()
                .any(|&(from, to)| (from..=to).contains(&seq))
            {
                self.bodies.tombstoned += count;
            } else {
                let explain = format!(
                    "{count} of the bodies of record {seq} are absent, and no tombstone says why"
                );
                self.report_break(Break {
                    code: BreakCode::BodyMissing,
                    seq: Some(seq),
                    explain,
                });
            }
        }
    }
}

/// Takes up what the links found: breaks, and sizes at which something was signed.
fn heed(
    links: &Links,
    event: Event,
    checkpoints: &mut Checkpoints,
    keys: &[VerifierKey],
    epochs: &[Epoch],
    found: &mut Vec<Break>,
    incomplete: &mut Vec<String>,
) {
    let size = match event {
        Event::Break(broken) => return found.push(broken),
        Event::Grown(size) => size,
    };
    while let Some(waiting) = checkpoints.next_at(size) {
        let of_this_epoch = epochs.iter().rfind(|epoch| epoch.from < size);
        if of_this_epoch.is_none_or(|epoch| *epoch.origin == *waiting.says.origin) {
            found.extend(checkpoints.check(&waiting, links.tree(), keys));
        } else {
            match signed::signed_by(&waiting, keys) {
                Err(broken) => found.push(broken),
                Ok(_) => outgrown(&waiting, epochs, found, incomplete, None),
            }
        }
    }
}

/// A well-signed checkpoint that covers more than is left of its epoch. `end` is the place after the last
/// record of all, for a checkpoint beyond that.
fn outgrown(
    waiting: &Waiting,
    epochs: &[Epoch],
    found: &mut Vec<Break>,
    incomplete: &mut Vec<String>,
    end: Option<u64>,
) {
    let size = waiting.says.size;
    let at = epochs
        .iter()
        .position(|epoch| *epoch.origin == *waiting.says.origin);
    let next = at.and_then(|at| epochs.get(at + 1));
    let (seq, explain) = match (at, next, end) {
        (Some(_), Some(next), _) if next.acknowledged.is_some_and(|last| size <= last + 1) => {
            let what = format!(
                "{size} records were signed before the recovery at record {}, which declares the loss",
                next.from
            );
            if incomplete.last() != Some(&what) {
                incomplete.push(what);
            }
            return;
        }
        (Some(_), Some(next), _) => (
            next.from,
            format!(
                "{size} records were signed before the recovery at record {}, more than it declares lost",
                next.from
            ),
        ),
        (Some(_), None, Some(end)) => (
            end,
            format!("{size} records were signed, and only {end} are here"),
        ),
        _ => (
            size - 1,
            format!("the checkpoint at size {size} is of an epoch that these records are not of"),
        ),
    };
    found.push(Break {
        code: BreakCode::Truncated,
        seq: Some(seq),
        explain,
    });
}
