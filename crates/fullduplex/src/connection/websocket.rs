//! The WebSocket: both halves in one.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use fullduplex_proto::{
    CloseCode, CloseInfo, Compression, Config, DeflateParams, Message, MessageKind,
    PerMessageDeflate, PreparedMessage, ReadyState, Receiver, Role, Session,
};
use futures_core::Stream;
use futures_sink::Sink;

use crate::base::error::{Error, ErrorKind};
use crate::base::rng::ThreadRng;
use crate::connection::byte_stream::ByteStream;
use crate::connection::driver::DrivenConnection;
use crate::connection::message_io::{MessageReader, MessageWriter};
use crate::connection::observer::Registration;
use crate::connection::split;
use crate::connection::split::{NextFuture, ReceiveHalf, SendFuture, SendHalf, TrySendError};
use crate::connection::stats::ConnectionStats;
use crate::connection::writer::{Flush, OutgoingMessage};
use crate::transport::Transport;
use crate::transport::net_stream::NetStream;

/// A WebSocket connection over any transport: a [`Stream`] of messages and a [`Sink`] for
/// them.
///
/// * **Receiving.** [`next`](Self::next) gives whole messages, answers pings and the peer's
///   Close, and ends with `None` after that. Nothing is read that is not asked
///   for; but where the application only sends, up to 64 KiB are received in its place (a short
///   message counts for some 60 bytes more), so that pings and the peer's Close behind them are
///   answered. Behind more than that they are not: whose peer sends messages must read. If it asks
///   for none for the keepalive's interval and timeout (30 s to 40 s) while so much waits, the
///   connection is closed with 1011, and sending fails with an error that says so
///   ([`CloseCause::Unread`](crate::CloseCause::Unread)); with the keepalive off it is not.
///   [`next_reader`](Self::next_reader) is for messages too long to hold. A short message that is
///   kept may keep up to 2 KiB, one of 8 KiB and more up to 64 KiB; where all are kept,
///   most have memory of their own.
/// * **Sending.** [`send`](Self::send) queues a message and has it leave by itself: at once
///   when nothing else is going on, together with others when they follow one another. It
///   waits while `high_water` bytes (64 KiB) wait for the transport.
/// * **Closing.** [`close`](Self::close) runs the closing handshake. A WebSocket that is
///   dropped open is closed with 1001 in the background (1011 in a panic); one that is
///   dropped while closing finishes that in the background. `close_timeout` (10 s) bounds
///   both.
/// * **Silence.** A peer that has sent nothing for 20 s at most (10 s at least) is pinged, and
///   given up 20 s after that; any byte counts as life but for its own Pings, unless it takes
///   nothing of what waits for it. So a peer whose application stops reading for 30 s to 40 s is
///   given up if it sends nothing either. While nobody reads here, the peer is only pinged, as
///   its answers can't be seen.
///
/// No method loses or doubles anything when its future is dropped.
pub struct WebSocket<S: Transport = NetStream> {
    // Dropped first, so that the receiving half finds no sender left.
    send: SendHalf<S>,
    receive: ReceiveHalf<S>,
}

