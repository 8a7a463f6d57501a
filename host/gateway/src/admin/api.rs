//! The admin API, version 1: JSON over HTTP on the local socket.
//!
//! Looking needs the socket alone; deciding needs the approver's own credentials. Paths and members only
//! ever gain, within a version.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::accept::{self, Peer};
use super::doorman::Doorman;
use super::problem::Problem;
use super::socket::AdminSocket;
use super::status::{AuditView, Decided, Deciding, SessionView, Status, not_ready};
use super::{Console, records};
use crate::approvals::{ApprovalId, View, Which};
use crate::identity::principal::Principal;

/// Longest request body: a decision's reason, or the path of a copy.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// Longest that a request's body may take, once its head is there.
const BODY_WAIT_MAX: Duration = Duration::from_secs(10);

/// Answers on the socket until `stop` resolves; then lets requests under way end, and removes the socket.
pub async fn serve(socket: AdminSocket, console: Arc<dyn Console>, stop: impl Future<Output = ()>) {
    accept::run(socket.listener(), router(console), stop).await;
}

/// What handlers share.
pub(super) struct Api {
    pub(super) console: Arc<dyn Console>,
    doorman: Doorman,
}

/// What a handler answers.
pub(crate) type Answer<T> = Result<T, Problem>;

fn router(console: Arc<dyn Console>) -> Router {
    let api = Arc::new(Api {
        console,
        doorman: Doorman::new(),
    });
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/sessions", get(sessions))
        .route("/v1/approvals", get(approvals))
        .route("/v1/approvals/{id}", get(approval))
        .route("/v1/approvals/{id}/approve", post(approve))
        .route("/v1/approvals/{id}/deny", post(deny))
        .merge(records::routes())
        .fallback(async || Problem::not_found("this path"))
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "this path takes another method",
            )
        })
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(api)
}

async fn status(State(api): State<Arc<Api>>) -> Json<Status> {
    let (overview, audit) = (api.console.overview(), api.console.audit().status());
    let not_ready = not_ready(&overview, &audit);
    Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ready: not_ready.is_empty(),
        not_ready,
        overview,
        approvals_pending: api.console.approvals().pending(),
        audit: AuditView {
            origin: audit.origin,
            durable_seq: audit.durable_seq,
            durable_hash: audit.durable_hash.to_string(),
            waiting: audit.waiting,
            signed_size: audit.signed_size,
            disk_free_bytes: audit.disk_free_bytes,
            disk_full: audit.disk_full,
            failed: audit.failed,
            verifier_key: api.console.audit().verifier_key().to_string(),
        },
    })
}

async fn sessions(State(api): State<Arc<Api>>) -> Json<Vec<SessionView>> {
    let mut sessions = api.console.sessions();
    sessions.sort_by(|a, b| {
        a.started_at
            .cmp(&b.started_at)
            .then_with(|| a.id.cmp(&b.id))
    });
    Json(sessions)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// Decided ones as well.
    #[serde(default)]
    all: bool,
}

async fn approvals(State(api): State<Arc<Api>>, Asked(query): Asked<ListQuery>) -> Json<Vec<View>> {
    let which = if query.all {
        Which::All
    } else {
        Which::Pending
    };
    Json(api.console.approvals().list(which))
}

async fn approval(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer<Json<View>> {
    let id = approval_id(&id)?;
    api.console
        .approvals()
        .show(&id)
        .map(Json)
        .ok_or_else(|| crate::approvals::Refusal::Unknown(id).into())
}

async fn approve(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Sent(body): Sent,
) -> Answer<Json<Decided>> {
    let (id, deciding, approver) = api.deciding(&id, &headers, &body, peer).await?;
    let desk = api.console.approvals();
    let progress = desk.approve(&id, &approver, deciding.reason).await?;
    Ok(Json(Decided {
        seq: progress.seq,
        complete: progress.complete(),
        approval: desk.show(&id),
    }))
}

async fn deny(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Sent(body): Sent,
) -> Answer<Json<Decided>> {
    let (id, deciding, approver) = api.deciding(&id, &headers, &body, peer).await?;
    let desk = api.console.approvals();
    let seq = desk.deny(&id, &approver, deciding.reason).await?;
    Ok(Json(Decided {
        seq,
        complete: true,
        approval: desk.show(&id),
    }))
}

impl Api {
    /// What is decided and by whom. Who it is comes first: strangers learn nothing about requests.
    async fn deciding(
        &self,
        id: &str,
        headers: &HeaderMap,
        body: &[u8],
        peer: Peer,
    ) -> Answer<(ApprovalId, Deciding, Principal)> {
        let (logins, audit) = (self.console.logins(), self.console.audit());
        let approver = self.doorman.identify(headers, logins, audit, peer).await?;
        Ok((approval_id(id)?, json(body)?, approver))
    }
}

fn approval_id(text: &str) -> Answer<ApprovalId> {
    text.parse()
        .map_err(|error: crate::approvals::BadApprovalId| Problem::bad_request(error.to_string()))
}

/// A JSON body; none is an empty one. The parser's words are left out: they may quote the body.
pub(super) fn json<T: DeserializeOwned + Default>(body: &[u8]) -> Answer<T> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Problem::bad_request(format!(
            "the body is not the JSON object that belongs here ({place})"
        ))
    })
}

/// A query string, refused in the API's own words.
pub(super) struct Asked<T>(pub(super) T);

impl<S, T> FromRequestParts<S> for Asked<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(QueryRejection::FailedToDeserializeQueryString(error)) => {
                Err(Problem::bad_request(error.body_text()))
            }
            Err(_) => Err(Problem::bad_request("the query cannot be read")),
        }
    }
}

/// A request's body, refused in the API's own words.
pub(super) struct Sent(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Answer<Self> {
        let Ok(read) =
            tokio::time::timeout(BODY_WAIT_MAX, Bytes::from_request(request, state)).await
        else {
            return Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "too-slow",
                "the body did not come in time",
            ));
        };
        match read {
            Ok(bytes) => Ok(Self(bytes)),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                let detail = format!("a request's body has at most {REQUEST_BYTES_MAX} bytes");
                Err(Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "too-large",
                    detail,
                ))
            }
            Err(_) => Err(Problem::bad_request("the body broke off")),
        }
    }
}
