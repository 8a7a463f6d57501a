//! The handle that the gateway holds: appending, reading, closing.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use almoner_ledger::{Hash, VerifierKey};
use tokio::sync::oneshot;

use crate::append::{Durable, Entry, Pending};
use crate::error::{AuditError, OpenError};
use crate::folder::Folder;
use crate::index::{Follower, Index};
use crate::open::{self, Options};
use crate::queue::Queue;
use crate::read::Reader;
use crate::recover::{self, Recovery};
use crate::remains;
use crate::session::SessionLog;
use crate::store::Store;

/// How the trail is doing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// The log's name and epoch.
    pub origin: String,
    /// The last durable record.
    pub durable_seq: u64,
    /// Its hash.
    pub durable_hash: Hash,
    /// Records that wait to become durable.
    pub waiting: u64,
    /// How many records the last signed checkpoint covers.
    pub signed_size: u64,
    /// Bytes free on the trail's disk.
    pub disk_free_bytes: u64,
    /// Whether appending is refused for want of space.
    pub disk_full: bool,
    /// Why nothing can be recorded any more, if so.
    pub failed: Option<String>,
}

/// An open trail. Clones share it; the last one dropped closes it.
#[derive(Clone)]
pub struct Audit {
    inner: Arc<Inner>,
}

/// Dropped in this order: no more records, the writer's last duties, the index, then the folder's lock.
struct Inner {
    queue: Arc<Queue>,
    writer: Mutex<Option<JoinHandle<()>>>,
    key: VerifierKey,
    _follower: Follower,
    store: Arc<Store>,
    index: Arc<Index>,
    anchor: PathBuf,
    folder: Folder,
}

impl Audit {
    /// Opens the trail in `dir`, or begins one. Blocks on the disk; call it before serving.
    pub fn open(dir: &Path, options: Options) -> Result<Audit, OpenError> {
        let opened = open::open(dir, &options)?;
        let key = opened.writer.key.verifier();
        let thread = |error| OpenError::Io {
            doing: "starting the threads of",
            path: dir.to_owned(),
            error,
        };
        let follower = Follower::start(
            Arc::clone(&opened.index),
            Arc::clone(&opened.store),
            Arc::clone(&opened.queue),
        )
        .map_err(thread)?;
        let writer = opened.writer;
        let writer = std::thread::Builder::new()
            .name("audit-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(thread)?;
        let inner = Inner {
            queue: opened.queue,
            writer: Mutex::new(Some(writer)),
            key,
            _follower: follower,
            store: opened.store,
            index: opened.index,
            anchor: remains::anchor_path(dir, &options),
            folder: opened.folder,
        };
        Ok(Audit {
            inner: Arc::new(inner),
        })
    }

    /// Opens an epoch after a loss, and writes down what is missing. `by` is the operator, `reason` theirs.
    /// Blocks. The trail is closed again afterwards.
    pub fn recover(
        dir: &Path,
        options: Options,
        by: &str,
        reason: &str,
    ) -> Result<Recovery, OpenError> {
        recover::recover(dir, &options, by, reason)
    }

    /// Appends and waits until the record is on stable storage.
    pub async fn append(&self, entry: impl Into<Entry>) -> Result<Durable, AuditError> {
        self.enqueue(entry).await?.await
    }

    /// Gives the record its place and returns; await the result before releasing anything. Waits only for
    /// room in the queue.
    pub async fn enqueue(&self, entry: impl Into<Entry>) -> Result<Pending, AuditError> {
        self.inner.queue.enqueue(entry.into(), None).await
    }

    /// A log for one session, whose identity must not be used again. Its records are numbered from 0.
    pub fn session(&self, id: impl Into<String>) -> SessionLog {
        SessionLog::new(Arc::clone(&self.inner.queue), id.into())
    }

    /// A view for reading, which never blocks appends. Its methods block; call them off the runtime.
    pub fn reader(&self) -> Reader {
        Reader::live(
            Arc::clone(&self.inner.store),
            Arc::clone(&self.inner.index),
            Arc::clone(&self.inner.queue),
            self.inner.folder.path.clone(),
            self.inner.anchor.clone(),
            &self.inner.key,
        )
    }

    /// Resolves when the trail has failed and the process should end.
    pub fn fatal(&self) -> impl Future<Output = AuditError> + Send + 'static {
        let queue = Arc::clone(&self.inner.queue);
        async move {
            let mut failed = queue.fatal.subscribe();
            // The sender lives in the queue that this future holds, so waiting ends only with a failure.
            let _ = failed.wait_for(|failed| *failed).await;
            queue.failure().err().unwrap_or(AuditError::Closed)
        }
    }

    /// Signs a checkpoint that covers every record acknowledged so far, and returns the signed note.
    pub async fn checkpoint_now(&self) -> Result<String, AuditError> {
        let (send, receive) = oneshot::channel();
        self.inner.queue.request_signature(Box::new(move |signed| {
            let _ = send.send(signed);
        }));
        receive.await.unwrap_or(Err(AuditError::Closed))
    }

    /// How the trail is doing.
    pub fn status(&self) -> Status {
        let queue = &self.inner.queue;
        let placed = queue.lock().head.next_seq();
        let durable = queue.durable_head();
        Status {
            origin: queue.origin.clone(),
            durable_seq: durable.seq.unwrap_or(0),
            durable_hash: durable.hash,
            waiting: placed.saturating_sub(durable.next_seq()),
            signed_size: queue.signed.load(Ordering::Relaxed),
            disk_free_bytes: queue.disk_free.load(Ordering::Relaxed),
            disk_full: queue.disk_full.load(Ordering::Relaxed),
            failed: queue.failure().err().map(|error| error.to_string()),
        }
    }

    /// The key that checkpoints of this epoch verify with.
    pub fn verifier_key(&self) -> VerifierKey {
        self.inner.key.clone()
    }

    /// Takes no more records, makes what is queued durable, signs a checkpoint, and writes the anchor.
    pub async fn close(&self) -> Result<(), AuditError> {
        let inner = Arc::clone(&self.inner);
        let joined = tokio::task::spawn_blocking(move || inner.stop()).await;
        joined.map_err(|_| AuditError::Closed)?;
        self.inner.queue.failure()
    }
}

impl Inner {
    fn stop(&self) {
        self.queue.close();
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            // A writer that panicked has poisoned the queue, which is how it is reported.
            let _ = writer.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Audit")
            .field(&self.inner.queue.origin)
            .finish()
    }
}
