//! The driver of a session: takes frames from both sides in order, hands each exchange to the pipeline,
//! and writes what comes out. `inbound` says what a caller's message means, `relay` what a server's does.
//! One task, so nothing of a session is ever done twice at once.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use almoner_wire::postgres::backend::TransactionStatus;
use almoner_wire::postgres::fields::Severity;
use almoner_wire::postgres::{Decoder, Direction, Frame, Limits, WireError};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::cancel::Registered;
use super::catalog::{Catalogs, Change};
use super::connection::{Opened, Shared};
use super::course::Course;
use super::expect::{CopyingIn, Expect, Portal, Prepared};
use super::inbound::copied_name;
use super::request::{Asked, Notices};
use super::sinks::{ClientSink, Housekeeping, Unrecorded, UpstreamSink};
use super::stream::Halves;
use super::upstream::{Dialer, Upstream, UpstreamError};
use super::words::OwnWords;
use crate::policy::{Clearance, Denial, ExchangeId, GoOn, Pipeline, Searcher, Session, Ticket};

/// Bytes held for a slow peer before the other side is read no further.
const HELD_BYTES_MAX: usize = 1 << 20;
/// Answers owed before the caller is read no further.
const OWED_MAX: usize = 4_096;
/// What a caller can send while it is held, beyond which it must wait for the decision.
const HELD_INPUT_BYTES_MAX: usize = 64 << 10;
/// Rows that trickle in are put on record and released after so long.
const TRICKLE: Duration = Duration::from_millis(20);
/// Room that is made for reading, and the least there is for one read. Room is shared with the messages that
/// were read into it, so making some means a new piece of memory.
const READ_BYTES: usize = 32 << 10;
const READ_BYTES_MIN: usize = 8 << 10;
/// Writing the last words to a caller who may not read.
const FAREWELL_WAIT_MAX: Duration = Duration::from_secs(2);

/// Why a session ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// The caller said so or hung up.
    Caller,
    /// The server hung up.
    Upstream,
    /// Nothing happened for too long.
    Idle,
    /// The gateway stops.
    Drained,
    /// The caller's login is not what it was.
    Identity,
    /// A record could not be made.
    Unrecorded,
    /// A peer broke the protocol; whose and how.
    Broken(&'static str),
}

impl From<Unrecorded> for Ending {
    fn from(_: Unrecorded) -> Self {
        Self::Unrecorded
    }
}

impl Ending {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Caller => "caller left",
            Self::Upstream => "upstream closed",
            Self::Idle => "idle too long",
            Self::Drained => "gateway stopping",
            Self::Identity => "login changed",
            Self::Unrecorded => "audit store failed",
            Self::Broken(what) => what,
        }
    }

    fn words(&self) -> Option<OwnWords> {
        let (code, message) = match self {
            Self::Caller => return None,
            Self::Upstream => ("08006", "almoner: the server closed the connection"),
            Self::Idle => ("57P05", "almoner: the session was idle for too long"),
            Self::Drained => ("57P01", "almoner: the gateway is stopping"),
            Self::Identity => (
                "28000",
                "almoner: your login was changed or withdrawn; connect again",
            ),
            Self::Unrecorded => (
                "58000",
                "almoner: the reply could not be recorded, and nothing passes unrecorded",
            ),
            Self::Broken(what) => ("08P01", *what),
        };
        Some(OwnWords::error(Severity::Fatal, code, message))
    }
}

/// What admission gives leave to.
pub(super) enum Leave {
    Ticket(Box<Ticket>),
    Clearance(Clearance),
}

