//! The parts of a reply on their way out: masked in windows, each put on record, released when it is
//! durable. Also where a response pauses for an approval in mid-course, and where it is stopped.

use std::sync::Arc;

use almoner_wire::postgres::backend::{FieldDescription, TransactionStatus};
use bytes::Bytes;

use super::columns::{self, Shown};
use super::expect::{Columns, Expect, Flight};
use super::message::Message;
use super::request::Asked;
use super::rows::{self, Piece, Rows};
use super::session::{Ending, Rechecking, Relay, Then};
use super::sinks::Housekeeping;
use super::typed::Typing;
use super::words::OwnWords;
use crate::policy::{ColumnFacts, Denial, Effect, End, GoOn, InFlight, Standing, Withdrawn};

/// Rows of one window: enough that a record per window costs little, few enough to be let out soon.
const WINDOW_ROWS: usize = 1_000;
/// Bytes of one window.
pub(super) const WINDOW_BYTES: usize = 256 << 10;
/// Pieces of one window that are no rows: notices, and the ends of statements.
const WINDOW_PIECES: usize = 1_000;
/// Bytes that are held back for a decision; a response that needs more of them is stopped.
const WITHHELD_BYTES_MAX: usize = 16 << 20;

impl Relay {
    /// The columns of a portal's rows, from its statement's description.
    pub(super) async fn ensure_portal_columns(&mut self) -> Result<(), Ending> {
        let Some(Expect::Execute(flight)) = self.expect.front_mut() else {
            return Ok(());
        };
        if flight.columns.is_some() || flight.stopped.is_some() {
            return Ok(());
        }
        let undescribed = Ending::Broken("almoner: the server sends rows it has not described");
        let Some(portal) = flight.portal.clone() else {
            return Err(undescribed);
        };
        let (prepared, formats) = (&portal.statement, &portal.result_formats);
        let Some(statement) = flight.statement().map(Arc::clone) else {
            return Err(undescribed);
        };
        let generation = flight.inflight.standing().generation();
        let known = prepared.columns().filter(|known| {
            Arc::ptr_eq(&known.resolved, &statement)
                && known.formats == *formats
                && known.masking.generation == generation
        });
        let columns = match known {
            Some(known) => known,
            None => {
                // A statement that was never described was never there: the server runs another.
                let described = prepared.described().ok_or(undescribed)?;
                let fields = described.fields.as_ref().ok_or(Ending::Broken(
                    "almoner: the server sends rows where it said there were none",
                ))?;
                let columns = self.decide_columns(fields, Some(formats)).await?;
                prepared.set_columns(&columns);
                columns
            }
        };
        self.open_rows(columns);
        Ok(())
    }

    /// The columns of a simple query's next result.
    pub(super) async fn on_result(&mut self, fields: Vec<FieldDescription>) -> Result<(), Ending> {
        self.flush_rows().await;
        let columns = self.decide_columns(&fields, None).await?;
        if self.flight().is_some_and(|flight| flight.stopped.is_none()) {
            self.own_piece(OwnWords::columns(&fields)).await;
        }
        self.open_rows(columns);
        Ok(())
    }

    async fn decide_columns(
        &mut self,
        fields: &[FieldDescription],
        formats: Option<&[i16]>,
    ) -> Result<Arc<Columns>, Ending> {
        let (catalogs, pipeline) = (Arc::clone(&self.catalogs), Arc::clone(&self.pipeline));
        let course = self.course.clone();
        let flight = self
            .flight()
            .ok_or(Ending::Broken("almoner: the server answered out of turn"))?;
        let statement = flight.statement().map(Arc::clone).ok_or(Ending::Broken(
            "almoner: the server sends more results than statements",
        ))?;
        let standing = flight.inflight.standing().clone();
        let look = catalogs.look(&standing);
        if fields
            .iter()
            .any(|field| look.catalog.lacks(field.table_oid, field.column))
        {
            catalogs.refresh_soon();
        }
        // Between its judgement and its rows, names may have come to mean something else.
        let doubted = flight.asked.shifted(&statement, &standing, &course);
        let shown = Shown {
            look: &look,
            doubted,
        };
        let result = columns::of_result(fields, formats, &statement, &shown).ok_or(
            Ending::Broken("almoner: the formats asked for do not fit the result"),
        )?;
        let masking = flight.inflight.masking(&pipeline, &result.facts).await;
        Ok(Arc::new(Columns {
            types: result.types,
            masking,
            resolved: statement,
            formats: formats.unwrap_or_default().to_vec(),
        }))
    }

