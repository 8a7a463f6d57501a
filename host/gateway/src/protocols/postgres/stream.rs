//! The byte streams a session reads and writes: TCP, TLS over TCP, Unix sockets, all alike.

use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};

/// A connected stream.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Any of them.
pub(super) type Stream = Box<dyn Duplex>;

/// Its two directions, so that a session can wait for both at once.
pub(super) struct Halves {
    pub(super) read: ReadHalf<Stream>,
    pub(super) write: WriteHalf<Stream>,
}

impl Halves {
    pub(super) fn of(stream: Stream) -> Self {
        let (read, write) = tokio::io::split(stream);
        Self { read, write }
    }
}
