//! What a server's messages mean. Each belongs to the answer that is owed first; what holds values goes
//! through `settle`, and the rest is said anew in the gateway's own words. An answer nobody is owed ends
//! the session: whoever cannot tell what bytes are must not pass them.

use std::sync::Arc;

use almoner_sql::Kind;
use almoner_wire::postgres::backend::{CopyResponse, TransactionStatus};
use almoner_wire::postgres::{Backend, DataRow, Fields, Frame, tag};
use bytes::Bytes;

use super::action::Resolved;
use super::expect::{CopyingIn, Expect, Flight, Portal, Prepared};
use super::message::{Message, precedes_rows, speaks_of_state};
use super::request::Asked;
use super::rows::Piece;
use super::session::{Ending, Relay, check_parameter};
use super::sinks::Housekeeping;
use super::words::OwnWords;
use crate::policy::{Effect, Withdrawn};

const OUT_OF_TURN: Ending = Ending::Broken("almoner: the server answered out of turn");
const UNREADABLE: Ending = Ending::Broken("almoner: the server broke the protocol");

/// Parameters that are reported and take values out of a small set only, or cannot be set.
fn has_fixed_values(name: &[u8]) -> bool {
    matches!(
        name,
        b"client_encoding"
            | b"DateStyle"
            | b"default_transaction_read_only"
            | b"in_hot_standby"
            | b"integer_datetimes"
            | b"IntervalStyle"
            | b"is_superuser"
            | b"server_encoding"
            | b"server_version"
            | b"standard_conforming_strings"
    )
}

// Looked at before it is taken out: an answer out of turn must leave the exchange that is owed first in its
// place, so that the end of the session puts its outcome on record.
fn is_parse(owed: &mut Expect) -> bool {
    matches!(owed, Expect::Parse { .. })
}

fn is_bind(owed: &mut Expect) -> bool {
    matches!(owed, Expect::Bind { .. })
}

fn is_describe(owed: &mut Expect) -> bool {
    matches!(owed, Expect::Describe { .. })
}

fn is_close(owed: &mut Expect) -> bool {
    matches!(owed, Expect::Close { .. })
}

impl Relay {
    pub(super) async fn on_server(&mut self, frame: Frame) -> Result<(), Ending> {
        if frame.tag() == tag::backend::DATA_ROW {
            return self.on_row(frame).await;
        }
        let message = Backend::decode(&frame).map_err(|error| {
            tracing::error!(session = %self.session.id, %error, "the upstream broke the protocol");
            UNREADABLE
        })?;
        match message {
            Backend::ParameterStatus { name, value } => {
                check_parameter(&name, &value).map_err(Ending::Broken)?;
                self.on_parameter(name, value);
                Ok(())
            }
            Backend::NoticeResponse(fields) => self.on_notice(fields).await,
            Backend::NotificationResponse { .. } => {
                self.pipeline.metrics().notification_dropped();
                Ok(())
            }
            Backend::ErrorResponse(fields) => self.on_error(fields).await,
            Backend::ReadyForQuery { status } => self.on_ready(status).await,
            Backend::CommandComplete { tag } => self.on_complete(OwnWords::complete(&tag)).await,
            Backend::EmptyQueryResponse => self.on_complete(OwnWords::empty_query()).await,
            Backend::PortalSuspended => self.on_suspended().await,
            Backend::RowDescription(fields) => match self.expect.front() {
                Some(Expect::Query(_)) => self.on_result(fields).await,
                _ => self.on_described(Some(fields)),
            },
            Backend::NoData => self.on_described(None),
            Backend::ParameterDescription(types) => match self.expect.front() {
                Some(Expect::Describe { said: true, .. }) => {
                    self.client.say(OwnWords::parameters(types));
                    Ok(())
                }
                Some(Expect::Describe { of, .. }) => {
                    of.set_parameters(types);
                    Ok(())
                }
                _ => Err(OUT_OF_TURN),
            },
            Backend::ParseComplete => match self.expect.pop_front_if(is_parse) {
                Some(Expect::Parse { said, .. }) => {
                    self.say_if(said, OwnWords::parse_complete);
                    Ok(())
                }
                _ => Err(OUT_OF_TURN),
            },
            Backend::BindComplete => match self.expect.pop_front_if(is_bind) {
                Some(Expect::Bind { portal, said }) => {
                    portal.set_bound();
                    self.say_if(said, OwnWords::bind_complete);
                    Ok(())
                }
                _ => Err(OUT_OF_TURN),
            },
            Backend::CloseComplete => match self.expect.pop_front_if(is_close) {
                Some(Expect::Close { portal, said }) => {
                    if let Some((name, portal)) = portal {
                        self.unbind(&name, &portal);
                    }
                    self.say_if(said, OwnWords::close_complete);
                    Ok(())
                }
                _ => Err(OUT_OF_TURN),
            },
            Backend::CopyOutResponse(response) => self.on_copy_out(response).await,
            Backend::CopyInResponse(response) => self.on_copy_in(response).await,
            Backend::CopyData(data) => self.on_copy_data(&data).await,
            Backend::CopyDone => self.on_copy_done().await,
            Backend::Authentication(_)
            | Backend::BackendKeyData { .. }
            | Backend::NegotiateProtocolVersion { .. }
            | Backend::CopyBothResponse(_)
            | Backend::FunctionCallResponse(_)
            | Backend::DataRow(_) => Err(OUT_OF_TURN),
        }
    }