/// What to do once admission has answered.
pub(super) enum Then {
    Query(Frame),
    Parse(Frame, Arc<Prepared>),
    Bind(Frame, Bytes, Arc<Portal>),
    Execute(Frame, Arc<Portal>),
    /// Only ever refused.
    FunctionCall,
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Denial>> + Send>>;

/// A message that waits for its answer from admission.
pub(super) struct Admitting {
    pub(super) answer: Answer<Leave>,
    pub(super) asked: Arc<Asked>,
    pub(super) then: Then,
}

/// A response that waits for leave to go on.
pub(super) struct Rechecking {
    pub(super) answer: Answer<Option<GoOn>>,
    pub(super) asked: Arc<Asked>,
}

/// What a session takes note of as it goes on.
#[derive(Default)]
pub(super) struct Noted {
    /// Something since the last ReadyForQuery touched a sensitive relation, or might have.
    pub(super) touched: bool,
    /// What the session did to the meaning of names, counted.
    pub(super) epoch: u64,
    /// The search path was changed; the end of a transaction may take that back.
    pub(super) path_moved: bool,
    /// The number of the exchange that is stalled.
    pub(super) spare_id: Option<ExchangeId>,
    /// The caller was told that it waits for people.
    pub(super) held: bool,
}

/// All that a session holds.
pub(super) struct Relay {
    pub(super) shared: Arc<Shared>,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) session: Arc<Session>,
    pub(super) catalogs: Arc<Catalogs>,
    pub(super) dialer: Arc<Dialer>,
    pub(super) registered: Registered,
    pub(super) upstream_pid: u32,
    pub(super) upstream_key: Bytes,
    pub(super) client: ClientSink,
    pub(super) upstream: UpstreamSink,
    client_in: BytesMut,
    client_decoder: Decoder,
    upstream_in: BytesMut,
    upstream_decoder: Decoder,
    pub(super) notices: Arc<Notices>,
    told: tokio::sync::mpsc::Receiver<OwnWords>,
    pub(super) expect: VecDeque<Expect>,
    pub(super) statements: HashMap<Bytes, Arc<Prepared>>,
    /// Name under which the query of a COPY is described; closed at once.
    pub(super) copied_name: Bytes,
    pub(super) portals: HashMap<Bytes, Arc<Portal>>,
    /// Portals by their names for as long as the server may have them: SQL could fetch from them.
    pub(super) bound: Arc<HashMap<Bytes, Arc<Portal>>>,
    pub(super) status: TransactionStatus,
    /// The server drops what comes before the next Sync.
    pub(super) skipping: bool,
    pub(super) noted: Noted,
    pub(super) copying: Option<CopyingIn>,
    pub(super) course: Course,
    pub(super) change: Option<Change>,
    pub(super) searcher: Searcher,
    pub(super) admitting: Option<Admitting>,
    pub(super) rechecking: Option<Rechecking>,
    /// A message that may change state, behind a response that may yet be stopped.
    pub(super) stalled: Option<Frame>,
    /// Something that may change state was sent, and no Sync since.
    pub(super) unsynced_write: bool,
    /// A cancel request that is on its way to the server.
    pub(super) canceling: Option<JoinHandle<()>>,
    pub(super) flush_at: Option<Instant>,
}

/// Runs a session to its end.
pub(super) async fn run(shared: &Arc<Shared>, opened: Opened) {
    let session = Arc::clone(&opened.session);
    let why = match connect(shared, opened).await {
        Ok((relay, caller, server)) => relay.run(caller, server).await.as_str(),
        Err(why) => why,
    };
    shared.pipeline.close_session(&session, why).await;
}

