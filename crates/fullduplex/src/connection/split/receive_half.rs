//! The receiving half of a WebSocket.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use fullduplex_proto::{CloseInfo, DeflateParams, Message, ReadyState};
use futures_core::stream::{FusedStream, Stream};

use crate::base::error::Error;
use crate::base::stats::ConnectionStats;
use crate::connection::control_frames::ControlFrames;
use crate::connection::driver::DrivenConnection;
use crate::connection::reader;
use crate::connection::reader::{ConnectionOptions, Reader};
use crate::connection::writer::Writer;
use crate::transport::Transport;
use crate::transport::addresses::ConnectionEnd;
use crate::transport::net_stream::NetStream;

/// The receiving half of a WebSocket: a [`Stream`] of messages.
///
/// While it is polled, Pings and the peer's Close are answered automatically. When it is dropped, a
/// background task answers them, and drops messages, until the last [`SendHalf`](crate::SendHalf)
/// is dropped or the connection ends.
///
/// So a program that only sends should drop it. If it is kept and not polled, the peer's Close is
/// not answered: `let (send, _) = …` drops it, `let (send, _receive) = …` keeps it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fullduplex::Error> {
/// # let (websocket, mut peer) = fullduplex::pair();
/// # peer.send("hello").await?;
/// # peer.send_only();
/// let (_send, mut receive) = websocket.split();
/// while let Some(message) = receive.next().await {
///     println!("{:?}", message?);
/// }
/// println!("{}", receive.close_info().expect("it has ended"));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "source")]
#[doc(alias = "receiver")]
pub struct ReceiveHalf<S: Transport = NetStream> {
    /// Boxed, so that a WebSocket is cheap to move and the futures that hold it stay small.
    /// Taken only by `drop`.
    reader: Option<Box<Reader<S>>>,
    writer: Arc<Writer<S>>,
}

impl<S: Transport> ReceiveHalf<S> {
    pub(super) fn new(reader: Box<Reader<S>>, writer: Arc<Writer<S>>) -> Self {
        Self { reader: Some(reader), writer }
    }

    /// Receives the next message, or `None` after the peer's Close.
    ///
    /// [`Message`] is only text or binary; the close code and reason are in
    /// [`close_info`](Self::close_info).
    ///
    /// Any other end of the connection, `close_timeout` included, is returned once as an error, and
    /// then as `None`. A Close with 1001 or 1011 also ends in `None`: see [`CloseInfo::is_normal`].
    /// [`CloseInfo::is_clean`] says whether the Close of the local side was written, and with it
    /// all messages before.
    ///
    /// # Cancel safety
    /// No byte is lost: received data stays for the next call.
    #[inline]
    #[allow(clippy::should_implement_trait, reason = "the name that `StreamExt` has for it")]
    #[doc(alias = "recv")]
    #[doc(alias = "receive")]
    #[doc(alias = "read")]
    pub fn next(&mut self) -> NextFuture<'_, S> {
        NextFuture { receive: self, waits: false }
    }

    #[allow(clippy::inline_always, reason = "a call, and the move of its result, cost a tenth")]
    #[inline(always)]
    pub(crate) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, Error>>> {
        match &mut self.reader {
            Some(reader) => reader.poll_message(cx, &self.writer),
            None => Poll::Ready(None),
        }
    }

    /// Returns how the connection ended, or how far closing has come; `None` while it is open.
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.writer.close_info()
    }

    /// Returns the negotiated subprotocol (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.options()?.subprotocol.as_deref()
    }

    /// Returns the negotiated compression (RFC 7692), or `None` without compression.
    pub fn deflate(&self) -> Option<DeflateParams> {
        self.options()?.deflate
    }

    /// Returns the state of the connection, as `readyState` of the WHATWG standard.
    pub fn state(&self) -> ReadyState {
        self.writer.lock().session.state()
    }

    /// Returns the counts of messages and bytes so far, in both directions.
    pub fn stats(&self) -> ConnectionStats {
        DrivenConnection::stats(&*self.writer)
    }

    /// Returns the address of the other end of the connection: of the TCP connection, also below
    /// TLS and HTTP/2, or of the QUIC connection of HTTP/3.
    ///
    /// Behind a proxy, that is the proxy's.
    ///
    /// # Errors
    /// `NotConnected` after the end of the WebSocket; `Unsupported` on any other transport, such as
    /// a stream of an HTTP/2 connection that hyper serves.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.writer.lock().address(ConnectionEnd::Peer)
    }

    /// Returns the local address of the connection.
    ///
    /// On HTTP/3, the IP address may be unspecified (`0.0.0.0` or `::`), as it is at a client.
    ///
    /// # Errors
    /// As those of [`peer_addr`](Self::peer_addr).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.writer.lock().address(ConnectionEnd::Local)
    }

    /// Returns a stream of the peer's Pings and Pongs; see
    /// [`WebSocket::control_frames`](crate::WebSocket::control_frames).
    pub fn control_frames(&mut self) -> ControlFrames {
        self.writer.observe_control()
    }

    /// Ends the transport at once, without a Close. The peer sees code 1006. See
    /// [`WebSocket::abort`](crate::WebSocket::abort).
    #[doc(alias = "terminate")]
    pub fn abort(&mut self) {
        let (reader, writer) = self.parts();
        // Another task may be polling the reading half.
        let is_last = !reader.reads_ahead();
        reader.abort(writer);
        writer.abort(is_last);
    }

    /// Drops this half: a background task answers Pings and the peer's Close from now on, and drops
    /// the messages that arrive.
    pub fn discard(self) {}

    /// Returns whether this is the receiving half of the writer's connection.
    pub(super) fn is_of(&self, writer: &Arc<Writer<S>>) -> bool {
        Arc::ptr_eq(&self.writer, writer)
    }

    /// Counts a send of the application, and starts to read ahead if it only sends.
    #[inline]
    pub(crate) fn on_send(&mut self) {
        if let Some(reader) = &mut self.reader
            && reader.record_send(&self.writer)
        {
            reader.start_read_ahead(&self.writer);
        }
    }

    fn options(&self) -> Option<&ConnectionOptions<S>> {
        self.reader.as_ref().and_then(|reader| reader.options())
    }

    pub(crate) fn parts(&mut self) -> (&mut Reader<S>, &Arc<Writer<S>>) {
        let reader = self.reader.as_mut().expect("taken only by drop");
        (reader, &self.writer)
    }

    #[inline]
    pub(crate) fn has_input(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| reader.has_input())
    }
}

