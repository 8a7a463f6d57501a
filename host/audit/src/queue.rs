//! Between those who append and the one who writes: the order of the chain is made here.
//!
//! Appending seals the record under one short lock, on the caller's thread: it takes the place after the
//! head, and its hash becomes the head. So the chain has one order, hashing overlaps the sync of the batch
//! before, and what waits here when that sync ends is the next batch. Nothing here is durable, and nobody is
//! told that it is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use almoner_ledger::record::field;
use almoner_ledger::tree::{self, Frontier};
use almoner_ledger::{Head, Kind, SealError, Sealed, seal};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::append::{Durable, Entry, Pending, timeout};
use crate::error::AuditError;
use crate::fit;

/// What may wait to become durable, in KiB of lines and bodies. It bounds memory, the largest batch, and
/// how long the last in the queue waits: 32 MiB take about 50 ms on the slowest disk worth using.
pub(crate) const QUEUE_KIB: u32 = 32 * 1024;
/// Every record costs at least this share of the queue, which bounds their number too.
const RECORD_KIB_MIN: u32 = 1;

/// The record's place in a session. The count moves under the queue's lock alone.
pub(crate) struct SessionCount {
    pub(crate) id: Box<str>,
    next: AtomicU64,
}

impl SessionCount {
    pub(crate) fn new(id: Box<str>, next: u64) -> SessionCount {
        SessionCount {
            id,
            next: AtomicU64::new(next),
        }
    }
}

/// A sealed record on its way.
pub(crate) struct Waiting {
    pub(crate) sealed: Sealed,
    pub(crate) bodies: Vec<Bytes>,
    pub(crate) open: OpenChange,
    pub(crate) done: Option<oneshot::Sender<Result<Durable, AuditError>>>,
    /// Its share of the queue, given back when it is durable.
    pub(crate) _room: Option<OwnedSemaphorePermit>,
}

/// What a record does to the list of exchanges that await an outcome.
pub(crate) enum OpenChange {
    None,
    Opens(Box<str>),
    Closes(Box<str>),
}

/// Whoever wants a checkpoint to cover what is acknowledged.
pub(crate) type SignRequest = Box<dyn FnOnce(Result<String, AuditError>) + Send>;

/// The chain's end, and what is not yet written.
pub(crate) struct Chain {
    pub(crate) head: Head,
    pub(crate) tree: Frontier,
    pub(crate) pending: Vec<Waiting>,
    pub(crate) sign: Vec<SignRequest>,
    pub(crate) closing: bool,
    /// Exchanges with an intent and no outcome.
    open: HashMap<Box<str>, u64>,
}

impl Chain {
    pub(crate) fn new(head: Head, tree: Frontier, open: HashMap<Box<str>, u64>) -> Chain {
        Chain {
            head,
            tree,
            pending: Vec::new(),
            sign: Vec::new(),
            closing: false,
            open,
        }
    }

    /// Seals a record at the head and queues it.
    pub(crate) fn push(
        &mut self,
        origin: &str,
        fitted: fit::Fitted,
        session: Option<&SessionCount>,
        exchange: Option<(Kind, Box<str>)>,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<oneshot::Receiver<Result<Durable, AuditError>>, AuditError> {
        let n = session.map(|session| session.next.load(Ordering::Relaxed));
        let sealed =
            seal(&self.head, origin, n, &fitted.prepared).map_err(|error| match error {
                SealError::TooLarge(bytes) => AuditError::TooLarge { bytes },
                SealError::Session | SealError::Place => AuditError::Poisoned(error.to_string()),
            })?;
        if let (Some(session), Some(n)) = (session, n) {
            session.next.store(n + 1, Ordering::Relaxed);
        }
        self.head = sealed.head();
        self.tree.push(tree::leaf(&sealed.hash));
        let open = self.open_change(exchange, sealed.seq);
        let (done, outcome) = oneshot::channel();
        self.pending.push(Waiting {
            sealed,
            bodies: fitted.bodies,
            open,
            done: Some(done),
            _room: room,
        });
        Ok(outcome)
    }

    /// Whether an exchange has an intent and no outcome.
    pub(crate) fn is_open(&self, exchange: &str) -> bool {
        self.open.contains_key(exchange)
    }

    fn open_change(&mut self, exchange: Option<(Kind, Box<str>)>, seq: u64) -> OpenChange {
        match exchange {
            Some((Kind::Intent, exchange)) => {
                self.open.insert(exchange.clone(), seq);
                OpenChange::Opens(exchange)
            }
            Some((Kind::Outcome | Kind::Interrupted, exchange))
                if self.open.remove(&exchange).is_some() =>
            {
                OpenChange::Closes(exchange)
            }
            _ => OpenChange::None,
        }
    }
}

/// The exchange a record belongs to, if that matters to the list of open ones.
pub(crate) fn exchange_of(entry: &Entry) -> Option<(Kind, Box<str>)> {
    let kind = entry.draft.kind;
    let matters = matches!(kind, Kind::Intent | Kind::Outcome | Kind::Interrupted);
    matters
        .then(|| {
            entry
                .draft
                .text(field::EXCHANGE)
                .map(|exchange| (kind, exchange.into()))
        })
        .flatten()
}

/// What all handles and the writer share.
pub(crate) struct Queue {
    pub(crate) origin: String,
    pub(crate) wait_max: Duration,
    pub(crate) reserve: u64,
    chain: Mutex<Chain>,
    wake: Condvar,
    room: Arc<Semaphore>,
    /// The number of durable records, for readers, who may look no further.
    pub(crate) durable: AtomicU64,
    durable_head: Mutex<Head>,
    pub(crate) signed: AtomicU64,
    pub(crate) disk_free: AtomicU64,
    pub(crate) disk_full: AtomicBool,
    failed: OnceLock<AuditError>,
    pub(crate) fatal: watch::Sender<bool>,
}

impl Queue {
    pub(crate) fn new(origin: String, wait_max: Duration, reserve: u64, chain: Chain) -> Queue {
        Queue {
            origin,
            wait_max,
            reserve,
            durable: AtomicU64::new(chain.head.next_seq()),
            durable_head: Mutex::new(chain.head),
            chain: Mutex::new(chain),
            wake: Condvar::new(),
            room: Arc::new(Semaphore::new(QUEUE_KIB as usize)),
            signed: AtomicU64::new(0),
            disk_free: AtomicU64::new(u64::MAX),
            disk_full: AtomicBool::new(false),
            failed: OnceLock::new(),
            fatal: watch::Sender::new(false),
        }
    }

