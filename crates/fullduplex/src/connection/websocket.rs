//! [`WebSocket`]: both halves of a connection in one value.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

#[cfg(doc)]
use fullduplex_proto::Config;
use fullduplex_proto::{
    CloseCode, CloseInfo, Compression, DeflateParams, Message, MessageKind, PreparedMessage,
    ReadyState,
};
use futures_core::stream::{FusedStream, Stream};
use futures_sink::Sink;

use crate::base::error::Error;
use crate::base::stats::ConnectionStats;
use crate::base::try_send_error::TrySendError;
use crate::connection::byte_stream::ByteStream;
use crate::connection::control_frames::{ControlFrames, PongFuture};
use crate::connection::driver::DrivenConnection;
use crate::connection::message_io::{MessageReader, MessageWriter};
use crate::connection::observer::Registration;
use crate::connection::split::{NextFuture, ReceiveHalf, SendFuture, SendHalf};
use crate::connection::writer::{FlushPolicy, OutgoingMessage, SendOptions};
use crate::transport::Transport;
use crate::transport::net_stream::NetStream;

/// A WebSocket connection over any transport: a [`Stream`] and a [`Sink`] of messages.
///
/// # Receiving
/// [`next`](Self::next) returns whole messages, answers Pings and the peer's Close, and ends with
/// `None` after the Close. [`next_reader`](Self::next_reader) reads messages that are too long to
/// hold in memory.
///
/// * Nothing is read from the transport unless the application awaits a message, for example with
///   `next`. Pings and the peer's Close are not answered meanwhile.
/// * There is one exception: after an application has sent in a few scheduler turns without asking
///   for a message, a background task reads up to 64 KiB ahead (each message counts 64 bytes
///   extra), and answers Pings and the peer's Close.
/// * When these 64 KiB are full, reading stops. If no message is asked for during another 30 s to
///   40 s (by the keepalive's interval and timeout), the connection is closed with 1011, and
///   sending fails with an error that says so ([`CloseCause::Unread`](crate::CloseCause::Unread)).
///   With the keepalive off, it stays open.
/// * An application that never wants messages should [`split`](Self::split) the WebSocket and drop
///   the [`ReceiveHalf`].
///
/// Holding a received message may retain more than its length: a short one up to 2 KiB, one of
/// 8 KiB or more up to 64 KiB, and one that arrives in parts up to twice its length. Copy it to
/// keep it for long. If the application keeps all messages, most of the short ones are put in
/// separate memory.
///
/// # Sending
/// [`send`](Self::send) queues a message, which is then written without further calls: at once or
/// gathered with following messages, at the latest at the end of the current scheduler turn. No
/// [`flush`](Self::flush) is needed for progress. `send` waits while `high_water` bytes (64 KiB)
/// wait for the transport.
///
/// # Closing
/// [`close`](Self::close) runs the closing handshake (RFC 6455 §7). If an open WebSocket is
/// dropped, it is closed in the background with 1001, or with 1011 if the thread panics. If it is
/// dropped while closing, the closing handshake is finished in the background. Each of these ends
/// the transport when it makes no progress for `Config::close_timeout` (10 s).
///
/// # Keepalive
/// A peer that has sent nothing for 10 s to 20 s is sent a Ping. If nothing arrives for another
/// 20 s, it is considered dead, and the connection ends. The peer is alive if data or a Pong
/// arrives. Two things do not count: its own Pings, and anything it sends while it accepts none of
/// the bytes queued for it.
///
/// While neither the application nor the background task reads, Pings are still sent, but a missing
/// answer does not end the connection, unless the peer accepts none of the bytes queued for it.
///
/// # Example
/// ```
/// use fullduplex::{CloseCode, Error, WebSocket};
///
/// async fn echo(mut websocket: WebSocket) -> Result<(), Error> {
///     while let Some(message) = websocket.next().await {
///         websocket.send(message?).await?;
///     }
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let (mut client, server) = fullduplex::pair(); // or `connect`, and `Server`
/// tokio::spawn(echo(server));
/// client.send("hello").await?;
/// assert_eq!(client.next().await.expect("an answer")?.as_text(), Some("hello"));
/// let info = client.close(CloseCode::NORMAL, "done").await?;
/// assert!(info.is_clean());
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
/// A dropped `next` keeps the data for the next call. A dropped `send` has queued the whole message
/// or nothing, never a part.
#[doc(alias = "WebSocketStream")]
#[doc(alias = "socket")]
pub struct WebSocket<S: Transport = NetStream> {
    // Dropped first, so that the receiving half finds no sending half left.
    send: SendHalf<S>,
    receive: ReceiveHalf<S>,
}

