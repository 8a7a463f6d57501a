//! Server messages to bytes: the gateway is a server to its callers.

use bytes::BytesMut;

use super::{Authentication, Backend, CopyResponse, FieldDescription, TransactionStatus};
use crate::postgres::{
    WireError, startup,
    tag::backend as tag,
    write::{Body, message},
};

impl Backend {
    /// Appends the message; on an error nothing is appended.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), WireError> {
        match self {
            Self::ErrorResponse(fields) => return fields.encode_error(out),
            Self::NoticeResponse(fields) => return fields.encode_notice(out),
            _ => {}
        }
        message(out, self.tag(), "a server message", |body| self.fill(body))
    }

    /// The type byte.
    #[must_use]
    pub const fn tag(&self) -> u8 {
        match self {
            Self::Authentication(_) => tag::AUTHENTICATION,
            Self::ParameterStatus { .. } => tag::PARAMETER_STATUS,
            Self::BackendKeyData { .. } => tag::BACKEND_KEY_DATA,
            Self::NegotiateProtocolVersion { .. } => tag::NEGOTIATE_PROTOCOL_VERSION,
            Self::ReadyForQuery { .. } => tag::READY_FOR_QUERY,
            Self::RowDescription(_) => tag::ROW_DESCRIPTION,
            Self::DataRow(_) => tag::DATA_ROW,
            Self::CommandComplete { .. } => tag::COMMAND_COMPLETE,
            Self::EmptyQueryResponse => tag::EMPTY_QUERY_RESPONSE,
            Self::ParseComplete => tag::PARSE_COMPLETE,
            Self::BindComplete => tag::BIND_COMPLETE,
            Self::CloseComplete => tag::CLOSE_COMPLETE,
            Self::ParameterDescription(_) => tag::PARAMETER_DESCRIPTION,
            Self::NoData => tag::NO_DATA,
            Self::PortalSuspended => tag::PORTAL_SUSPENDED,
            Self::ErrorResponse(_) => tag::ERROR_RESPONSE,
            Self::NoticeResponse(_) => tag::NOTICE_RESPONSE,
            Self::NotificationResponse { .. } => tag::NOTIFICATION_RESPONSE,
            Self::CopyInResponse(_) => tag::COPY_IN_RESPONSE,
            Self::CopyOutResponse(_) => tag::COPY_OUT_RESPONSE,
            Self::CopyBothResponse(_) => tag::COPY_BOTH_RESPONSE,
            Self::CopyData(_) => tag::COPY_DATA,
            Self::CopyDone => tag::COPY_DONE,
            Self::FunctionCallResponse(_) => tag::FUNCTION_CALL_RESPONSE,
        }
    }

    fn fill(&self, body: &mut Body<'_>) -> Result<(), WireError> {
        match self {
            Self::Authentication(step) => step.fill(body)?,
            Self::ParameterStatus { name, value } => {
                body.cstr(name)?;
                body.cstr(value)?;
            }
            Self::BackendKeyData { pid, key } => {
                let fits = startup::CANCEL_KEY_BYTES_MIN..=startup::CANCEL_KEY_BYTES_MAX;
                if !fits.contains(&key.len()) {
                    return Err(body.unwritable("a cancel key has 4 to 256 bytes"));
                }
                body.u32(*pid);
                body.bytes(key);
            }
            Self::NegotiateProtocolVersion {
                newest_minor,
                unknown_options,
            } => {
                body.u32(*newest_minor);
                let count = u32::try_from(unknown_options.len())
                    .map_err(|_| body.unwritable("too many options"))?;
                body.u32(count);
                for name in unknown_options {
                    body.cstr(name)?;
                }
            }
            Self::ReadyForQuery { status } => body.u8(status.code()),
            Self::RowDescription(columns) => {
                body.count(columns.len())?;
                for column in columns {
                    column.fill(body)?;
                }
            }
            Self::CommandComplete { tag } => body.cstr(tag)?,
            Self::ParameterDescription(types) => {
                body.count(types.len())?;
                for oid in types {
                    body.u32(*oid);
                }
            }
            Self::NotificationResponse {
                pid,
                channel,
                payload,
            } => {
                body.u32(*pid);
                body.cstr(channel)?;
                body.cstr(payload)?;
            }
            Self::CopyInResponse(copy)
            | Self::CopyOutResponse(copy)
            | Self::CopyBothResponse(copy) => copy.fill(body)?,
            Self::DataRow(bytes) | Self::CopyData(bytes) => body.bytes(bytes),
            Self::FunctionCallResponse(value) => body.value(value.as_deref())?,
            // Written by `encode` itself, or without a body.
            Self::ErrorResponse(_)
            | Self::NoticeResponse(_)
            | Self::EmptyQueryResponse
            | Self::ParseComplete
            | Self::BindComplete
            | Self::CloseComplete
            | Self::NoData
            | Self::PortalSuspended
            | Self::CopyDone => {}
        }
        Ok(())
    }
}

/// Appends a CopyData message around `data` (the same in both directions),
/// for rows that were written again into a buffer of their own.
pub fn copy_data(data: &[u8], out: &mut BytesMut) -> Result<(), WireError> {
    message(out, tag::COPY_DATA, "CopyData", |body| {
        body.bytes(data);
        Ok(())
    })
}

impl Authentication {
    fn fill(&self, body: &mut Body<'_>) -> Result<(), WireError> {
        match self {
            Self::Ok => body.u32(0),
            Self::Cleartext => body.u32(3),
            Self::Md5 { salt } => {
                body.u32(5);
                body.bytes(salt);
            }
            Self::Sasl { mechanisms } => {
                body.u32(10);
                for name in mechanisms {
                    if name.is_empty() {
                        return Err(body.unwritable("a mechanism has no name"));
                    }
                    body.cstr(name)?;
                }
                body.u8(0);
            }
            Self::SaslContinue(data) => {
                body.u32(11);
                body.bytes(data);
            }
            Self::SaslFinal(data) => {
                body.u32(12);
                body.bytes(data);
            }
            Self::Other { code, data } => {
                body.u32(*code);
                body.bytes(data);
            }
        }
        Ok(())
    }
}

impl TransactionStatus {
    /// The byte that says so.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::InTransaction => b'T',
            Self::Failed => b'E',
        }
    }
}

impl FieldDescription {
    fn fill(&self, body: &mut Body<'_>) -> Result<(), WireError> {
        body.cstr(&self.name)?;
        body.u32(self.table_oid);
        body.i16(self.column);
        body.u32(self.type_oid);
        body.i16(self.type_len);
        body.i32(self.type_mod);
        body.i16(self.format);
        Ok(())
    }
}

impl CopyResponse {
    fn fill(&self, body: &mut Body<'_>) -> Result<(), WireError> {
        let format =
            u8::try_from(self.format).map_err(|_| body.unwritable("its format does not exist"))?;
        body.u8(format);
        body.count(self.column_formats.len())?;
        for code in &self.column_formats {
            body.i16(*code);
        }
        Ok(())
    }
}