    /// Gives a record its place. Waits only for room.
    pub(crate) async fn enqueue(
        &self,
        entry: Entry,
        session: Option<&SessionCount>,
    ) -> Result<Pending, AuditError> {
        self.admits()?;
        let exchange = exchange_of(&entry);
        let fitted = fit::fit(
            entry,
            session.map(|session| &*session.id),
            self.origin.len(),
        )?;
        let room = self.clone_room(&fitted).await?;
        let mut chain = self.lock();
        // Asked again under the lock: after a failure or a close nothing more may take a place.
        self.failure()?;
        if chain.closing {
            return Err(AuditError::Closed);
        }
        let idle = chain.pending.is_empty();
        let outcome = chain.push(&self.origin, fitted, session, exchange, Some(room))?;
        let seq = chain.head.next_seq() - 1;
        drop(chain);
        if idle {
            self.wake.notify_one();
        }
        Ok(Pending::new(outcome, self.wait_max, seq))
    }

    async fn clone_room(&self, fitted: &fit::Fitted) -> Result<OwnedSemaphorePermit, AuditError> {
        let bytes: usize = fitted.bodies.iter().map(Bytes::len).sum();
        let share = u32::try_from(bytes / 1024).unwrap_or(QUEUE_KIB) + RECORD_KIB_MIN;
        let room = Arc::clone(&self.room);
        match tokio::time::timeout(self.wait_max, room.acquire_many_owned(share)).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) => Err(self.failure().err().unwrap_or(AuditError::Closed)),
            Err(_) => Err(timeout(self.wait_max)),
        }
    }

    /// The last durable record.
    pub(crate) fn durable_head(&self) -> Head {
        *self
            .durable_head
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_durable(&self, head: Head) {
        *self
            .durable_head
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = head;
        self.durable.store(head.next_seq(), Ordering::Release);
    }

    /// Whether anything may be appended.
    fn admits(&self) -> Result<(), AuditError> {
        self.failure()?;
        if self.disk_full.load(Ordering::Relaxed) {
            return Err(AuditError::DiskFull {
                free: self.disk_free.load(Ordering::Relaxed),
                reserve: self.reserve,
            });
        }
        Ok(())
    }

    /// The failure that ended the trail, if one did.
    pub(crate) fn failure(&self) -> Result<(), AuditError> {
        self.failed.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Ends the trail: nothing is acknowledged after this.
    pub(crate) fn poison(&self, why: String) -> AuditError {
        let error = self
            .failed
            .get_or_init(|| AuditError::Poisoned(why))
            .clone();
        self.room.close();
        let (pending, sign) = {
            let mut chain = self.lock();
            (
                std::mem::take(&mut chain.pending),
                std::mem::take(&mut chain.sign),
            )
        };
        for waiting in pending {
            if let Some(done) = waiting.done {
                let _ = done.send(Err(error.clone()));
            }
        }
        sign.into_iter()
            .for_each(|request| request(Err(error.clone())));
        self.fatal.send_replace(true);
        error
    }

    /// Asks for a checkpoint over all that is acknowledged.
    pub(crate) fn request_signature(&self, request: SignRequest) {
        let refused = {
            let mut chain = self.lock();
            match self.failure() {
                Err(error) => Some((request, error)),
                Ok(()) if chain.closing => Some((request, AuditError::Closed)),
                Ok(()) => {
                    chain.sign.push(request);
                    None
                }
            }
        };
        match refused {
            Some((request, error)) => request(Err(error)),
            None => self.wake.notify_one(),
        }
    }

    /// Takes no more records.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    /// Whether records wait to be written.
    pub(crate) fn is_waited_for(&self) -> bool {
        !self.lock().pending.is_empty()
    }

    /// The writer's wait: until there is something to do, or for so long at most.
    pub(crate) fn wait(&self, at_most: Duration) -> MutexGuard<'_, Chain> {
        let chain = self.lock();
        let idle =
            |chain: &mut Chain| chain.pending.is_empty() && chain.sign.is_empty() && !chain.closing;
        self.wake
            .wait_timeout_while(chain, at_most, idle)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// Nothing panics while it holds the lock, and if something did the chain would still be whole: a
    /// record is pushed only after everything that can fail.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
