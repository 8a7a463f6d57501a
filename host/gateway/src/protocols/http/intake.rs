//! A request from its head to what policy can judge: the host it is for, its body as a whole and without
//! content codings, and what the gateway does not carry whatever the policy says.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::action::{Outgoing, Refused, is_read};
use super::coding::{Codings, NotPlain};
use super::headers;
use super::target::Target;
use super::words::OwnWords;
use crate::config::gateway::Limits;

/// A request's whole body.
const BODY_WAIT_MAX: Duration = Duration::from_secs(60);

/// A reply instead of an exchange.
pub(super) type Instead = OwnWords;

/// The host asked for, lower case, without port. HTTP/2 and absolute targets say it in the target.
pub(super) fn host(head: &Parts) -> Result<String, Instead> {
    let bad = |why| OwnWords::problem(StatusCode::BAD_REQUEST, "http/host", why);
    let mut named = head.headers.get_all(header::HOST).iter();
    let (written, further) = (named.next(), named.next());
    if further.is_some() {
        return Err(bad("there is more than one Host"));
    }
    let written = match written {
        Some(value) => Some(
            value
                .to_str()
                .map_err(|_| bad("the Host is not readable"))?,
        ),
        None => None,
    };
    let target = head
        .uri
        .authority()
        .map(hyper::http::uri::Authority::as_str);
    let host = match (target, written) {
        (Some(target), Some(written)) if !target.eq_ignore_ascii_case(written) => {
            return Err(bad("the target and the Host differ"));
        }
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) => return Err(bad("there is no Host")),
    };
    let authority: hyper::http::uri::Authority =
        host.parse().map_err(|_| bad("the Host is not readable"))?;
    if host.contains('@') {
        return Err(bad("the Host is not readable"));
    }
    Ok(authority.host().to_ascii_lowercase())
}

/// What is refused whatever the policy says.
fn refusal(head: &Parts, body: &Incoming) -> Option<Refused> {
    let refused = |status, why| Some(Refused { status, why });
    if [Method::TRACE, Method::CONNECT].contains(&head.method) {
        return refused(StatusCode::METHOD_NOT_ALLOWED, "the method is not carried");
    }
    if let Some((status, why)) = headers::not_carried(&head.headers) {
        return refused(status, why);
    }
    if let Some(why) = headers::refuse(&head.headers) {
        return refused(StatusCode::BAD_REQUEST, why);
    }
    if is_read(&head.method) && !body.is_end_stream() {
        let why = "a request that promises to change nothing has a body";
        return refused(StatusCode::BAD_REQUEST, why);
    }
    None
}

/// The request as it would be sent, and why it is not, if so.
pub(super) async fn understand(
    limits: &Limits,
    head: Parts,
    body: Incoming,
    target: Target,
) -> Result<(Outgoing, Option<Refused>), Instead> {
    let mut refused = refusal(&head, &body);
    let mut collected = Bytes::new();
    if refused.is_none() {
        match plain(limits, &head.headers, body).await? {
            Ok(body) => collected = body,
            Err(why) => refused = Some(why),
        }
    }
    let outgoing = Outgoing {
        headers: headers::forwarded(&head.headers),
        method: head.method,
        target,
        body: collected,
    };
    Ok((outgoing, refused))
}

/// The whole body, without content codings, or why there is none to judge.
async fn plain(
    limits: &Limits,
    headers: &header::HeaderMap,
    body: Incoming,
) -> Result<Result<Bytes, Refused>, Instead> {
    let refused = |status, why| Ok(Err(Refused { status, why }));
    let large = "the body is larger than this gateway takes";
    let Some(body) = collect(limits, body).await? else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, large);
    };
    let codings = Codings::of(headers).filter(|_| !body.is_empty());
    let max = limits.message_bytes_max;
    match codings.unwrap_or_default().plain(body, max).await {
        Ok(body) => Ok(Ok(body)),
        Err(NotPlain::Large) => refused(StatusCode::PAYLOAD_TOO_LARGE, large),
        Err(NotPlain::Malformed) => refused(
            StatusCode::BAD_REQUEST,
            "the body is not what its content coding says",
        ),
    }
}

/// The whole body; `None` if it is too large. One that does not come in time ends the request.
async fn collect(limits: &Limits, mut body: Incoming) -> Result<Option<Bytes>, Instead> {
    let max = limits.message_bytes_max;
    let mut collected = BytesMut::new();
    let reading = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| bad_body())?;
            if let Some(data) = frame.data_ref() {
                if collected.len() + data.len() > max {
                    return Ok(None);
                }
                collected.extend_from_slice(data);
            }
        }
        Ok(Some(std::mem::take(&mut collected).freeze()))
    };
    let slow = || {
        let why = "the body did not come in time";
        OwnWords::problem(StatusCode::REQUEST_TIMEOUT, "http/slow", why)
    };
    tokio::time::timeout(BODY_WAIT_MAX, reading)
        .await
        .map_err(|_| slow())?
}

fn bad_body() -> OwnWords {
    OwnWords::problem(
        StatusCode::BAD_REQUEST,
        "http/body",
        "the body could not be read",
    )
}