    fn open_rows(&mut self, columns: Arc<Columns>) {
        let resource = self.session.resource.clone();
        if let Some(flight) = self.flight() {
            let typing = typing(resource, flight.inflight.standing());
            flight.rows = Some(Rows::new(Arc::clone(&columns.types), typing));
            flight.rows_bytes = 0;
            flight.columns = Some(columns);
        }
    }

    /// A row has come in: a window may be full, or the row count reached at which somebody is asked.
    pub(super) async fn after_row(&mut self) -> Result<(), Ending> {
        let Some(flight) = self.flight() else {
            return Ok(());
        };
        let count = flight.rows.as_ref().map_or(0, Rows::len);
        let bulk = flight.rows.as_ref().map_or(0, Rows::bulk);
        let reached = flight.inflight.rows_left().is_some_and(|left| bulk >= left);
        let heavy = reached && bulk > count as u64;
        let full = count >= WINDOW_ROWS || flight.rows_bytes >= WINDOW_BYTES;
        if reached || full {
            self.flush_rows().await;
            self.after_window(reached, heavy).await?;
        }
        Ok(())
    }

    /// `heavy`: it is the size of a row that reaches the count, and so that row waits for leave, too.
    pub(super) async fn after_window(&mut self, reached: bool, heavy: bool) -> Result<(), Ending> {
        let Some(flight) = self.flight() else {
            return Ok(());
        };
        let withholds = heavy || flight.inflight.withholds();
        if withholds && flight.window_bytes > WITHHELD_BYTES_MAX {
            let denial = too_large_to_withhold(flight);
            return self.stop(denial).await;
        }
        if !withholds {
            self.flush_window().await?;
        }
        if reached {
            self.begin_recheck();
        }
        Ok(())
    }

    fn begin_recheck(&mut self) {
        let (pipeline, notices) = (Arc::clone(&self.pipeline), Arc::clone(&self.notices));
        let Some(flight) = self.flight() else { return };
        let asked = Arc::clone(&flight.asked);
        let request: Arc<dyn crate::policy::Request> = Arc::clone(&asked) as _;
        let answer = Box::pin(flight.inflight.recheck(pipeline, request, notices));
        self.noted.held = false;
        self.rechecking = Some(Rechecking { answer, asked });
    }

    /// Somebody has looked at a response in mid-course.
    pub(super) async fn on_rechecked(
        &mut self,
        answer: Result<Option<GoOn>, Denial>,
    ) -> Result<(), Ending> {
        self.rechecking = None;
        match answer {
            Ok(on) => {
                if let Some(flight) = self.flight() {
                    flight.inflight.go_on(on);
                }
                self.flush_window().await
            }
            Err(denial) => self.stop(denial).await,
        }
    }

    /// The caller asks to cancel: a wait is withdrawn, anything else is the server's to cancel.
    pub(super) async fn on_cancel(&mut self) -> Result<(), Ending> {
        if let Some(admitting) = self.admitting.take() {
            let asked = Arc::clone(&admitting.asked);
            let then = admitting.then;
            // Dropping the answer withdraws the request for approval.
            self.notices.cancel(admitting.answer);
            let denial = self
                .pipeline
                .withdrawn(&self.session, &*asked, Withdrawn::Canceled)
                .await;
            self.admitting = Some(super::session::Admitting {
                answer: Box::pin(std::future::ready(Err(denial))),
                asked,
                then,
            });
            return Ok(());
        }
        if let Some(rechecking) = self.rechecking.take() {
            let asked = rechecking.asked;
            self.notices.cancel(rechecking.answer);
            let denial = self
                .pipeline
                .withdrawn(&self.session, &*asked, Withdrawn::CanceledMidway)
                .await;
            return self.stop(denial).await;
        }
        self.cancel_upstream();
        Ok(())
    }

