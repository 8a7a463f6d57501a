//! Requests of one connection. A session is one caller's login on it to one resource: begun with the first
//! request, and ended when the connection is and nothing of it is under way.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, header};
use tokio::time::Instant;

use super::action::{Asked, Outgoing, Refused, is_read};
use super::connection::Shared;
use super::exchange::Exchange;
use super::headers::{self, APPROVAL};
use super::held::{Attended, HttpCaller, State, Whose};
use super::intake::{self, Instead};
use super::lease::Lease;
use super::login::Login;
use super::reply::MEDIA;
use super::sinks::{self, Answer};
use super::target::{Ambiguous, Target};
use super::upstream::Upstream;
use super::words::{APPROVALS_PATH, OwnWords};
use crate::identity::principal::Principal;
use crate::policy::Opening;

/// Logins and resources of one connection. An agent has one or two.
const SESSIONS_MAX: usize = 16;
/// Longest wait that `Prefer: wait` gets; longer ones get an id sooner.
const WAIT_SECONDS_MAX: u64 = 600;
/// A request that comes back for its approval is given so long to see whether it was decided.
const GRACE: Duration = Duration::from_millis(50);

/// One connection's requests.
pub(super) struct Requests {
    shared: Arc<Shared>,
    peer: SocketAddr,
    leases: tokio::sync::Mutex<HashMap<(String, String), Arc<Lease>>>,
    /// Requests under way, and when the last one ended.
    busy: Mutex<(usize, Instant)>,
}

/// Where an exchange takes place.
struct Place {
    lease: Arc<Lease>,
    upstream: Arc<Upstream>,
}

/// What a caller says about waiting.
struct Wishes {
    /// Up to so long for people to decide.
    wait: Duration,
    /// The approval that the request comes back for.
    approval: Option<String>,
}

impl Wishes {
    fn of(headers: &header::HeaderMap) -> Self {
        let seconds = headers::wait_seconds(headers).unwrap_or(0);
        let id = headers.get(APPROVAL);
        Self {
            wait: Duration::from_secs(seconds.min(WAIT_SECONDS_MAX)),
            approval: id.map(|id| id.to_str().unwrap_or_default().to_owned()),
        }
    }
}