    /// The server has closed a portal, or never made it: SQL cannot reach it by its name.
    fn unbind(&mut self, name: &Bytes, portal: &Arc<Portal>) {
        let same = |known: &Arc<Portal>| Arc::ptr_eq(known, portal);
        if self.bound.get(name).is_some_and(same) {
            Arc::make_mut(&mut self.bound).remove(name);
        }
    }

    /// A run-time parameter can be set to any value a statement computes (`set_config`), and so be a way out
    /// for one. Where something sensitive was touched only parameters pass whose values are words of the
    /// server's own.
    fn on_parameter(&mut self, name: Bytes, value: Bytes) {
        let touched = self.noted.touched
            || self.expect.iter().any(|owed| match owed {
                Expect::Execute(flight) | Expect::Query(flight) => flight.may_quote(),
                _ => false,
            });
        if !touched || has_fixed_values(&name) {
            self.client.say(OwnWords::parameter_status(name, value));
        }
    }

    fn say_if(&mut self, said: bool, words: impl FnOnce() -> OwnWords) {
        if said {
            self.client.say(words());
        }
    }

    /// The flight that the server is answering.
    pub(super) fn flight(&mut self) -> Option<&mut Flight> {
        match self.expect.front_mut() {
            Some(Expect::Execute(flight) | Expect::Query(flight)) => Some(flight),
            _ => None,
        }
    }

    async fn on_row(&mut self, frame: Frame) -> Result<(), Ending> {
        let row = DataRow::decode(frame.body()).map_err(|_| UNREADABLE)?;
        self.ensure_portal_columns().await?;
        let flight = self.flight().ok_or(OUT_OF_TURN)?;
        if flight.stopped.is_some() {
            return Ok(());
        }
        let bytes = frame.len();
        let rows = flight.rows.as_mut().ok_or(OUT_OF_TURN)?;
        if !rows.push(row, frame.into_raw()) {
            flight.failed = Some("error:mismatch".to_owned());
            tracing::error!(session = %self.session.id, "a row does not match its description");
            return Err(Ending::Broken(
                "almoner: a row does not match its description; nothing of it was passed on",
            ));
        }
        flight.rows_bytes += bytes;
        self.after_row().await
    }

