//! Words the gateway says itself: errors, notices, and the housekeeping of the protocol written anew from
//! what was understood of it. The only maker of [`OwnWords`]; no upstream's text or value is copied into
//! them, save names of columns, commands and run-time parameters.

use almoner_wire::postgres::backend::{FieldDescription, TransactionStatus};
use almoner_wire::postgres::fields::Severity;
use almoner_wire::postgres::{Backend, Fields};
use bytes::{Bytes, BytesMut};

use crate::policy::{Denial, Fault, Waiting};

/// Bytes for the caller that the gateway authored.
pub(super) struct OwnWords(Bytes);

/// SQLSTATE of a refusal (`insufficient_privilege`).
const DENIED: &str = "42501";
/// SQLSTATE of what the gateway does not carry (`feature_not_supported`).
const UNSUPPORTED: &str = "0A000";
/// SQLSTATE of a statement canceled on request (`query_canceled`).
const CANCELED: &str = "57014";
/// SQLSTATE of a gateway that cannot do its work (`system_error`).
const GATEWAY: &str = "58000";
/// A command tag is a few words and numbers.
const TAG_BYTES_MAX: usize = 64;

impl OwnWords {
    /// The bytes, for the sink.
    pub(super) fn into_bytes(self) -> Bytes {
        self.0
    }

    /// How many bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn of(message: &Backend) -> Self {
        let mut out = BytesMut::new();
        // Unwritable words are dropped: what we author is within every limit, and silence leaks nothing.
        let _ = message.encode(&mut out);
        Self(out.freeze())
    }

    /// Several in a row.
    pub(super) fn join(words: impl IntoIterator<Item = Self>) -> Self {
        let mut out = BytesMut::new();
        for one in words {
            out.extend_from_slice(&one.0);
        }
        Self(out.freeze())
    }

    pub(super) fn error(severity: Severity, code: &'static str, message: &str) -> Self {
        Self::of(&Backend::ErrorResponse(Fields::own(
            severity, code, message,
        )))
    }

    pub(super) fn error_with_hint(
        severity: Severity,
        code: &'static str,
        message: &str,
        hint: &str,
    ) -> Self {
        Self::of(&Backend::ErrorResponse(
            Fields::own(severity, code, message).with_hint(hint),
        ))
    }

    pub(super) fn denial(denial: &Denial) -> Self {
        let code = match denial.fault {
            Fault::Policy | Fault::Approval => DENIED,
            Fault::Unsupported => UNSUPPORTED,
            Fault::Canceled => CANCELED,
            Fault::Gateway => GATEWAY,
        };
        let by = match &denial.rule {
            // Who cancels was not refused anything.
            Some(rule) if denial.fault != Fault::Canceled => {
                format!("almoner: refused by rule \"{rule}\": {}", denial.message)
            }
            _ => format!("almoner: {}", denial.message),
        };
        Self::of(&Backend::ErrorResponse(
            Fields::own(Severity::Error, code, &by).with_detail(&format!(
                "Exchange {}, reason {}.",
                denial.exchange, denial.code
            )),
        ))
    }

    pub(super) fn waiting(waiting: &Waiting) -> Self {
        let minutes = waiting.expires_in.as_secs().div_ceil(60);
        let fields = Fields::own(
            Severity::Notice,
            "01000",
            &format!(
                "almoner: waiting for approval {} by {}: {}",
                waiting.approval,
                waiting.from,
                waiting.reasons.join("; ")
            ),
        )
        .with_detail(&format!(
            "Exchange {}. The request expires in {minutes} min; nothing more is sent until it is decided.",
            waiting.exchange
        ))
        .with_hint(&format!(
            "An approver runs: almoner approvals approve {}. Cancel (Ctrl-C) to withdraw.",
            waiting.approval
        ));
        Self::of(&Backend::NoticeResponse(fields))
    }

    pub(super) fn ready(status: TransactionStatus) -> Self {
        Self::of(&Backend::ReadyForQuery { status })
    }

    pub(super) fn parse_complete() -> Self {
        Self::of(&Backend::ParseComplete)
    }

    pub(super) fn bind_complete() -> Self {
        Self::of(&Backend::BindComplete)
    }

    pub(super) fn close_complete() -> Self {
        Self::of(&Backend::CloseComplete)
    }

    pub(super) fn no_data() -> Self {
        Self::of(&Backend::NoData)
    }

    pub(super) fn empty_query() -> Self {
        Self::of(&Backend::EmptyQueryResponse)
    }

    pub(super) fn suspended() -> Self {
        Self::of(&Backend::PortalSuspended)
    }

    pub(super) fn copy_done() -> Self {
        Self::of(&Backend::CopyDone)
    }

    pub(super) fn copy_response(response: Backend) -> Self {
        Self::of(&response)
    }

    pub(super) fn parameters(types: Vec<u32>) -> Self {
        Self::of(&Backend::ParameterDescription(types))
    }

    pub(super) fn columns(fields: &[FieldDescription]) -> Self {
        Self::of(&Backend::RowDescription(fields.to_vec()))
    }

    /// A run-time parameter the server reports.
    pub(super) fn parameter_status(name: Bytes, value: Bytes) -> Self {
        Self::of(&Backend::ParameterStatus { name, value })
    }

    pub(super) fn key(pid: u32, key: Bytes) -> Self {
        Self::of(&Backend::BackendKeyData { pid, key })
    }

    pub(super) fn authentication(step: almoner_wire::postgres::backend::Authentication) -> Self {
        Self::of(&Backend::Authentication(step))
    }

    pub(super) fn negotiate(newest_minor: u32, unknown_options: Vec<Bytes>) -> Self {
        Self::of(&Backend::NegotiateProtocolVersion {
            newest_minor,
            unknown_options,
        })
    }

    /// `SELECT 5`: a command's name and its counts. Anything else is not a tag, and becomes `OK`.
    pub(super) fn complete(tag: &[u8]) -> Self {
        let fits = tag.len() <= TAG_BYTES_MAX
            && tag
                .iter()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ');
        let tag = if fits {
            Bytes::copy_from_slice(tag)
        } else {
            Bytes::from_static(b"OK")
        };
        Self::of(&Backend::CommandComplete { tag })
    }
}
