//! The one writer: takes what waits, makes it durable in one write, and only then tells who waits.
//!
//! It also signs checkpoints, keeps the anchor, and watches the disk. An error of a write or a sync ends it:
//! after a failed sync the kernel may have dropped the data and report success the next time, so nothing is
//! tried again, and everybody who waits is refused.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use almoner_ledger::tree::Frontier;
use almoner_ledger::{Checkpoint, Head, SigningKey};
use rocksdb::WriteBatch;

use crate::anchor::{ANCHOR_EVERY, AnchorFile};
use crate::error::AuditError;
use crate::herald::{self, Herald};
use crate::open::OnSync;
use crate::queue::{OpenChange, Queue, SignRequest, Waiting};
use crate::store::{self, BODIES, CHECKPOINTS, META, OPEN, RECORDS, Store};

/// An idle writer looks at the disk this often.
const IDLE: Duration = Duration::from_secs(1);
/// A busy one this often. The fastest disk worth using takes 200 MB meanwhile, less than is kept in reserve.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Of the checkpoints signed within this time only the last is kept: it covers the others. A year of
/// constant traffic leaves 15 MB of them.
const CHECKPOINT_KEPT_EVERY: Duration = Duration::from_secs(600);

/// The write side of the store.
pub(crate) struct Writer {
    pub(crate) store: Arc<Store>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) key: SigningKey,
    pub(crate) epoch: u64,
    pub(crate) anchor: AnchorFile,
    pub(crate) dir: PathBuf,
    pub(crate) checkpoint_every: Duration,
    pub(crate) on_sync: Option<OnSync>,
    /// The last durable record, and the tree over all durable ones.
    pub(crate) durable: Option<(Head, Frontier)>,
    pub(crate) anchored: Option<(Instant, Head)>,
    pub(crate) herald: Option<Herald>,
    /// When the disk was last asked how much is free.
    pub(crate) looked: Option<Instant>,
    pub(crate) signed: Option<Signed>,
}

/// The last checkpoint.
pub(crate) struct Signed {
    pub(crate) at: Instant,
    pub(crate) size: u64,
    pub(crate) note: String,
    /// When the time began of which only the last checkpoint is kept.
    pub(crate) window: Option<Instant>,
}

impl Writer {
    /// Works until the trail is closed or fails.
    pub(crate) fn run(mut self) {
        // If anything in here panics, those who wait must not wait for ever.
        let guard = PoisonOnPanic(Arc::clone(&self.queue));
        // Without one the writer tells by itself, as it does while nobody waits for it.
        self.herald = Herald::start().ok();
        if let Err(why) = self.serve() {
            tracing::error!(error = %why, "the audit store failed; nothing can be recorded any more");
            self.queue.poison(why);
        }
        drop(guard);
    }

    fn serve(&mut self) -> Result<(), String> {
        loop {
            let mut chain = self.queue.wait(self.time_to_next_duty());
            let batch = std::mem::take(&mut chain.pending);
            let sign = std::mem::take(&mut chain.sign);
            let closing = chain.closing;
            let end = (!batch.is_empty()).then(|| (chain.head, chain.tree.clone()));
            drop(chain);
            if let Some((head, tree)) = end
                && let Err(why) = self.commit(batch, head, tree)
            {
                let error = self.queue.poison(why.clone());
                sign.into_iter()
                    .for_each(|request| request(Err(error.clone())));
                return Err(why);
            }
            self.duties(closing, sign)?;
            if closing {
                return Ok(());
            }
        }
    }

    /// Makes a batch durable, then tells its waiters. `head` and `tree` are those after its last record.
    pub(crate) fn commit(
        &mut self,
        batch: Vec<Waiting>,
        head: Head,
        tree: Frontier,
    ) -> Result<(), String> {
        let outcome = self.write(&batch, &head, &tree);
        let outcome = outcome.and_then(|()| {
            self.durable = Some((head, tree));
            // Before the first release after a rest: an idle trail anchors everything it acknowledges.
            let due = self
                .anchored
                .is_none_or(|(at, _)| at.elapsed() >= ANCHOR_EVERY);
            if due { self.write_anchor() } else { Ok(()) }
        });
        if let Err(why) = outcome {
            let error = self.queue.poison(why.clone());
            for waiting in batch {
                if let Some(done) = waiting.done {
                    let _ = done.send(Err(error.clone()));
                }
            }
            return Err(why);
        }
        self.queue.set_durable(head);
        match &self.herald {
            Some(herald) if self.queue.is_waited_for() => herald.hand_over(batch),
            _ => herald::tell(batch),
        }
        Ok(())
    }

