//! What a verification found, for people and for programs.
//!
//! A report always says what it did not look at. It names places and reasons, never what a record says.

use serde::Serialize;

use crate::hash::Hash;

/// The conclusion. Anything but `Verified` is a reason to look closer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every record is as it was written, all bodies are there, and a signed checkpoint covers the last one.
    Verified,
    /// Something was changed, removed, added or reordered.
    Failed,
    /// Nothing wrong was found, but not everything could be checked, or there was nothing to check.
    Incomplete,
    /// What was read is of a version that this verifier does not know, or could not be read.
    Unreadable,
}

impl Verdict {
    /// The exit code of `audit verify`. 2 (usage) and 5 (internal) are not verdicts.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Verified => 0,
            Verdict::Failed => 1,
            Verdict::Incomplete => 3,
            Verdict::Unreadable => 4,
        }
    }
}

/// What kind of break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum BreakCode {
    /// The line is not a record in canonical form.
    #[serde(rename = "E_NONCANON")]
    NotCanonical,
    /// The record's format version is not known to this verifier.
    #[serde(rename = "E_VERSION")]
    Version,
    /// The record is not the one that its successor was chained to.
    #[serde(rename = "E_CHAIN")]
    Chain,
    /// Records are missing here.
    #[serde(rename = "E_SEQ_GAP")]
    SeqGap,
    /// A record is here that has its place elsewhere, or twice.
    #[serde(rename = "E_SEQ_ORDER")]
    SeqOrder,
    /// The origin changes without a recovery record, or is not the expected one.
    #[serde(rename = "E_ORIGIN")]
    Origin,
    /// A session's counter has a gap.
    #[serde(rename = "E_SESSION")]
    Session,
    /// The tree's root is not the one that was signed.
    #[serde(rename = "E_ROOT")]
    Root,
    /// A checkpoint's signature or form is wrong.
    #[serde(rename = "E_SIG")]
    Signature,
    /// Records that a signed checkpoint or the head anchor covers are not there.
    #[serde(rename = "E_TRUNCATED")]
    Truncated,
    /// A body is not the one that its record refers to.
    #[serde(rename = "E_BODY")]
    Body,
    /// A body is absent and no tombstone says why.
    #[serde(rename = "E_BODY_MISSING")]
    BodyMissing,
    /// Something is there that no record refers to.
    #[serde(rename = "E_EXTRA")]
    Extra,
}

/// One break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Break {
    /// What kind.
    pub code: BreakCode,
    /// The record it is at, where it can be told.
    pub seq: Option<u64>,
    /// What it means, in a sentence, without any value of a record.
    pub explain: String,
}

/// The last signed checkpoint that agrees with the records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signed {
    /// Its log.
    pub origin: String,
    /// How many records it covers.
    pub size: u64,
    /// Its root in hexadecimal.
    pub root: String,
    /// The key that signed it, in text form.
    pub key: String,
}

/// How many bodies there are, and what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct BodyCounts {
    /// Referred to by records.
    pub referenced: u64,
    /// Read, and as their records say.
    pub checked: u64,
    /// Absent, and a tombstone says so.
    pub tombstoned: u64,
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The conclusion.
    pub verdict: Verdict,
    /// The exit code that goes with it.
    pub exit_code: u8,
    /// How many records were read.
    pub records: u64,
    /// The place of the first, if any.
    pub first_seq: Option<u64>,
    /// The place of the last, if any.
    pub last_seq: Option<u64>,
    /// The hash of the last.
    pub head: Option<Hash>,
    /// The origins met, one for each epoch, in order.
    pub origins: Vec<String>,
    /// How many sessions numbered their records.
    pub sessions: u64,
    /// Bodies.
    pub bodies: BodyCounts,
    /// Checkpoints that agree with the records.
    pub checkpoints: u64,
    /// The last of them.
    pub signed: Option<Signed>,
    /// Records after it, which nothing signed vouches for.
    pub unsigned_tail: u64,
    /// Breaks, in the order they were found; at most [`super::BREAKS_MAX`].
    pub failures: Vec<Break>,
    /// How many breaks there are, listed or not.
    pub failures_total: u64,
    /// The lowest record that a break names.
    pub first_bad_seq: Option<u64>,
    /// Runs of records, first and last, that follow from each other without a break.
    pub good: Vec<(u64, u64)>,
    /// What is remarkable and no failure, such as a clock that went back.
    pub notes: Vec<String>,
    /// What this run does not show.
    pub limits: Vec<String>,
}

