//! The sending half of a WebSocket.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use fullduplex_proto::{
    CloseCause, CloseCode, CloseInfo, Compression, Message, PreparedMessage, ReadyState, SendError,
};
use futures_sink::Sink;

use crate::base::error::{Error, ErrorKind};
use crate::base::stats::ConnectionStats;
use crate::base::try_send_error::TrySendError;
use crate::connection::control_frames::{ControlFrames, PongFuture};
use crate::connection::writer::delivery::Deliver;
use crate::connection::writer::{
    FlushPolicy, OutgoingMessage, SendOptions, Wait, WaiterKey, Writer, close_frame,
};
use crate::transport::Transport;
use crate::transport::addresses::ConnectionEnd;
use crate::transport::net_stream::NetStream;

/// The sending half of a WebSocket. Clones send on the same connection.
///
/// Sending waits only for the transport: no lock is held while a task waits.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fullduplex::Error> {
/// # let (websocket, mut peer) = fullduplex::pair();
/// let (send, mut receive) = websocket.split();
/// let ticks = send.clone();
/// tokio::spawn(async move { ticks.send("tick").await });
/// // Meanwhile, this task answers.
/// tokio::spawn(async move {
///     while let Some(Ok(message)) = receive.next().await {
///         let _ = send.send(message).await;
///     }
/// });
/// # assert_eq!(peer.next().await.expect("a message")?.as_text(), Some("tick"));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "sink")]
#[doc(alias = "sender")]
pub struct SendHalf<S: Transport = NetStream> {
    pub(crate) writer: Arc<Writer<S>>,
}

impl<S: Transport> SendHalf<S> {
    pub(super) fn new(writer: Arc<Writer<S>>) -> Self {
        Self { writer }
    }

