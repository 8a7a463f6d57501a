//! A request as an action of the pipeline: what guards judge, what approvers and records see, what an
//! approval is bound to, and whether it may change anything.

use std::sync::Arc;

use almoner_sandbox::{Attr, Direction, Operation, Payload};
use bytes::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};

use super::facts::{Facts, SCHEMA};
use super::target::Target;
use crate::policy::{Action, Before, Effect, Exchange, ExchangeId, Request, Standing};

/// How guards and records know the language of the action.
const DIALECT: &str = "http";
/// Text of a body that guards are shown; the facts tell how long the whole is.
const SHOWN_BYTES_MAX: usize = 64 << 10;
/// One value of query or header that guards are shown.
const VALUE_BYTES_MAX: usize = 4 << 10;

/// A request as it will be sent, if it may be.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A reason of the gateway's own to refuse a request, with the status that says so.
#[derive(Clone, Copy)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) why: &'static str,
}

/// What a caller asked for. It means the same under every generation, since no catalog interprets it.
pub(super) struct Asked {
    pub(super) id: ExchangeId,
    pub(super) action: Action,
    pub(super) status_if_refused: StatusCode,
}

impl Request for Asked {
    fn exchange(&self, _: &Standing) -> Exchange {
        Exchange {
            id: self.id.clone(),
            actions: vec![self.action.clone()],
            before: Before::default(),
        }
    }

    fn bare(&self) -> Exchange {
        Exchange {
            id: self.id.clone(),
            actions: Vec::new(),
            before: Before::default(),
        }
    }
}

impl Asked {
    /// A request that was understood; `refused` if the gateway will not carry it.
    pub(super) fn new(id: ExchangeId, outgoing: &Outgoing, refused: Option<Refused>) -> Self {
        Self {
            id,
            action: action(outgoing, refused),
            status_if_refused: refused.map_or(StatusCode::BAD_REQUEST, |refused| refused.status),
        }
    }

    /// A request whose target is not taken; only ever refused, and nothing of its target is shown.
    pub(super) fn not_understood(id: ExchangeId, method: &Method, refused: Refused) -> Self {
        let operation = Operation {
            direction: Direction::Request,
            dialect: DIALECT.to_owned(),
            verb: method_word(method),
            facts_schema: SCHEMA.to_owned(),
            facts: "{}".to_owned(),
            ..Operation::default()
        };
        let action = Action {
            shown: format!("{} ?", operation.verb).into(),
            operation: Arc::new(operation),
            parameters: 0,
            facts: Arc::new(serde_json::Value::Null),
            effect: Effect::Write,
            opaque: None,
            refused: Some(refused.why.to_owned()),
            identity: [0; 32],
        };
        Self {
            id,
            action,
            status_if_refused: refused.status,
        }
    }
}

fn action(outgoing: &Outgoing, refused: Option<Refused>) -> Action {
    let facts = facts(outgoing);
    let shown_facts = Facts {
        segments: outgoing
            .target
            .template()
            .split('/')
            .skip(1)
            .map(str::to_owned)
            .collect(),
        query_keys: outgoing.target.shown_keys(),
        ..facts.clone()
    };
    Action {
        operation: Arc::new(operation(outgoing, &facts)),
        shown: format!("{} {}", outgoing.method, outgoing.target.shown()).into(),
        parameters: 0,
        facts: Arc::new(serde_json::to_value(shown_facts).unwrap_or_default()),
        effect: effect(&outgoing.method),
        opaque: None,
        refused: refused.map(|refused| refused.why.to_owned()),
        identity: identity(outgoing),
    }
}

/// What the method promises. A server that changes things on GET breaks the promise (RFC 9110, 9.2.1).
fn effect(method: &Method) -> Effect {
    if is_read(method) {
        Effect::Read
    } else {
        Effect::Write
    }
}