    /// What waits for admission will not be done; nothing of it was sent.
    pub(super) async fn withdraw_admitting(&mut self, why: Withdrawn) {
        if let Some(admitting) = self.admitting.take() {
            drop(admitting.answer);
            // Preparing does nothing, and is on record only where a guard denies it.
            if matches!(admitting.then, Then::Query(_) | Then::Execute(..)) {
                let asked = admitting.asked;
                let _ = self.pipeline.withdrawn(&self.session, &*asked, why).await;
            }
        }
    }

    /// Until it has arrived nothing further is sent, lest it hit that.
    fn cancel_upstream(&mut self) {
        if self.canceling.is_some() {
            return;
        }
        let dialer = Arc::clone(&self.dialer);
        let (pid, key) = (self.upstream_pid, self.upstream_key.clone());
        self.canceling = Some(tokio::spawn(async move {
            if let Err(error) = dialer.cancel(pid, key).await {
                tracing::warn!(%error, "a cancel request could not be passed on");
            }
        }));
    }

    /// Ends a response in mid-course: what was held back is dropped, what still comes is not looked at.
    async fn stop(&mut self, denial: Denial) -> Result<(), Ending> {
        let only = self
            .expect
            .iter()
            .filter(|owed| matches!(owed, Expect::Execute(_) | Expect::Query(_)))
            .count()
            == 1;
        let Some(flight) = self.flight() else {
            return Ok(());
        };
        flight.stopped = Some(denial);
        flight.rows = flight.rows.take().map(|_| {
            let types = flight
                .columns
                .as_ref()
                .map(|columns| Arc::clone(&columns.types));
            Rows::new(types.unwrap_or_default(), idle_typing())
        });
        flight.window.clear();
        flight.window_bytes = 0;
        // Its end may lie in the server's buffer, and no Sync be on its way.
        self.upstream.own(Housekeeping::Flush);
        // With others behind it, a cancel request that comes late would hit the next one instead.
        if only {
            self.cancel_upstream();
        }
        Ok(())
    }

    /// A stopped portal has come to its end: the caller gets the refusal, and nothing of what was sent
    /// behind it in the same pipeline.
    pub(super) async fn end_stopped_portal(&mut self) -> Result<(), Ending> {
        let Some(denial) = self.flight().and_then(|flight| flight.stopped.clone()) else {
            return Ok(());
        };
        let silent = self.flight().is_some_and(|flight| flight.silent);
        self.end_front("stopped").await?;
        if silent {
            return Ok(());
        }
        self.client.say(OwnWords::denial(&denial));
        for owed in &mut self.expect {
            match owed {
                Expect::Sync { must_fail, .. } => {
                    *must_fail = true;
                    return Ok(());
                }
                Expect::Execute(flight) | Expect::Query(flight) => {
                    flight.stopped = Some(denial.clone());
                    flight.silent = true;
                }
                Expect::Parse { said, .. }
                | Expect::Bind { said, .. }
                | Expect::Describe { said, .. }
                | Expect::Close { said, .. } => *said = false,
                // The caller has its error, and a pipeline has one.
                Expect::Refused { words, .. } => *words = None,
            }
        }
        // Nothing was sent behind it yet: the server is made to fail, so that it drops what follows.
        self.upstream.own(Housekeeping::FailPipeline);
        self.expect.push_back(Expect::Refused {
            words: None,
            query: false,
        });
        self.skipping = true;
        self.withdraw_admitting(Withdrawn::Skipped).await;
        Ok(())
    }

    /// The server's own error ends a response that was stopped: what the caller hears is the refusal.
    pub(super) async fn fail_stopped(&mut self, message: &Message) -> Result<(), Ending> {
        let Some(flight) = self.flight() else {
            return Ok(());
        };
        flight.failed = Some(format!("error:{}", message.code()));
        flight.copy = None;
        let (denial, silent) = (flight.stopped.clone(), flight.silent);
        if matches!(self.expect.front(), Some(Expect::Execute(_))) {
            self.end_front("stopped").await?;
            if let (Some(denial), false) = (denial, silent) {
                self.client.say(OwnWords::denial(&denial));
            }
            self.discard_to_sync().await?;
        }
        if message.is_fatal() {
            return Err(Ending::Upstream);
        }
        Ok(())
    }

