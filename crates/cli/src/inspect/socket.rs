//! A socket to a client or to the target, in TLS or without.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use fullduplex::NetStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};

use super::transport::Transport;

/// A socket that begins with bytes which were read from it before.
pub(super) struct Socket {
    stream: NetStream,
    first: Vec<u8>,
    state: Arc<SocketState>,
}

/// What is known of a socket that was given away.
#[derive(Debug, Default)]
pub(super) struct SocketState {
    received: AtomicU64,
    ends_with_reset: AtomicBool,
}

impl SocketState {
    /// Returns how many bytes were received.
    pub(super) fn received(&self) -> usize {
        usize::try_from(self.received.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// Makes the socket end with a reset when it is dropped.
    pub(super) fn end_with_reset(&self) {
        self.ends_with_reset.store(true, Ordering::Relaxed);
    }
}

impl Socket {
    pub(super) fn new(stream: NetStream, first: Vec<u8>) -> Self {
        let state = Arc::<SocketState>::default();
        state.received.store(first.len() as u64, Ordering::Relaxed);
        Self { stream, first, state }
    }

    /// Returns what is known of it, also when it was given away.
    pub(super) fn state(&self) -> Arc<SocketState> {
        self.state.clone()
    }
}

impl Transport for Socket {
    type Reader = ReadHalf<Self>;
    type Writer = WriteHalf<Self>;

    const END: &'static str = "FIN";
    const FAILS_AS_A_WHOLE: bool = false;

    fn split(self) -> (Self::Reader, Self::Writer) {
        tokio::io::split(self)
    }

    fn reset(reader: Self::Reader, writer: Self::Writer, _: Option<&io::Error>) {
        reader.unsplit(writer).state.end_with_reset();
    }

    fn is_at_end(_: &Self::Reader) -> bool {
        false
    }

    fn expect_end(_: &mut Self::Writer) {}

    fn poll_failure(_: &mut Self::Writer, _: &mut Context<'_>) -> Poll<io::Error> {
        Poll::Pending
    }

    fn failure(error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::ConnectionReset => "RST".to_owned(),
            io::ErrorKind::UnexpectedEof => "FIN without close_notify of TLS".to_owned(),
            _ => error.to_string(),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.state.ends_with_reset.load(Ordering::Relaxed) {
            // If it fails, the connection has ended, or is a Unix socket, which has no reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let len = self.first.len().min(buf.remaining());
            buf.put_slice(&self.first[..len]);
            self.first.drain(..len);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        self.state.received.fetch_add(read as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
