//! A transport of which some was read already.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::coop;
use crate::transport::Transport;
use crate::transport::delegate::delegate_write;

/// So many bytes are a step of a task's turn, which ends after 128 KiB: with HTTP/2 they may be
/// so many frames that cost far more than to read them.
const STEP: usize = 1 << 10;

/// Gives what was read once more, and then the transport's own bytes.
#[derive(Debug)]
pub(crate) struct Prefixed<S> {
    before: Bytes,
    stream: S,
}

impl<S> Prefixed<S> {
    pub(crate) fn new(before: Bytes, stream: S) -> Self {
        Self { before, stream }
    }

    /// The transport, and what is left of what was read before.
    #[cfg(feature = "hyper")]
    pub(crate) fn into_parts(self) -> (Bytes, S) {
        (self.before, self.stream)
    }
}

impl<S: Transport> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.before.is_empty() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
            coop::spend(cx, buf.filled().len() - before, STEP);
            return Poll::Ready(Ok(()));
        }
        let len = self.before.len().min(buf.remaining());
        buf.put_slice(&self.before[..len]);
        self.before.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl<S: Transport> AsyncWrite for Prefixed<S> {
    delegate_write!(stream, shutdown);
}