impl Requests {
    pub(super) fn new(shared: Arc<Shared>, peer: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            shared,
            peer,
            leases: tokio::sync::Mutex::default(),
            busy: Mutex::new((0, Instant::now())),
        })
    }

    /// For how long nothing has been under way.
    pub(super) fn idle_for(&self) -> Duration {
        let (under_way, since) = *self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way > 0 {
            Duration::ZERO
        } else {
            since.elapsed()
        }
    }

    /// Ends the connection's sessions; those with something under way end with it.
    pub(super) async fn close(&self, why: &str) {
        let leases: Vec<Arc<Lease>> = self
            .leases
            .lock()
            .await
            .drain()
            .map(|(_, lease)| lease)
            .collect();
        for lease in leases {
            if let Some(lease) = Arc::into_inner(lease) {
                lease.close(why).await;
            }
        }
    }

    /// Answers one request.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let under_way = UnderWay::begin(&self.busy);
        let answer = match self.take(request).await {
            Ok(answer) => answer,
            Err(words) => Answer::Own(words),
        };
        drop(under_way);
        Ok(sinks::answer(answer))
    }

    async fn take(&self, request: Request<Incoming>) -> Result<Answer, Instead> {
        let (head, body) = request.into_parts();
        let host = intake::host(&head)?;
        let (login, principal) = self.log_in(&head.headers).await?;
        if let Some(id) = head.uri.path().strip_prefix(APPROVALS_PATH) {
            return Err(self.approval(&head.method, id, &login));
        }
        let parsed = Target::parse(head.uri.path(), head.uri.query());
        let routed = match &parsed {
            Ok(target) => self.shared.route(&host, target),
            Err(_) => self.shared.route_unread(&host, head.uri.path()),
        };
        let Some((resource, prefix)) = routed else {
            return Err(self.no_access(&head.headers, &parsed).await);
        };
        let place = Place {
            upstream: self
                .shared
                .upstream(&resource)
                .ok_or_else(no_such_resource)?,
            lease: self.lease(&login, &principal, &resource).await?,
        };
        let target = parsed.and_then(|target| {
            let outside = Ambiguous("the path is outside of the resource");
            target.without_prefix(&prefix).ok_or(outside)
        });
        let target = match target {
            Ok(target) => target,
            Err(Ambiguous(why)) => {
                let status = StatusCode::BAD_REQUEST;
                let id = place.lease.session.next_exchange();
                let asked = Asked::not_understood(id, &head.method, Refused { status, why });
                return Ok(self.refuse(place.lease, asked).await);
            }
        };
        let wishes = Wishes::of(&head.headers);
        let (outgoing, refused) =
            intake::understand(&self.shared.limits, head, body, target).await?;
        let id = place.lease.session.next_exchange();
        let asked = Asked::new(id, &outgoing, refused);
        let whose = Whose {
            login,
            principal,
            resource,
            identity: asked.action.identity,
        };
        match wishes.approval {
            Some(approval) => Ok(self
                .claim(
                    &approval,
                    place.lease,
                    &outgoing,
                    asked,
                    &whose,
                    wishes.wait,
                )
                .await),
            None => Ok(self.begin(place, outgoing, asked, whose, wishes.wait).await),
        }
    }

    /// Begins an exchange, and answers with what becomes of it.
    async fn begin(
        &self,
        place: Place,
        outgoing: Outgoing,
        asked: Asked,
        whose: Whose,
        wait: Duration,
    ) -> Answer {
        let caller = HttpCaller::new(!wait.is_zero(), self.shared.draining.clone());
        let exchange = Exchange {
            lease: place.lease,
            upstream: place.upstream,
            asked: Arc::new(asked),
            outgoing,
            caller: Arc::clone(&caller),
        };
        let exchange = Attended {
            task: tokio::spawn(exchange.run()),
            caller,
            whose,
        };
        self.look_after(exchange, wait).await
    }

    /// Goes on with the exchange that waits under an approval, if this is its request.
    async fn claim(
        &self,
        approval: &str,
        lease: Arc<Lease>,
        outgoing: &Outgoing,
        asked: Asked,
        whose: &Whose,
        wait: Duration,
    ) -> Answer {
        let Some(exchange) = self.shared.parked.take(approval, whose) else {
            let refused = Refused {
                status: StatusCode::CONFLICT,
                why: "no request that waits under this approval is the same as this one",
            };
            return self
                .refuse(lease, Asked::new(asked.id, outgoing, Some(refused)))
                .await;
        };
        exchange.caller.attend(true);
        self.look_after(exchange, wait.max(GRACE)).await
    }

    /// Waits for an exchange; if people have to decide, for so long at most, then the caller gets an id.
    async fn look_after(&self, mut exchange: Attended, wait: Duration) -> Answer {
        loop {
            let caller = Arc::clone(&exchange.caller);
            let waiting = tokio::select! {
                biased;
                answer = &mut exchange.task => return answer.unwrap_or_else(|_| Answer::Own(internal())),
                waiting = caller.held() => waiting,
            };
            let left = tokio::time::timeout(wait, caller.runs_again());
            tokio::select! {
                biased;
                answer = &mut exchange.task => return answer.unwrap_or_else(|_| Answer::Own(internal())),
                again = left => if again.is_ok() {
                    continue;
                },
            }
            caller.attend(false);
            // It may have been approved in this very moment: then it runs, and is waited for.
            if caller.state() == State::Running || exchange.task.is_finished() {
                caller.attend(true);
                continue;
            }
            let words = OwnWords::waiting(&waiting);
            let id = waiting.approval.to_string();
            return match self.shared.parked.park(&id, exchange) {
                Ok(()) => Answer::Own(words),
                Err(_) => Answer::Own(OwnWords::busy("too many requests wait for approval")),
            };
        }
    }

    /// Records a request that the gateway does not carry, and says so. On record it comes also if its caller
    /// is gone before.
    async fn refuse(&self, lease: Arc<Lease>, asked: Asked) -> Answer {
        let caller = HttpCaller::new(true, self.shared.draining.clone());
        let refusing = tokio::spawn(async move {
            match lease.pipeline.admit(&lease.session, &asked, &*caller).await {
                Err(denial) => OwnWords::denied(&denial, asked.status_if_refused),
                // An action with a reason of the gateway's own is always refused; a ticket for it is not used.
                Ok(_) => internal(),
            }
        });
        Answer::Own(refusing.await.unwrap_or_else(|_| internal()))
    }

    async fn log_in(&self, headers: &header::HeaderMap) -> Result<(String, Principal), Instead> {
        let door = &self.shared.door;
        match door.enter(headers).await {
            Login::In { login, principal } => Ok((login, principal)),
            Login::Missing => Err(OwnWords::log_in()),
            Login::Busy => Err(OwnWords::busy("too many logins are being checked")),
            Login::Wrong => {
                let why = "wrong password or unknown user";
                door.note_failure(&self.shared.pipeline, self.peer, headers, "", why)
                    .await;
                Err(OwnWords::log_in())
            }
        }
    }

    /// The same words whether the resource exists or not.
    async fn no_access(
        &self,
        headers: &header::HeaderMap,
        parsed: &Result<Target, Ambiguous>,
    ) -> Instead {
        let why = match parsed {
            Ok(_) => "no such resource",
            Err(_) => "no such resource: the path is ambiguous",
        };
        let pipeline = &self.shared.pipeline;
        self.shared
            .door
            .note_failure(pipeline, self.peer, headers, "", why)
            .await;
        match parsed {
            Ok(_) => no_such_resource(),
            Err(why) => OwnWords::problem(StatusCode::BAD_REQUEST, "http/ambiguous", why.0),
        }
    }

    async fn lease(
        &self,
        login: &str,
        principal: &Principal,
        resource: &str,
    ) -> Result<Arc<Lease>, Instead> {
        let key = (login.to_owned(), resource.to_owned());
        let mut leases = self.leases.lock().await;
        if let Some(lease) = leases.get(&key) {
            if lease.session.principal == *principal {
                return Ok(Arc::clone(lease));
            }
            // Groups have changed: what was begun under the old ones ends.
            if let Some(lease) = leases.remove(&key).and_then(Arc::into_inner) {
                lease.close("groups changed").await;
            }
        }
        if leases.len() >= SESSIONS_MAX {
            return Err(OwnWords::busy("too many logins on one connection"));
        }
        let opening = Opening {
            login: login.to_owned(),
            principal: principal.clone(),
            source: self.peer,
            resource: resource.to_owned(),
            protocol: "http",
            media: MEDIA,
        };
        match self.shared.pipeline.open_session(opening).await {
            Ok(Some(session)) => {
                let lease = Arc::new(Lease::new(Arc::clone(&self.shared.pipeline), session));
                leases.insert(key, Arc::clone(&lease));
                Ok(lease)
            }
            Ok(None) => Err(no_such_resource()),
            Err(error) => {
                tracing::error!(%error, "a session could not be recorded; it is not opened");
                Err(OwnWords::problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "gateway/unrecorded",
                    "the session could not be recorded, and nothing passes unrecorded",
                ))
            }
        }
    }

    fn approval(&self, method: &Method, id: &str, login: &str) -> OwnWords {
        if !is_read(method) {
            let why = "approvals are decided with `almoner approvals`";
            return OwnWords::problem(StatusCode::METHOD_NOT_ALLOWED, "http/method", why);
        }
        match self.shared.parked.state(id, login) {
            Some(state) => OwnWords::approval(id, state),
            None => OwnWords::problem(
                StatusCode::NOT_FOUND,
                "approval/unknown",
                "no request of yours waits under this approval",
            ),
        }
    }
}

fn no_such_resource() -> OwnWords {
    OwnWords::problem(
        StatusCode::FORBIDDEN,
        "policy/no-access",
        "no access to this resource",
    )
}

fn internal() -> OwnWords {
    OwnWords::problem(
        StatusCode::INTERNAL_SERVER_ERROR,
        "gateway/internal",
        "the gateway failed; nothing was released",
    )
}

/// A request under way.
struct UnderWay<'a>(&'a Mutex<(usize, Instant)>);

impl<'a> UnderWay<'a> {
    fn begin(busy: &'a Mutex<(usize, Instant)>) -> Self {
        busy.lock().unwrap_or_else(PoisonError::into_inner).0 += 1;
        Self(busy)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut busy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *busy = (busy.0.saturating_sub(1), Instant::now());
    }
}
