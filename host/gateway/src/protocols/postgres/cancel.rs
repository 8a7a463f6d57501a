//! Cancel requests: they come on a connection of their own and name a session by number and secret. One
//! registry for all sessions; a request that fits none is dropped without a word, as the protocol has it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use subtle::ConstantTimeEq;
use tokio::sync::Notify;

/// Bytes of a cancel key under protocol 3.0.
const SHORT_KEY_BYTES: usize = 4;
/// Bytes of a cancel key under protocol 3.2.
const LONG_KEY_BYTES: usize = 32;

/// Sessions that can be canceled.
#[derive(Default)]
pub struct CancelRegistry {
    sessions: Mutex<HashMap<u32, (Bytes, Arc<Notify>)>>,
}

/// A session's place in the registry; dropped with the session.
pub(super) struct Registered {
    registry: Arc<CancelRegistry>,
    pub(super) pid: u32,
    pub(super) key: Bytes,
    pub(super) canceled: Arc<Notify>,
}

impl CancelRegistry {
    /// Gives a session a number and a secret. `None` without random numbers.
    pub(super) fn register(self: &Arc<Self>, long_key: bool) -> Option<Registered> {
        let mut secret = [0_u8; LONG_KEY_BYTES];
        getrandom::fill(&mut secret).ok()?;
        let length = if long_key {
            LONG_KEY_BYTES
        } else {
            SHORT_KEY_BYTES
        };
        let key = Bytes::copy_from_slice(secret.get(..length)?);
        let canceled = Arc::new(Notify::new());
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = loop {
            let mut number = [0; 4];
            getrandom::fill(&mut number).ok()?;
            // Positive as a signed number: some drivers read it so.
            let pid = u32::from_be_bytes(number) >> 1;
            if pid != 0 && !sessions.contains_key(&pid) {
                break pid;
            }
        };
        sessions.insert(pid, (key.clone(), Arc::clone(&canceled)));
        Some(Registered {
            registry: Arc::clone(self),
            pid,
            key,
            canceled,
        })
    }

    /// Tells the session of that number and secret, if there is one.
    pub(super) fn cancel(&self, pid: u32, key: &[u8]) -> bool {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        match sessions.get(&pid) {
            Some((known, canceled)) if bool::from(known.as_ref().ct_eq(key)) => {
                canceled.notify_one();
                true
            }
            _ => false,
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry
            .sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.pid);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    #[test]
    fn only_the_right_secret_cancels_and_only_while_the_session_lives() {
        let registry = Arc::new(CancelRegistry::default());
        let session = registry.register(true).unwrap();
        assert_eq!(session.key.len(), 32);
        assert!(!registry.cancel(session.pid, b"wrong"));
        assert!(!registry.cancel(session.pid ^ 1, &session.key));
        assert!(registry.cancel(session.pid, &session.key));
        let (pid, key) = (session.pid, session.key.clone());
        drop(session);
        assert!(!registry.cancel(pid, &key));
    }
}
