//! Closing a connection of HTTP/1.1 in stages (RFC 9112 §9.6): a client that is still sending
//! would lose the answer if the socket were closed over bytes that nobody has read.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::transport::Transport;

/// How long a peer that has the whole answer may send nothing.
const SILENCE: Duration = Duration::from_secs(2);

/// Passes over what the peer sends behind the answer, until it ends the transport too.
pub(crate) struct Remainder {
    /// When the transport is closed, whatever the peer does.
    end: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Remainder {
    /// The peer may go on sending for this long.
    pub(crate) fn new(most: Duration) -> Self {
        let now = Instant::now();
        let end = now + most;
        Self { end, timer: Box::pin(sleep_until(end.min(now + SILENCE))) }
    }

    pub(crate) fn poll<S: Transport>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; 4096];
        loop {
            if self.timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    let silence = Instant::now() + SILENCE;
                    self.timer.as_mut().reset(silence.min(self.end));
                }
                _ => return Poll::Ready(()),
            }
        }
    }
}

/// Closes a transport on which the last answer was written.
pub(crate) async fn close<S: Transport>(stream: &mut S, most: Duration) -> io::Result<()> {
    tokio::time::timeout(SILENCE, stream.shutdown()).await??;
    let mut remainder = Remainder::new(most);
    poll_fn(|cx| remainder.poll(stream, cx)).await;
    Ok(())
}

#[cfg(feature = "hyper")]
pub(crate) use self::transport::Staged;

#[cfg(feature = "hyper")]
mod transport {
    use std::io;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::Remainder;
    use crate::transport::Transport;
    use crate::transport::delegate::delegate_write;

    /// How long a client may go on sending after its last answer.
    const MOST: Duration = Duration::from_secs(30);

    /// A transport that is closed in stages where content of a request was left unread.
    pub(crate) struct Staged<S> {
        stream: S,
        left_unread: Arc<AtomicBool>,
        remainder: Option<Remainder>,
    }

    impl<S> Staged<S> {
        pub(crate) fn new(stream: S, left_unread: Arc<AtomicBool>) -> Self {
            Self { stream, left_unread, remainder: None }
        }

        pub(crate) fn into_inner(self) -> S {
            self.stream
        }
    }

    impl<S: Transport> AsyncRead for Staged<S> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_read(cx, buf)
        }
    }

    impl<S: Transport> AsyncWrite for Staged<S> {
        delegate_write!(stream);

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            let Self { stream, left_unread, remainder } = &mut *self;
            if remainder.is_none() {
                ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
                if !left_unread.load(Ordering::Acquire) {
                    return Poll::Ready(Ok(()));
                }
            }
            let remainder = remainder.get_or_insert_with(|| Remainder::new(MOST));
            remainder.poll(stream, cx).map(Ok)
        }
    }
}
