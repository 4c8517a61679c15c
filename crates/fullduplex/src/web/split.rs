//! The two halves of a WebSocket.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use fullduplex_proto::{CloseCause, CloseCode, CloseInfo, Message, ReadyState};
use futures_core::stream::{FusedStream, Stream};
use futures_sink::Sink;

use crate::base::error::{Error, ErrorKind};
use crate::base::stats::ConnectionStats;
use crate::base::try_send_error::TrySendError;
use crate::web::connection::Connection;
use crate::web::rules;
use crate::web::websocket::WebSocket;

/// The sending half of a WebSocket. Clones send on the same connection.
///
/// ```no_run
/// # use fullduplex::{Error, WebSocket};
/// # async fn example(websocket: WebSocket) -> Result<(), Error> {
/// let (send, mut receive) = websocket.split();
/// send.send("hello").await?;
/// while let Some(message) = receive.next().await {
///     send.send(message?).await?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct SendHalf {
    connection: Arc<Connection>,
}

impl SendHalf {
    /// Creates the sending half that a new connection counts already.
    pub(super) fn first_of(connection: Arc<Connection>) -> Self {
        Self { connection }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Sends a message: waits until fewer than 64 KiB wait to be sent, and queues it.
    ///
    /// See [`WebSocket::send`] for when it is sent.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message is not sent.
    pub fn send(&self, message: impl Into<Message>) -> SendFuture<'_> {
        SendFuture { connection: &self.connection, message: Some(message.into()) }
    }

    /// Queues a message without waiting.
    ///
    /// Fails if 64 KiB wait to be sent or the connection is closing; the error has the message.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), TrySendError> {
        self.connection.try_send(message.into())
    }

    /// Waits until the browser has sent all that was queued.
    ///
    /// # Errors
    /// Fails if the connection ends before that.
    ///
    /// # Cancel safety
    /// Nothing is lost: what is queued is sent all the same.
    pub async fn flush(&self) -> Result<(), Error> {
        std::future::poll_fn(|cx| self.connection.poll_flush(cx)).await
    }

    /// Starts the closing handshake (RFC 6455 §7.1.2), behind the queued messages.
    ///
    /// Nothing can be sent after it. The [`ReceiveHalf`] ends when the peer has answered. A second
    /// Close is ignored.
    ///
    /// # Errors
    /// A browser sends only 1000 and 3000 to 4999, with a reason of at most 123 bytes, or no code:
    /// [`CloseCode::NO_STATUS`] (1005) without a reason. All else is [`ErrorKind::Misuse`].
    pub fn start_close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let frame = rules::close_frame(code, reason)?;
        self.connection.start_close(frame);
        Ok(())
    }

    /// Closes the connection (RFC 6455 §7.1.2), and returns how it ended.
    ///
    /// Gives up when closing makes no progress for 10 s. An unclean end is not an error here: see
    /// [`CloseInfo::is_clean`].
    ///
    /// # Errors
    /// Fails as [`start_close`](Self::start_close) does.
    ///
    /// # Cancel safety
    /// The Close stays queued.
    pub async fn close(&self, code: CloseCode, reason: &str) -> Result<CloseInfo, Error> {
        self.start_close(code, reason)?;
        self.closed().await;
        self.final_info()
    }

    /// Returns how the connection ended, after the end.
    pub(super) fn final_info(&self) -> Result<CloseInfo, Error> {
        let never_open = || Error::new(ErrorKind::Closed, "the connection was never open");
        self.close_info().ok_or_else(never_open)
    }

    /// Waits until the connection is closed, by either side.
    pub async fn closed(&self) {
        std::future::poll_fn(|cx| self.connection.poll_closed(cx)).await;
    }

    /// Returns how the connection ended, or how far closing has come; `None` while it is open.
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.connection.close_info()
    }

    /// Returns the state of the connection, as `readyState` of the WHATWG standard.
    pub fn state(&self) -> ReadyState {
        self.connection.ready_state()
    }

    /// Returns how many bytes of messages are not sent yet: the browser's `bufferedAmount`, and
    /// what waits for the browser, with 64 bytes for each message.
    pub fn buffered_amount(&self) -> usize {
        self.connection.buffered_amount()
    }

    /// Returns the counts of messages and bytes so far, in both directions. A browser does not tell
    /// the bytes of the transport: `wire` is 0.
    pub fn stats(&self) -> ConnectionStats {
        self.connection.stats()
    }

    /// Joins the halves of a connection that was [split](WebSocket::split).
    ///
    /// Other clones of this half still send. If the halves are of different connections, the error
    /// has both.
    pub fn reunite(self, receive: ReceiveHalf) -> Result<WebSocket, ReuniteError> {
        if Arc::ptr_eq(&self.connection, &receive.connection) {
            Ok(WebSocket::from_halves(self, receive))
        } else {
            Err(ReuniteError(self, receive))
        }
    }
}