    /// A simple query has come to its end.
    pub(super) async fn end_query(&mut self, status: TransactionStatus) -> Result<(), Ending> {
        let Some(flight) = self.flight() else {
            return Ok(());
        };
        let (outcome, stopped) = (flight.outcome(), flight.stopped.clone());
        let failed = flight.failed.is_some();
        let wrote = flight.inflight.exchange().effect() == Effect::Write;
        self.end_front(&outcome).await?;
        match stopped {
            None => self.client.say(OwnWords::ready(status)),
            Some(denial)
                if status == TransactionStatus::InTransaction
                    && !failed
                    && self.expect.is_empty() =>
            {
                // The caller is told of an error, so the transaction must have failed.
                self.upstream.own(Housekeeping::FailQuery);
                self.expect.push_front(Expect::Refused {
                    words: Some(OwnWords::denial(&denial)),
                    query: true,
                });
            }
            Some(mut denial) => {
                // The server was done before the refusal came, and nothing takes that back.
                if wrote && !failed {
                    denial.message.push_str("; what it changed stands");
                }
                self.client.say(OwnWords::denial(&denial));
                self.client.say(OwnWords::ready(status));
            }
        }
        Ok(())
    }

    /// Masks the rows that have come in, and puts them into the window.
    pub(super) async fn flush_rows(&mut self) {
        let (pipeline, searcher) = (&self.pipeline, &mut self.searcher);
        let Some(Expect::Execute(flight) | Expect::Query(flight)) = self.expect.front_mut() else {
            return;
        };
        let Some(columns) = flight.columns.clone() else {
            return;
        };
        let Some(rows) = flight.rows.take_if(|rows| !rows.is_empty()) else {
            return;
        };
        flight.rows = Some(rows.following());
        flight.window_bytes += std::mem::take(&mut flight.rows_bytes);
        let masked = flight
            .inflight
            .mask(pipeline, &columns.masking, searcher, Piece::Rows(rows))
            .await;
        flight.window.push(masked);
    }

    /// Puts one piece with columns of its own into the window.
    pub(super) async fn mask_piece(&mut self, piece: Piece, facts: &[ColumnFacts]) {
        let (pipeline, searcher) = (&self.pipeline, &mut self.searcher);
        let Some(Expect::Execute(flight) | Expect::Query(flight)) = self.expect.front_mut() else {
            return;
        };
        let masking = flight.inflight.masking(pipeline, facts).await;
        let bytes = piece.bytes();
        let masked = flight
            .inflight
            .mask(pipeline, &masking, searcher, piece)
            .await;
        flight.window.push(masked);
        flight.window_bytes += bytes;
    }

    /// Puts words of the gateway's own into the window, in their place between rows.
    pub(super) async fn own_piece(&mut self, words: OwnWords) {
        self.mask_piece(Piece::Own(words), &[]).await;
    }

    /// Pieces that are no rows fill a window, too: a procedure may raise any number of notices.
    pub(super) async fn after_piece(&mut self) -> Result<(), Ending> {
        let full = self.flight().is_some_and(|flight| {
            flight.window.len() >= WINDOW_PIECES || flight.window_bytes >= WINDOW_BYTES
        });
        if full {
            self.after_window(false, false).await?;
        }
        Ok(())
    }

    /// Puts the window on record; it is released when that is durable.
    pub(super) async fn flush_window(&mut self) -> Result<(), Ending> {
        let pipeline = Arc::clone(&self.pipeline);
        let Some(flight) = self.flight() else {
            return Ok(());
        };
        if flight.window.is_empty() {
            return Ok(());
        }
        flight.window_bytes = 0;
        let window = std::mem::take(&mut flight.window);
        let settling = flight
            .inflight
            .record(&pipeline, window, rows::encode, End::More)
            .await
            .map_err(|_| Ending::Unrecorded)?;
        self.client.settle(settling);
        Ok(())
    }

