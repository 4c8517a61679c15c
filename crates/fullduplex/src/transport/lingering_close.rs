//! Closing of an HTTP/1.1 connection in stages (RFC 9112 §9.6): a client that is still sending
//! would lose the response if the socket were closed with unread bytes.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::transport::Transport;

/// The longest silence of a peer that has the whole response.
const MAX_SILENCE: Duration = Duration::from_secs(2);

/// Reads and discards what the peer sends after the response, until it ends the transport, too.
pub(crate) struct DiscardRest {
    /// When the transport is closed, whatever the peer does.
    end: Instant,
    timer: Pin<Box<Sleep>>,
}

impl DiscardRest {
    /// Creates one that lets the peer go on sending for at most `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        let now = Instant::now();
        let end = now + limit;
        Self { end, timer: Box::pin(sleep_until(end.min(now + MAX_SILENCE))) }
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
                    let silence = Instant::now() + MAX_SILENCE;
                    self.timer.as_mut().reset(silence.min(self.end));
                }
                _ => return Poll::Ready(()),
            }
        }
    }
}

/// Closes a transport on which the last response was written.
pub(crate) async fn close<S: Transport>(stream: &mut S, limit: Duration) -> io::Result<()> {
    tokio::time::timeout(MAX_SILENCE, stream.shutdown()).await??;
    let mut discard = DiscardRest::new(limit);
    poll_fn(|cx| discard.poll(stream, cx)).await;
    Ok(())
}

#[cfg(feature = "hyper")]
pub(crate) use self::transport::LingeringClose;

#[cfg(feature = "hyper")]
mod transport {
    use std::io;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use tokio::io::{AsyncRead, AsyncWrite};

    use super::DiscardRest;
    use crate::transport::Transport;
    use crate::transport::delegate::{delegate_read, delegate_write};

    /// The longest time that a client may go on sending after its last response.
    const MAX_DURATION: Duration = Duration::from_secs(30);

    /// A transport that is closed in stages if content of a request was left unread.
    pub(crate) struct LingeringClose<S> {
        stream: S,
        left_unread: Arc<AtomicBool>,
        discard: Option<DiscardRest>,
    }

    impl<S> LingeringClose<S> {
        pub(crate) fn new(stream: S, left_unread: Arc<AtomicBool>) -> Self {
            Self { stream, left_unread, discard: None }
        }

        pub(crate) fn into_inner(self) -> S {
            self.stream
        }
    }

    impl<S: Transport> AsyncRead for LingeringClose<S> {
        delegate_read!(stream);
    }

    impl<S: Transport> AsyncWrite for LingeringClose<S> {
        delegate_write!(stream);

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            let Self { stream, left_unread, discard } = &mut *self;
            if discard.is_none() {
                ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
                if !left_unread.load(Ordering::Acquire) {
                    return Poll::Ready(Ok(()));
                }
            }
            let discard = discard.get_or_insert_with(|| DiscardRest::new(MAX_DURATION));
            discard.poll(stream, cx).map(Ok)
        }
    }
}
