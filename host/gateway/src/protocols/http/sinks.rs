//! The two ends of an exchange where bytes leave. The upstream's takes what a [`Ticket`] covers; the caller's
//! takes what was released, and the gateway's own words.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::action::Outgoing;
use super::reply::Answered;
use super::upstream::{Upstream, UpstreamError};
use super::words::OwnWords;
use crate::policy::{InFlight, Released, Ticket};

/// What goes to a caller.
pub(super) enum Answer {
    Released(Released),
    Own(OwnWords),
}

/// Sends an admitted request, which spends its ticket; answers when the reply is there as a whole.
pub(super) fn forward<'a>(
    upstream: &'a Upstream,
    ticket: Ticket,
    outgoing: &'a Outgoing,
) -> (
    InFlight,
    impl Future<Output = Result<Answered, UpstreamError>> + Send + 'a,
) {
    let in_flight = InFlight::forwarded(ticket);
    let unmasked_types = in_flight.standing().unmasked_types().to_vec();
    let answered = async move { upstream.send(outgoing, &unmasked_types).await };
    (in_flight, answered)
}

/// The response for a caller.
pub(super) fn answer(answer: Answer) -> Response<Full<Bytes>> {
    let response = match answer {
        Answer::Own(words) => words.into_response(),
        // What is not of our own making cannot be here; if it were, nothing of it would go out.
        Answer::Released(released) => {
            let (bytes, releasing) = released.into_bytes();
            // Writing is the connection's from here on.
            releasing.end();
            read(&bytes).unwrap_or_else(broken)
        }
    };
    response.map(Full::new)
}

/// Released bytes are a status line, headers and a body, as `reply` writes them.
fn read(bytes: &Bytes) -> Option<Response<Bytes>> {
    const BLANK: &[u8] = b"\r\n\r\n";
    let at = bytes
        .windows(BLANK.len())
        .position(|window| window == BLANK)?;
    let head = std::str::from_utf8(bytes.get(..at)?).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut response = Response::new(bytes.slice(at + BLANK.len()..));
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        response
            .headers_mut()
            .append(name, HeaderValue::from_str(value).ok()?);
    }
    Some(response)
}

fn broken() -> Response<Bytes> {
    OwnWords::problem(
        StatusCode::INTERNAL_SERVER_ERROR,
        "gateway/internal",
        "the reply could not be written",
    )
    .into_response()
}
