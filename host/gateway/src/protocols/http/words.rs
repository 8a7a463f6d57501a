//! Words the gateway says itself: problem details (RFC 9457), requests to log in, and notices that an
//! approval is awaited. The only maker of [`OwnWords`]; no upstream's text or value is copied into them.

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::headers::APPROVAL;
use crate::policy::{Denial, Fault, Waiting};

/// Where a caller can ask how a request for approval stands; followed by its id.
pub(super) const APPROVALS_PATH: &str = "/.almoner/approvals/";
/// When a caller does well to ask again about an approval: people take minutes.
const RETRY_AFTER_SECONDS: u32 = 5;
/// When a caller does well to try again where the gateway has too much to do.
const BUSY_SECONDS: u32 = 1;

/// A reply that the gateway authored.
#[derive(Clone, Debug)]
pub(super) struct OwnWords {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl OwnWords {
    /// The reply, for the sink.
    pub(super) fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    /// Its status and body, for the record.
    pub(super) fn parts(&self) -> (StatusCode, &Bytes) {
        (self.status, &self.body)
    }

    fn json(status: StatusCode, media: &'static str, body: &Value) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Self {
            status,
            headers,
            body: Bytes::from(body.to_string()),
        }
    }

    /// A problem with a code of the gateway's.
    pub(super) fn problem(status: StatusCode, code: &str, detail: &str) -> Self {
        Self::problem_with(status, code, detail, Map::new())
    }

    fn problem_with(
        status: StatusCode,
        code: &str,
        detail: &str,
        more: Map<String, Value>,
    ) -> Self {
        let mut body = Map::new();
        body.insert("type".into(), format!("urn:almoner:problem:{code}").into());
        body.insert(
            "title".into(),
            status.canonical_reason().unwrap_or("Error").into(),
        );
        body.insert("status".into(), status.as_u16().into());
        body.insert("detail".into(), detail.into());
        body.insert("code".into(), code.into());
        body.extend(more);
        Self::json(status, "application/problem+json", &Value::Object(body))
    }

    /// The caller must log in.
    pub(super) fn log_in() -> Self {
        let mut words = Self::problem(
            StatusCode::UNAUTHORIZED,
            "login/required",
            "log in with HTTP Basic authentication",
        );
        words.headers.insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"almoner\", charset=\"UTF-8\""),
        );
        words
    }

    /// Too much is asked at once.
    pub(super) fn busy(detail: &str) -> Self {
        let mut words = Self::problem(StatusCode::SERVICE_UNAVAILABLE, "gateway/busy", detail);
        words
            .headers
            .insert(header::RETRY_AFTER, BUSY_SECONDS.into());
        words
    }

    /// An error of one exchange that was admitted: nothing of the upstream's reply is in it.
    pub(super) fn failed(status: StatusCode, code: &str, detail: &str, exchange: &str) -> Self {
        let mut more = Map::new();
        more.insert("exchange".into(), exchange.into());
        Self::problem_with(status, code, detail, more)
    }

    /// A denial. `unsupported`: the status of what the gateway does not carry.
    pub(super) fn denied(denial: &Denial, unsupported: StatusCode) -> Self {
        let status = match denial.fault {
            Fault::Policy | Fault::Approval => StatusCode::FORBIDDEN,
            Fault::Unsupported => unsupported,
            Fault::Canceled => StatusCode::CONFLICT,
            Fault::Gateway => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut more = Map::new();
        more.insert("exchange".into(), denial.exchange.as_str().into());
        if let Some(rule) = &denial.rule {
            more.insert("rule".into(), rule.as_str().into());
        }
        Self::problem_with(status, &denial.code, &denial.message, more)
    }

    /// The request waits for people; the caller comes back with the approval's id.
    pub(super) fn waiting(waiting: &Waiting) -> Self {
        let id = waiting.approval.to_string();
        let detail = format!(
            "approval by {} is awaited; repeat the identical request with the header Almoner-Approval: {id}",
            waiting.from
        );
        let body = json!({
            "approval": id,
            "exchange": waiting.exchange.as_str(),
            "state": "waiting",
            "detail": detail,
            "reasons": waiting.reasons,
            "expires_in_seconds": waiting.expires_in.as_secs(),
        });
        let mut words = Self::json(StatusCode::ACCEPTED, "application/json", &body);
        let headers = &mut words.headers;
        headers.insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        if let Ok(location) = HeaderValue::from_str(&format!("{APPROVALS_PATH}{id}")) {
            headers.insert(header::LOCATION, location);
        }
        if let Ok(id) = HeaderValue::from_str(&id) {
            headers.insert(HeaderName::from_static(APPROVAL), id);
        }
        words
    }

    /// How a request for approval stands.
    pub(super) fn approval(id: &str, state: &str) -> Self {
        let mut words = Self::json(
            StatusCode::OK,
            "application/json",
            &json!({ "approval": id, "state": state }),
        );
        if state == "waiting" {
            words
                .headers
                .insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        }
        words
    }
}
