//! What a verifier learns from one line alone: the expensive part, which needs no other record.
//!
//! Lines can be examined on any thread and in any order; [`super::Verifier`] then takes them in order.
//! An examination holds places, hashes and names of sessions, nothing else of what a record says.

use serde_json::Value;

use super::{Break, BreakCode};
use crate::canonical;
use crate::checkpoint::VerifierKey;
use crate::hash::{Hash, Root};
use crate::record::{BodyRef, FORMAT, Kind, RECORD_BYTES_MAX, field};
use crate::time::Timestamp;
use crate::tree;

/// One line, looked at by itself.
#[derive(Debug)]
pub struct Examined {
    pub(super) hash: Hash,
    pub(super) leaf: Root,
    pub(super) facts: Result<Box<Facts>, Fault>,
    pub(super) bodies_checked: u64,
    pub(super) bodies_offered: u64,
    /// Which of them, a bit each.
    offered: u64,
    pub(super) breaks: Vec<Break>,
}

/// What the rest of the verification needs of a record.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) seq: u64,
    pub(super) prev: Hash,
    pub(super) time: Timestamp,
    pub(super) kind: Kind,
    pub(super) origin: Box<str>,
    pub(super) session: Option<(Box<str>, u64)>,
    pub(super) session_ends: bool,
    pub(super) bodies: Vec<BodyRef>,
    pub(super) special: Special,
}

/// What records of some kinds say to the verifier itself.
#[derive(Debug)]
pub(super) enum Special {
    None,
    /// A key that signs from here on.
    Key(VerifierKey),
    /// Up to which record the lost epoch had acknowledged, if known.
    Recovery(Option<u64>),
    /// The bodies of these records, first and last, were deleted on purpose.
    Tombstone(u64, u64),
}

/// Why a line is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    NotCanonical(&'static str),
    Version,
}

impl Examined {
    /// Examines a line, without its line feed.
    pub fn of(line: &[u8]) -> Examined {
        let hash = Hash::of_line(line);
        Examined {
            hash,
            leaf: tree::leaf(&hash),
            facts: examine(line).map(Box::new),
            bodies_checked: 0,
            bodies_offered: 0,
            offered: 0,
            breaks: Vec::new(),
        }
    }

    /// The place the record claims, if the line is a record.
    pub fn seq(&self) -> Option<u64> {
        self.facts.as_ref().ok().map(|facts| facts.seq)
    }

    /// The bodies the record refers to; the body's index is its position here.
    pub fn bodies(&self) -> &[BodyRef] {
        self.facts.as_ref().map_or(&[], |facts| &facts.bodies)
    }

    /// Checks a body that is there. Bodies that are not there are simply not offered. One that is offered
    /// twice does not stand in for another that is not.
    pub fn body(&mut self, index: u32, bytes: &[u8]) {
        let Ok(facts) = &self.facts else { return };
        let seq = Some(facts.seq);
        let Some(reference) = facts.bodies.get(index as usize) else {
            let explain = format!("body {index} is stored, but its record does not refer to it");
            self.breaks.push(Break {
                code: BreakCode::Extra,
                seq,
                explain,
            });
            return;
        };
        let bit = 1_u64.checked_shl(index).unwrap_or(0);
        if self.offered & bit != 0 || bit == 0 {
            let explain = format!("body {index} is there twice");
            self.breaks.push(Break {
                code: BreakCode::Extra,
                seq,
                explain,
            });
            return;
        }
        self.offered |= bit;
        self.bodies_offered += 1;
        if reference.len != bytes.len() as u64 || reference.hash != Hash::of_body(bytes) {
            let explain = format!("body {index} is not the one that was recorded");
            self.breaks.push(Break {
                code: BreakCode::Body,
                seq,
                explain,
            });
        } else {
            self.bodies_checked += 1;
        }
    }
}

/// The members of the line that the format owns, as they stand in it.
#[derive(Default)]
struct Members<'t> {
    bodies: Option<&'t [u8]>,
    event: Option<&'t [u8]>,
    kind: Option<&'t [u8]>,
    n: Option<&'t [u8]>,
    origin: Option<&'t [u8]>,
    prev: Option<&'t [u8]>,
    seq: Option<&'t [u8]>,
    session: Option<&'t [u8]>,
    time: Option<&'t [u8]>,
    v: Option<&'t [u8]>,
}