    fn on_described(
        &mut self,
        fields: Option<Vec<almoner_wire::postgres::backend::FieldDescription>>,
    ) -> Result<(), Ending> {
        let Some(Expect::Describe { of, said }) = self.expect.pop_front_if(is_describe) else {
            return Err(OUT_OF_TURN);
        };
        let words = match &fields {
            None => OwnWords::no_data(),
            Some(fields) => OwnWords::columns(fields),
        };
        // What is kept is what the gateway asked for right behind Parse. A later description may be of what the
        // text has come to mean since, and portals bound before still yield what it meant then.
        if !said && let Some(fields) = fields {
            of.set_fields(fields);
        }
        self.say_if(said, || words);
        Ok(())
    }

    async fn on_complete(&mut self, words: OwnWords) -> Result<(), Ending> {
        self.flush_rows().await;
        let flight = self.flight().ok_or(OUT_OF_TURN)?;
        flight.copy = None;
        let done = flight.statements.get(flight.at).map(Arc::clone);
        flight.at += 1;
        flight.columns = None;
        flight.rows = None;
        let stopped = flight.stopped.is_some();
        if !stopped {
            self.own_piece(words).await;
        }
        if let Some(done) = done {
            self.forget_after(&done);
        }
        match self.expect.front() {
            Some(Expect::Execute(_)) if stopped => self.end_stopped_portal().await,
            Some(Expect::Execute(_)) => self.end_front("ok").await,
            _ => Ok(()),
        }
    }

    async fn on_suspended(&mut self) -> Result<(), Ending> {
        self.flush_rows().await;
        let stopped = match self.expect.front() {
            Some(Expect::Execute(flight)) => flight.stopped.is_some(),
            _ => return Err(OUT_OF_TURN),
        };
        if stopped {
            return self.end_stopped_portal().await;
        }
        self.own_piece(OwnWords::suspended()).await;
        self.end_front("suspended").await
    }

    async fn on_ready(&mut self, status: TransactionStatus) -> Result<(), Ending> {
        let was = std::mem::replace(&mut self.status, status);
        if status == TransactionStatus::Idle {
            // With its transaction a portal ends, and what was defined is there for all to see.
            self.forget_bound_portals();
            let on_their_way = |_: &Bytes, portal: &mut Arc<Portal>| !portal.is_bound();
            Arc::make_mut(&mut self.bound).retain(on_their_way);
            self.change = None;
        }
        if status == TransactionStatus::Failed && was != status {
            self.forget_bound_portals();
        }
        match self.expect.front() {
            // With others behind it the failing query would come too late for them; nothing is behind it in a
            // transaction that was known to be one.
            Some(Expect::Sync {
                must_fail: true, ..
            }) if status == TransactionStatus::InTransaction && self.expect.len() == 1 => {
                // The caller was told of an error, so the transaction must have failed.
                self.noted.touched = false;
                self.expect.pop_front();
                self.upstream.own(Housekeeping::FailQuery);
                self.expect.push_front(Expect::Refused {
                    words: None,
                    query: true,
                });
                Ok(())
            }
            Some(Expect::Sync { .. }) => {
                self.noted.touched = false;
                if let Some(Expect::Sync { said, .. }) = self.expect.pop_front() {
                    self.say_if(said, || OwnWords::ready(status));
                }
                Ok(())
            }
            Some(Expect::Refused { query: true, .. }) => {
                if let Some(Expect::Refused {
                    words: Some(words), ..
                }) = self.expect.pop_front()
                {
                    // The server did not fail where it had to.
                    self.client.say(words);
                }
                self.client.say(OwnWords::ready(status));
                Ok(())
            }
            Some(Expect::Query(_)) => {
                self.end_query(status).await?;
                self.noted.touched = false;
                Ok(())
            }
            _ => Err(OUT_OF_TURN),
        }
    }

