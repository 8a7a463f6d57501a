//! Bytes to server messages.

use bytes::Bytes;

use super::{Authentication, Backend, CopyResponse, FieldDescription, TransactionStatus};
use crate::postgres::{
    FORMAT_BINARY, FORMAT_TEXT, Fields, Frame, WireError, read::Reader, startup,
    tag::backend as tag,
};

impl Backend {
    /// Gives a frame of a server its meaning.
    pub fn decode(frame: &Frame) -> Result<Self, WireError> {
        let tag = frame.tag();
        let mut reader = Reader::new(frame.body(), name_of(tag)?);
        let message = match tag {
            tag::AUTHENTICATION => Self::Authentication(authentication(&mut reader)?),
            tag::PARAMETER_STATUS => Self::ParameterStatus {
                name: reader.cstr()?,
                value: reader.cstr()?,
            },
            tag::BACKEND_KEY_DATA => key_data(&mut reader)?,
            tag::NEGOTIATE_PROTOCOL_VERSION => negotiate(&mut reader)?,
            tag::READY_FOR_QUERY => Self::ReadyForQuery {
                status: status(&mut reader)?,
            },
            tag::ROW_DESCRIPTION => Self::RowDescription(reader.list(19, field)?),
            tag::DATA_ROW => Self::DataRow(reader.take_rest()),
            tag::COMMAND_COMPLETE => Self::CommandComplete {
                tag: reader.cstr()?,
            },
            tag::EMPTY_QUERY_RESPONSE => Self::EmptyQueryResponse,
            tag::PARSE_COMPLETE => Self::ParseComplete,
            tag::BIND_COMPLETE => Self::BindComplete,
            tag::CLOSE_COMPLETE => Self::CloseComplete,
            tag::PARAMETER_DESCRIPTION => Self::ParameterDescription(reader.list(4, Reader::u32)?),
            tag::NO_DATA => Self::NoData,
            tag::PORTAL_SUSPENDED => Self::PortalSuspended,
            tag::ERROR_RESPONSE => Self::ErrorResponse(Fields::decode(reader.take_rest())?),
            tag::NOTICE_RESPONSE => Self::NoticeResponse(Fields::decode(reader.take_rest())?),
            tag::NOTIFICATION_RESPONSE => Self::NotificationResponse {
                pid: reader.u32()?,
                channel: reader.cstr()?,
                payload: reader.cstr()?,
            },
            tag::COPY_IN_RESPONSE => Self::CopyInResponse(copy(&mut reader)?),
            tag::COPY_OUT_RESPONSE => Self::CopyOutResponse(copy(&mut reader)?),
            tag::COPY_BOTH_RESPONSE => Self::CopyBothResponse(copy(&mut reader)?),
            tag::COPY_DATA => Self::CopyData(reader.take_rest()),
            tag::COPY_DONE => Self::CopyDone,
            tag::FUNCTION_CALL_RESPONSE => Self::FunctionCallResponse(reader.value()?),
            tag => return Err(WireError::UnknownTag { tag }),
        };
        reader.finish()?;
        Ok(message)
    }
}

fn authentication(reader: &mut Reader) -> Result<Authentication, WireError> {
    Ok(match reader.u32()? {
        0 => Authentication::Ok,
        3 => Authentication::Cleartext,
        5 => Authentication::Md5 {
            salt: reader.array()?,
        },
        10 => Authentication::Sasl {
            mechanisms: mechanisms(reader)?,
        },
        11 => Authentication::SaslContinue(reader.take_rest()),
        12 => Authentication::SaslFinal(reader.take_rest()),
        code => Authentication::Other {
            code,
            data: reader.take_rest(),
        },
    })
}

fn mechanisms(reader: &mut Reader) -> Result<Vec<Bytes>, WireError> {
    let mut names = Vec::new();
    loop {
        let name = reader.cstr()?;
        if name.is_empty() {
            return Ok(names);
        }
        names.push(name);
    }
}