/// Draws the conclusion.
pub(super) fn conclude(verifier: super::Verifier) -> Report {
    let signed = verifier.checkpoints.last.clone();
    let covered = signed.as_ref().map_or(0, |signed| signed.size);
    let unsigned_tail = verifier.expected.saturating_sub(covered);
    let mut incomplete = verifier.incomplete.clone();
    if verifier.records == 0 {
        incomplete.push("there was nothing to verify".to_owned());
    } else if unsigned_tail > 0 {
        incomplete.push(format!(
            "the last {unsigned_tail} records are not covered by a signed checkpoint"
        ));
    }
    if !verifier.bodies_supplied && verifier.bodies.referenced > 0 {
        incomplete.push(format!(
            "{} bodies were not read",
            verifier.bodies.referenced
        ));
    }
    let only_versions = verifier
        .breaks
        .iter()
        .all(|found| found.code == BreakCode::Version);
    let verdict = match (verifier.breaks_total, only_versions, incomplete.is_empty()) {
        (0, _, true) => Verdict::Verified,
        (0, _, false) => Verdict::Incomplete,
        (_, true, _) => Verdict::Unreadable,
        (_, false, _) => Verdict::Failed,
    };
    Report {
        verdict,
        exit_code: verdict.exit_code(),
        records: verifier.records,
        first_seq: verifier.first_seq,
        last_seq: verifier
            .first_seq
            .map(|_| verifier.expected.saturating_sub(1)),
        head: verifier.head,
        origins: verifier
            .epochs
            .iter()
            .map(|epoch| epoch.origin.to_string())
            .collect(),
        sessions: verifier.sessions_total,
        bodies: verifier.bodies,
        checkpoints: verifier.checkpoints.agreed,
        signed,
        unsigned_tail,
        first_bad_seq: verifier.first_bad,
        notes: notes(&verifier),
        limits: limits(&verifier, incomplete),
        good: verifier.links.good,
        failures: verifier.breaks,
        failures_total: verifier.breaks_total,
    }
}

fn notes(verifier: &super::Verifier) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some((first, count)) = verifier.clock_back {
        notes.push(format!(
            "the gateway's clock went back {count} times, first at record {first}"
        ));
    }
    if verifier.breaks_total > verifier.breaks.len() as u64 {
        notes.push(format!(
            "only the first {} breaks are listed",
            verifier.breaks.len()
        ));
    }
    notes
}

fn limits(verifier: &super::Verifier, mut limits: Vec<String>) -> Vec<String> {
    if !verifier.keys_given {
        limits.push(
            "the key was taken from the records themselves: that they were not rewritten as a whole is shown only by a key known from elsewhere"
                .to_owned(),
        );
    }
    match verifier.checkpoints.elsewhere {
        None => limits.push(
            "no checkpoint kept elsewhere was given: that nothing was cut off at the end, or rolled back, since the last signed checkpoint \
             is shown only by one"
                .to_owned(),
        ),
        Some(size) if size < verifier.expected => {
            limits.push(format!("the last checkpoint kept elsewhere covers {size} records: a cut after those is not shown"));
        }
        Some(_) => {}
    }
    limits.push("that everything was recorded, and that what was recorded is true, no record of its own can show".to_owned());
    limits
}
