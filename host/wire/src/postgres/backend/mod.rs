//! What a server says.
//!
//! Decoding is for the messages the gateway must understand; the ones that
//! only pass by are told apart by their type byte alone (see `tag`). Rows are
//! left closed here and opened by `row`.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;

use super::Fields;

pub use encode::copy_data;

/// A message of a server.
#[derive(Clone, PartialEq, Eq)]
pub enum Backend {
    /// A step of the login.
    Authentication(Authentication),
    /// A run-time parameter, at login or whenever it changes.
    ParameterStatus {
        /// Its name.
        name: Bytes,
        /// Its value.
        value: Bytes,
    },
    /// What a cancel request must name.
    BackendKeyData {
        /// Which connection.
        pid: u32,
        /// Its secret: 4 bytes up to version 3.0, 4 to 256 in 3.2.
        key: Bytes,
    },
    /// The minor version or an option asked for is not spoken.
    NegotiateProtocolVersion {
        /// The version the server will speak: 3.x as 0x0003_000x. (The
        /// documentation says the minor version alone; servers and libpq
        /// have always meant the whole number.)
        newest_minor: u32,
        /// Options (`_pq_.*`) not understood.
        unknown_options: Vec<Bytes>,
    },
    /// The server awaits a query.
    ReadyForQuery {
        /// Where the session is.
        status: TransactionStatus,
    },
    /// Columns of the rows to come.
    RowDescription(Vec<FieldDescription>),
    /// One row, closed; see [`super::DataRow`].
    DataRow(Bytes),
    /// A statement is complete.
    CommandComplete {
        /// Such as `SELECT 5`.
        tag: Bytes,
    },
    /// The query string was empty.
    EmptyQueryResponse,
    /// Parse succeeded.
    ParseComplete,
    /// Bind succeeded.
    BindComplete,
    /// Close succeeded.
    CloseComplete,
    /// Types of a statement's parameters.
    ParameterDescription(Vec<u32>),
    /// No rows will come.
    NoData,
    /// Execute reached its row limit.
    PortalSuspended,
    /// Something failed.
    ErrorResponse(Fields),
    /// Something worth saying.
    NoticeResponse(Fields),
    /// Another session's NOTIFY.
    NotificationResponse {
        /// The sender.
        pid: u32,
        /// The channel.
        channel: Bytes,
        /// What it says.
        payload: Bytes,
    },
    /// COPY from the client begins.
    CopyInResponse(CopyResponse),
    /// COPY to the client begins.
    CopyOutResponse(CopyResponse),
    /// COPY both ways (replication) begins.
    CopyBothResponse(CopyResponse),
    /// Part of a COPY stream.
    CopyData(Bytes),
    /// A COPY stream is complete.
    CopyDone,
    /// Result of a function call; `None` is NULL.
    FunctionCallResponse(Option<Bytes>),
}

/// A step of the login.
#[derive(Clone, PartialEq, Eq)]
pub enum Authentication {
    /// Logged in.
    Ok,
    /// Asks for the password in the clear.
    Cleartext,
    /// Asks for an MD5 digest of it.
    Md5 {
        /// Salt of the digest.
        salt: [u8; 4],
    },
    /// Offers SASL mechanisms, the preferred first.
    Sasl {
        /// Their names.
        mechanisms: Vec<Bytes>,
    },
    /// A SASL challenge.
    SaslContinue(Bytes),
    /// The end of SASL.
    SaslFinal(Bytes),
    /// A method the gateway does not speak (Kerberos, GSSAPI, SSPI).
    Other {
        /// Its number.
        code: u32,
        /// What came with it.
        data: Bytes,
    },
}

/// Where a session is between statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    /// In no transaction.
    Idle,
    /// In a transaction.
    InTransaction,
    /// In a transaction that must be rolled back.
    Failed,
}

/// One column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDescription {
    /// Its name, as the client will see it.
    pub name: Bytes,
    /// The table it comes from, or zero.
    pub table_oid: u32,
    /// Its number in that table, or zero.
    pub column: i16,
    /// Its type.
    pub type_oid: u32,
    /// Size of the type; negative for variable sizes.
    pub type_len: i16,
    /// Modifier of the type; -1 for none.
    pub type_mod: i32,
    /// Format of its values; always zero in the description of a statement.
    pub format: i16,
}

/// How COPY will speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyResponse {
    /// [`super::FORMAT_TEXT`] (text or CSV) or [`super::FORMAT_BINARY`].
    pub format: i16,
    /// Format of each column.
    pub column_formats: Vec<i16>,
}

/// Values may be health data: only kinds and sizes are shown.
impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authentication(step) => write!(f, "Authentication({step:?})"),
            Self::ParameterStatus { name, .. } => write!(f, "ParameterStatus({name:?})"),
            Self::BackendKeyData { pid, .. } => write!(f, "BackendKeyData({pid})"),
            Self::NegotiateProtocolVersion { newest_minor, .. } => {
                write!(f, "NegotiateProtocolVersion({newest_minor})")
            }
            Self::ReadyForQuery { status } => write!(f, "ReadyForQuery({status:?})"),
            Self::RowDescription(columns) => write!(f, "RowDescription({})", columns.len()),
            Self::DataRow(body) => write!(f, "DataRow({} bytes)", body.len()),
            Self::CommandComplete { tag } => write!(f, "CommandComplete({tag:?})"),
            Self::EmptyQueryResponse => f.write_str("EmptyQueryResponse"),
            Self::ParseComplete => f.write_str("ParseComplete"),
            Self::BindComplete => f.write_str("BindComplete"),
            Self::CloseComplete => f.write_str("CloseComplete"),
            Self::ParameterDescription(types) => {
                write!(f, "ParameterDescription({})", types.len())
            }
            Self::NoData => f.write_str("NoData"),
            Self::PortalSuspended => f.write_str("PortalSuspended"),
            Self::ErrorResponse(fields) => write!(f, "ErrorResponse({fields:?})"),
            Self::NoticeResponse(fields) => write!(f, "NoticeResponse({fields:?})"),
            Self::NotificationResponse { pid, .. } => write!(f, "NotificationResponse({pid})"),
            Self::CopyInResponse(copy) => write!(f, "CopyInResponse({copy:?})"),
            Self::CopyOutResponse(copy) => write!(f, "CopyOutResponse({copy:?})"),
            Self::CopyBothResponse(copy) => write!(f, "CopyBothResponse({copy:?})"),
            Self::CopyData(data) => write!(f, "CopyData({} bytes)", data.len()),
            Self::CopyDone => f.write_str("CopyDone"),
            Self::FunctionCallResponse(value) => {
                write!(
                    f,
                    "FunctionCallResponse({} bytes)",
                    value.as_ref().map_or(0, Bytes::len)
                )
            }
        }
    }
}

/// Salts, challenges and proofs stay out of logs.
impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("Ok"),
            Self::Cleartext => f.write_str("Cleartext"),
            Self::Md5 { .. } => f.write_str("Md5"),
            Self::Sasl { mechanisms } => write!(f, "Sasl({mechanisms:?})"),
            Self::SaslContinue(_) => f.write_str("SaslContinue"),
            Self::SaslFinal(_) => f.write_str("SaslFinal"),
            Self::Other { code, .. } => write!(f, "Other({code})"),
        }
    }
}
