//! The two ends of a session where bytes leave. The upstream's takes what a [`Ticket`] or a [`Clearance`]
//! covers, and messages the gateway authored; the caller's takes what was released, and own words.

use std::collections::VecDeque;

use almoner_wire::postgres::Frontend;
use bytes::{Buf, Bytes, BytesMut};

use super::words::OwnWords;
use crate::policy::{Clearance, Released, Settling, Ticket};
use crate::telemetry::metrics::Timer;

/// Bytes for the server that wait to be written.
#[derive(Default)]
pub(super) struct UpstreamSink {
    buffer: BytesMut,
}

/// A message of the gateway's own to the server, without any of the caller's text.
pub(super) enum Housekeeping {
    Sync,
    Flush,
    Terminate,
    /// Describes a statement the caller prepared.
    DescribeStatement(Bytes),
    /// Describes a portal the caller bound.
    DescribePortal(Bytes),
    CloseStatement(Bytes),
    ClosePortal(Bytes),
    /// Fails in place of a refused message, so that the server itself ends the pipeline or transaction.
    FailPipeline,
    /// The same for a simple query.
    FailQuery,
}

/// Always a syntax error, and tells a reader of the server's log why.
const FAILING_SQL: &[u8] = b"/* refused by almoner */ !";
/// Name of a statement that never comes to be.
const FAILING_STATEMENT: &[u8] = b"almoner_refused";

impl UpstreamSink {
    /// Forwards an admitted exchange's message.
    pub(super) fn forward(&mut self, _: &Ticket, message: &[u8]) {
        self.buffer.extend_from_slice(message);
    }

    /// Forwards a message that prepares what guards have let through, and does nothing yet.
    pub(super) fn prepare(&mut self, _: &Clearance, message: &[u8]) {
        self.buffer.extend_from_slice(message);
    }

    /// Data of a COPY whose statement was admitted and which the server has asked for.
    pub(super) fn copy_data(&mut self, _: &super::expect::CopyingIn, message: &[u8]) {
        self.buffer.extend_from_slice(message);
    }

    /// The gateway's own message.
    pub(super) fn own(&mut self, message: Housekeeping) {
        use almoner_wire::postgres::frontend::{Parse, Target};
        let message = match message {
            Housekeeping::Sync => Frontend::Sync,
            Housekeeping::Flush => Frontend::Flush,
            Housekeeping::Terminate => Frontend::Terminate,
            Housekeeping::DescribeStatement(name) => Frontend::Describe(Target::Statement(name)),
            Housekeeping::DescribePortal(name) => Frontend::Describe(Target::Portal(name)),
            Housekeeping::CloseStatement(name) => Frontend::Close(Target::Statement(name)),
            Housekeeping::ClosePortal(name) => Frontend::Close(Target::Portal(name)),
            Housekeeping::FailPipeline => Frontend::Parse(Parse {
                statement: Bytes::from_static(FAILING_STATEMENT),
                sql: Bytes::from_static(FAILING_SQL),
                parameter_types: Vec::new(),
            }),
            Housekeeping::FailQuery => Frontend::Query {
                sql: Bytes::from_static(FAILING_SQL),
            },
        };
        // Names came out of messages of the same limits, so they fit; a message that did not would be
        // left out, and the server's next answer would then not be the one expected: closed.
        let _ = message.encode(&mut self.buffer);
    }

    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }
}

/// Bytes that are worth a write of their own while more is about to be released.
const WRITE_BYTES_MIN: usize = 8 << 10;

/// Bytes for the caller, in order: what settles holds up what is behind it.
#[derive(Default)]
pub(super) struct ClientSink {
    queue: VecDeque<Outgoing>,
    queued_bytes: usize,
    ready: BytesMut,
    /// Since when something that was released waits to be written.
    releasing: Option<Timer>,
    /// Something in `ready` speaks of a wait, and does not wait itself.
    urgent: bool,
}

enum Outgoing {
    Settling(Box<Settling>),
    Own(Bytes),
}

impl ClientSink {
    /// The gateway's own words.
    pub(super) fn say(&mut self, words: OwnWords) {
        let bytes = words.into_bytes();
        if self.queue.is_empty() {
            self.ready.extend_from_slice(&bytes);
        } else {
            self.queued_bytes += bytes.len();
            self.queue.push_back(Outgoing::Own(bytes));
        }
    }

    /// A notice that must not wait for what settles: it speaks of the wait itself.
    pub(super) fn say_at_once(&mut self, words: OwnWords) {
        self.ready.extend_from_slice(&words.into_bytes());
        self.urgent = true;
    }

    /// A window of a reply, released when its record is durable.
    pub(super) fn settle(&mut self, settling: Settling) {
        self.queued_bytes += settling.len();
        self.queue.push_back(Outgoing::Settling(Box::new(settling)));
    }

    /// Two halves, so that a session can wait for records and write at once.
    pub(super) fn split(&mut self) -> (Records<'_>, &mut BytesMut) {
        (Records(&mut self.queue), &mut self.ready)
    }

    /// What was released can be written, and the own words behind it.
    pub(super) fn release(&mut self, released: Released) {
        let (bytes, releasing) = released.into_bytes();
        self.releasing.get_or_insert(releasing);
        self.queued_bytes -= bytes.len().min(self.queued_bytes);
        self.ready.extend_from_slice(&bytes);
        while let Some(Outgoing::Own(bytes)) = self
            .queue
            .pop_front_if(|next| matches!(next, Outgoing::Own(_)))
        {
            self.queued_bytes -= bytes.len().min(self.queued_bytes);
            self.ready.extend_from_slice(&bytes);
        }
    }

    /// All that was ready is written.
    pub(super) fn written(&mut self) {
        if let Some(releasing) = self.releasing.take() {
            releasing.end();
        }
    }

    pub(super) fn is_settling(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether to write what is ready. A few words ahead of a window that settles go out together with it:
    /// that is a sync away, and a write of their own would cost the gateway and the caller a turn each.
    pub(super) fn wants_write(&mut self) -> bool {
        self.urgent &= self.has_ready();
        self.has_ready()
            && (self.urgent || !self.is_settling() || self.ready.remaining() >= WRITE_BYTES_MIN)
    }

    /// Bytes held for the caller, ready or not.
    pub(super) fn held(&self) -> usize {
        self.queued_bytes + self.ready.remaining()
    }

    pub(super) fn has_ready(&self) -> bool {
        self.ready.has_remaining()
    }
}

/// The windows that wait for their records.
pub(super) struct Records<'a>(&'a mut VecDeque<Outgoing>);

impl Records<'_> {
    /// Waits for the next record. Pending forever when nothing settles. Cancel-safe.
    pub(super) async fn settled(&mut self) -> Result<Released, Unrecorded> {
        match self.0.front_mut() {
            Some(Outgoing::Settling(settling)) => {
                let released = settling.durable().await.map_err(|error| {
                    tracing::error!(%error, "a reply could not be recorded; the session ends");
                    Unrecorded
                })?;
                self.0.pop_front();
                Ok(released)
            }
            // Own words behind nothing are written at once, never queued.
            Some(Outgoing::Own(_)) | None => std::future::pending().await,
        }
    }
}

/// The evidence store takes no records: the session must end without another byte.
#[derive(Debug)]
pub(super) struct Unrecorded;
