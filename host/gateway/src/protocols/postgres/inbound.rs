//! What a caller's messages mean: which are exchanges, which only prepare one, which are dropped because
//! the server drops them, which are refused. A refused message has one in its place that fails, so that
//! the server itself ends the pipeline or the transaction and every status stays true.

use std::sync::Arc;

use almoner_sql::Kind;
use almoner_wire::postgres::backend::TransactionStatus;
use almoner_wire::postgres::fields::Severity;
use almoner_wire::postgres::frontend::{Bind, Parse, Target};
use almoner_wire::postgres::{Frame, Frontend};
use bytes::{Bytes, BytesMut};

use super::action::Resolved;
use super::expect::{Expect, Flight, Made, Portal, Prepared};
use super::request::{Asked, Circumstances};
use super::session::{Admitting, Ending, Leave, Relay, Then};
use super::sinks::Housekeeping;
use super::statement::Text;
use super::words::OwnWords;
use crate::policy::{Clearance, Denial, Effect, ExchangeId, InFlight, Request, Ticket};

/// Prepared statements of one session.
const STATEMENTS_MAX: usize = 10_000;
/// Open portals of one session.
const PORTALS_MAX: usize = 1_000;
/// Bytes of a name that the server tells apart (`NAMEDATALEN` - 1).
const NAME_BYTES_MAX: usize = 63;
/// Random bytes in the name under which a session describes the query of a COPY: nobody guesses it, so no
/// statement of the caller's is in its way.
const COPIED_RANDOM_BYTES: usize = 16;

impl Relay {
    pub(super) async fn on_client(&mut self, frame: Frame) -> Result<(), Ending> {
        let message = Frontend::decode(&frame).map_err(|error| {
            tracing::debug!(session = %self.session.id, %error, "a caller broke the protocol");
            Ending::Broken("almoner: the message does not follow the protocol")
        })?;
        if let Some(copying) = &self.copying {
            match message {
                Frontend::CopyData(_) => self.upstream.copy_data(copying, frame.raw()),
                Frontend::CopyDone | Frontend::CopyFail { .. } => {
                    self.upstream.copy_data(copying, frame.raw());
                    self.copying = None;
                }
                // The server ignores these while it copies, and so owes no answer.
                Frontend::Sync | Frontend::Flush => {}
                Frontend::Terminate => return Err(Ending::Caller),
                _ => return Err(Ending::Broken("almoner: only COPY data is expected")),
            }
            return Ok(());
        }
        if !self.pipeline.is_current(&self.session) {
            return Err(Ending::Identity);
        }
        match message {
            Frontend::Terminate => Err(Ending::Caller),
            Frontend::Sync => {
                self.on_sync(frame);
                Ok(())
            }
            // Sent ahead of the server's request for it: waits until the server has said what it wants.
            Frontend::CopyData(_) | Frontend::CopyDone | Frontend::CopyFail { .. }
                if self.may_copy_in() =>
            {
                self.stalled = Some(frame);
                Ok(())
            }
            // Behind the end of a COPY the server drops what is left of it.
            Frontend::CopyData(_) | Frontend::CopyDone | Frontend::CopyFail { .. } => Ok(()),
            _ if self.skipping => Ok(()),
            Frontend::Flush => {
                self.upstream.own(Housekeeping::Flush);
                Ok(())
            }
            // The server cuts longer names off, so that two of them can be one to it.
            message if longest_name(&message) > NAME_BYTES_MAX => {
                self.refuse_pipeline(
                    "42622",
                    "almoner: names of statements and portals have 63 bytes at most",
                );
                Ok(())
            }
            Frontend::Query { sql } => self.on_query(frame, &sql),
            Frontend::Parse(parse) => self.on_parse(frame, parse),
            Frontend::Bind(bind) => self.on_bind(frame, bind),
            Frontend::Execute { portal, .. } => self.on_execute(frame, &portal),
            Frontend::Describe(target) => {
                self.on_describe(target);
                Ok(())
            }
            Frontend::Close(target) => {
                self.on_close(target);
                Ok(())
            }
            Frontend::FunctionCall(_) => {
                let asked = Asked::refused(
                    self.next_exchange(),
                    "FUNCTION CALL",
                    "function calls outside of SQL are not carried",
                    self.circumstances(),
                );
                self.admit(asked, Then::FunctionCall);
                Ok(())
            }
            Frontend::Password(_) => Err(Ending::Broken("almoner: nobody asked for a password")),
        }
    }