    /// Sends a message: waits until fewer than `high_water` bytes wait for the transport, and
    /// queues it.
    ///
    /// See [`WebSocket::send`](crate::WebSocket::send) for when it is written.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message is not sent.
    pub fn send(&self, message: impl Into<Message>) -> SendFuture<'_, S> {
        self.send_with_compression(message, Compression::Auto)
    }

    /// Sends a message, compressed as `compression` says if compression was negotiated.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message is neither sent nor compressed.
    pub fn send_with_compression(
        &self,
        message: impl Into<Message>,
        compression: Compression,
    ) -> SendFuture<'_, S> {
        let options = SendOptions { compression, flush: FlushPolicy::Auto };
        self.send_as(OutgoingMessage::Message(message.into()), options)
    }

    /// Sends a prepared message, which is neither copied nor compressed again.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message is not sent.
    pub fn send_prepared(&self, prepared: &PreparedMessage) -> SendFuture<'_, S> {
        self.send_as(OutgoingMessage::Prepared(prepared.clone()), FlushPolicy::Auto.into())
    }

    #[inline]
    pub(crate) fn send_as(
        &self,
        message: OutgoingMessage,
        options: SendOptions,
    ) -> SendFuture<'_, S> {
        let message = ManuallyDrop::new(Some(message));
        SendFuture { writer: &self.writer, message, options, key: WaiterKey::NONE }
    }

    /// Polls the writer with an entry among its waiters, which is removed if this is dropped.
    async fn wait<T>(
        &self,
        mut poll: impl FnMut(&Arc<Writer<S>>, &mut Context<'_>, &mut WaiterKey) -> Poll<T>,
    ) -> T {
        let mut wait = Wait::new(&self.writer);
        poll_fn(|cx| poll(wait.writer, cx, &mut wait.key)).await
    }

    /// Queues a message without waiting.
    ///
    /// Fails if `high_water` is reached or the connection is closing; the error has the message.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), TrySendError> {
        self.try_send_as(OutgoingMessage::Message(message.into()))
    }

    /// Queues a prepared message without waiting.
    ///
    /// Fails if `high_water` is reached or the connection is closing; the error has the message.
    pub fn try_send_prepared(&self, prepared: &PreparedMessage) -> Result<(), TrySendError> {
        self.try_send_as(OutgoingMessage::Prepared(prepared.clone()))
    }

    /// Queues a prepared message without waiting. It is written, with all that is queued until
    /// then, when the tasks that can run now have run.
    ///
    /// This is for a message to many connections: several of them to one connection then need one
    /// system call. Fails as [`try_send_prepared`](Self::try_send_prepared) does.
    ///
    /// ```
    /// use fullduplex::{PreparedMessage, SendHalf};
    ///
    /// fn publish(members: &[SendHalf], message: &PreparedMessage) -> usize {
    ///     members.iter().filter(|member| member.try_feed_prepared(message).is_ok()).count()
    /// }
    /// ```
    pub fn try_feed_prepared(&self, prepared: &PreparedMessage) -> Result<(), TrySendError> {
        self.try_queue(OutgoingMessage::Prepared(prepared.clone()), FlushPolicy::Deferred)
    }

    fn try_send_as(&self, message: OutgoingMessage) -> Result<(), TrySendError> {
        self.try_queue(message, FlushPolicy::Auto)
    }

    fn try_queue(&self, message: OutgoingMessage, flush: FlushPolicy) -> Result<(), TrySendError> {
        let mut outgoing = Some(message);
        self.writer.send(&mut outgoing, flush.into()).map_err(|error| {
            let message = match outgoing {
                Some(OutgoingMessage::Message(message)) => message,
                Some(OutgoingMessage::Prepared(prepared)) => prepared.message().clone(),
                None => unreachable!("a message that is not sent stays"),
            };
            match error {
                SendError::Full => TrySendError::Full(message),
                error => TrySendError::Closed { error: Error::of(error), message },
            }
        })
    }

    /// Returns the connection as a member of broadcast groups.
    pub(crate) fn deliver(&self) -> Weak<dyn Deliver> {
        let writer: Arc<dyn Deliver> = self.writer.clone();
        Arc::downgrade(&writer)
    }

    /// Releases the memory that the compressor holds between messages.
    ///
    /// The next messages can't refer to earlier ones, and are longer for a while. The peer need not
    /// know. Most of this memory is released automatically if nothing is sent between two
    /// checks of the keepalive, which are half an interval (10 s) apart.
    pub fn release_memory(&self) {
        self.writer.lock().session.release_memory(true);
    }

    /// Sends a Ping (RFC 6455 §5.5.2) of at most 125 bytes, ahead of queued messages.
    ///
    /// Waits until an earlier Ping of the application is written. Returns a future of the Pong,
    /// with the round-trip time; see [`PongFuture`]. It may be dropped.
    ///
    /// # Errors
    /// Fails if the payload is too long or the connection is closing.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no Ping is sent.
    pub async fn ping(&self, payload: &[u8]) -> Result<PongFuture, Error> {
        self.wait(|writer, cx, key| writer.poll_ping(cx, key, payload)).await
    }

    /// Returns a stream of the peer's Pings and Pongs; see
    /// [`WebSocket::control_frames`](crate::WebSocket::control_frames).
    pub fn control_frames(&self) -> ControlFrames {
        self.writer.observe_control()
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
    pub async fn pong(&self, payload: &[u8]) -> Result<(), Error> {
        self.wait(|writer, cx, key| writer.poll_pong(cx, key, payload)).await
    }

    /// Waits until everything queued is written to the transport.
    ///
    /// # Errors
    /// Fails if the connection ends before that.
    ///
    /// # Cancel safety
    /// Nothing is lost: what is queued is written all the same.
    pub async fn flush(&self) -> Result<(), Error> {
        self.wait(|writer, cx, key| writer.poll_flush(cx, Some(key))).await
    }

    /// Starts the closing handshake (RFC 6455 §7.1.2): queues a Close after the queued messages.
    ///
    /// Nothing can be sent after it. The [`ReceiveHalf`](crate::ReceiveHalf) ends when the peer has
    /// answered. A second Close is ignored.
    ///
    /// With [`CloseCode::NO_STATUS`] (1005) and no reason, the Close is sent without a code. Any
    /// other code that may not be sent (RFC 6455 §7.4), a reason without a code, and a reason of
    /// more than 123 bytes are errors.
    pub fn start_close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let frame = close_frame(code, reason).map_err(Error::of)?;
        self.writer.close(frame);
        Ok(())
    }

    /// Closes the connection (RFC 6455 §7.1.2), and returns how it ended.
    ///
    /// The [`ReceiveHalf`](crate::ReceiveHalf) must be polled meanwhile, or dropped.
    ///
    /// Gives up when closing makes no progress for [`close_timeout`](crate::Config::close_timeout)
    /// (10 s). A slow peer that keeps accepting queued bytes can take longer; wrap the call in
    /// [`tokio::time::timeout`] for a hard limit.
    ///
    /// Fails as [`start_close`](Self::start_close) does. An unclean end is not an error here: see
    /// [`CloseInfo::is_clean`].
    ///
    /// # Cancel safety
    /// The Close stays queued.
    pub async fn close(&self, code: CloseCode, reason: &str) -> Result<CloseInfo, Error> {
        self.start_close(code, reason)?;
        self.closed().await;
        self.final_info()
    }

    /// Returns how the connection ended, after the end.
    pub(crate) fn final_info(&self) -> Result<CloseInfo, Error> {
        let never_open = || Error::new(ErrorKind::Closed, "the connection was never open");
        self.close_info().ok_or_else(never_open)
    }

    /// Ends the transport at once, without a Close, also while other tasks use the connection. The
    /// peer sees code 1006.
    ///
    /// All sends and receives that wait fail, and [`close_info`](Self::close_info) has
    /// [`CloseCause::Aborted`]. See [`WebSocket::abort`](crate::WebSocket::abort). The descriptor
    /// of a socket is closed when the [`ReceiveHalf`](crate::ReceiveHalf) is next polled, or
    /// dropped.
    #[doc(alias = "terminate")]
    pub fn abort(&self) {
        self.writer.abort(false);
    }

    /// Waits until the connection is closed, by either side.
    pub async fn closed(&self) {
        self.wait(Writer::poll_closed).await;
    }

    /// Returns how the connection ended, or how far closing has come; `None` while it is open.
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.writer.close_info()
    }

    /// Returns the state of the connection, as `readyState` of the WHATWG standard.
    pub fn state(&self) -> ReadyState {
        self.writer.lock().session.state()
    }

    /// Returns how many sent bytes are not written to the transport yet, with frame headers.
    pub fn buffered_amount(&self) -> usize {
        self.writer.lock().session.buffered()
    }

    /// Returns the counts of messages and bytes so far, in both directions.
    pub fn stats(&self) -> ConnectionStats {
        crate::connection::driver::DrivenConnection::stats(&*self.writer)
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

    /// Returns the last round-trip time of a keepalive Ping, or of a [`ping`](Self::ping).
    ///
    /// Only Pongs that were read as soon as they arrived count. A keepalive Ping is sent only after
    /// a silence: on a busy connection, `ping` measures.
    pub fn round_trip(&self) -> Option<Duration> {
        self.writer.lock().session.round_trip()
    }
}