/// Logs in to the server, reads the catalog if nobody has, and greets the caller.
async fn connect(
    shared: &Arc<Shared>,
    opened: Opened,
) -> Result<(Box<Relay>, Halves, Halves), &'static str> {
    let Opened {
        mut stream,
        buffer,
        session,
        wanted,
    } = opened;
    let target = shared
        .resources
        .get(&session.resource)
        .ok_or("the resource is gone")?;
    let reached = async {
        target.catalogs.ready().await?;
        target.dialer.log_in(&wanted.options).await
    };
    let upstream = match reached.await {
        Ok(upstream) => upstream,
        Err(error) => {
            say_last(&mut stream, unreachable_words(&session, &error)).await;
            return Err("the upstream cannot be reached");
        }
    };
    if let Err(what) = check_parameters(&upstream) {
        tracing::error!(resource = %session.resource, what, "the upstream's settings are not understood; the session is refused");
        say_last(&mut stream, OwnWords::error(Severity::Fatal, "08004", what)).await;
        return Err("the upstream's settings are not understood");
    }
    let Some(registered) = shared.cancels.register(wanted.long_key) else {
        return Err("no random numbers");
    };
    let Some(copied_name) = copied_name() else {
        return Err("no random numbers");
    };
    let mut client = ClientSink::default();
    client.say(greeting(&upstream, &registered));
    let (notices, told) = Notices::new();
    let max = shared.limits.message_bytes_max;
    let relay = Box::new(Relay {
        shared: Arc::clone(shared),
        pipeline: Arc::clone(&shared.pipeline),
        catalogs: Arc::clone(&target.catalogs),
        dialer: Arc::clone(&target.dialer),
        session,
        registered,
        upstream_pid: upstream.pid,
        upstream_key: upstream.key,
        client,
        upstream: UpstreamSink::default(),
        client_in: buffer,
        client_decoder: Decoder::new(Limits::new(Direction::Frontend, max)),
        upstream_in: upstream.buffer,
        upstream_decoder: Decoder::new(Limits::new(
            Direction::Backend,
            max.max(shared.limits.row_bytes_max),
        )),
        notices,
        told,
        expect: VecDeque::new(),
        statements: HashMap::new(),
        copied_name,
        portals: HashMap::new(),
        bound: Arc::default(),
        status: TransactionStatus::Idle,
        skipping: false,
        noted: Noted::default(),
        copying: None,
        course: Course {
            names_uncertain: wanted.names_uncertain,
            defines: false,
            cursors: Arc::default(),
            cursors_unknown: false,
        },
        change: None,
        searcher: Searcher::default(),
        admitting: None,
        rechecking: None,
        stalled: None,
        unsynced_write: false,
        canceling: None,
        flush_at: None,
    });
    Ok((relay, Halves::of(stream), Halves::of(upstream.stream)))
}

/// What the server says of itself, and the key that is the gateway's.
fn greeting(upstream: &Upstream, registered: &Registered) -> OwnWords {
    let parameters = upstream
        .parameters
        .iter()
        .map(|(name, value)| OwnWords::parameter_status(name.clone(), value.clone()));
    OwnWords::join(parameters.chain([
        OwnWords::key(registered.pid, registered.key.clone()),
        OwnWords::ready(TransactionStatus::Idle),
    ]))
}

/// To a caller whose session does not begin; they may have left already.
async fn say_last(stream: &mut (impl AsyncWriteExt + Unpin), words: OwnWords) {
    let _ = stream.write_all(&words.into_bytes()).await;
    let _ = stream.flush().await;
}

fn unreachable_words(session: &Session, error: &UpstreamError) -> OwnWords {
    tracing::error!(resource = %session.resource, session = %session.id, %error, "the upstream cannot be used");
    OwnWords::error_with_hint(
        Severity::Fatal,
        "08001",
        "almoner: the database behind this gateway cannot be reached at the moment",
        "Try again later; the gateway's operator finds the reason in its log.",
    )
}

/// Text is read as UTF-8 with standard strings; under other settings the grammar would see another text
/// than the server.
fn check_parameters(upstream: &Upstream) -> Result<(), &'static str> {
    for (name, value) in &upstream.parameters {
        check_parameter(name, value)?;
    }
    Ok(())
}

pub(super) fn check_parameter(name: &[u8], value: &[u8]) -> Result<(), &'static str> {
    match name {
        b"standard_conforming_strings" if value != b"on" => {
            Err("almoner: standard_conforming_strings must be on at the server")
        }
        b"client_encoding" if value != b"UTF8" && value != b"SQL_ASCII" => {
            Err("almoner: client_encoding must be UTF8")
        }
        _ => Ok(()),
    }
}

/// What happened while the session waited.
enum Event {
    Admitted(Result<Leave, Denial>),
    Rechecked(Result<Option<GoOn>, Denial>),
    Released(crate::policy::Released),
    Told(OwnWords),
    Canceled,
    CancelPassedOn,
    Flush,
    ClientRead(usize),
    ServerRead(usize),
    Wrote,
    Idle,
    Draining,
}

impl Relay {
    async fn run(mut self: Box<Self>, mut caller: Halves, mut server: Halves) -> Ending {
        let ending = loop {
            if let Err(ending) = self.turn(&mut caller, &mut server).await {
                break ending;
            }
        };
        self.finish(&ending).await;
        self.farewell(&ending, &mut caller, &mut server).await;
        ending
    }

