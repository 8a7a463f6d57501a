//! Settling: each part of a reply is masked, then recorded, and only a durable record makes it
//! [`Released`]. The only maker of that proof, and the only thing a caller's sink takes besides words the
//! gateway authored.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use almoner_audit::{AuditError, Entry, Pending};
use almoner_ledger::{Draft, Kind};
use bytes::Bytes;

use super::admit::{self, Ticket};
use super::column::{ColumnFacts, Masking};
use super::exchange::{Before, Caller, Exchange, Request, Session};
use super::failed::{DetectorCalls, Failed};
use super::mask::{self, Counts, Desk, Masked, Part};
use super::pipeline::Pipeline;
use super::recheck::{self, GoOn};
use super::record;
use super::standing::{Searcher, Standing};
use super::usage::Use;
use super::verdict::Denial;
use crate::config::policy::Release;
use crate::telemetry::metrics::{Phase, PhaseMetrics, Timer, Verdict};

/// An exchange that was forwarded and is being answered.
pub struct InFlight {
    ticket: Ticket,
    rows: u64,
    /// Rows as thresholds count them, those before this exchange included.
    bulk: u64,
    bytes: u64,
    findings: Counts,
    failed: Failed,
    windows: u64,
    bodies_bytes: u64,
    recheck_at_rows: Option<u64>,
    forwarded: Instant,
}

/// Masked bytes whose record is on its way to stable storage.
pub struct Settling {
    bytes: Bytes,
    record: Pending,
    recording: Option<Timer>,
    phases: PhaseMetrics,
}

/// Bytes that are masked and durably recorded. Made by [`Settling`] only.
pub struct Released {
    bytes: Bytes,
    releasing: Timer,
}

/// Whether an exchange goes on after this window.
pub enum End {
    /// More may come.
    More,
    /// It is over, with this outcome: `ok`, `error:22P02`, `canceled`, `disconnected`, …
    Done(String),
}

impl Released {
    /// The bytes, for the sink, and the time that writing them takes.
    pub fn into_bytes(self) -> (Bytes, Timer) {
        (self.bytes, self.releasing)
    }
}

