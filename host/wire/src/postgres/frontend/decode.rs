//! Bytes to client messages.

use std::fmt;

use bytes::Bytes;

use super::{Bind, Frontend, Parse, Target};
use crate::postgres::{Frame, WireError, read::Reader, tag::frontend as tag};

impl Frontend {
    /// Gives a frame of a client its meaning.
    pub fn decode(frame: &Frame) -> Result<Self, WireError> {
        let tag = frame.tag();
        let mut reader = Reader::new(frame.body(), name_of(tag)?);
        let message = match tag {
            tag::QUERY => Self::Query {
                sql: reader.cstr()?,
            },
            tag::PARSE => Self::Parse(parse(&mut reader)?),
            tag::BIND => Self::Bind(bind(&mut reader)?),
            tag::DESCRIBE => Self::Describe(target(&mut reader)?),
            tag::EXECUTE => Self::Execute {
                portal: reader.cstr()?,
                max_rows: reader.i32()?,
            },
            tag::CLOSE => Self::Close(target(&mut reader)?),
            tag::SYNC => Self::Sync,
            tag::FLUSH => Self::Flush,
            tag::FUNCTION_CALL => Self::FunctionCall(reader.take_rest()),
            tag::COPY_DATA => Self::CopyData(reader.take_rest()),
            tag::COPY_DONE => Self::CopyDone,
            tag::COPY_FAIL => Self::CopyFail {
                reason: reader.cstr()?,
            },
            tag::PASSWORD => Self::Password(reader.take_rest()),
            tag::TERMINATE => Self::Terminate,
            tag => return Err(WireError::UnknownTag { tag }),
        };
        reader.finish()?;
        Ok(message)
    }
}

/// The password in the body of a `p` message that answers a password request.
pub fn password(body: Bytes) -> Result<Bytes, WireError> {
    let mut reader = Reader::new(body, "a password message");
    let password = reader.cstr()?;
    reader.finish()?;
    Ok(password)
}

/// The `p` message that answers a list of SASL mechanisms. Later SASL messages
/// are their whole body.
#[derive(Clone, PartialEq, Eq)]
pub struct SaslInitial {
    /// The mechanism the client chose.
    pub mechanism: Bytes,
    /// Its first message, if it comes along.
    pub response: Option<Bytes>,
}

impl SaslInitial {
    /// Reads the body of a `p` message.
    pub fn decode(body: Bytes) -> Result<Self, WireError> {
        let mut reader = Reader::new(body, "a SASL initial response");
        let initial = Self {
            mechanism: reader.cstr()?,
            response: reader.value()?,
        };
        reader.finish()?;
        Ok(initial)
    }
}

impl fmt::Debug for SaslInitial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SaslInitial({:?})", self.mechanism)
    }
}

fn parse(reader: &mut Reader) -> Result<Parse, WireError> {
    Ok(Parse {
        statement: reader.cstr()?,
        sql: reader.cstr()?,
        parameter_types: reader.list(4, Reader::u32)?,
    })
}

fn bind(reader: &mut Reader) -> Result<Bind, WireError> {
    Ok(Bind {
        portal: reader.cstr()?,
        statement: reader.cstr()?,
        parameter_formats: reader.list(2, Reader::i16)?,
        parameters: reader.list(4, Reader::value)?,
        result_formats: reader.list(2, Reader::i16)?,
    })
}

fn target(reader: &mut Reader) -> Result<Target, WireError> {
    match reader.u8()? {
        b'S' => Ok(Target::Statement(reader.cstr()?)),
        b'P' => Ok(Target::Portal(reader.cstr()?)),
        _ => Err(reader.invalid("it is about neither a statement nor a portal")),
    }
}

/// What errors call a message.
const fn name_of(tag: u8) -> Result<&'static str, WireError> {
    Ok(match tag {
        tag::QUERY => "Query",
        tag::PARSE => "Parse",
        tag::BIND => "Bind",
        tag::DESCRIBE => "Describe",
        tag::EXECUTE => "Execute",
        tag::CLOSE => "Close",
        tag::SYNC => "Sync",
        tag::FLUSH => "Flush",
        tag::FUNCTION_CALL => "FunctionCall",
        tag::COPY_DATA => "CopyData",
        tag::COPY_DONE => "CopyDone",
        tag::COPY_FAIL => "CopyFail",
        tag::PASSWORD => "a password message",
        tag::TERMINATE => "Terminate",
        tag => return Err(WireError::UnknownTag { tag }),
    })
}
