//! Which headers pass. A request's: all but those of the connection, of identity, of caching and ranges;
//! what would have the upstream do something else than what was judged is refused. A reply's: a short list.

use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::coding::Codings;

/// Names the approval that a repeated request spends.
pub(super) const APPROVAL: &str = "almoner-approval";
/// Headers of a request, bytes of names and values together. Servers take 8 to 64 KiB.
pub(super) const HEADERS_BYTES_MAX: u32 = 32 << 10;
/// Headers of a request.
pub(super) const HEADERS_MAX: usize = 100;

/// Must not come twice: two readers could choose differently.
const SINGLE: [&str; 7] = [
    "host",
    "authorization",
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    APPROVAL,
];

/// Would have the upstream do something else than what was judged.
const OVERRIDES: [&str; 8] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-original-uri",
    "x-forwarded-uri",
    "x-forwarded-path",
];

/// Conditions on validators, which masking has made meaningless. Left out, a conditional change would
/// become an unconditional one.
const CONDITIONS: [&str; 2] = ["if-match", "if-unmodified-since"];

/// Not sent on: of this connection, written anew, or about bytes that masking changes.
const DROPPED: [&str; 24] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "host",
    "content-length",
    "content-encoding",
    "expect",
    "authorization",
    "cookie",
    "accept-encoding",
    "range",
    "if-range",
    "if-none-match",
    "if-modified-since",
    "prefer",
    "want-digest",
    APPROVAL,
];

/// Who the caller is and where they come from is for the gateway to say.
const IDENTITY: [&str; 24] = [
    "forwarded",
    "x-forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-originating-ip",
    "x-remote-ip",
    "x-remote-addr",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "via",
    "remote-user",
    "x-remote-user",
    "x-user",
    "x-username",
    "x-user-id",
    "x-email",
    "x-groups",
    "x-roles",
    "x-subject",
    "x-tenant-user",
    "x-webauth-user",
    "x-goog-authenticated-user-email",
];

/// What is shown to the upstream is the gateway's own credential and no other.
const CREDENTIALS: [&str; 8] = [
    "x-api-key",
    "api-key",
    "apikey",
    "x-access-token",
    "x-csrf-token",
    "x-goog-api-key",
    "x-functions-key",
    "ocp-apim-subscription-key",
];

/// Belong to the Model Context Protocol, whose calls are not judged here.
const MCP: [&str; 2] = ["mcp-session-id", "mcp-protocol-version"];
/// Replies of this type have no end to wait for.
const EVENT_STREAM: &str = "text/event-stream";

/// Of [`IDENTITY`], by how names begin.
const IDENTITY_PREFIXES: [&str; 10] = [
    "x-forwarded-",
    "x-auth-",
    "x-authenticated-",
    "x-remote-",
    "x-ssl-",
    "x-client-cert",
    "x-amzn-oidc-",
    "x-ms-client-principal",
    "x-goog-iap-",
    "x-almoner-",
];

/// What passes of a reply's headers, besides `Content-Type` and `Location`; values are searched.
pub(super) const REPLY: [&str; 8] = [
    "content-language",
    "content-disposition",
    "retry-after",
    "allow",
    "accept-patch",
    "accept-post",
    "preference-applied",
    "warning",
];

/// What the request asks for that is not carried here, in words for the caller and with the status that says
/// so. Handed on without what asks for it, it would be another request than the caller's.
pub(super) fn not_carried(headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    let says = |name: HeaderName, said: fn(&str) -> bool| {
        headers
            .get_all(name)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .any(|value| said(&String::from_utf8_lossy(value).trim().to_ascii_lowercase()))
    };
    // An offer of HTTP/2 may be left unanswered (RFC 9110, 7.8); clients make it with any request.
    if says(header::UPGRADE, |protocol| protocol != "h2c") {
        return Some((
            StatusCode::NOT_IMPLEMENTED,
            "WebSocket and other upgrades are not carried",
        ));
    }
    if says(header::CONTENT_TYPE, |media| {
        media.starts_with("application/grpc")
    }) {
        return Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, "gRPC is not carried"));
    }
    if MCP.iter().any(|name| headers.contains_key(*name)) {
        return Some((StatusCode::NOT_IMPLEMENTED, "MCP is not carried"));
    }
    if says(header::ACCEPT, |media| media.starts_with(EVENT_STREAM)) {
        return Some((
            StatusCode::NOT_ACCEPTABLE,
            "event streams, and MCP over them, are not carried",
        ));
    }
    None
}

/// A reason to refuse a request by its headers, in words for the caller.
pub(super) fn refuse(headers: &HeaderMap) -> Option<&'static str> {
    if SINGLE
        .iter()
        .any(|name| headers.get_all(*name).iter().count() > 1)
    {
        return Some("a header that must be there once is there twice");
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if codings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Some("transfer codings other than chunked are not carried");
    }
    let mut names = headers.keys().map(|name| plain(name.as_str()));
    if names.any(|name| OVERRIDES.contains(&name.as_str())) {
        return Some("headers that replace method or path are not carried");
    }
    if CONDITIONS.iter().any(|name| headers.contains_key(*name)) {
        return Some(
            "If-Match and If-Unmodified-Since are not carried, since replies have no validators",
        );
    }
    Codings::of(headers)
        .is_none()
        .then_some("the body is compressed in a way that this gateway cannot undo")
}