impl Settling {
    /// Waits for the record. An error means that nothing of it may go out.
    pub async fn durable(&mut self) -> Result<Released, AuditError> {
        (&mut self.record).await?;
        if let Some(recording) = self.recording.take() {
            recording.end();
        }
        Ok(Released {
            bytes: std::mem::take(&mut self.bytes),
            releasing: self.phases.begin(Phase::Release),
        })
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no bytes wait.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl InFlight {
    /// Spends the ticket.
    pub fn forwarded(mut ticket: Ticket) -> Self {
        let recheck_at_rows = ticket.recheck_at_rows;
        let failed = std::mem::take(&mut ticket.failed);
        let bulk = ticket.exchange.before.rows;
        Self {
            ticket,
            rows: 0,
            bulk,
            bytes: 0,
            findings: Counts::new(),
            failed,
            windows: 0,
            bodies_bytes: 0,
            recheck_at_rows,
            forwarded: Instant::now(),
        }
    }

    /// For what the upstream says outside of any admitted exchange. `None` where no rule lets the caller
    /// use the resource any more: then nothing of it is shown.
    pub fn aside(
        pipeline: &Pipeline,
        session: &Arc<Session>,
        request: &dyn Request,
    ) -> Option<Self> {
        admit::aside(pipeline, session, request).map(Self::forwarded)
    }

    /// The exchange.
    pub fn exchange(&self) -> &Exchange {
        &self.ticket.exchange
    }

    /// Whether the response may be stopped at a row count.
    pub fn may_stop(&self) -> bool {
        self.recheck_at_rows.is_some()
    }

    /// Rows that may still be masked before the exchange needs a look; `None`: any number.
    pub fn rows_left(&self) -> Option<u64> {
        self.recheck_at_rows.map(|at| at.saturating_sub(self.bulk))
    }

    /// What the next exchange with the same cursor or portal has before it.
    pub fn after(&self) -> Before {
        let approved = match self.recheck_at_rows {
            Some(at) if !self.ticket.approvals.is_empty() => at,
            _ => self.ticket.exchange.before.approved,
        };
        Before {
            rows: self.bulk,
            approved,
        }
    }

    /// The row count at which the exchange needs a look; `None`: none.
    pub fn recheck_at_rows(&self) -> Option<u64> {
        self.recheck_at_rows
    }

    /// Whether rows are held back until a decision or the end.
    pub fn withholds(&self) -> bool {
        self.recheck_at_rows.is_some()
            && self.ticket.standing.runtime().rule.release == Release::AfterDecision
    }

    /// Decides what happens to each column of a result, under the exchange's own generation.
    pub async fn masking(&mut self, pipeline: &Pipeline, facts: &[ColumnFacts]) -> Masking {
        let (masking, calls) = super::column::decide(
            &self.ticket.standing,
            &self.ticket.session.principal.groups,
            &self.ticket.session.resource,
            self.ticket.session.protocol,
            facts,
        )
        .await;
        self.called(pipeline, &calls);
        masking
    }

    fn called(&mut self, pipeline: &Pipeline, calls: &DetectorCalls) {
        let names = &self.ticket.standing.runtime().rule.detectors;
        pipeline.metrics().detectors(names, calls);
        self.failed.add_detectors(names, &calls.failures);
    }

    /// What the exchange is judged and masked under.
    pub fn standing(&self) -> &Standing {
        &self.ticket.standing
    }

    /// Masks one part and counts it, with the session's own detectors.
    pub async fn mask<P: Part>(
        &mut self,
        pipeline: &Pipeline,
        masking: &Masking,
        searcher: &mut Searcher,
        part: P,
    ) -> Masked<P> {
        let started = Instant::now();
        let (rows, bulk) = (part.rows(), part.bulk());
        let masked = mask::mask(
            part,
            Desk {
                masking,
                detectors: searcher.for_standing(&self.ticket.standing),
                context: &self.ticket.context,
                resource: &self.ticket.session.resource,
                pseudonyms: self.ticket.standing.pseudonyms(),
                this_year: self.ticket.standing.this_year(),
            },
        )
        .await;
        self.rows += rows;
        self.bulk += bulk;
        for (kind, count) in &masked.counts {
            *self.findings.entry(Arc::clone(kind)).or_default() += count;
        }
        self.called(pipeline, &masked.calls);
        pipeline.metrics().findings(&masked.counts);
        pipeline.metrics().phase(Phase::Mask, started.elapsed());
        masked
    }

    /// Puts a window of masked parts on record: the last one closes the exchange. The bytes of `encode`
    /// are exactly what will be released.
    pub async fn record<P: Part>(
        &mut self,
        pipeline: &Pipeline,
        window: Vec<Masked<P>>,
        encode: impl FnOnce(Vec<P>) -> Bytes,
        end: End,
    ) -> Result<Settling, Denial> {
        let phases = pipeline.metrics().phases().clone();
        let recording = phases.begin(Phase::Record);
        let bytes = encode(window.into_iter().map(|masked| masked.part).collect());
        self.bytes += bytes.len() as u64;
        let draft = match &end {
            End::More => self.part_record(),
            End::Done(outcome) => self.outcome_record(outcome),
        };
        self.windows += 1;
        let mut entry = Entry::new(draft.with("window_bytes", bytes.len() as u64));
        // What is kept of the reply is what the caller gets, byte for byte.
        if !bytes.is_empty()
            && self.bodies_bytes + bytes.len() as u64 <= pipeline.response_body_bytes_max()
        {
            self.bodies_bytes += bytes.len() as u64;
            entry = entry.body("response", self.ticket.session.media, bytes.clone());
        }
        let pending = self.ticket.session.log.enqueue(entry).await;
        if let End::Done(outcome) = &end {
            self.count(pipeline, outcome);
        }
        match pending {
            Ok(record) => Ok(Settling {
                bytes,
                record,
                recording: Some(recording),
                phases,
            }),
            Err(error) => {
                tracing::error!(%error, exchange = %self.ticket.exchange.id, "a reply could not be recorded; it is not released");
                Err(admit::unrecorded(&self.ticket.exchange))
            }
        }
    }

    /// Asks the approval plugins again, at the row count reached, and waits for an approval if one is
    /// needed. Owns what it needs, so that the session can go on listening to its caller meanwhile.
    pub fn recheck(
        &self,
        pipeline: Arc<Pipeline>,
        request: Arc<dyn Request>,
        caller: Arc<dyn Caller>,
    ) -> impl Future<Output = Result<Option<GoOn>, Denial>> + Send + 'static {
        self.recheck_at(self.bulk, pipeline, request, caller)
    }

    /// The same at a row count that a reply in hand is known to reach, before any of it is masked.
    pub fn recheck_at(
        &self,
        rows: u64,
        pipeline: Arc<Pipeline>,
        request: Arc<dyn Request>,
        caller: Arc<dyn Caller>,
    ) -> impl Future<Output = Result<Option<GoOn>, Denial>> + Send + 'static {
        let session = Arc::clone(&self.ticket.session);
        async move { recheck::recheck(&pipeline, &session, &*request, &*caller, rows).await }
    }