    fn on_query(&mut self, frame: Frame, sql: &Bytes) -> Result<(), Ending> {
        let text = self.shared.texts.parse(sql);
        let asked = Asked::query(self.next_exchange(), text, self.circumstances());
        // It commits what came before it, as a Sync does.
        if self.owes_what_may_stop() {
            self.stall(frame, Some(&asked));
            return Ok(());
        }
        self.admit(asked, Then::Query(frame));
        Ok(())
    }

    fn on_parse(&mut self, frame: Frame, parse: Parse) -> Result<(), Ending> {
        // The server keeps the first of two statements of one name; so must we.
        if !parse.statement.is_empty() && self.statements.contains_key(&parse.statement) {
            self.refuse_pipeline(
                "42P05",
                "almoner: a prepared statement of this name exists already",
            );
            return Ok(());
        }
        if self.statements.len() >= STATEMENTS_MAX || !self.has_room_for(&parse) {
            self.refuse_pipeline(
                "54000",
                "almoner: too many prepared statements in this session",
            );
            return Ok(());
        }
        let text = self.shared.texts.parse(&parse.sql);
        let made = self.made();
        let copied = self.copied_query(&text, made);
        // The name may share memory with a large read; what is kept has its own.
        let name = Bytes::copy_from_slice(&parse.statement);
        let prepared = Prepared::new(name, text, parse.parameter_types, copied, made);
        self.clear(Arc::clone(&prepared), Then::Parse(frame, prepared));
        Ok(())
    }

    /// Whether the texts of all named statements are together no longer than one message may be.
    fn has_room_for(&self, parse: &Parse) -> bool {
        if parse.statement.is_empty() {
            return true;
        }
        let held = self.statements.values().map(|one| one.text.sql.len());
        held.sum::<usize>() + parse.sql.len() <= self.shared.limits.message_bytes_max
    }

    fn on_bind(&mut self, frame: Frame, bind: Bind) -> Result<(), Ending> {
        let Some(statement) = self.statements.get(&bind.statement).map(Arc::clone) else {
            self.refuse_pipeline("26000", "almoner: this prepared statement does not exist");
            return Ok(());
        };
        if !bind.portal.is_empty() && self.portals.contains_key(&bind.portal) {
            self.refuse_pipeline("42P03", "almoner: a portal of this name exists already");
            return Ok(());
        }
        let held: usize = self.portals.values().map(|one| one.parameter_bytes()).sum();
        if self.portals.len() >= PORTALS_MAX
            || self.bound.len() >= PORTALS_MAX
            || held + frame.len() > self.shared.limits.message_bytes_max.saturating_mul(2)
        {
            self.refuse_pipeline("54000", "almoner: too many portals in this session");
            return Ok(());
        }
        let statement = self.renewed(statement);
        let portal = Portal::new(
            Arc::clone(&statement),
            bind.parameters,
            bind.parameter_formats,
            bind.result_formats,
        );
        let name = Bytes::copy_from_slice(&bind.portal);
        // Binding plans the statement, so the guards of today must have let it through.
        let current = self.pipeline.generation().number;
        match statement.clearance() {
            Some(clearance) if clearance.generation() == current => {
                self.bind(&frame, name, portal, &clearance);
            }
            _ => self.clear(statement, Then::Bind(frame, name, portal)),
        }
        Ok(())
    }

    fn bind(&mut self, frame: &Frame, name: Bytes, portal: Arc<Portal>, clearance: &Clearance) {
        self.prepare_again(&portal.statement, clearance);
        self.upstream.prepare(clearance, frame.raw());
        self.expect.push_back(Expect::Bind {
            portal: Arc::clone(&portal),
            said: true,
        });
        if !name.is_empty() {
            Arc::make_mut(&mut self.bound).insert(name.clone(), Arc::clone(&portal));
        }
        self.portals.insert(name, portal);
    }

    fn on_execute(&mut self, frame: Frame, name: &Bytes) -> Result<(), Ending> {
        let Some(portal) = self.portals.get(name).map(Arc::clone) else {
            self.refuse_pipeline("34000", "almoner: this portal does not exist");
            return Ok(());
        };
        let asked = Asked::portal(
            self.next_exchange(),
            Arc::clone(&portal),
            self.circumstances(),
        );
        if self.must_stall(&asked) {
            self.stall(frame, Some(&asked));
            return Ok(());
        }
        self.admit(asked, Then::Execute(frame, portal));
        Ok(())
    }