    fn write(&self, batch: &[Waiting], head: &Head, tree: &Frontier) -> Result<(), String> {
        let records = self.store.family(RECORDS)?;
        let bodies = self.store.family(BODIES)?;
        let open = self.store.family(OPEN)?;
        let bytes: usize = batch
            .iter()
            .map(|waiting| waiting.sealed.line.len() + 64)
            .sum();
        let mut writes = WriteBatch::with_capacity_bytes(bytes + 4096);
        for waiting in batch {
            let seq = waiting.sealed.seq;
            writes.put_cf(records, store::record_key(seq), &waiting.sealed.line);
            for (index, body) in (0..).zip(&waiting.bodies) {
                writes.put_cf(bodies, store::body_key(seq, index), body);
            }
            match &waiting.open {
                OpenChange::None => {}
                OpenChange::Opens(exchange) => {
                    writes.put_cf(open, exchange.as_bytes(), store::record_key(seq))
                }
                OpenChange::Closes(exchange) => writes.delete_cf(open, exchange.as_bytes()),
            }
        }
        writes.put_cf(
            self.store.family(META)?,
            b"head",
            store::head_value(head, tree),
        );
        let started = Instant::now();
        self.store.write_synced(writes)?;
        if let Some(OnSync(told)) = &self.on_sync {
            told(started.elapsed());
        }
        Ok(())
    }

    /// What is due besides records.
    pub(crate) fn duties(&mut self, closing: bool, sign: Vec<SignRequest>) -> Result<(), String> {
        let due = self
            .signed
            .as_ref()
            .is_none_or(|signed| signed.at.elapsed() >= self.checkpoint_every);
        let wanted = due || closing || !sign.is_empty();
        if wanted
            && self.unsigned()
            && let Err(why) = self.sign()
        {
            let error = self.queue.poison(why.clone());
            sign.into_iter()
                .for_each(|request| request(Err(error.clone())));
            return Err(why);
        }
        for request in sign {
            request(
                self.signed
                    .as_ref()
                    .map(|signed| signed.note.clone())
                    .ok_or(AuditError::Closed),
            );
        }
        let behind = self.anchored.map(|(_, head)| Some(head))
            != self.durable.as_ref().map(|(head, _)| Some(*head));
        let rested = self
            .anchored
            .is_none_or(|(at, _)| at.elapsed() >= ANCHOR_EVERY);
        if behind && (closing || rested) {
            self.write_anchor()?;
        }
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            self.look_at_disk();
        }
        Ok(())
    }

    fn unsigned(&self) -> bool {
        let size = self.durable.as_ref().map_or(0, |(head, _)| head.next_seq());
        size > self.signed.as_ref().map_or(0, |signed| signed.size)
    }

    /// Signs what is durable. The checkpoint replaces the one before it, unless that one is due to stay.
    pub(crate) fn sign(&mut self) -> Result<(), String> {
        let Some((head, tree)) = &self.durable else {
            return Ok(());
        };
        let says = Checkpoint {
            origin: self.queue.origin.clone(),
            size: head.next_seq(),
            root: tree.root(),
            extensions: vec![],
        };
        let note = says.sign(&self.key);
        let family = self.store.family(CHECKPOINTS)?;
        let mut writes = WriteBatch::default();
        let now = Instant::now();
        let mut window = now;
        if let Some(before) = &self.signed
            && let Some(began) = before
                .window
                .filter(|began| now.duration_since(*began) < CHECKPOINT_KEPT_EVERY)
        {
            writes.delete_cf(family, store::checkpoint_key(self.epoch, before.size));
            window = began;
        }
        writes.put_cf(family, store::checkpoint_key(self.epoch, says.size), &note);
        self.store.write_synced(writes)?;
        self.queue.signed.store(says.size, Ordering::Relaxed);
        self.signed = Some(Signed {
            at: now,
            size: says.size,
            note,
            window: Some(window),
        });
        Ok(())
    }

    pub(crate) fn write_anchor(&mut self) -> Result<(), String> {
        let Some((head, _)) = &self.durable else {
            return Ok(());
        };
        let Some(seq) = head.seq else { return Ok(()) };
        self.anchor
            .write(self.epoch, seq, head.hash)
            .map_err(|error| format!("writing the head anchor: {error}"))?;
        self.anchored = Some((Instant::now(), *head));
        Ok(())
    }

    /// Refuses appends before the database runs out of space, and admits them again when there is some.
    pub(crate) fn look_at_disk(&mut self) {
        self.looked = Some(Instant::now());
        let free =
            rustix::fs::statvfs(&self.dir).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        // A disk that cannot be asked is treated as full: what cannot be known to fit is not accepted.
        let free = free.unwrap_or(0);
        let full = free < self.queue.reserve;
        self.queue.disk_free.store(free, Ordering::Relaxed);
        if self.queue.disk_full.swap(full, Ordering::Relaxed) != full {
            tracing::warn!(
                free,
                reserve = self.queue.reserve,
                full,
                "space on the audit disk"
            );
        }
    }

    fn time_to_next_duty(&self) -> Duration {
        let until = |at: Option<Instant>, every: Duration| {
            at.map_or(Duration::ZERO, |at| every.saturating_sub(at.elapsed()))
        };
        let mut wait = IDLE;
        if self.unsigned() {
            wait = wait.min(until(
                self.signed.as_ref().map(|signed| signed.at),
                self.checkpoint_every,
            ));
        }
        if self.anchored.map(|(_, head)| head) != self.durable.as_ref().map(|(head, _)| *head) {
            wait = wait.min(until(self.anchored.map(|(at, _)| at), ANCHOR_EVERY));
        }
        wait
    }
}

