//! Tells those who wait that their records are durable, beside the writer rather than in its turn.
//!
//! Waking tasks takes as long as writing does once some dozens wait, and a disk that syncs needs no processor.
//! So the writer of a busy trail hands over what is durable and goes on. Whoever is handed nothing waits for
//! nothing: a trail that has time tells by itself. Nothing comes here before it is durable.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use crate::append::Durable;
use crate::queue::Waiting;

/// Batches that may wait to be told of. A herald so far behind has no processor, and the writer lends its own.
const BATCHES_MAX: usize = 4;

/// The thread that tells. Dropping it waits until it has told all.
pub(crate) struct Herald {
    batches: Option<SyncSender<Vec<Waiting>>>,
    thread: Option<JoinHandle<()>>,
}

impl Herald {
    pub(crate) fn start() -> std::io::Result<Herald> {
        let (batches, durable) = sync_channel(BATCHES_MAX);
        let thread = std::thread::Builder::new()
            .name("audit-herald".to_owned())
            .spawn(move || serve(&durable))?;
        Ok(Herald {
            batches: Some(batches),
            thread: Some(thread),
        })
    }

    pub(crate) fn hand_over(&self, batch: Vec<Waiting>) {
        let handed = match &self.batches {
            Some(batches) => batches.try_send(batch),
            None => Err(TrySendError::Disconnected(batch)),
        };
        if let Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) = handed {
            tell(batch);
        }
    }
}

impl Drop for Herald {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(durable: &Receiver<Vec<Waiting>>) {
    durable.iter().for_each(tell);
}

/// Tells each of a durable batch, and gives its room back.
pub(crate) fn tell(batch: Vec<Waiting>) {
    for waiting in batch {
        let durable = Durable {
            seq: waiting.sealed.seq,
            hash: waiting.sealed.hash,
        };
        if let Some(done) = waiting.done {
            // Whoever went away has no use for the answer; the record stays.
            let _ = done.send(Ok(durable));
        }
    }
}