    fn on_describe(&mut self, target: Target) {
        let (of, message) = match target {
            Target::Statement(name) => match self.statements.get(&name) {
                Some(known) => (Arc::clone(known), Housekeeping::DescribeStatement(name)),
                None => {
                    self.refuse_pipeline(
                        "26000",
                        "almoner: this prepared statement does not exist",
                    );
                    return;
                }
            },
            Target::Portal(name) => match self.portals.get(&name) {
                Some(known) => (
                    Arc::clone(&known.statement),
                    Housekeeping::DescribePortal(name),
                ),
                None => {
                    self.refuse_pipeline("34000", "almoner: this portal does not exist");
                    return;
                }
            },
        };
        self.upstream.own(message);
        self.expect.push_back(Expect::Describe { of, said: true });
    }

    fn on_close(&mut self, target: Target) {
        let (message, portal) = match target {
            Target::Statement(name) => {
                self.statements.remove(&name);
                (Housekeeping::CloseStatement(name), None)
            }
            Target::Portal(name) => {
                self.portals.remove(&name);
                let bound = self.bound.get(&name).map(Arc::clone);
                let message = Housekeeping::ClosePortal(name.clone());
                (message, bound.map(|portal| (name, portal)))
            }
        };
        self.upstream.own(message);
        self.expect.push_back(Expect::Close { portal, said: true });
    }

    /// Without a transaction block it is Sync that makes changes last. Behind a response that may yet be
    /// stopped it waits, or they would last although the caller is told that the pipeline failed.
    fn on_sync(&mut self, frame: Frame) {
        let commits = self.unsynced_write && self.status == TransactionStatus::Idle;
        if commits && self.owes_what_may_stop() {
            self.stall(frame, None);
            return;
        }
        self.skipping = false;
        self.unsynced_write = false;
        self.transaction_may_end();
        self.upstream.own(Housekeeping::Sync);
        self.expect.push_back(Expect::sync(true));
    }

    pub(super) fn circumstances(&self) -> Circumstances {
        Circumstances {
            catalogs: Arc::clone(&self.catalogs),
            course: self.course.clone(),
            portals: Arc::clone(&self.bound),
        }
    }

    fn admit(&mut self, asked: Arc<Asked>, then: Then) {
        let (pipeline, session) = (Arc::clone(&self.pipeline), Arc::clone(&self.session));
        let (request, caller) = (Arc::clone(&asked), Arc::clone(&self.notices));
        let answer = Box::pin(async move {
            let ticket = pipeline.admit(&session, &*request, &*caller).await?;
            Ok(Leave::Ticket(Box::new(ticket)))
        });
        self.noted.held = false;
        self.admitting = Some(Admitting {
            answer,
            asked,
            then,
        });
    }

    /// Asks the guards alone, for a statement that is to be prepared.
    fn clear(&mut self, statement: Arc<Prepared>, then: Then) {
        let asked = Asked::statement(self.next_exchange(), statement, self.circumstances());
        let (pipeline, session) = (Arc::clone(&self.pipeline), Arc::clone(&self.session));
        let request = Arc::clone(&asked);
        let answer = Box::pin(async move {
            let clearance = pipeline.clear(&session, &*request).await?;
            Ok(Leave::Clearance(clearance))
        });
        self.noted.held = false;
        self.admitting = Some(Admitting {
            answer,
            asked,
            then,
        });
    }

    /// What may change state is not forwarded behind a response that may yet be stopped; in a transaction
    /// nothing is, so that the transaction can be made to fail with it.
    fn must_stall(&self, asked: &Asked) -> bool {
        self.owes_what_may_stop()
            && (self.status != TransactionStatus::Idle
                || self
                    .pipeline
                    .standing(&self.session)
                    .is_none_or(|standing| asked.exchange(&standing).effect() == Effect::Write))
    }

    pub(super) fn owes_what_may_stop(&self) -> bool {
        self.expect.iter().any(|owed| match owed {
            Expect::Execute(flight) | Expect::Query(flight) => flight.may_stop(),
            _ => false,
        })
    }