struct PoisonOnPanic(Arc<Queue>);

impl Drop for PoisonOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison("the writer broke".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;
    use crate::append::Entry;
    use crate::open::{self, Opened, Options};
    use almoner_ledger::{Draft, Kind};

    fn entry() -> Entry {
        Entry::new(Draft::new(Kind::Outcome, crate::now())).body("response", "x", vec![0; 1 << 20])
    }

    fn opened(dir: &std::path::Path) -> Opened {
        let options = Options {
            reserve_bytes: 0,
            append_wait_max: Duration::from_millis(200),
            ..Options::new("hospital.example/audit")
        };
        open::open(dir, &options).unwrap()
    }

    #[tokio::test]
    async fn a_write_that_fails_is_told_to_all_who_wait_and_ends_the_trail() {
        let folder = tempfile::tempdir().unwrap();
        let Opened {
            queue,
            mut writer,
            store,
            ..
        } = opened(folder.path());
        writer.anchor = AnchorFile::unwritable(&folder.path().join("anchor"));
        writer.anchored = None;
        let mut fatal = queue.fatal.subscribe();
        let mut waiting = Vec::new();
        for _ in 0..3 {
            waiting.push(queue.enqueue(entry(), None).await.unwrap());
        }
        let (send, signed) = std::sync::mpsc::sync_channel(1);
        queue.request_signature(Box::new(move |outcome| send.send(outcome).unwrap()));
        std::thread::spawn(move || writer.run()).join().unwrap();
        for pending in waiting {
            assert!(matches!(pending.await, Err(AuditError::Poisoned(_))));
        }
        assert!(matches!(
            signed.recv().unwrap(),
            Err(AuditError::Poisoned(_))
        ));
        assert!(matches!(
            queue.enqueue(entry(), None).await,
            Err(AuditError::Poisoned(_))
        ));
        assert!(*fatal.wait_for(|failed| *failed).await.unwrap());
        assert_eq!(
            queue.durable_head().seq,
            Some(1),
            "readers see nothing of it"
        );
        drop((queue, store));
    }

    #[tokio::test]
    async fn a_writer_that_is_stuck_leaves_nobody_waiting_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        // Its writer never runs, as if a sync never came back.
        let opened = opened(folder.path());
        let pending = opened.queue.enqueue(entry(), None).await.unwrap();
        assert_eq!(pending.await, Err(AuditError::Timeout { waited_ms: 200 }));
        let mut queued = 0;
        let refused = loop {
            match opened.queue.enqueue(entry(), None).await {
                Ok(_) => queued += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(
            refused,
            AuditError::Timeout { waited_ms: 200 },
            "and memory is bounded"
        );
        assert!(
            (20..32).contains(&queued),
            "{queued} of 1 MiB in a queue of 32"
        );
    }
}
