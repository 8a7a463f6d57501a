//! The type bytes of messages, by direction.
//!
//! For the paths that only need to know what kind of message passes by:
//! comparing one byte costs nothing, decoding the message does.

/// Messages from a client.
pub mod frontend {
    /// Bind.
    pub const BIND: u8 = b'B';
    /// Close a statement or portal.
    pub const CLOSE: u8 = b'C';
    /// COPY data.
    pub const COPY_DATA: u8 = b'd';
    /// COPY is complete.
    pub const COPY_DONE: u8 = b'c';
    /// COPY is given up.
    pub const COPY_FAIL: u8 = b'f';
    /// Describe a statement or portal.
    pub const DESCRIBE: u8 = b'D';
    /// Execute a portal.
    pub const EXECUTE: u8 = b'E';
    /// Flush.
    pub const FLUSH: u8 = b'H';
    /// Call a function by OID (fast path).
    pub const FUNCTION_CALL: u8 = b'F';
    /// Parse.
    pub const PARSE: u8 = b'P';
    /// Password, SASL initial response, SASL response.
    pub const PASSWORD: u8 = b'p';
    /// Simple query.
    pub const QUERY: u8 = b'Q';
    /// Sync.
    pub const SYNC: u8 = b'S';
    /// Terminate.
    pub const TERMINATE: u8 = b'X';
}

/// Messages from a server.
pub mod backend {
    /// Every kind of authentication request.
    pub const AUTHENTICATION: u8 = b'R';
    /// The key for cancel requests.
    pub const BACKEND_KEY_DATA: u8 = b'K';
    /// Bind succeeded.
    pub const BIND_COMPLETE: u8 = b'2';
    /// Close succeeded.
    pub const CLOSE_COMPLETE: u8 = b'3';
    /// A statement is complete.
    pub const COMMAND_COMPLETE: u8 = b'C';
    /// COPY in both directions begins.
    pub const COPY_BOTH_RESPONSE: u8 = b'W';
    /// COPY data.
    pub const COPY_DATA: u8 = b'd';
    /// COPY is complete.
    pub const COPY_DONE: u8 = b'c';
    /// COPY from the client begins.
    pub const COPY_IN_RESPONSE: u8 = b'G';
    /// COPY to the client begins.
    pub const COPY_OUT_RESPONSE: u8 = b'H';
    /// One row.
    pub const DATA_ROW: u8 = b'D';
    /// The query string was empty.
    pub const EMPTY_QUERY_RESPONSE: u8 = b'I';
    /// An error.
    pub const ERROR_RESPONSE: u8 = b'E';
    /// Result of a function call.
    pub const FUNCTION_CALL_RESPONSE: u8 = b'V';
    /// The server does not speak the requested minor version.
    pub const NEGOTIATE_PROTOCOL_VERSION: u8 = b'v';
    /// A statement returns no rows.
    pub const NO_DATA: u8 = b'n';
    /// A notice.
    pub const NOTICE_RESPONSE: u8 = b'N';
    /// A notification of another session.
    pub const NOTIFICATION_RESPONSE: u8 = b'A';
    /// Types of parameters.
    pub const PARAMETER_DESCRIPTION: u8 = b't';
    /// A run-time parameter.
    pub const PARAMETER_STATUS: u8 = b'S';
    /// Parse succeeded.
    pub const PARSE_COMPLETE: u8 = b'1';
    /// Execute reached its row limit.
    pub const PORTAL_SUSPENDED: u8 = b's';
    /// The server awaits a query.
    pub const READY_FOR_QUERY: u8 = b'Z';
    /// Columns of the rows to come.
    pub const ROW_DESCRIPTION: u8 = b'T';

    /// Whether a server may send this message at any time, so that it must
    /// never be matched with a request.
    #[must_use]
    pub const fn is_asynchronous(tag: u8) -> bool {
        matches!(
            tag,
            PARAMETER_STATUS | NOTICE_RESPONSE | NOTIFICATION_RESPONSE
        )
    }
}