    /// A refusal in mid-response is being carried through: until the server is done with it, nothing
    /// further is sent that it would do or that a late cancel could hit.
    pub(super) fn is_stopping(&self) -> bool {
        self.canceling.is_some()
            || self.expect.iter().any(|owed| match owed {
                Expect::Execute(flight) | Expect::Query(flight) => flight.stopped.is_some(),
                Expect::Sync { must_fail, .. } => *must_fail,
                _ => false,
            })
    }

    /// Keeps a message until what it waits for is over, when it is looked at anew.
    fn stall(&mut self, frame: Frame, asked: Option<&Asked>) {
        // Without it the server might keep the response that is waited for.
        self.upstream.own(Housekeeping::Flush);
        self.stalled = Some(frame);
        // Its number is still to be used: the numbers of a session have no gaps.
        self.noted.spare_id = asked.map(|asked| asked.id().clone());
    }

    fn next_exchange(&mut self) -> ExchangeId {
        match self.noted.spare_id.take() {
            Some(spare) => spare,
            None => self.session.next_exchange(),
        }
    }

    /// Whether a statement that takes rows from the caller is still to begin or under way.
    fn may_copy_in(&self) -> bool {
        self.expect.iter().any(|owed| match owed {
            Expect::Execute(flight) | Expect::Query(flight) => flight
                .statements
                .iter()
                .skip(flight.at)
                .any(|statement| statement.parsed.kind() == Kind::CopyFrom),
            _ => false,
        })
    }

    /// Admission has answered.
    pub(super) async fn on_admitted(
        &mut self,
        answer: Result<Leave, Denial>,
    ) -> Result<(), Ending> {
        let Some(Admitting { asked, then, .. }) = self.admitting.take() else {
            return Ok(());
        };
        self.noted.held = false;
        match (answer, then) {
            (Err(denial), Then::Query(_) | Then::FunctionCall) => {
                self.upstream.own(Housekeeping::FailQuery);
                self.expect.push_back(Expect::Refused {
                    words: Some(OwnWords::denial(&denial)),
                    query: true,
                });
            }
            (Err(denial), _) => self.refuse_pipeline_with(OwnWords::denial(&denial)),
            (Ok(Leave::Clearance(clearance)), Then::Parse(frame, prepared)) => {
                let clearance = prepared.set_clearance(clearance);
                self.prepare(frame.raw(), prepared, &clearance, true);
            }
            (Ok(Leave::Clearance(clearance)), Then::Bind(frame, name, portal)) => {
                let clearance = portal.statement.set_clearance(clearance);
                self.bind(&frame, name, portal, &clearance);
            }
            (Ok(Leave::Ticket(ticket)), Then::Query(frame)) => {
                self.transaction_may_end();
                let flight = self.forward(&frame, *ticket, asked);
                self.unsynced_write = false;
                self.note_effects(&flight.statements, None);
                self.expect.push_back(Expect::Query(flight));
            }
            (Ok(Leave::Ticket(ticket)), Then::Execute(frame, portal)) => {
                self.unsynced_write |= ticket.exchange().effect() == Effect::Write;
                let mut flight = self.forward(&frame, *ticket, asked);
                self.note_effects(&flight.statements, Some(&portal));
                flight.portal = Some(portal);
                self.expect.push_back(Expect::Execute(flight));
            }
            // A proof for something else than was asked cannot be made; nothing is sent.
            (Ok(_), _) => return Err(Ending::Broken("almoner: admission answered out of turn")),
        }
        Ok(())
    }

    /// `said`: the caller asked for it and is told.
    pub(super) fn prepare(
        &mut self,
        message: &[u8],
        prepared: Arc<Prepared>,
        clearance: &Clearance,
        said: bool,
    ) {
        self.upstream.prepare(clearance, message);
        self.expect.push_back(Expect::Parse {
            statement: Arc::clone(&prepared),
            said,
        });
        // Callers may never ask what a statement returns; masking must know.
        self.upstream
            .own(Housekeeping::DescribeStatement(prepared.name.clone()));
        self.expect.push_back(Expect::Describe {
            of: Arc::clone(&prepared),
            said: false,
        });
        if let Some(copied) = &prepared.copied {
            let mut message = BytesMut::new();
            let parse = Frontend::Parse(Parse {
                statement: copied.name.clone(),
                sql: copied.text.sql.clone(),
                parameter_types: Vec::new(),
            });
            if parse.encode(&mut message).is_ok() {
                self.upstream.prepare(clearance, &message);
                self.describe_copied(copied);
            }
        }
        self.statements.insert(prepared.name.clone(), prepared);
    }