impl<S: Transport> WebSocket<S> {
    pub(crate) fn from_halves(send: SendHalf<S>, receive: ReceiveHalf<S>) -> Self {
        Self { send, receive }
    }

    pub(crate) fn with_subprotocol(mut self, subprotocol: Option<String>) -> Self {
        self.receive.parts().0.set_subprotocol(subprotocol.map(Into::into));
        self
    }

    /// Adds an observer of the bytes.
    #[cfg(feature = "tap")]
    pub(crate) fn with_tap(mut self, tap: Box<dyn crate::transport::tap::ConnectionTap>) -> Self {
        let queue = crate::transport::tap::TapQueue::new(tap);
        let (reader, writer) = self.receive.parts();
        reader.add_tap(&queue);
        writer.add_tap(&queue);
        queue.show();
        self
    }

    /// Marks the transport as one stream of a connection that carries several.
    #[cfg(any(feature = "http2", feature = "http3"))]
    pub(crate) fn multiplexed(self) -> Self {
        self.send.writer.lock().session.set_multiplexed();
        self
    }

    /// Returns the connection for its owner to close or abort.
    pub(crate) fn connection(&self) -> Arc<dyn DrivenConnection> {
        self.send.writer.clone()
    }

    /// Sets the owner that is notified of the connection's end.
    pub(crate) fn register(&self, registration: Registration) {
        self.send.writer.register(registration);
    }

    pub(crate) fn send_half(&self) -> &SendHalf<S> {
        &self.send
    }

    /// Returns the negotiated subprotocol (RFC 6455 §1.9).
    #[doc(alias = "protocol")]
    pub fn subprotocol(&self) -> Option<&str> {
        self.receive.subprotocol()
    }

    /// Returns the negotiated compression (RFC 7692), or `None` without compression.
    pub fn deflate(&self) -> Option<DeflateParams> {
        self.receive.deflate()
    }