impl Clone for SendHalf {
    fn clone(&self) -> Self {
        self.connection.add_sender();
        Self { connection: self.connection.clone() }
    }
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        self.connection.drop_sender();
    }
}

/// `start_send` queues a message. After `poll_ready` it does not fail because of what other halves
/// have sent meanwhile.
impl Sink<Message> for SendHalf {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.connection.poll_ready(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.connection.send_reserved(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.connection.poll_flush(cx)
    }

    /// Closes with code 1000 and waits until everything is sent. Fails if the connection ended
    /// before that.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.state() == ReadyState::Open {
            self.start_close(CloseCode::NORMAL, "")?;
        }
        ready!(self.connection.poll_flush(cx))?;
        Poll::Ready(match self.close_info() {
            Some(info) if info.cause != CloseCause::Handshake => Err(Error::ended(&info)),
            _ => Ok(()),
        })
    }
}

impl fmt::Debug for SendHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendHalf").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// The future of [`WebSocket::send`]: ready when the message is queued.
///
/// # Cancel safety
/// If the future is dropped before it is ready, the message is not sent.
#[must_use = "nothing is sent unless it is awaited"]
pub struct SendFuture<'a> {
    connection: &'a Connection,
    /// Taken when it is queued.
    message: Option<Message>,
}

impl Future for SendFuture<'_> {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.connection.poll_send(cx, &mut this.message)
    }
}

impl fmt::Debug for SendFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendFuture").field("queued", &self.message.is_none()).finish()
    }
}

/// The receiving half of a WebSocket: a [`Stream`] of messages.
///
/// The browser answers Pings and the peer's Close, whether or not this is polled. What arrives is
/// kept up to [`max_buffered`](crate::ClientBuilder::max_buffered). When it is dropped, the
/// messages that arrive are dropped, until the last [`SendHalf`] is dropped or the connection ends.
pub struct ReceiveHalf {
    connection: Arc<Connection>,
    subprotocol: Option<String>,
}

impl ReceiveHalf {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        Self { connection, subprotocol: None }
    }

    pub(super) fn set_subprotocol(&mut self, name: String) {
        self.subprotocol = Some(name).filter(|name| !name.is_empty());
    }

    /// Receives the next message, or `None` after the peer's Close; see [`WebSocket::next`].
    ///
    /// # Cancel safety
    /// No message is lost: it stays for the next call.
    #[allow(clippy::should_implement_trait, reason = "the name that `StreamExt` has for it")]
    pub fn next(&mut self) -> NextFuture<'_> {
        NextFuture { receive: self }
    }

    /// Returns how the connection ended, or how far closing has come; `None` while it is open.
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.connection.close_info()
    }

    /// Returns the negotiated subprotocol (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Returns the state of the connection, as `readyState` of the WHATWG standard.
    pub fn state(&self) -> ReadyState {
        self.connection.ready_state()
    }

    /// Returns the counts of messages and bytes so far; see [`SendHalf::stats`].
    pub fn stats(&self) -> ConnectionStats {
        self.connection.stats()
    }

    /// Drops this half, and from now on the messages that arrive.
    pub fn discard(self) {}
}

impl Drop for ReceiveHalf {
    fn drop(&mut self) {
        self.connection.drop_receiver();
    }
}

impl Stream for ReceiveHalf {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connection.poll_message(cx)
    }
}

impl FusedStream for ReceiveHalf {
    /// Returns whether the stream has returned `None`.
    fn is_terminated(&self) -> bool {
        self.connection.is_terminated()
    }
}

impl fmt::Debug for ReceiveHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveHalf").field("closed", &self.close_info()).finish_non_exhaustive()
    }
}

/// The future of [`WebSocket::next`].
///
/// # Cancel safety
/// No message is lost: it stays for the next call.
#[must_use = "nothing is received unless it is awaited"]
#[derive(Debug)]
pub struct NextFuture<'a> {
    receive: &'a mut ReceiveHalf,
}

impl Future for NextFuture<'_> {
    type Output = Option<Result<Message, Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.receive.connection.poll_message(cx)
    }
}

/// The error of [`SendHalf::reunite`], with both halves: they are of different connections.
#[derive(Debug)]
pub struct ReuniteError(
    /// The sending half.
    pub SendHalf,
    /// The receiving half.
    pub ReceiveHalf,
);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are of different connections")
    }
}

impl std::error::Error for ReuniteError {}