    /// Whether rows have come in that nobody has passed on yet.
    pub(super) fn has_trickle(&mut self) -> bool {
        self.rechecking.is_none()
            && self.flight().is_some_and(|flight| {
                flight.has_pending() && flight.stopped.is_none() && !flight.inflight.withholds()
            })
    }

    pub(super) async fn flush_trickle(&mut self) -> Result<(), Ending> {
        if self.has_trickle() {
            self.flush_rows().await;
            self.flush_window().await?;
        }
        Ok(())
    }

    /// Closes the exchange that is answered first, and puts its outcome on record.
    pub(super) async fn end_front(&mut self, outcome: &str) -> Result<(), Ending> {
        let pipeline = Arc::clone(&self.pipeline);
        let Some(Expect::Execute(mut flight) | Expect::Query(mut flight)) = self.expect.pop_front()
        else {
            return Ok(());
        };
        self.flush_at = None;
        flight.note_given();
        self.noted.touched |= flight.may_quote();
        let window = std::mem::take(&mut flight.window);
        let settling = flight
            .inflight
            .record(
                &pipeline,
                window,
                rows::encode,
                End::Done(outcome.to_owned()),
            )
            .await
            .map_err(|_| Ending::Unrecorded)?;
        self.client.settle(settling);
        Ok(())
    }

    /// Something the server says outside of any exchange: masked, recorded, and said if `said`.
    pub(super) async fn aside(
        &mut self,
        asked: Arc<Asked>,
        message: Message,
        said: bool,
    ) -> Result<(), Ending> {
        let outcome = format!("error:{}", message.code());
        let Some(mut inflight) = InFlight::aside(&self.pipeline, &self.session, &*asked) else {
            // No rule lets the caller in any more, and so nothing of it is shown.
            return Ok(());
        };
        let masking = inflight.masking(&self.pipeline, &Message::columns()).await;
        let masked = inflight
            .mask(
                &self.pipeline,
                &masking,
                &mut self.searcher,
                Piece::Message(message),
            )
            .await;
        let encode = |pieces| {
            if said {
                rows::encode(pieces)
            } else {
                Bytes::new()
            }
        };
        let settling = inflight
            .record(&self.pipeline, vec![masked], encode, End::Done(outcome))
            .await
            .map_err(|_| Ending::Unrecorded)?;
        self.client.settle(settling);
        Ok(())
    }

    /// The session ends: every exchange still open gets its outcome.
    pub(super) async fn finish(&mut self, ending: &Ending) {
        let outcome = match ending {
            Ending::Caller => "abandoned",
            Ending::Upstream => "upstream closed",
            _ => "ended",
        };
        let why = match ending {
            Ending::Drained => Withdrawn::Stopping,
            _ => Withdrawn::Abandoned,
        };
        self.withdraw_admitting(why).await;
        self.rechecking = None;
        while let Some(owed) = self.expect.front() {
            match owed {
                Expect::Execute(flight) | Expect::Query(flight) => {
                    let outcome = flight.failed.clone().unwrap_or_else(|| outcome.to_owned());
                    // What nobody has put on record stays where it is.
                    if let Some(flight) = self.flight() {
                        flight.window.clear();
                    }
                    if self.end_front(&outcome).await.is_err() {
                        return;
                    }
                }
                _ => {
                    self.expect.pop_front();
                }
            }
        }
    }
}

pub(super) fn typing(resource: String, standing: &Standing) -> Arc<Typing> {
    Arc::new(Typing {
        resource,
        pseudonyms: standing.pseudonyms().clone(),
        this_year: standing.this_year(),
    })
}

/// For rows that are only dropped.
fn idle_typing() -> Arc<Typing> {
    Arc::new(Typing {
        resource: String::new(),
        pseudonyms: crate::policy::Pseudonyms::new("", [0; 32]),
        this_year: 0,
    })
}

fn too_large_to_withhold(flight: &Flight) -> Denial {
    Denial {
        exchange: flight.inflight.exchange().id.clone(),
        rule: None,
        code: "gateway/withheld-too-large".to_owned(),
        message: "its rows are held back until a decision, and they are too large to hold"
            .to_owned(),
        fault: crate::policy::Fault::Gateway,
    }
}
