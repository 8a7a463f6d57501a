//! The byte streams a session reads and writes: TCP, TLS over TCP, Unix sockets, all alike.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

/// A connected stream.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Any of them.
pub(super) type Stream = Box<dyn Duplex>;

/// Its two directions, so that a session can wait for both at once.
pub(super) struct Halves {
    pub(super) read: ReadHalf<Stream>,
    pub(super) write: Writing,
}

/// The direction out. TLS holds back what is not flushed, and flushing may wait for a peer that does not read:
/// so it is a step of its own, which a session can wait for together with everything else.
pub(super) struct Writing {
    half: WriteHalf<Stream>,
    unflushed: bool,
}

impl Halves {
    pub(super) fn of(stream: Stream) -> Self {
        let (read, half) = tokio::io::split(stream);
        let write = Writing {
            half,
            unflushed: false,
        };
        Self { read, write }
    }

    pub(super) fn split(&mut self) -> (&mut ReadHalf<Stream>, &mut Writing) {
        (&mut self.read, &mut self.write)
    }
}

impl Writing {
    /// Whether there is anything to write or to flush.
    pub(super) fn has_work(&self, bytes: &BytesMut) -> bool {
        self.unflushed || !bytes.is_empty()
    }

    /// Writes some of it, or flushes when there is nothing more to put together. Cancel-safe.
    pub(super) async fn write_some(&mut self, bytes: &mut BytesMut) -> io::Result<()> {
        if bytes.is_empty() {
            self.half.flush().await?;
            self.unflushed = false;
            return Ok(());
        }
        // Set first: a write that is given up may have put something into the stream's own buffer.
        self.unflushed = true;
        if self.half.write_buf(bytes).await? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        if bytes.is_empty() {
            self.flush_at_once().await?;
        }
        Ok(())
    }

    /// Flushes if that needs no waiting, which is nearly always.
    async fn flush_at_once(&mut self) -> io::Result<()> {
        let half = &mut self.half;
        let flushed = poll_fn(|cx| Poll::Ready(Pin::new(&mut *half).poll_flush(cx))).await;
        if let Poll::Ready(flushed) = flushed {
            flushed?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// Writes all of it and ends the direction.
    pub(super) async fn end(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.half.write_all(bytes).await?;
        self.half.shutdown().await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use std::task::Context;

    use tokio::io::ReadBuf;

    use super::*;

    /// Takes whatever is written, and flushes only when told that it may.
    struct Reluctant {
        may_flush: std::sync::Arc<std::sync::atomic::AtomicBool>,
    }

    impl AsyncRead for Reluctant {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Reluctant {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            if self.may_flush.load(std::sync::atomic::Ordering::SeqCst) {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_holds_up_no_more_than_its_own_flush() {
        let may_flush = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let mut halves = Halves::of(Box::new(Reluctant {
            may_flush: std::sync::Arc::clone(&may_flush),
        }));
        let (_, writing) = halves.split();
        let mut bytes = BytesMut::from(&b"words"[..]);
        writing.write_some(&mut bytes).await.unwrap();
        assert!(
            bytes.is_empty() && writing.has_work(&bytes),
            "written, and still to be flushed"
        );
        may_flush.store(true, std::sync::atomic::Ordering::SeqCst);
        writing.write_some(&mut bytes).await.unwrap();
        assert!(!writing.has_work(&bytes));
    }
}