    /// Receives the next message, or `None` after the peer's Close.
    ///
    /// [`Message`] is only text or binary. Control frames are never returned; the close code and
    /// reason are in [`close_info`](Self::close_info).
    ///
    /// Any other end of the connection, `close_timeout` included, is returned once as an error, and
    /// then as `None`.
    ///
    /// `None` does not mean that the peer has received everything: it may have closed first.
    /// [`CloseInfo::is_clean`] says whether the Close of the local side was written, and with it
    /// all messages before.
    ///
    /// `None` also follows a Close with 1001 or 1011, where the peer may have had more to send. A
    /// program that needs every message, such as one that collects or forwards them, should check
    /// [`CloseInfo::is_normal`] of [`close_info`](Self::close_info).
    ///
    /// # Cancel safety
    /// No byte is lost: received data stays for the next call.
    #[doc(alias = "on_message")]
    #[doc(alias = "onmessage")]
    #[inline]
    #[allow(clippy::should_implement_trait, reason = "the name that `StreamExt` has for it")]
    #[doc(alias = "recv")]
    #[doc(alias = "receive")]
    #[doc(alias = "read")]
    pub fn next(&mut self) -> NextFuture<'_, S> {
        self.receive.next()
    }

    /// Returns a reader of the next message, of any length, or `None` after the peer's Close.
    ///
    /// `max_message_size` applies here too: set it to `None` for messages without a bound. If a
    /// reader is dropped early, the rest of its message is skipped.
    ///
    /// # Errors
    /// Fails as [`next`](Self::next) does.
    ///
    /// # Cancel safety
    /// No byte is lost.
    pub async fn next_reader(&mut self) -> Result<Option<MessageReader<'_, S>>, Error> {
        MessageReader::begin(&mut self.receive).await
    }

    /// Sends a message.
    ///
    /// The future is ready when the message is queued. It waits while `high_water` bytes wait for
    /// the transport. The message is then written without further calls: at once or gathered with
    /// following messages, at the latest at the end of the current scheduler turn. No
    /// [`flush`](Self::flush) is needed for progress; it waits until the message is written.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message is not sent.
    ///
    /// # Only sending?
    /// Then nothing reads, and the peer's Pings and its Close wait until a task reads ahead, after
    /// a few turns of sending. [`send_only`](Self::send_only) is for programs that never read.
    #[inline]
    pub fn send(&mut self, message: impl Into<Message>) -> SendFuture<'_, S> {
        self.send_with_compression(message, Compression::Auto)
    }

    /// Sends a message, compressed as `compression` says if compression was negotiated.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message is neither sent nor compressed.
    #[inline]
    pub fn send_with_compression(
        &mut self,
        message: impl Into<Message>,
        compression: Compression,
    ) -> SendFuture<'_, S> {
        let options = self.send_options(compression);
        self.send.send_as(OutgoingMessage::Message(message.into()), options)
    }

    /// Sends a prepared message, which is neither copied nor compressed again.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message is not sent.
    pub fn send_prepared(&mut self, prepared: &PreparedMessage) -> SendFuture<'_, S> {
        let options = self.send_options(Compression::Auto);
        self.send.send_as(OutgoingMessage::Prepared(prepared.clone()), options)
    }

    /// Counts a send of the application, and returns how the message is queued.
    #[inline]
    fn send_options(&mut self, compression: Compression) -> SendOptions {
        // The messages that are buffered here are likely to be answered too, in the same write.
        let flush =
            if self.receive.has_input() { FlushPolicy::Deferred } else { FlushPolicy::Auto };
        self.receive.on_send();
        SendOptions { compression, flush }
    }

    /// Queues a message without waiting.
    ///
    /// Fails if `high_water` is reached or the connection is closing; the error has the message.
    #[doc(alias = "send_nowait")]
    pub fn try_send(&mut self, message: impl Into<Message>) -> Result<(), TrySendError> {
        self.receive.on_send();
        self.send.try_send(message)
    }

    /// Queues a prepared message without waiting.
    ///
    /// Fails if `high_water` is reached or the connection is closing; the error has the message.
    pub fn try_send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), TrySendError> {
        self.receive.on_send();
        self.send.try_send_prepared(prepared)
    }

    /// Returns a writer of one message.
    ///
    /// Each write is a fragment (RFC 6455 §5.4), and `shutdown` ends the message. Until then no
    /// other message can be sent.
    pub fn writer(&mut self, kind: MessageKind) -> MessageWriter<'_, S> {
        self.writer_with_compression(kind, Compression::Auto)
    }

    /// Returns a [`writer`](Self::writer) of a message that is compressed as `compression` says.
    ///
    /// [`Compression::Auto`] compresses every message here, as its length is not known before.
    /// Data that can't be compressed then becomes a little longer.
    pub fn writer_with_compression(
        &mut self,
        kind: MessageKind,
        compression: Compression,
    ) -> MessageWriter<'_, S> {
        self.receive.on_send();
        MessageWriter::new(&self.send, Some(&mut self.receive), kind, compression)
    }

    /// Sends a Ping (RFC 6455 §5.5.2) of at most 125 bytes, ahead of queued messages.
    ///
    /// Waits until an earlier Ping of the application is written. Returns a future of the Pong,
    /// with the round-trip time, that is ready as the connection is read; see [`PongFuture`]. It
    /// may be dropped.
    ///
    /// No background task reads for an application that only sends Pings: it must call
    /// [`next`](Self::next), or drop the receiving half.
    ///
    /// # Errors
    /// Fails if the payload is too long or the connection is closing.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no Ping is sent.
    #[doc(alias = "latency")]
    pub async fn ping(&mut self, payload: &[u8]) -> Result<PongFuture, Error> {
        self.send.ping(payload).await
    }

    /// Sends an unsolicited Pong (RFC 6455 §5.5.3) of at most 125 bytes.
    ///
    /// Pings are answered without it. Waits until an earlier Pong is written.
    ///
    /// # Errors
    /// Fails if the payload is too long or the connection is closing.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no Pong is sent.
    pub async fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.send.pong(payload).await
    }

    /// Returns a stream of the Pings and Pongs that arrive from now on.
    ///
    /// For bridges, feeds that say something in their Pings, and own measures of liveness: Pings
    /// are answered without it, and the keepalive finds dead peers. It gets them as the connection
    /// is read. A connection has one such stream: a later call ends the one before.
    ///
    /// ```
    /// use fullduplex::ControlFrame;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), fullduplex::Error> {
    /// let (mut client, mut server) = fullduplex::pair();
    /// let mut frames = client.control_frames();
    /// tokio::spawn(async move { while client.next().await.is_some() {} });
    /// server.ping(b"hello").await?;
    /// assert_eq!(frames.next().await, Some(ControlFrame::Ping("hello".into())));
    /// # Ok(())
    /// # }
    /// ```
    pub fn control_frames(&mut self) -> ControlFrames {
        self.send.control_frames()
    }

    /// Waits until everything queued is written to the transport.
    ///
    /// # Errors
    /// Fails if the connection ends before that.
    ///
    /// # Cancel safety
    /// Nothing is lost: what is queued is written all the same.
    #[doc(alias = "cork")]
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.send.flush().await
    }

    /// Starts the closing handshake (RFC 6455 §7.1.2): queues a Close after the queued messages.
    ///
    /// Nothing can be sent after it. [`next`](Self::next) still returns the messages that the peer
    /// sends before its Close. A second Close is ignored.
    ///
    /// With [`CloseCode::NO_STATUS`] (1005) and no reason, the Close is sent without a code. Any
    /// other code that may not be sent (RFC 6455 §7.4), a reason without a code, and a reason of
    /// more than 123 bytes are errors.
    pub fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.send.start_close(code, reason)
    }

    /// Closes the connection (RFC 6455 §7.1.2), and returns how it ended.
    ///
    /// Sends a Close after the queued messages, waits for the peer's, and ends the transport.
    /// Messages that arrive before the peer's Close are dropped.
    ///
    /// Gives up when closing makes no progress for `Config::close_timeout` (10 s).
    /// A slow peer that keeps accepting queued bytes can take longer; wrap the call in
    /// [`tokio::time::timeout`] for a hard limit.
    ///
    /// Fails as [`start_close`](Self::start_close) does. An unclean end is not an error here: see
    /// [`CloseInfo::is_clean`].
    ///
    /// # Cancel safety
    /// The Close stays queued. Closing goes on with the next call of `close` or
    /// [`next`](Self::next), or in the background when the WebSocket is dropped.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<CloseInfo, Error> {
        self.start_close(code, reason)?;
        while let Some(message) = self.next().await {
            // An unclean end is in the result.
            drop(message);
        }
        self.send.final_info()
    }

    /// Ends the transport at once, without a Close. The peer sees code 1006.
    ///
    /// What is queued, and what was received and not returned yet, is dropped, and so is all that
    /// the connection holds. A TCP connection is closed, a stream of HTTP/2 or HTTP/3 is reset. The
    /// next [`next`](Self::next) returns an error, and [`close_info`](Self::close_info) has
    /// [`CloseCause::Aborted`](crate::CloseCause::Aborted). It has no effect on a connection that
    /// has ended.
    ///
    /// It is the cheapest end. To close, or to drop the WebSocket, takes one more write, one more
    /// read and, when dropped, a task that waits for the peer's Close. A TCP connection that is
    /// aborted is reset, which leaves no port in `TIME_WAIT`.
    ///
    /// [`SendHalf::abort`] does the same from another task.
    #[doc(alias = "terminate")]
    pub fn abort(&mut self) {
        self.receive.abort();
    }

    /// Returns how the connection ended, or how far closing has come; `None` while it is open.
    #[doc(alias = "onclose")]
    #[doc(alias = "on_close")]
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.send.close_info()
    }

    /// Returns the state of the connection, as `readyState` of the WHATWG standard.
    #[doc(alias = "readyState")]
    #[doc(alias = "is_open")]
    pub fn state(&self) -> ReadyState {
        self.send.state()
    }

    /// Returns how many sent bytes are not written to the transport yet, with frame headers.
    #[doc(alias = "bufferedAmount")]
    #[doc(alias = "backpressure")]
    pub fn buffered_amount(&self) -> usize {
        self.send.buffered_amount()
    }

    /// Returns the counts of messages and bytes so far, in both directions.
    pub fn stats(&self) -> ConnectionStats {
        self.send.stats()
    }

    /// Returns the address of the other end of the connection; see [`SendHalf::peer_addr`].
    #[doc(alias = "get_ref")]
    #[doc(alias = "remote_addr")]
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.send.peer_addr()
    }

    /// Returns the local address of the connection; see [`SendHalf::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.send.local_addr()
    }

    /// Returns the last round-trip time of a Ping; see [`SendHalf::round_trip`].
    #[doc(alias = "latency")]
    pub fn round_trip(&self) -> Option<Duration> {
        self.send.round_trip()
    }

    /// Releases the memory of the compressor; see [`SendHalf::release_memory`].
    pub fn release_memory(&mut self) {
        self.send.release_memory();
    }

    /// Splits the WebSocket into two halves for use on different tasks.
    ///
    /// Neither half waits for the other. [`SendHalf::reunite`] joins them again.
    ///
    /// # Only sending?
    /// Take [`send_only`](Self::send_only), or drop the receiving half at once: `let (send, _) =
    /// websocket.split()`. A receiving half that is kept and not polled, as in `let (send,
    /// _receive) = …`, answers neither Pings nor the peer's Close.
    #[doc(alias = "into_split")]
    pub fn split(self) -> (SendHalf<S>, ReceiveHalf<S>) {
        (self.send, self.receive)
    }

    /// Turns the WebSocket into its sending half, for a program that only sends.
    ///
    /// A background task answers Pings and the peer's Close, and drops the messages that arrive.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use fullduplex::{Error, WebSocket};
    /// async fn tick(websocket: WebSocket) -> Result<(), Error> {
    ///     let send = websocket.send_only();
    ///     loop {
    ///         send.send("tick").await?; // fails once the peer has closed
    ///         tokio::time::sleep(Duration::from_secs(1)).await;
    ///     }
    /// }
    /// ```
    pub fn send_only(self) -> SendHalf<S> {
        self.send
    }

    /// Turns the WebSocket into a byte stream over binary messages.
    #[doc(alias = "createWebSocketStream")]
    #[doc(alias = "net.Conn")]
    pub fn into_byte_stream(self) -> ByteStream<S> {
        ByteStream::new(self)
    }

    pub(crate) fn set_half_close(&self, allowed: bool) {
        self.send.writer.set_half_close(allowed);
    }

    pub(crate) fn halves(&mut self) -> (&mut SendHalf<S>, &mut ReceiveHalf<S>) {
        (&mut self.send, &mut self.receive)
    }
}

impl<S: Transport> Stream for WebSocket<S> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receive.poll_message(cx)
    }
}

impl<S: Transport> FusedStream for WebSocket<S> {
    /// Returns whether the stream has returned `None`.
    fn is_terminated(&self) -> bool {
        self.receive.is_terminated()
    }
}

/// `start_send` queues a message. It is written at `poll_flush`, before [`next`](WebSocket::next)
/// waits, or at the latest at the end of the current scheduler turn.
impl<S: Transport> Sink<Message> for WebSocket<S> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.send).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.receive.on_send();
        Pin::new(&mut self.send).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.send).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.send).poll_close(cx)
    }
}

impl<S: Transport> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("state", &self.state())
            .field("subprotocol", &self.subprotocol())
            .finish_non_exhaustive()
    }
}
