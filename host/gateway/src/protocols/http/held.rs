//! A caller of a request that may have to wait for people. They stay and wait, or go with the approval's id
//! and come back with the identical request; only while they are there does the exchange go on.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::sinks::Answer;
use crate::identity::principal::Principal;
use crate::policy::{Caller, Waiting};

/// Requests whose callers have gone with an id, all together; as many as approvals can wait.
const PARKED_MAX: usize = 256;
/// How long a decided request can be taken. Its caller was told to ask again after seconds.
const CLAIM_WAIT: Duration = Duration::from_secs(600);

/// Where a held exchange stands, for the task that runs it and the requests that look after it.
#[derive(Clone, Debug, Default)]
struct Stand {
    /// What it waits for. `None`: it does not wait, or no longer.
    waiting: Option<Waiting>,
    /// People have said yes; it goes on as soon as the caller is there.
    approved: bool,
    /// A request is there for it.
    attended: bool,
    /// Nobody will come for it.
    gone: bool,
    /// When nobody will come for it any more.
    until: Option<Instant>,
}

/// The caller's side of one exchange.
pub(super) struct HttpCaller {
    stand: watch::Sender<Stand>,
    draining: watch::Receiver<bool>,
}

/// What a request that looks after an exchange has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It runs, or has not been held.
    Running,
    /// People have not decided.
    Undecided,
    /// People have said yes, and nobody is there.
    Approved,
}

impl HttpCaller {
    /// `attended`: the caller stays while it waits.
    pub(super) fn new(attended: bool, draining: watch::Receiver<bool>) -> Arc<Self> {
        let stand = Stand {
            attended,
            ..Stand::default()
        };
        Arc::new(Self {
            stand: watch::Sender::new(stand),
            draining,
        })
    }

    /// Resolves when the exchange is held, with what it waits for.
    pub(super) async fn held(&self) -> Waiting {
        let mut stand = self.stand.subscribe();
        loop {
            if let Some(waiting) = stand.borrow_and_update().waiting.clone() {
                return waiting;
            }
            if stand.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Resolves when it no longer waits.
    pub(super) async fn runs_again(&self) {
        let mut stand = self.stand.subscribe();
        let _ = stand.wait_for(|stand| stand.waiting.is_none()).await;
    }

    /// A request is there, or no longer.
    pub(super) fn attend(&self, attended: bool) {
        self.stand.send_modify(|stand| stand.attended = attended);
    }

    pub(super) fn state(&self) -> State {
        let stand = self.stand.borrow();
        match (&stand.waiting, stand.approved) {
            (Some(_), true) => State::Approved,
            (Some(_), false) => State::Undecided,
            (None, _) => State::Running,
        }
    }

    /// Nobody will come for it.
    fn leave(&self) {
        self.stand.send_modify(|stand| stand.gone = true);
    }

    /// Resolves when nobody will come for it: the caller hung up, the time is over, or the gateway stops.
    pub(super) async fn gone(&self) {
        let mut stand = self.stand.subscribe();
        let mut draining = self.draining.clone();
        loop {
            let (gone, until, attended) = {
                let stand = stand.borrow_and_update();
                (stand.gone, stand.until, stand.attended)
            };
            if gone || (!attended && *draining.borrow()) {
                return;
            }
            tokio::select! {
                changed = stand.changed() => if changed.is_err() {
                    return;
                },
                stopping = draining.wait_for(|draining| *draining), if !attended => if stopping.is_err() {
                    return;
                },
                () = at(until), if until.is_some() && !attended => return,
            }
        }
    }
}

impl Caller for HttpCaller {
    fn waiting(&self, waiting: &Waiting) {
        let waiting = waiting.clone();
        self.stand.send_modify(|stand| {
            stand.until = Some(Instant::now() + waiting.expires_in + CLAIM_WAIT);
            stand.waiting = Some(waiting);
            stand.approved = false;
        });
    }

    fn present(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            let mut stand = self.stand.subscribe();
            self.stand.send_modify(|stand| stand.approved = true);
            // The sender is ours: waiting ends with us.
            let _ = stand.wait_for(|stand| stand.attended).await;
            self.stand.send_modify(|stand| stand.waiting = None);
        })
    }

    /// HTTP has no word for it: a caller who no longer waits has left.
    fn canceled(&self) -> bool {
        false
    }
}

async fn at(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// An exchange that a request looks after. Dropped, it is given up as far as it still waits; what was
/// sent to the upstream is completed and recorded without it.
pub(super) struct Attended {
    pub(super) task: JoinHandle<Answer>,
    pub(super) caller: Arc<HttpCaller>,
    pub(super) whose: Whose,
}

/// Whose request it is, and which: only the same may take it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Whose {
    pub(super) login: String,
    pub(super) principal: Principal,
    pub(super) resource: String,
    pub(super) identity: [u8; 32],
}

impl Drop for Attended {
    fn drop(&mut self) {
        self.caller.leave();
    }
}

/// The exchanges whose callers have gone with an id.
#[derive(Default)]
pub(super) struct Parked(Mutex<HashMap<String, Attended>>);

impl Parked {
    /// Keeps an exchange under its approval's id; gives it back if there is no room.
    pub(super) fn park(&self, approval: &str, exchange: Attended) -> Result<(), Attended> {
        let mut parked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        parked.retain(|_, exchange| {
            let until = exchange.caller.stand.borrow().until;
            until.is_none_or(|until| until > now)
        });
        if parked.len() >= PARKED_MAX {
            return Err(exchange);
        }
        parked.insert(approval.to_owned(), exchange);
        Ok(())
    }

    /// Takes an exchange for the same caller with the same request; it stays for anybody else.
    pub(super) fn take(&self, approval: &str, whose: &Whose) -> Option<Attended> {
        let mut parked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parked
            .get(approval)
            .filter(|exchange| exchange.whose == *whose)?;
        parked.remove(approval)
    }

    /// How an exchange of this login stands; `None` where there is none.
    pub(super) fn state(&self, approval: &str, login: &str) -> Option<&'static str> {
        let parked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let exchange = parked
            .get(approval)
            .filter(|exchange| exchange.whose.login == login)?;
        Some(if exchange.task.is_finished() {
            "decided"
        } else {
            match exchange.caller.state() {
                State::Undecided => "waiting",
                State::Approved => "approved",
                State::Running => "running",
            }
        })
    }

    /// Gives up all that is parked; answers when each is on record as such.
    pub(super) async fn give_up(&self) {
        let parked: Vec<Attended> = {
            let mut parked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            parked.drain().map(|(_, exchange)| exchange).collect()
        };
        for mut exchange in parked {
            exchange.caller.leave();
            let _ = (&mut exchange.task).await;
        }
    }
}