fn key_data(reader: &mut Reader) -> Result<Backend, WireError> {
    let pid = reader.u32()?;
    let key = reader.take_rest();
    let fits = startup::CANCEL_KEY_BYTES_MIN..=startup::CANCEL_KEY_BYTES_MAX;
    if !fits.contains(&key.len()) {
        return Err(reader.invalid("a cancel key has 4 to 256 bytes"));
    }
    Ok(Backend::BackendKeyData { pid, key })
}

fn negotiate(reader: &mut Reader) -> Result<Backend, WireError> {
    let newest_minor = reader.u32()?;
    let count = reader.u32()? as usize;
    // Each name takes a byte at least: a count beyond that is a lie.
    if count > reader.remaining() {
        return Err(reader.invalid("it counts more options than it holds"));
    }
    let unknown_options = (0..count)
        .map(|_| reader.cstr())
        .collect::<Result<_, _>>()?;
    Ok(Backend::NegotiateProtocolVersion {
        newest_minor,
        unknown_options,
    })
}

fn status(reader: &mut Reader) -> Result<TransactionStatus, WireError> {
    match reader.u8()? {
        b'I' => Ok(TransactionStatus::Idle),
        b'T' => Ok(TransactionStatus::InTransaction),
        b'E' => Ok(TransactionStatus::Failed),
        _ => Err(reader.invalid("its transaction status does not exist")),
    }
}

fn field(reader: &mut Reader) -> Result<FieldDescription, WireError> {
    Ok(FieldDescription {
        name: reader.cstr()?,
        table_oid: reader.u32()?,
        column: reader.i16()?,
        type_oid: reader.u32()?,
        type_len: reader.i16()?,
        type_mod: reader.i32()?,
        format: reader.i16()?,
    })
}

fn copy(reader: &mut Reader) -> Result<CopyResponse, WireError> {
    let format = i16::from(reader.u8()?);
    if !matches!(format, FORMAT_TEXT | FORMAT_BINARY) {
        return Err(reader.invalid("its format is neither text nor binary"));
    }
    Ok(CopyResponse {
        format,
        column_formats: reader.list(2, Reader::i16)?,
    })
}

/// What errors call a message.
const fn name_of(tag: u8) -> Result<&'static str, WireError> {
    Ok(match tag {
        tag::AUTHENTICATION => "Authentication",
        tag::PARAMETER_STATUS => "ParameterStatus",
        tag::BACKEND_KEY_DATA => "BackendKeyData",
        tag::NEGOTIATE_PROTOCOL_VERSION => "NegotiateProtocolVersion",
        tag::READY_FOR_QUERY => "ReadyForQuery",
        tag::ROW_DESCRIPTION => "RowDescription",
        tag::DATA_ROW => "DataRow",
        tag::COMMAND_COMPLETE => "CommandComplete",
        tag::EMPTY_QUERY_RESPONSE => "EmptyQueryResponse",
        tag::PARSE_COMPLETE => "ParseComplete",
        tag::BIND_COMPLETE => "BindComplete",
        tag::CLOSE_COMPLETE => "CloseComplete",
        tag::PARAMETER_DESCRIPTION => "ParameterDescription",
        tag::NO_DATA => "NoData",
        tag::PORTAL_SUSPENDED => "PortalSuspended",
        tag::ERROR_RESPONSE => "ErrorResponse",
        tag::NOTICE_RESPONSE => "NoticeResponse",
        tag::NOTIFICATION_RESPONSE => "NotificationResponse",
        tag::COPY_IN_RESPONSE => "CopyInResponse",
        tag::COPY_OUT_RESPONSE => "CopyOutResponse",
        tag::COPY_BOTH_RESPONSE => "CopyBothResponse",
        tag::COPY_DATA => "CopyData",
        tag::COPY_DONE => "CopyDone",
        tag::FUNCTION_CALL_RESPONSE => "FunctionCallResponse",
        tag => return Err(WireError::UnknownTag { tag }),
    })
}