impl<S: Transport> WebSocket<S> {
    /// A WebSocket on a transport whose opening handshake was done elsewhere.
    ///
    /// `deflate` is what was agreed on about compression, and `leftover` are the bytes that
    /// were received behind the handshake.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn from_handshake(
        stream: S,
        role: Role,
        config: &Config,
        deflate: Option<&PerMessageDeflate>,
        leftover: BytesMut,
    ) -> Self {
        let mut session = match role {
            Role::Client => Session::client(Box::new(ThreadRng), config),
            Role::Server => Session::server(config),
        };
        let mut receiver = Receiver::new(role, config.limits);
        if let Some(deflate) = deflate {
            session = session.with_deflate(deflate);
            receiver = receiver.with_deflate(deflate);
        }
        let (send, mut receive) =
            split::new(stream, receiver, session, config.send.low_water, leftover);
        receive.parts().0.set_deflate(deflate.map(PerMessageDeflate::params));
        Self { send, receive }
    }

    pub(crate) fn with_subprotocol(mut self, subprotocol: Option<String>) -> Self {
        self.receive.parts().0.set_subprotocol(subprotocol.map(Into::into));
        self
    }

    /// Says that the transport is a stream of a connection that carries others.
    #[cfg(any(feature = "http2", feature = "http3"))]
    pub(crate) fn multiplexed(self) -> Self {
        self.send.writer.lock().session.set_multiplexed();
        self
    }

    /// The connection, for its owner to close or cut.
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

    /// The subprotocol that both ends agreed on (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.receive.agreed()?.subprotocol.as_deref()
    }

    /// How both ends compress messages (RFC 7692), if they agreed to.
    pub fn deflate(&self) -> Option<DeflateParams> {
        self.receive.agreed()?.deflate
    }

    /// The next message; `None` after the peer's Close. Any other end, also that by `close_timeout`, is
    /// reported once, as an error, and is followed by `None`.
    ///
    /// `None` does not say that the peer has all that was sent here, as it may have closed and
    /// left: [`CloseInfo::is_clean`] says whether this end's Close has left, and so all before it.
    ///
    /// A close with 1001 or 1011 is one, too, though the peer may have meant to send more: a
    /// program that needs all of it, such as one that collects or forwards the messages, asks
    /// [`CloseInfo::is_normal`] of [`close_info`](Self::close_info).
    ///
    /// # Cancel safety
    /// No byte is lost: what was received stays for the next call.
    #[inline]
    #[allow(clippy::should_implement_trait, reason = "the name that `StreamExt` has for it")]
    #[doc(alias = "recv")]
    #[doc(alias = "receive")]
    #[doc(alias = "read")]
    pub fn next(&mut self) -> NextFuture<'_, S> {
        self.receive.next()
    }

    /// Begins to read the next message piece by piece, whatever its length; `None` after a
    /// Close of the peer.
    ///
    /// `max_message_size` holds for it too: set it to `None` for messages without bound.
    /// What a dropped reader has not read is passed over.
    ///
    /// # Cancel safety
    /// No byte is lost.
    pub async fn next_reader(&mut self) -> Result<Option<MessageReader<'_, S>>, Error> {
        MessageReader::begin(&mut self.receive).await
    }

    /// Sends a message.
    ///
    /// It is ready when the message is queued, for which it waits while `high_water` bytes
    /// wait for the transport. The message then leaves by itself: at once, or, while
    /// messages are sent or received one after the other, gathered with the next ones in
    /// one write, at the latest when the tasks that can run now have run. To know that it
    /// has left, [`flush`](Self::flush).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the message is not sent; after, it is.
    #[inline]
    pub fn send(&mut self, message: impl Into<Message>) -> SendFuture<'_, S> {
        self.send_with(message, Compression::Auto)
    }

    /// Sends a message, and says whether it is to be compressed, if that was agreed on.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the message is not sent, nor has it been compressed;
    /// after, it is.
    #[inline]
    pub fn send_with(
        &mut self,
        message: impl Into<Message>,
        compression: Compression,
    ) -> SendFuture<'_, S> {
        self.send_as(OutgoingMessage::Message(message.into(), compression))
    }

    /// Sends a message that is sent to many: it is neither copied nor compressed again.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the message is not sent; after, it is.
    pub fn send_prepared(&mut self, prepared: &PreparedMessage) -> SendFuture<'_, S> {
        self.send_as(OutgoingMessage::Prepared(prepared.clone()))
    }

    #[inline]
    fn send_as(&mut self, parcel: OutgoingMessage) -> SendFuture<'_, S> {
        // The rest of what was received is likely to be answered too.
        let leave = if self.receive.has_input() { Flush::Gathered } else { Flush::Soon };
        self.receive.note_send();
        self.send.send_as(parcel, leave)
    }

    /// Queues a message if there is room, or hands it back.
    pub fn try_send(&mut self, message: impl Into<Message>) -> Result<(), TrySendError> {
        self.receive.note_send();
        self.send.try_send(message)
    }

    /// A writer for one message that is made bit by bit: each write is a fragment (§5.4),
    /// and `shutdown` ends the message. Until then no other message can be sent.
    pub fn writer(&mut self, kind: MessageKind) -> MessageWriter<'_, S> {
        self.writer_with(kind, Compression::Auto)
    }

    /// A [`writer`](Self::writer), with the choice whether the message is compressed.
    /// [`Compression::Auto`] compresses every message, as its length is not known; what can't
    /// be compressed then becomes a little longer.
    pub fn writer_with(
        &mut self,
        kind: MessageKind,
        compression: Compression,
    ) -> MessageWriter<'_, S> {
        self.receive.note_send();
        MessageWriter::new((&self.send, &mut self.receive), kind, compression)
    }

    /// Sends a Ping (RFC 6455 §5.5.2) of at most 125 bytes, ahead of queued messages. Waits
    /// while an earlier one has not left.
    ///
    /// An application that only pings has nothing read in its place, as one has that only sends
    /// messages: it has to call [`next`](Self::next), or drop the receiving half.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, no Ping is sent.
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.send.ping(payload).await
    }

    /// Sends a Pong that nobody asked for (RFC 6455 §5.5.3). Pings are answered without it.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, no Pong is sent.
    pub async fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.send.pong(payload).await
    }

    /// Waits until all that was queued has been handed to the transport.
    ///
    /// # Cancel safety
    /// Nothing is lost: what is queued leaves all the same.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.send.flush().await
    }

    /// Begins the closing handshake: queues a Close behind what waits. Nothing can be sent
    /// any more; [`next`](Self::next) goes on with the messages that the peer sends before
    /// it answers.
    ///
    /// Fails if the code may not be sent or the reason is longer than 123 bytes. A second
    /// Close is ignored.
    pub fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.send.start_close(code, reason)
    }

    /// Closes the connection (RFC 6455 §7.1.2): sends a Close behind what is queued, waits
    /// for the peer's, passing over messages that come before it, and ends the transport;
    /// or gives up after `close_timeout`. What happened stands in the result.
    ///
    /// # Cancel safety
    /// The Close stays queued, and the closing goes on with the next call of `close` or
    /// [`next`](Self::next), or in the background when the WebSocket is dropped.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<CloseInfo, Error> {
        self.start_close(code, reason)?;
        while let Some(message) = self.next().await {
            // An unclean end is in the result.
            drop(message);
        }
        let never_begun = || Error::new(ErrorKind::Closed, "the connection was never open");
        self.close_info().ok_or_else(never_begun)
    }

    /// How the connection ended, or how far its closing is; `None` while it is open.
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.send.close_info()
    }

    /// Where the connection stands.
    pub fn state(&self) -> ReadyState {
        self.send.state()
    }

    /// Bytes that were sent and have not been handed to the transport yet, frame headers
    /// included.
    pub fn buffered_amount(&self) -> usize {
        self.send.buffered_amount()
    }

    /// What went over the connection so far, in both directions.
    pub fn stats(&self) -> ConnectionStats {
        self.send.stats()
    }

    /// The last round trip of a keepalive ping; see [`SendHalf::round_trip`].
    pub fn round_trip(&self) -> Option<Duration> {
        self.send.round_trip()
    }

    /// Gives up what memory compression holds for sending; see
    /// [`SendHalf::release_memory`].
    pub fn release_memory(&mut self) {
        self.send.release_memory();
    }

    /// Two halves for use on different tasks. Neither waits for the other. A program that only
    /// sends drops the receiving half; see [`ReceiveHalf`].
    pub fn split(self) -> (SendHalf<S>, ReceiveHalf<S>) {
        (self.send, self.receive)
    }

    /// A stream of bytes over binary messages, for protocols that know no messages.
    pub fn into_byte_stream(self) -> ByteStream<S> {
        ByteStream::new(self)
    }

    pub(crate) fn allow_half_close(&self) {
        self.send.writer.allow_half_close();
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

/// `start_send` queues; what is queued leaves at `poll_flush`, before
/// [`next`](WebSocket::next) waits, and at the latest when the tasks that can run now have
/// run.
impl<S: Transport> Sink<Message> for WebSocket<S> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.send).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.receive.note_send();
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
