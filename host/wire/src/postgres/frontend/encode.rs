//! Client messages to bytes: the gateway is a client of the upstream.

use bytes::BytesMut;

use super::{Bind, Frontend, Parse, SaslInitial, Target};
use crate::postgres::{
    WireError,
    tag::frontend as tag,
    write::{Body, message},
};

impl Frontend {
    /// Appends the message; on an error nothing is appended.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), WireError> {
        match self {
            Self::Query { sql } => message(out, tag::QUERY, "Query", |body| body.cstr(sql)),
            Self::Parse(parse) => message(out, tag::PARSE, "Parse", |body| parse.fill(body)),
            Self::Bind(bind) => message(out, tag::BIND, "Bind", |body| bind.fill(body)),
            Self::Describe(target) => {
                message(out, tag::DESCRIBE, "Describe", |body| target.fill(body))
            }
            Self::Execute { portal, max_rows } => message(out, tag::EXECUTE, "Execute", |body| {
                body.cstr(portal)?;
                body.i32(*max_rows);
                Ok(())
            }),
            Self::Close(target) => message(out, tag::CLOSE, "Close", |body| target.fill(body)),
            Self::Sync => message(out, tag::SYNC, "Sync", empty),
            Self::Flush => message(out, tag::FLUSH, "Flush", empty),
            Self::FunctionCall(body) => opaque(out, tag::FUNCTION_CALL, "FunctionCall", body),
            Self::CopyData(data) => opaque(out, tag::COPY_DATA, "CopyData", data),
            Self::CopyDone => message(out, tag::COPY_DONE, "CopyDone", empty),
            Self::CopyFail { reason } => {
                message(out, tag::COPY_FAIL, "CopyFail", |body| body.cstr(reason))
            }
            Self::Password(body) => opaque(out, tag::PASSWORD, "a password message", body),
            Self::Terminate => message(out, tag::TERMINATE, "Terminate", empty),
        }
    }
}

impl SaslInitial {
    /// Appends the `p` message; on an error nothing is appended.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), WireError> {
        message(out, tag::PASSWORD, "a SASL initial response", |body| {
            body.cstr(&self.mechanism)?;
            body.value(self.response.as_deref())
        })
    }
}

/// Appends the `p` message that answers a password request.
pub fn password_message(password: &[u8], out: &mut BytesMut) -> Result<(), WireError> {
    message(out, tag::PASSWORD, "a password message", |body| {
        body.cstr(password)
    })
}

impl Parse {
    fn fill(&self, body: &mut Body<'_>) -> Result<(), WireError> {
        body.cstr(&self.statement)?;
        body.cstr(&self.sql)?;
        body.count(self.parameter_types.len())?;
        for oid in &self.parameter_types {
            body.u32(*oid);
        }
        Ok(())
    }
}

impl Bind {
    fn fill(&self, body: &mut Body<'_>) -> Result<(), WireError> {
        body.cstr(&self.portal)?;
        body.cstr(&self.statement)?;
        codes(body, &self.parameter_formats)?;
        body.count(self.parameters.len())?;
        for value in &self.parameters {
            body.value(value.as_deref())?;
        }
        codes(body, &self.result_formats)
    }
}

impl Target {
    fn fill(&self, body: &mut Body<'_>) -> Result<(), WireError> {
        let (kind, name) = match self {
            Self::Statement(name) => (b'S', name),
            Self::Portal(name) => (b'P', name),
        };
        body.u8(kind);
        body.cstr(name)
    }
}

fn codes(body: &mut Body<'_>, codes: &[i16]) -> Result<(), WireError> {
    body.count(codes.len())?;
    for code in codes {
        body.i16(*code);
    }
    Ok(())
}

fn opaque(out: &mut BytesMut, tag: u8, what: &'static str, bytes: &[u8]) -> Result<(), WireError> {
    message(out, tag, what, |body| {
        body.bytes(bytes);
        Ok(())
    })
}

#[expect(clippy::unnecessary_wraps, reason = "it fills a body like the others")]
const fn empty(_: &mut Body<'_>) -> Result<(), WireError> {
    Ok(())
}