pub(super) fn is_read(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// A method is the caller's text: what is no short word of capitals is not repeated.
fn method_word(method: &Method) -> String {
    let word = method.as_str();
    let fits = word.len() <= 20 && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    if fits { word } else { "?" }.to_owned()
}

fn facts(outgoing: &Outgoing) -> Facts {
    let Outgoing {
        method,
        target,
        headers,
        body,
    } = outgoing;
    Facts {
        method: method_word(method),
        segments: target.segments().map(str::to_owned).collect(),
        trailing_slash: target.ends_with_slash(),
        query_keys: target.query().map(|(key, _)| key.to_owned()).collect(),
        headers: headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect(),
        content_type: content_type(headers),
        body_bytes: body.len() as u64,
        read_only: is_read(method),
    }
}

/// `type/subtype` in lower case.
pub(super) fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(hyper::header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default().trim();
    (!essence.is_empty()).then(|| essence.to_ascii_lowercase())
}

fn operation(outgoing: &Outgoing, facts: &Facts) -> Operation {
    let (body, truncated) = payload(&outgoing.body);
    Operation {
        direction: Direction::Request,
        dialect: DIALECT.to_owned(),
        verb: facts.method.clone(),
        targets: vec![outgoing.target.template()],
        body,
        truncated,
        parameters: outgoing
            .target
            .query()
            .map(|(key, value)| Attr::new(format!("query:{key}"), cut(value)))
            .collect(),
        facts_schema: SCHEMA.to_owned(),
        facts: serde_json::to_string(facts).unwrap_or_default(),
        attrs: outgoing
            .headers
            .iter()
            .filter_map(|(name, value)| {
                Some(Attr::new(
                    format!("header:{name}"),
                    cut(value.to_str().ok()?),
                ))
            })
            .collect(),
    }
}

fn payload(body: &Bytes) -> (Payload, bool) {
    if body.is_empty() {
        return (Payload::None, false);
    }
    match std::str::from_utf8(body) {
        Ok(text) => {
            let shown = text
                .get(..text.floor_char_boundary(SHOWN_BYTES_MAX))
                .unwrap_or(text);
            (Payload::Text(shown.to_owned()), shown.len() < text.len())
        }
        Err(_) => {
            let shown = body.get(..SHOWN_BYTES_MAX).unwrap_or(body);
            (Payload::Bytes(shown.to_vec()), shown.len() < body.len())
        }
    }
}

fn cut(value: &str) -> &str {
    value
        .get(..value.floor_char_boundary(VALUE_BYTES_MAX))
        .unwrap_or(value)
}

/// Everything that is sent, byte for byte: method, target, headers, body.
fn identity(outgoing: &Outgoing) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("almoner http request identity v1");
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(outgoing.method.as_str().as_bytes());
    part(outgoing.target.written("").as_bytes());
    let mut headers: Vec<(&str, &[u8])> = outgoing
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    // The order of different names means nothing, that of the same name does: the sort keeps it.
    headers.sort_by_key(|(name, _)| *name);
    part(&(headers.len() as u64).to_le_bytes());
    for (name, value) in headers {
        part(name.as_bytes());
        part(value);
    }
    part(&outgoing.body);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    fn outgoing(
        method: Method,
        target: &str,
        headers: &[(&'static str, &'static str)],
        body: &str,
    ) -> Outgoing {
        let (path, query) = target
            .split_once('?')
            .map_or((target, None), |(p, q)| (p, Some(q)));
        Outgoing {
            method,
            target: Target::parse(path, query).unwrap(),
            headers: headers
                .iter()
                .map(|(name, value)| {
                    (
                        hyper::header::HeaderName::from_static(name),
                        hyper::header::HeaderValue::from_static(value),
                    )
                })
                .collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn an_approval_is_bound_to_all_that_is_sent() {
        let json = [("content-type", "application/json")];
        let of = |method, target, headers: &[_], body| {
            identity(&outgoing(method, target, headers, body))
        };
        let one = of(Method::POST, "/a?b=1", &json, "{}");
        assert_eq!(one, of(Method::POST, "/%61?b=1", &json, "{}"));
        for other in [
            of(Method::PUT, "/a?b=1", &json, "{}"),
            of(Method::POST, "/a?b=2", &json, "{}"),
            of(Method::POST, "/a/?b=1", &json, "{}"),
            of(Method::POST, "/a?b=1", &[], "{}"),
            of(
                Method::POST,
                "/a?b=1",
                &[("content-type", "text/plain")],
                "{}",
            ),
            of(Method::POST, "/a?b=1", &json, "{ }"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn records_see_no_value_of_a_request_and_guards_see_all() {
        let outgoing = outgoing(
            Method::GET,
            "/Patient/81?name=Garcia",
            &[("x-note", "for Garcia")],
            "",
        );
        let action = action(&outgoing, None);
        assert_eq!(&*action.shown, "GET /Patient/{id}?name=?");
        let shown = action.facts.to_string();
        assert!(
            !shown.contains("81") && !shown.contains("Garcia"),
            "{shown}"
        );
        let operation = &action.operation;
        assert_eq!(operation.targets, ["/Patient/{id}"]);
        assert!(operation.facts.contains("\"81\""));
        assert_eq!(operation.parameters, [Attr::new("query:name", "Garcia")]);
        assert!(
            operation
                .attrs
                .contains(&Attr::new("header:x-note", "for Garcia"))
        );
        assert_eq!(action.effect, Effect::Read);
    }

    #[test]
    fn every_method_but_the_safe_ones_may_change_something() {
        for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PURGE", "get"] {
            assert_eq!(effect(&method.parse().unwrap()), Effect::Write, "{method}");
        }
    }
}