impl<S: Transport> Drop for ReceiveHalf<S> {
    fn drop(&mut self) {
        let must_read_on = self.writer.drop_reader();
        let Some(mut reader) = self.reader.take() else { return };
        if must_read_on {
            let reading = reader::read_until_closed(reader, self.writer.clone());
            self.writer.driver().handle().spawn(reading);
        } else {
            reader.drop_transport(&self.writer);
        }
    }
}

impl<S: Transport> Stream for ReceiveHalf<S> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_message(cx)
    }
}

impl<S: Transport> FusedStream for ReceiveHalf<S> {
    /// Returns whether the stream has returned `None`.
    fn is_terminated(&self) -> bool {
        self.reader.as_ref().is_none_or(|reader| reader.is_terminated())
    }
}

/// A panic in foreign code, such as a transport, ends the connection and leaves its state whole.
impl<S: Transport> UnwindSafe for ReceiveHalf<S> {}
impl<S: Transport> RefUnwindSafe for ReceiveHalf<S> {}

impl<S: Transport> fmt::Debug for ReceiveHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveHalf").field("closed", &self.close_info()).finish_non_exhaustive()
    }
}

/// The future of [`WebSocket::next`](crate::WebSocket::next).
///
/// # Cancel safety
/// No byte is lost: received data stays for the next call.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
///
/// # let (mut websocket, _peer) = fullduplex::pair();
/// // After the timeout, no message is lost: the next call returns it.
/// let timeout = tokio::time::timeout(Duration::from_millis(1), websocket.next()).await;
/// assert!(timeout.is_err());
/// # }
/// ```
#[must_use = "nothing is received unless it is awaited"]
pub struct NextFuture<'a, S: Transport = NetStream> {
    receive: &'a mut ReceiveHalf<S>,
    waits: bool,
}

impl<S: Transport> Future for NextFuture<'_, S> {
    type Output = Option<Result<Message, Error>>;

    #[allow(clippy::inline_always, reason = "a call, and the move of its result, cost a tenth")]
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.receive.poll_message(cx);
        self.waits = polled.is_pending();
        polled
    }
}

impl<S: Transport> Drop for NextFuture<'_, S> {
    /// Tells the keepalive that the application does not read any more.
    #[inline]
    fn drop(&mut self) {
        // Only a poll that waited has told it that the application reads.
        if self.waits {
            self.receive.writer.record_not_reading();
        }
    }
}

impl<S: Transport> fmt::Debug for NextFuture<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextFuture").finish_non_exhaustive()
    }
}