/// The future of [`WebSocket::send`](crate::WebSocket::send): ready when the message is queued.
///
/// # Cancel safety
/// If the future is dropped before it is ready, the message is not sent.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fullduplex::Error> {
/// use std::time::Duration;
///
/// # let (mut websocket, _peer) = fullduplex::pair();
/// // After the timeout, the message is queued whole or not at all.
/// let sent = tokio::time::timeout(Duration::from_secs(1), websocket.send("hello")).await;
/// assert!(sent.is_ok());
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent unless it is awaited"]
pub struct SendFuture<'a, S: Transport = NetStream> {
    writer: &'a Arc<Writer<S>>,
    /// Taken when it is queued, or by `drop`. It is not dropped by itself, so that the compiler can
    /// inline the drop of a future that is ready.
    message: ManuallyDrop<Option<OutgoingMessage>>,
    options: SendOptions,
    key: WaiterKey,
}

impl<S: Transport> Future for SendFuture<'_, S> {
    type Output = Result<(), Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.writer.poll_send(cx, &mut this.key, &mut this.message, this.options)
    }
}

impl<S: Transport> SendFuture<'_, S> {
    #[cold]
    fn drop_message(&mut self) {
        *self.message = None;
    }
}

impl<S: Transport> Drop for SendFuture<'_, S> {
    #[inline]
    fn drop(&mut self) {
        self.writer.forget(&mut self.key);
        if self.message.is_some() {
            self.drop_message();
        }
    }
}

impl<S: Transport> fmt::Debug for SendFuture<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendFuture").field("queued", &self.message.is_none()).finish()
    }
}
impl<S: Transport> Clone for SendHalf<S> {
    fn clone(&self) -> Self {
        self.writer.add_sender();
        Self { writer: self.writer.clone() }
    }
}

impl<S: Transport> Drop for SendHalf<S> {
    fn drop(&mut self) {
        self.writer.drop_sender();
    }
}

/// `start_send` queues a message. It is written at `poll_flush`, or at the latest at the end of the
/// current scheduler turn.
///
/// After `poll_ready`, `start_send` does not fail because `high_water` is reached, whatever other
/// halves and groups have sent meanwhile. So each half may queue one message above `high_water`.
impl<S: Transport> Sink<Message> for SendHalf<S> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.writer.poll_ready(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.writer.send_reserved(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.writer.poll_flush(cx, None)
    }

    /// Closes with code 1000 and waits until everything is written. Fails if the connection ended
    /// before that.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.state() == ReadyState::Open {
            self.start_close(CloseCode::NORMAL, "")?;
        }
        ready!(self.writer.poll_flush(cx, None))?;
        Poll::Ready(match self.close_info() {
            // Nothing waits for the transport, but the Close could not even be queued.
            Some(info) if !info.close_sent && info.cause != CloseCause::Handshake => {
                Err(Error::ended(&info))
            }
            _ => Ok(()),
        })
    }
}

/// A panic in foreign code, such as a transport, ends the connection and leaves its state whole.
impl<S: Transport> UnwindSafe for SendHalf<S> {}
impl<S: Transport> RefUnwindSafe for SendHalf<S> {}

impl<S: Transport> fmt::Debug for SendHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendHalf").field("state", &self.state()).finish_non_exhaustive()
    }
}