    async fn on_error(&mut self, fields: Fields) -> Result<(), Ending> {
        self.copying = None;
        self.flush_rows().await;
        match self.expect.front_mut() {
            Some(Expect::Refused { words, query }) => {
                let (words, query) = (words.take(), *query);
                if let Some(words) = words {
                    self.client.say(words);
                }
                if !query {
                    self.expect.pop_front();
                    self.discard_to_sync().await?;
                }
                Ok(())
            }
            Some(Expect::Execute(flight) | Expect::Query(flight)) if flight.stopped.is_some() => {
                self.fail_stopped(&Message::new(fields, false, true)).await
            }
            Some(Expect::Execute(flight) | Expect::Query(flight)) => {
                let read_only = flight
                    .statements
                    .iter()
                    .all(|one| one.effect == Effect::Read);
                let harmless = !flight.may_quote()
                    || (precedes_rows(&fields) && read_only)
                    || (speaks_of_state(&fields) && !flight.runs_unseen());
                let mut message = Message::new(fields, false, !harmless);
                if flight.is_opaque() {
                    message = message.of_unread_code();
                }
                flight.failed = Some(format!("error:{}", message.code()));
                flight.copy = None;
                let (fatal, portal) = (
                    message.is_fatal(),
                    matches!(self.expect.front(), Some(Expect::Execute(_))),
                );
                self.message_piece(message).await?;
                if portal {
                    let outcome = self
                        .flight()
                        .map(|flight| flight.outcome())
                        .unwrap_or_default();
                    self.end_front(&outcome).await?;
                    self.discard_to_sync().await?;
                }
                if fatal { Err(Ending::Upstream) } else { Ok(()) }
            }
            Some(Expect::Parse { statement, said }) => {
                let (statement, said) = (Arc::clone(statement), *said);
                let asked = self.statement_asked(&statement);
                // As below: the query within a COPY is parsed for the caller's statement.
                self.aside(
                    asked,
                    Message::new(fields, false, true),
                    said || self.is_pipeline(),
                )
                .await?;
                self.discard_to_sync().await
            }
            Some(Expect::Describe { of, said, .. }) => {
                let (of, said) = (Arc::clone(of), *said);
                let asked = self.statement_asked(&of);
                // An error of a description the caller did not ask for still ends its pipeline.
                self.aside(
                    asked,
                    Message::new(fields, false, true),
                    said || self.is_pipeline(),
                )
                .await?;
                self.discard_to_sync().await
            }
            Some(Expect::Bind { .. } | Expect::Close { .. }) => {
                let asked = Asked::aside(self.session.next_exchange(), self.circumstances());
                self.aside(asked, Message::new(fields, false, true), true)
                    .await?;
                self.discard_to_sync().await
            }
            Some(Expect::Sync { .. }) | None => {
                let message = Message::new(fields, false, true);
                let fatal = message.is_fatal();
                let asked = Asked::aside(self.session.next_exchange(), self.circumstances());
                self.aside(asked, message, true).await?;
                if fatal { Err(Ending::Upstream) } else { Ok(()) }
            }
        }
    }

    async fn on_notice(&mut self, fields: Fields) -> Result<(), Ending> {
        match self.flight() {
            Some(flight) if flight.stopped.is_some() => Ok(()),
            Some(flight) => {
                let harmless = speaks_of_state(&fields) && !flight.runs_unseen();
                let mut message = Message::new(fields, true, flight.may_quote() && !harmless);
                if flight.is_opaque() {
                    message = message.of_unread_code();
                }
                self.flush_rows().await;
                self.message_piece(message).await?;
                self.after_piece().await
            }
            None => {
                let asked = Asked::aside(self.session.next_exchange(), self.circumstances());
                self.aside(asked, Message::new(fields, true, true), true)
                    .await
            }
        }
    }

    async fn on_copy_in(&mut self, response: CopyResponse) -> Result<(), Ending> {
        if response.format != 0 {
            return Err(Ending::Broken("almoner: binary COPY is not carried"));
        }
        if !self.flight().is_some_and(|flight| flight.copies_in()) {
            return Err(OUT_OF_TURN);
        }
        // While it copies, the server ignores the Sync that came behind the statement.
        while matches!(self.expect.get(1), Some(Expect::Sync { .. })) {
            self.expect.remove(1);
        }
        if self.expect.len() > 1 {
            return Err(Ending::Broken("almoner: only COPY data is expected"));
        }
        let flight = self.flight().ok_or(OUT_OF_TURN)?;
        self.copying = Some(CopyingIn::asked_for(flight));
        self.own_piece(OwnWords::copy_response(Backend::CopyInResponse(response)))
            .await;
        // The caller sends nothing before it has this.
        self.flush_window().await
    }

