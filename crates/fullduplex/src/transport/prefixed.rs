//! A transport of which a part was read already.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::coop;
use crate::transport::Transport;
use crate::transport::addresses::{Addressed, ConnectionEnd};
use crate::transport::delegate::delegate_write;

/// The number of bytes that consume one unit of a task's budget, which is 128 units: with HTTP/2
/// they may be many small frames, which cost far more than reading them.
const STEP: usize = 1 << 10;

/// A transport that reads the bytes that were read before, and then its own.
#[derive(Debug)]
pub(crate) struct Prefixed<S> {
    prefix: Bytes,
    stream: S,
}

impl<S> Prefixed<S> {
    pub(crate) fn new(prefix: Bytes, stream: S) -> Self {
        Self { prefix, stream }
    }

    /// Returns the unread part of the prefix, and the transport.
    #[cfg(feature = "hyper")]
    pub(crate) fn into_parts(self) -> (Bytes, S) {
        (self.prefix, self.stream)
    }
}

impl<S: Addressed> Addressed for Prefixed<S> {
    fn address(&self, end: ConnectionEnd) -> io::Result<SocketAddr> {
        self.stream.address(end)
    }

    fn set_zero_linger(&self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }
}

impl<S: Transport> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
            coop::consume(cx, buf.filled().len() - before, STEP);
            return Poll::Ready(Ok(()));
        }
        let len = self.prefix.len().min(buf.remaining());
        buf.put_slice(&self.prefix[..len]);
        self.prefix.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl<S: Transport> AsyncWrite for Prefixed<S> {
    delegate_write!(stream, shutdown);
}