    /// Handles what is there, then waits for one thing to happen.
    async fn turn(&mut self, caller: &mut Halves, server: &mut Halves) -> Result<(), Ending> {
        self.take_client_frames().await?;
        self.take_server_frames().await?;
        // What the server said may have let a stalled message go.
        self.take_client_frames().await?;
        let event = self.wait(caller, server).await?;
        match event {
            Event::Admitted(answer) => self.on_admitted(answer).await,
            Event::Rechecked(answer) => self.on_rechecked(answer).await,
            Event::Released(released) => {
                self.client.release(released);
                Ok(())
            }
            Event::Told(words) => {
                // What came before must reach the caller before the wait does.
                if !self.expect.is_empty() {
                    self.upstream.own(Housekeeping::Flush);
                }
                self.client.say_at_once(words);
                self.noted.held = true;
                Ok(())
            }
            Event::Canceled => self.on_cancel().await,
            Event::CancelPassedOn => {
                self.canceling = None;
                Ok(())
            }
            Event::Flush => {
                self.flush_at = None;
                self.flush_trickle().await
            }
            Event::ClientRead(0) => Err(Ending::Caller),
            Event::ServerRead(0) => Err(Ending::Upstream),
            Event::ClientRead(_) | Event::ServerRead(_) | Event::Wrote => Ok(()),
            Event::Idle => Err(Ending::Idle),
            Event::Draining => Err(Ending::Drained),
        }
    }

    async fn wait(&mut self, caller: &mut Halves, server: &mut Halves) -> Result<Event, Ending> {
        let quiet = self.is_quiet();
        let wants_client = self.wants_client();
        let wants_server = self.rechecking.is_none() && self.client.held() < HELD_BYTES_MAX;
        let settling = self.client.is_settling();
        // Nothing of what waits for people is lost by asking for it again.
        let waits = self.noted.held && (self.admitting.is_some() || self.rechecking.is_some());
        let mut draining = self.shared.draining.clone();
        let wants_write = self.client.wants_write();
        make_room(&mut self.client_in);
        make_room(&mut self.upstream_in);
        let (mut records, ready) = self.client.split();
        let upstream_out = self.upstream.buffer();
        let (server_read, server) = server.split();
        let (caller_read, caller) = caller.split();
        let server_writes = server.has_work(upstream_out);
        // What is ready may wait for the rest of its reply; what is written is flushed in any case.
        let caller_writes = wants_write || (ready.is_empty() && caller.has_work(ready));
        let io = |_| Ending::Caller;
        let upstream_io = |_| Ending::Upstream;
        let event = tokio::select! {
            biased;
            answer = poll(&mut self.admitting, |waiting| &mut waiting.answer), if self.admitting.is_some() => Event::Admitted(answer),
            answer = poll(&mut self.rechecking, |waiting| &mut waiting.answer), if self.rechecking.is_some() => Event::Rechecked(answer),
            released = records.settled(), if settling => Event::Released(released?),
            Some(words) = self.told.recv() => Event::Told(words),
            () = self.registered.canceled.notified() => Event::Canceled,
            () = passed_on(&mut self.canceling), if self.canceling.is_some() => Event::CancelPassedOn,
            wrote = server.write_some(upstream_out), if server_writes => {
                wrote.map_err(upstream_io)?;
                Event::Wrote
            }
            wrote = caller.write_some(ready), if caller_writes => {
                wrote.map_err(io)?;
                Event::Wrote
            }
            read = server_read.read_buf(&mut self.upstream_in), if wants_server => Event::ServerRead(read.map_err(upstream_io)?),
            read = caller_read.read_buf(&mut self.client_in), if wants_client => Event::ClientRead(read.map_err(io)?),
            () = until(self.flush_at), if self.flush_at.is_some() => Event::Flush,
            _ = draining.wait_for(|draining| *draining), if quiet || waits => Event::Draining,
            () = tokio::time::sleep(self.shared.limits.idle), if quiet => Event::Idle,
        };
        if matches!(event, Event::Wrote) && ready.is_empty() {
            self.client.written();
        }
        Ok(event)
    }