fn examine(line: &[u8]) -> Result<Facts, Fault> {
    if line.len() > RECORD_BYTES_MAX {
        return Err(Fault::NotCanonical("it is longer than a record may be"));
    }
    let mut members = Members::default();
    let walked = canonical::walk(line, |key, value| {
        let place = match key {
            b"bodies" => &mut members.bodies,
            b"event" => &mut members.event,
            b"kind" => &mut members.kind,
            b"n" => &mut members.n,
            b"origin" => &mut members.origin,
            b"prev" => &mut members.prev,
            b"seq" => &mut members.seq,
            b"session" => &mut members.session,
            b"time" => &mut members.time,
            b"v" => &mut members.v,
            _ => return,
        };
        *place = Some(value);
    });
    walked.map_err(|fault| Fault::NotCanonical(fault.why))?;
    if number(members.v).ok_or(Fault::NotCanonical("it has no version"))? != FORMAT {
        return Err(Fault::Version);
    }
    let kind = string(members.kind).and_then(Kind::parse);
    let kind = kind.ok_or(Fault::NotCanonical("its kind is not known"))?;
    Ok(Facts {
        seq: number(members.seq).ok_or(Fault::NotCanonical("it has no place"))?,
        prev: string(members.prev)
            .and_then(|hex| Hash::from_hex(hex.as_bytes()))
            .ok_or(Fault::NotCanonical("it does not name its predecessor"))?,
        time: string(members.time)
            .and_then(|time| Timestamp::parse(time.as_bytes()))
            .ok_or(Fault::NotCanonical("it has no time"))?,
        origin: string(members.origin)
            .ok_or(Fault::NotCanonical("it has no origin"))?
            .into(),
        session: session(&members)?,
        session_ends: kind == Kind::Session && members.event == Some(b"\"end\""),
        bodies: bodies(members.bodies)?,
        special: special(kind, line)?,
        kind,
    })
}

fn session(members: &Members<'_>) -> Result<Option<(Box<str>, u64)>, Fault> {
    match (members.session, members.n) {
        (None, None) => Ok(None),
        (Some(session), Some(n)) => {
            let fault = Fault::NotCanonical("its session or its number there is malformed");
            let session = match canonical::plain_string(session) {
                Some(plain) => plain.into(),
                None => serde_json::from_slice::<Box<str>>(session).map_err(|_| fault)?,
            };
            Ok(Some((session, number(Some(n)).ok_or(fault)?)))
        }
        _ => Err(Fault::NotCanonical(
            "it has a session without a number there, or the other way around",
        )),
    }
}

fn bodies(value: Option<&[u8]>) -> Result<Vec<BodyRef>, Fault> {
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    serde_json::from_slice(value)
        .map_err(|_| Fault::NotCanonical("its references to bodies are malformed"))
}

/// Only the few kinds that speak to the verifier are read as a whole.
fn special(kind: Kind, line: &[u8]) -> Result<Special, Fault> {
    if !matches!(kind, Kind::Key | Kind::Recovery | Kind::Tombstone) {
        return Ok(Special::None);
    }
    let fault = Fault::NotCanonical("it lacks what a record of its kind must say");
    let record: Value = serde_json::from_slice(line).map_err(|_| fault)?;
    let number = |name: &str| record.get(name).and_then(Value::as_u64);
    match kind {
        Kind::Key => {
            let key = record
                .get(field::KEY)
                .and_then(Value::as_str)
                .and_then(|text| text.parse().ok());
            key.map(Special::Key).ok_or(fault)
        }
        Kind::Recovery => Ok(Special::Recovery(number(field::ACKNOWLEDGED_SEQ))),
        _ => match (number(field::FROM_SEQ), number(field::TO_SEQ)) {
            (Some(from), Some(to)) if from <= to => Ok(Special::Tombstone(from, to)),
            _ => Err(fault),
        },
    }
}

fn number(value: Option<&[u8]>) -> Option<u64> {
    std::str::from_utf8(value?).ok()?.parse().ok()
}

fn string(value: Option<&[u8]>) -> Option<&str> {
    canonical::plain_string(value?)
}
