//! [`WebSocket`]: both halves of a connection in one value.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use fullduplex_proto::{CloseCode, CloseInfo, Message, ReadyState};
use futures_core::stream::{FusedStream, Stream};
use futures_sink::Sink;

use crate::base::error::Error;
use crate::base::stats::ConnectionStats;
use crate::base::try_send_error::TrySendError;
use crate::web::split::{NextFuture, ReceiveHalf, SendFuture, SendHalf};

/// A WebSocket of the browser: a [`Stream`] and a [`Sink`] of messages. It is `Send`.
///
/// # Receiving
/// [`next`](Self::next) returns whole messages, and ends with `None` after the peer's Close. The
/// browser answers Pings and the Close by itself, and has no API for them.
///
/// * Where there is a `WebSocketStream`, as in Chromium, up to 64 KiB are read ahead of the
///   application (each message counts 64 bytes extra).
/// * A browser without one reads on while the application does not. What arrives is kept, and if it
///   comes to more than [`max_buffered`](crate::ClientBuilder::max_buffered) bytes, the connection
///   is closed, and `next` returns an error when it has returned what was kept.
///
/// # Sending
/// [`send`](Self::send) queues a message, which the browser then sends without further calls.
/// `send` waits while 64 KiB wait to be sent. Without a `WebSocketStream` there is no event for
/// this, so `bufferedAmount` is looked at every 1 to 32 ms; in a hidden tab, where timers are slow,
/// every second.
///
/// # Closing
/// [`close`](Self::close) runs the closing handshake (RFC 6455 §7). A page may send only the codes
/// 1000 and 3000 to 4999, or none. If an open WebSocket is dropped, it is closed in the background
/// without a code.
///
/// ```no_run
/// use fullduplex::{CloseCode, Error};
///
/// async fn hello() -> Result<(), Error> {
///     let (mut websocket, _response) = fullduplex::connect("wss://echo.example/").await?;
///     websocket.send("hello").await?;
///     while let Some(message) = websocket.next().await {
///         println!("{:?}", message?);
///     }
///     Ok(())
/// }
/// ```
pub struct WebSocket {
    send: SendHalf,
    receive: ReceiveHalf,
}

impl WebSocket {
    pub(super) fn from_halves(send: SendHalf, receive: ReceiveHalf) -> Self {
        Self { send, receive }
    }

    pub(super) fn set_subprotocol(&mut self, name: String) {
        self.receive.set_subprotocol(name);
    }

    pub(crate) fn send_half(&self) -> &SendHalf {
        &self.send
    }

    /// Returns the negotiated subprotocol (RFC 6455 §1.9).
    #[doc(alias = "protocol")]
    pub fn subprotocol(&self) -> Option<&str> {
        self.receive.subprotocol()
    }

    /// Receives the next message, or `None` after the peer's Close.
    ///
    /// Any other end of the connection is returned once as an error, and then as `None`. A browser
    /// does not say why it ended: the cause is
    /// [`Undisclosed`](crate::CloseCause::Undisclosed), except if this library has closed it.
    ///
    /// [`CloseInfo::is_clean`] of [`close_info`](Self::close_info) says whether all that was sent
    /// has left, and [`CloseInfo::is_normal`] whether the peer had nothing more to send.
    ///
    /// # Cancel safety
    /// No message is lost: it stays for the next call.
    #[doc(alias = "onmessage")]
    #[allow(clippy::should_implement_trait, reason = "the name that `StreamExt` has for it")]
    pub fn next(&mut self) -> NextFuture<'_> {
        self.receive.next()
    }

    /// Sends a message.
    ///
    /// The future is ready when the message is queued. It waits while 64 KiB wait to be sent.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message is not sent.
    pub fn send(&mut self, message: impl Into<Message>) -> SendFuture<'_> {
        self.send.send(message)
    }

    /// Queues a message without waiting.
    ///
    /// Fails if 64 KiB wait to be sent or the connection is closing; the error has the message.
    pub fn try_send(&mut self, message: impl Into<Message>) -> Result<(), TrySendError> {
        self.send.try_send(message)
    }

    /// Waits until the browser has sent all that was queued.
    ///
    /// # Errors
    /// Fails if the connection ends before that.
    ///
    /// # Cancel safety
    /// Nothing is lost: what is queued is sent all the same.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.send.flush().await
    }

    /// Starts the closing handshake (RFC 6455 §7.1.2), behind the queued messages.
    ///
    /// Nothing can be sent after it. [`next`](Self::next) still returns the messages that arrived
    /// before. A second Close is ignored.
    ///
    /// # Errors
    /// A browser sends only 1000 and 3000 to 4999, with a reason of at most 123 bytes, or no code:
    /// [`CloseCode::NO_STATUS`] (1005) without a reason. All else is
    /// [`ErrorKind::Misuse`](crate::ErrorKind::Misuse).
    pub fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.send.start_close(code, reason)
    }

    /// Closes the connection (RFC 6455 §7.1.2), and returns how it ended.
    ///
    /// Sends a Close behind the queued messages, and waits for the peer's. Messages that arrived
    /// before are dropped. Gives up when closing makes no progress for 10 s. An unclean end is not
    /// an error here: see [`CloseInfo::is_clean`].
    ///
    /// # Errors
    /// Fails as [`start_close`](Self::start_close) does.
    ///
    /// # Cancel safety
    /// The Close stays queued, and closing goes on in the background.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<CloseInfo, Error> {
        self.start_close(code, reason)?;
        while let Some(message) = self.next().await {
            // An unclean end is in the result.
            drop(message);
        }
        self.send.closed().await;
        self.send.final_info()
    }

    /// Returns how the connection ended, or how far closing has come; `None` while it is open.
    #[doc(alias = "onclose")]
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.send.close_info()
    }

    /// Returns the state of the connection, as `readyState` of the WHATWG standard.
    #[doc(alias = "readyState")]
    pub fn state(&self) -> ReadyState {
        self.send.state()
    }

    /// Returns how many bytes of messages are not sent yet; see [`SendHalf::buffered_amount`].
    #[doc(alias = "bufferedAmount")]
    pub fn buffered_amount(&self) -> usize {
        self.send.buffered_amount()
    }

    /// Returns the counts of messages and bytes so far; see [`SendHalf::stats`].
    pub fn stats(&self) -> ConnectionStats {
        self.send.stats()
    }

    /// Splits the WebSocket into two halves for use on different tasks.
    ///
    /// Neither half waits for the other. [`SendHalf::reunite`] joins them again.
    pub fn split(self) -> (SendHalf, ReceiveHalf) {
        (self.send, self.receive)
    }

    /// Turns the WebSocket into its sending half, for a program that only sends. The messages that
    /// arrive are dropped.
    pub fn send_only(self) -> SendHalf {
        self.send
    }
}

impl Stream for WebSocket {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.receive).poll_next(cx)
    }
}

impl FusedStream for WebSocket {
    /// Returns whether the stream has returned `None`.
    fn is_terminated(&self) -> bool {
        self.receive.is_terminated()
    }
}

/// `start_send` queues a message, which is sent without further calls.
impl Sink<Message> for WebSocket {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.send).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        Pin::new(&mut self.send).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.send).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.send).poll_close(cx)
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("state", &self.state())
            .field("subprotocol", &self.subprotocol())
            .finish_non_exhaustive()
    }
}