    /// Nothing is owed, held or half done.
    fn is_quiet(&self) -> bool {
        self.expect.is_empty()
            && self.admitting.is_none()
            && !self.client.is_settling()
            && !self.client.has_ready()
            && self.status == TransactionStatus::Idle
    }

    fn wants_client(&self) -> bool {
        if self.admitting.is_some() || self.stalled.is_some() || self.is_stopping() {
            // Listening on, to notice a caller who leaves.
            self.client_in.len() < HELD_INPUT_BYTES_MAX
        } else {
            self.upstream.len() < HELD_BYTES_MAX && self.expect.len() < OWED_MAX
        }
    }

    async fn take_client_frames(&mut self) -> Result<(), Ending> {
        loop {
            if self.admitting.is_some()
                || self.is_stopping()
                || (self.stalled.is_some() && self.owes_what_may_stop())
                || self.upstream.len() >= HELD_BYTES_MAX
                || self.expect.len() >= OWED_MAX
            {
                return Ok(());
            }
            let frame = match self.stalled.take() {
                Some(frame) => frame,
                None => match self.client_decoder.decode(&mut self.client_in) {
                    Ok(Some(frame)) => frame,
                    Ok(None) => return Ok(()),
                    Err(error) => return Err(broken_by_caller(&error)),
                },
            };
            self.on_client(frame).await?;
            if self.stalled.is_some() {
                return Ok(());
            }
        }
    }

    async fn take_server_frames(&mut self) -> Result<(), Ending> {
        while self.rechecking.is_none() && self.client.held() < HELD_BYTES_MAX {
            match self.upstream_decoder.decode(&mut self.upstream_in) {
                Ok(Some(frame)) => self.on_server(frame).await?,
                Ok(None) => {
                    if self.flush_at.is_none() && self.has_trickle() {
                        self.flush_at = Some(Instant::now() + TRICKLE);
                    }
                    return Ok(());
                }
                Err(error) => {
                    tracing::error!(session = %self.session.id, %error, "the upstream broke the protocol");
                    return Err(Ending::Broken("almoner: the server broke the protocol"));
                }
            }
        }
        Ok(())
    }

    /// The caller's last words, and the server's notice that nobody is there any more.
    async fn farewell(&mut self, ending: &Ending, caller: &mut Halves, server: &mut Halves) {
        self.upstream.own(Housekeeping::Terminate);
        let saying = async {
            let _ = server.write.end(self.upstream.buffer()).await;
            // What settles is released still, unless the trail itself has failed.
            if !matches!(ending, Ending::Unrecorded | Ending::Caller) {
                while self.client.is_settling() {
                    let (mut records, _) = self.client.split();
                    match records.settled().await {
                        Ok(released) => self.client.release(released),
                        Err(Unrecorded) => return,
                    }
                }
            }
            let (_, ready) = self.client.split();
            if let Some(words) = ending.words() {
                ready.extend_from_slice(&words.into_bytes());
            }
            let _ = caller.write.end(ready).await;
        };
        let _ = tokio::time::timeout(FAREWELL_WAIT_MAX, saying).await;
    }
}

fn make_room(buffer: &mut BytesMut) {
    if buffer.capacity() - buffer.len() < READ_BYTES_MIN {
        buffer.reserve(READ_BYTES);
    }
}

fn broken_by_caller(error: &WireError) -> Ending {
    tracing::debug!(%error, "a caller broke the protocol");
    match error {
        WireError::TooLarge { .. } => {
            Ending::Broken("almoner: the message is larger than this gateway accepts")
        }
        _ => Ending::Broken("almoner: the message does not follow the protocol"),
    }
}

async fn poll<W, T>(
    waiting: &mut Option<W>,
    answer: impl FnOnce(&mut W) -> &mut Answer<T>,
) -> Result<T, Denial> {
    match waiting {
        Some(waiting) => answer(waiting).await,
        None => std::future::pending().await,
    }
}

/// It says itself when it fails, and ends within the time for connecting.
async fn passed_on(canceling: &mut Option<JoinHandle<()>>) {
    match canceling {
        Some(canceling) => {
            let _ = canceling.await;
        }
        None => std::future::pending().await,
    }
}

async fn until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}