/// The headers that are sent on. None whose name has a `_`: servers that hand headers on as variables take it
/// for a `-`, and would find two where one was judged.
pub(super) fn forwarded(headers: &HeaderMap) -> HeaderMap {
    let named_by_connection: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut out = HeaderMap::new();
    for (name, value) in headers {
        let written = name.as_str();
        if !written.contains('_')
            && !is_dropped(written)
            && !named_by_connection.iter().any(|dropped| dropped == written)
        {
            out.append(name.clone(), value.clone());
        }
    }
    if let Some(prefer) = prefer_without_wait(headers) {
        out.insert(HeaderName::from_static("prefer"), prefer);
    }
    out
}

fn is_dropped(name: &str) -> bool {
    let plain = plain(name);
    DROPPED.contains(&plain.as_str())
        || IDENTITY.contains(&plain.as_str())
        || CREDENTIALS.contains(&plain.as_str())
        || IDENTITY_PREFIXES
            .iter()
            .any(|prefix| plain.starts_with(prefix))
}

/// Servers that hand headers on as variables take `_` for `-`.
fn plain(name: &str) -> String {
    name.replace('_', "-")
}

/// How long the caller wants to wait for an approval: `Prefer: wait=30` (RFC 7240).
pub(super) fn wait_seconds(headers: &HeaderMap) -> Option<u64> {
    preferences(headers).find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        let value = value.trim().trim_matches('"');
        name.trim()
            .eq_ignore_ascii_case("wait")
            .then(|| value.parse().ok())?
    })
}

fn prefer_without_wait(headers: &HeaderMap) -> Option<HeaderValue> {
    let others: Vec<&str> = preferences(headers)
        .filter(|preference| {
            let name = preference.split('=').next().unwrap_or_default();
            !name.trim().eq_ignore_ascii_case("wait")
        })
        .collect();
    if others.is_empty() {
        return None;
    }
    HeaderValue::from_str(&others.join(", ")).ok()
}

fn preferences(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|preference| !preference.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        map
    }

    fn passed(pairs: &[(&str, &str)]) -> Vec<String> {
        let mut names: Vec<String> = forwarded(&headers(pairs))
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn identity_and_connection_headers_stay_here() {
        let given = [
            ("Authorization", "Basic eA=="),
            ("Cookie", "a=b"),
            ("X-Forwarded-For", "10.0.0.1"),
            ("X_Forwarded_For", "10.0.0.1"),
            ("X-Real-IP", "10.0.0.1"),
            ("Forwarded", "for=x"),
            ("X-Remote-User", "root"),
            ("X-Auth-Request-User", "root"),
            ("Connection", "close, X-Secret-Hop"),
            ("X-Secret-Hop", "1"),
            ("TE", "trailers"),
            ("Upgrade", "h2c"),
            ("Range", "bytes=0-1"),
            ("If-None-Match", "\"x\""),
            ("Accept-Encoding", "gzip"),
            ("X-API-Key", "theirs"),
            ("Content_Type", "application/json"),
            ("x_note", "theirs"),
            ("Accept", "application/fhir+json"),
            ("If-None-Exist", "identifier=x"),
            ("Prefer", "wait=5, return=minimal"),
        ];
        assert_eq!(
            passed(&given),
            [
                "accept: application/fhir+json",
                "if-none-exist: identifier=x",
                "prefer: return=minimal"
            ]
        );
    }

    #[test]
    fn a_connection_header_cannot_take_away_who_the_caller_is() {
        // Authorization is read before headers are dropped; naming it changes nothing.
        let map = headers(&[
            ("Connection", "authorization"),
            ("Authorization", "Basic eA=="),
        ]);
        assert!(refuse(&map).is_none() && map.contains_key("authorization"));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for pairs in [
            &[("Host", "a"), ("Host", "b")][..],
            &[("Authorization", "Basic a"), ("authorization", "Basic b")],
            &[("X-HTTP-Method-Override", "DELETE")],
            &[("X_HTTP_Method_Override", "DELETE")],
            &[("X-Original-URL", "/admin")],
            &[("If-Match", "W/\"3\"")],
            &[("Content-Encoding", "compress")],
            &[("Transfer-Encoding", "gzip, chunked")],
        ] {
            assert!(refuse(&headers(pairs)).is_some(), "{pairs:?}");
        }
        for known in ["identity", "gzip", "br, gzip"] {
            assert_eq!(refuse(&headers(&[("Content-Encoding", known)])), None);
        }
    }

    #[test]
    fn streams_and_other_protocols_are_told_apart() {
        for (name, value) in [
            ("Upgrade", "websocket"),
            ("Upgrade", "h2c, WebSocket"),
            ("Upgrade", "TLS/1.3"),
            ("Content-Type", "application/grpc"),
            ("Content-Type", "Application/gRPC-Web+proto"),
            ("MCP-Protocol-Version", "2025-06-18"),
            ("Mcp-Session-Id", "x"),
            ("Accept", "application/json, text/event-stream"),
            ("Accept", "Text/Event-Stream;q=0.5"),
        ] {
            assert!(
                not_carried(&headers(&[(name, value)])).is_some(),
                "{name}: {value}"
            );
        }
        for (name, value) in [
            ("Upgrade", "h2c"),
            ("Content-Type", "application/json"),
            ("Accept", "*/*"),
        ] {
            assert_eq!(
                not_carried(&headers(&[(name, value)])),
                None,
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn the_wait_is_read_from_among_other_preferences() {
        assert_eq!(
            wait_seconds(&headers(&[("Prefer", "return=minimal, wait=30")])),
            Some(30)
        );
        assert_eq!(
            wait_seconds(&headers(&[
                ("Prefer", "respond-async"),
                ("Prefer", "Wait=\"7\"")
            ])),
            Some(7)
        );
        assert_eq!(wait_seconds(&headers(&[("Prefer", "wait=soon")])), None);
        assert_eq!(wait_seconds(&headers(&[])), None);
    }
}
