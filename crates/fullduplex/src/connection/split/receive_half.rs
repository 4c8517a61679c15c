//! The receiving half of a WebSocket.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use fullduplex_proto::{CloseInfo, Message};
use futures_core::Stream;

use crate::base::error::Error;
use crate::connection::reader;
use crate::connection::reader::{ConnectionOptions, Reader};
use crate::connection::writer::Writer;
use crate::transport::Transport;

/// The receiving half of a WebSocket: a [`Stream`] of messages.
///
/// It answers pings and the peer's Close by itself, while it is polled. When it is
/// dropped, a task in the background does so, and passes over messages, until the last
/// [`SendHalf`] is dropped or the connection ends. So a program that only sends drops it: one that
/// is kept and not polled leaves the peer's Close unanswered (`let (send, _) = …` drops it, `let
/// (send, _receive) = …` keeps it).
pub struct ReceiveHalf<S: Transport> {
    /// Boxed, as a WebSocket is moved from future to future, each of which keeps room for it.
    /// Taken only by `drop`.
    incoming: Option<Box<Reader<S>>>,
    writer: Arc<Writer<S>>,
}

impl<S: Transport> ReceiveHalf<S> {
    pub(super) fn new(reader: Box<Reader<S>>, writer: Arc<Writer<S>>) -> Self {
        Self { incoming: Some(reader), writer }
    }

    /// The next message; `None` after the peer's Close, which may be one with 1001 or 1011: see
    /// [`CloseInfo::is_normal`]. Any other end, also that by `close_timeout`, is reported once, as
    /// an error, and is followed by `None`. Whether this end's Close has left, and so all before it, is for
    /// [`CloseInfo::is_clean`] to say.
    ///
    /// # Cancel safety
    /// No byte is lost: what was received stays for the next call.
    #[inline]
    #[allow(clippy::should_implement_trait, reason = "the name that `StreamExt` has for it")]
    #[doc(alias = "recv")]
    #[doc(alias = "receive")]
    #[doc(alias = "read")]
    pub fn next(&mut self) -> NextFuture<'_, S> {
        NextFuture { half: self, listens: false }
    }

    #[inline]
    pub(crate) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, Error>>> {
        match &mut self.incoming {
            Some(incoming) => incoming.poll_message(cx, &self.writer),
            None => Poll::Ready(None),
        }
    }

    /// How the connection ended, or how far its closing is; `None` while it is open.
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.writer.close_info()
    }

    /// The application sends, having asked for no message yet since it did so before.
    #[inline]
    pub(crate) fn note_send(&mut self) {
        if let Some(incoming) = &mut self.incoming
            && incoming.note_send(&self.writer)
        {
            incoming.read_ahead(&self.writer);
        }
    }

    pub(crate) fn agreed(&self) -> Option<&ConnectionOptions<S>> {
        self.incoming.as_ref().and_then(|incoming| incoming.agreed())
    }

    pub(crate) fn parts(&mut self) -> (&mut Reader<S>, &Arc<Writer<S>>) {
        let incoming = self.incoming.as_mut().expect("taken only by drop");
        (incoming, &self.writer)
    }

    #[inline]
    pub(crate) fn has_input(&self) -> bool {
        self.incoming.as_ref().is_some_and(|incoming| incoming.has_input())
    }
}

impl<S: Transport> Drop for ReceiveHalf<S> {
    fn drop(&mut self) {
        let goes_on = self.writer.drop_reader();
        let Some(mut incoming) = self.incoming.take() else { return };
        if goes_on {
            let rest = reader::linger(incoming, self.writer.clone());
            self.writer.driver().handle().spawn(rest);
        } else {
            incoming.give_up(&self.writer);
        }
    }
}

impl<S: Transport> Stream for ReceiveHalf<S> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_message(cx)
    }
}

impl<S: Transport> fmt::Debug for ReceiveHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveHalf").field("closed", &self.close_info()).finish_non_exhaustive()
    }
}

/// The next message, to be awaited. See [`WebSocket::next`](crate::WebSocket::next).
///
/// # Cancel safety
/// No byte is lost: what was received stays for the next call.
#[must_use = "nothing is received unless it is awaited"]
pub struct NextFuture<'a, S: Transport> {
    half: &'a mut ReceiveHalf<S>,
    /// It waits.
    listens: bool,
}

impl<S: Transport> Future for NextFuture<'_, S> {
    type Output = Option<Result<Message, Error>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.half.poll_message(cx);
        // Where there was no wait, nobody has been said to listen.
        self.listens = polled.is_pending();
        polled
    }
}

impl<S: Transport> Drop for NextFuture<'_, S> {
    /// From now on nobody listens.
    #[inline]
    fn drop(&mut self) {
        if self.listens {
            self.half.writer.stop_listening();
        }
    }
}

impl<S: Transport> fmt::Debug for NextFuture<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiving").finish_non_exhaustive()
    }
}