    /// Behind the Parse of a COPY's query: describes and closes it.
    fn describe_copied(&mut self, copied: &Arc<Prepared>) {
        self.expect.push_back(Expect::Parse {
            statement: Arc::clone(copied),
            said: false,
        });
        self.upstream
            .own(Housekeeping::DescribeStatement(copied.name.clone()));
        self.expect.push_back(Expect::Describe {
            of: Arc::clone(copied),
            said: false,
        });
        self.upstream
            .own(Housekeeping::CloseStatement(copied.name.clone()));
        self.expect.push_back(Expect::Close {
            portal: None,
            said: false,
        });
    }

    /// Sends an admitted message and opens its flight.
    fn forward(&mut self, frame: &Frame, ticket: Ticket, asked: Arc<Asked>) -> Box<Flight> {
        let mut copied = None;
        if let ([statement], true) = (asked.resolved().as_slice(), frame.tag() == b'Q') {
            // Its columns are asked for first: COPY itself does not say where they come from.
            copied = inner_query(statement).map(|query| {
                let text = self.shared.texts.parse(&query);
                Prepared::new(
                    self.copied_name.clone(),
                    text,
                    Vec::new(),
                    None,
                    self.made(),
                )
            });
        }
        if let Some(copied) = &copied {
            let mut message = BytesMut::new();
            let parse = Frontend::Parse(Parse {
                statement: copied.name.clone(),
                sql: copied.text.sql.clone(),
                parameter_types: Vec::new(),
            });
            if parse.encode(&mut message).is_ok() {
                self.upstream.forward(&ticket, &message);
                self.describe_copied(copied);
                // An error of describing ends here, and the COPY itself says what is wrong.
                self.upstream.own(Housekeeping::Sync);
                self.expect.push_back(Expect::sync(false));
            }
        }
        self.upstream.forward(&ticket, frame.raw());
        let mut flight = Box::new(Flight::new(InFlight::forwarded(ticket), asked));
        flight.copied = copied;
        flight
    }

    pub(super) fn copied_query(&self, text: &Text, made: Made) -> Option<Arc<Prepared>> {
        let [statement] = text.statements.as_slice() else {
            return None;
        };
        let facts = statement.facts.as_ref()?;
        if facts.kind != Kind::CopyTo || !facts.copy.as_ref()?.query {
            return None;
        }
        let query = almoner_sql::copied_query(&statement.sql)?;
        let text = self.shared.texts.parse(&Bytes::from(query));
        Some(Prepared::new(
            self.copied_name.clone(),
            text,
            Vec::new(),
            None,
            made,
        ))
    }

    fn refuse_pipeline(&mut self, code: &'static str, message: &str) {
        self.refuse_pipeline_with(OwnWords::error(Severity::Error, code, message));
    }

    fn refuse_pipeline_with(&mut self, words: OwnWords) {
        self.upstream.own(Housekeeping::FailPipeline);
        self.expect.push_back(Expect::Refused {
            words: Some(words),
            query: false,
        });
        self.skipping = true;
    }
}

/// The longest name of a prepared statement or portal in a message.
fn longest_name(message: &Frontend) -> usize {
    match message {
        Frontend::Parse(parse) => parse.statement.len(),
        Frontend::Bind(bind) => bind.portal.len().max(bind.statement.len()),
        Frontend::Execute { portal, .. } => portal.len(),
        Frontend::Describe(Target::Statement(name) | Target::Portal(name))
        | Frontend::Close(Target::Statement(name) | Target::Portal(name)) => name.len(),
        _ => 0,
    }
}

/// The query of a `COPY (query) TO`.
fn inner_query(statement: &Resolved) -> Option<Bytes> {
    let facts = statement.parsed.facts.as_ref()?;
    if facts.kind != Kind::CopyTo || !facts.copy.as_ref()?.query {
        return None;
    }
    almoner_sql::copied_query(&statement.parsed.sql).map(Bytes::from)
}

/// The name for a session's [`Relay::copied_name`]; `None` without random numbers.
pub(super) fn copied_name() -> Option<Bytes> {
    let mut random = [0; COPIED_RANDOM_BYTES];
    getrandom::fill(&mut random).ok()?;
    Some(format!("almoner_{}", crate::policy::hex(&random)).into())
}