    async fn on_copy_out(&mut self, response: CopyResponse) -> Result<(), Ending> {
        if response.format != 0 {
            return Err(Ending::Broken("almoner: binary COPY is not carried"));
        }
        if self.flight().is_some_and(|flight| flight.stopped.is_some()) {
            return Ok(());
        }
        self.begin_copy_out(response.column_formats.len()).await?;
        self.own_piece(OwnWords::copy_response(Backend::CopyOutResponse(response)))
            .await;
        Ok(())
    }

    /// What the server has forgotten, and the session must, too.
    fn forget_after(&mut self, done: &Resolved) {
        let Some(facts) = &done.parsed.facts else {
            return;
        };
        match facts.kind {
            Kind::Deallocate => match facts.prepared.as_ref().and_then(|gone| gone.name.as_ref()) {
                Some(name) => {
                    self.statements.remove(name.as_bytes());
                }
                None => self.statements.retain(|name, _| name.is_empty()),
            },
            // Of its forms only ALL reaches statements; forgetting too many has the caller prepare again.
            Kind::Discard => self.statements.retain(|name, _| name.is_empty()),
            _ => {}
        }
    }

    /// The server drops everything up to the next Sync, and so owes no answer to it.
    pub(super) async fn discard_to_sync(&mut self) -> Result<(), Ending> {
        // Portals of a failed transaction cannot be run; those bound behind the next Sync are of another.
        self.forget_bound_portals();
        loop {
            match self.expect.front() {
                Some(Expect::Sync { .. }) => return Ok(()),
                None => {
                    self.skipping = true;
                    // What waits for admission was sent behind the failure: the server would drop it, too.
                    self.withdraw_admitting(Withdrawn::Skipped).await;
                    return Ok(());
                }
                Some(Expect::Execute(_) | Expect::Query(_)) => self.end_front("skipped").await?,
                Some(Expect::Parse { statement, said }) => {
                    let (statement, said) = (Arc::clone(statement), *said);
                    self.expect.pop_front();
                    if said {
                        self.forget(&statement);
                    } else {
                        self.doubt(&statement);
                    }
                }
                Some(Expect::Bind { portal, .. }) => {
                    let portal = Arc::clone(portal);
                    let others = |_: &Bytes, known: &mut Arc<Portal>| !Arc::ptr_eq(known, &portal);
                    self.portals.retain(others);
                    Arc::make_mut(&mut self.bound).retain(others);
                    self.expect.pop_front();
                }
                Some(_) => {
                    self.expect.pop_front();
                }
            }
        }
    }

    fn forget_bound_portals(&mut self) {
        self.portals.retain(|_, portal| !portal.is_bound());
    }

    fn forget(&mut self, statement: &Arc<Prepared>) {
        if self
            .statements
            .get(&statement.name)
            .is_some_and(|known| Arc::ptr_eq(known, statement))
        {
            self.statements.remove(&statement.name);
        }
    }

    fn statement_asked(&self, statement: &Arc<Prepared>) -> Arc<Asked> {
        Asked::statement(
            self.session.next_exchange(),
            Arc::clone(statement),
            self.circumstances(),
        )
    }

    /// Whether a caller's own message of the extended protocol is still to be answered.
    fn is_pipeline(&self) -> bool {
        !matches!(
            self.expect
                .iter()
                .find(|owed| matches!(owed, Expect::Sync { .. })),
            Some(Expect::Sync { said: false, .. })
        )
    }

    async fn message_piece(&mut self, message: Message) -> Result<(), Ending> {
        self.mask_piece(Piece::Message(message), &Message::columns())
            .await;
        Ok(())
    }
}