    /// Takes note of what a recheck came to.
    pub fn go_on(&mut self, on: Option<GoOn>) {
        match on {
            Some(on) => {
                self.ticket.approvals.extend(on.approved);
                self.recheck_at_rows = on.until;
            }
            None => self.recheck_at_rows = None,
        }
    }

    fn part_record(&self) -> Draft {
        let draft = if self.windows == 0 && !self.ticket.intent {
            self.full_record(Kind::Part)
        } else {
            record::follow_up(Kind::Part, &self.ticket.session, &self.ticket.exchange)
        };
        draft
            .with("window", self.windows)
            .with("rows_so_far", self.rows)
    }

    fn outcome_record(&self, outcome: &str) -> Draft {
        let draft = if self.windows == 0 && !self.ticket.intent {
            self.full_record(Kind::Outcome)
        } else {
            record::follow_up(Kind::Outcome, &self.ticket.session, &self.ticket.exchange)
        };
        let draft = record::with_approvals(draft, &self.ticket.approvals)
            .with("outcome", outcome)
            .with("rows", self.rows)
            .with("bytes", self.bytes)
            .with("findings", record::Findings(&self.findings))
            .with(
                "duration_us",
                u64::try_from(self.ticket.admitted.elapsed().as_micros()).unwrap_or(u64::MAX >> 12),
            );
        record::with_failed(draft, &self.failed)
    }

    fn full_record(&self, kind: Kind) -> Draft {
        record::exchange(
            kind,
            &self.ticket.session,
            &self.ticket.exchange,
            &self.ticket.standing.generation,
            Some(&self.ticket.standing.runtime().rule.name),
            "allow",
        )
    }

    fn count(&self, pipeline: &Pipeline, outcome: &str) {
        let verdict = match outcome {
            "ok" | "suspended" => Verdict::Allow,
            "abandoned" | "canceled" => Verdict::Abandoned,
            "stopped" => Verdict::Deny,
            _ => Verdict::Error,
        };
        pipeline
            .metrics()
            .exchange(&self.ticket.session.resource, verdict);
        pipeline
            .metrics()
            .phase(Phase::Upstream, self.forwarded.elapsed());
        pipeline.usage().add(
            &self.ticket.session.principal.subject,
            Use {
                rows: self.bulk - self.ticket.exchange.before.rows,
                bytes: self.bytes,
                ..Use::default()
            },
        );
    }
}
