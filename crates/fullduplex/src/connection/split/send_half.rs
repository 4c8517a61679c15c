//! The sending half of a WebSocket.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use fullduplex_proto::{
    CloseCause, CloseCode, CloseFrame, CloseInfo, Compression, Message, PreparedMessage, ReadyState,
};
use futures_sink::Sink;

use crate::base::error::Error;
use crate::connection::stats::ConnectionStats;
use crate::connection::writer::delivery::Deliver;
use crate::connection::writer::{Flush, OutgoingMessage, Wait, WaiterKey, Writer};
use crate::transport::Transport;

/// A message that [`try_send`](SendHalf::try_send) could not take, and why.
pub struct TrySendError {
    /// Why: [`Limit`](crate::ErrorKind::Limit) when `high_water` is reached,
    /// [`Closed`](crate::ErrorKind::Closed) when the connection is.
    pub error: Error,
    /// The message, handed back.
    pub message: Message,
}

impl fmt::Debug for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl std::error::Error for TrySendError {}

/// The sending half of a WebSocket. Clones send on the same connection.
///
/// Sending waits for nobody but the transport: no lock is held while a task waits.
pub struct SendHalf<S: Transport> {
    pub(crate) writer: Arc<Writer<S>>,
}

impl<S: Transport> SendHalf<S> {
    pub(super) fn new(writer: Arc<Writer<S>>) -> Self {
        Self { writer }
    }

    /// Sends a message: waits until fewer than `high_water` bytes wait for the transport,
    /// and queues it. See [`WebSocket::send`](crate::WebSocket::send).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the message is not sent; after, it is.
    pub fn send(&self, message: impl Into<Message>) -> SendFuture<'_, S> {
        self.send_with(message, Compression::Auto)
    }

    /// Sends a message, and says whether it is to be compressed, if that was agreed on.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the message is not sent, nor has it been compressed;
    /// after, it is.
    pub fn send_with(
        &self,
        message: impl Into<Message>,
        compression: Compression,
    ) -> SendFuture<'_, S> {
        self.send_as(OutgoingMessage::Message(message.into(), compression), Flush::Soon)
    }

    /// Sends a message that is sent to many: it is neither copied nor compressed again.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the message is not sent; after, it is.
    pub fn send_prepared(&self, prepared: &PreparedMessage) -> SendFuture<'_, S> {
        self.send_as(OutgoingMessage::Prepared(prepared.clone()), Flush::Soon)
    }

    #[inline]
    pub(crate) fn send_as(&self, parcel: OutgoingMessage, leave: Flush) -> SendFuture<'_, S> {
        SendFuture { writer: &self.writer, parcel: Some(parcel), leave, key: WaiterKey::NONE }
    }

    async fn wait<T>(
        &self,
        mut poll: impl FnMut(&Arc<Writer<S>>, &mut Context<'_>, &mut WaiterKey) -> Poll<T>,
    ) -> T {
        let mut wait = Wait::new(&self.writer);
        poll_fn(|cx| poll(wait.writer, cx, &mut wait.key)).await
    }

    /// Queues a message if there is room, or hands it back.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), TrySendError> {
        self.try_send_as(OutgoingMessage::Message(message.into(), Compression::Auto))
    }

    /// Queues a message that is sent to many, if there is room.
    pub fn try_send_prepared(&self, prepared: &PreparedMessage) -> Result<(), TrySendError> {
        self.try_send_as(OutgoingMessage::Prepared(prepared.clone()))
    }

    fn try_send_as(&self, parcel: OutgoingMessage) -> Result<(), TrySendError> {
        let mut parcel = Some(parcel);
        self.writer.send(&mut parcel, Flush::Soon).map_err(|error| {
            let message = match parcel {
                Some(OutgoingMessage::Message(message, _)) => message,
                Some(OutgoingMessage::Prepared(prepared)) => prepared.message().clone(),
                None => unreachable!("what is not sent stays"),
            };
            TrySendError { error: error.into(), message }
        })
    }

    pub(crate) fn deliver(&self) -> Weak<dyn Deliver> {
        let writer: Arc<dyn Deliver> = self.writer.clone();
        Arc::downgrade(&writer)
    }

    /// Gives up what memory compression holds for sending. Messages that follow can't
    /// refer to what went before, and are longer for a while; the peer need not know.
    ///
    /// A connection that sends nothing for half an interval of the keepalive, or a whole one,
    /// gives most of it up by itself.
    pub fn release_memory(&self) {
        self.writer.lock().session.release_memory(true);
    }

    /// Sends a Ping (RFC 6455 §5.5.2) of at most 125 bytes, ahead of queued messages. Waits
    /// while an earlier one has not left.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, no Ping is sent.
    pub async fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.wait(|writer, cx, key| writer.poll_control(cx, key, true, payload)).await
    }

    /// Sends a Pong that nobody asked for (RFC 6455 §5.5.3). Pings are answered without it.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, no Pong is sent.
    pub async fn pong(&self, payload: &[u8]) -> Result<(), Error> {
        self.wait(|writer, cx, key| writer.poll_control(cx, key, false, payload)).await
    }

    /// Waits until all that was queued has been handed to the transport.
    ///
    /// # Cancel safety
    /// Nothing is lost: what is queued leaves all the same.
    pub async fn flush(&self) -> Result<(), Error> {
        self.wait(|writer, cx, key| writer.poll_flush(cx, Some(key))).await
    }

    /// Begins the closing handshake (RFC 6455 §7.1.2): queues a Close behind what waits.
    /// The [`ReceiveHalf`] ends when the peer has answered. Nothing can be sent any more.
    ///
    /// Fails if the code may not be sent or the reason is longer than 123 bytes. A second
    /// Close is ignored.
    pub fn start_close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.writer.close(Some(CloseFrame::new(code, reason)?));
        Ok(())
    }

    /// Closes the connection, and waits until it is closed, or `close_timeout` has passed.
    /// The [`ReceiveHalf`] must be polled meanwhile, or dropped.
    ///
    /// # Cancel safety
    /// The Close stays queued.
    pub async fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.start_close(code, reason)?;
        self.closed().await;
        Ok(())
    }

    /// Waits until the connection is closed, by whomever.
    pub async fn closed(&self) {
        self.wait(Writer::poll_closed).await;
    }

    /// How the connection ended, or how far its closing is; `None` while it is open.
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.writer.close_info()
    }

    /// Where the connection stands.
    pub fn state(&self) -> ReadyState {
        self.writer.lock().session.state()
    }

    /// Bytes that were sent and have not been handed to the transport yet, frame headers
    /// included.
    pub fn buffered_amount(&self) -> usize {
        self.writer.lock().session.buffered()
    }

    /// What went over the connection so far, in both directions.
    pub fn stats(&self) -> ConnectionStats {
        crate::connection::driver::DrivenConnection::stats(&*self.writer)
    }

    /// The last round trip of a keepalive ping whose Pong was read as soon as it arrived. It is
    /// sent after a silence, so a busy connection may have none.
    pub fn round_trip(&self) -> Option<Duration> {
        self.writer.lock().session.round_trip()
    }
}

/// A message on its way: ready when it is queued. See
/// [`WebSocket::send`](crate::WebSocket::send).
///
/// # Cancel safety
/// Dropped before it is ready, the message is not sent; after, it is.
#[must_use = "nothing is sent unless it is awaited"]
pub struct SendFuture<'a, S: Transport> {
    writer: &'a Arc<Writer<S>>,
    parcel: Option<OutgoingMessage>,
    leave: Flush,
    key: WaiterKey,
}

impl<S: Transport> Future for SendFuture<'_, S> {
    type Output = Result<(), Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.writer.poll_send(cx, &mut this.key, &mut this.parcel, this.leave)
    }
}

impl<S: Transport> Drop for SendFuture<'_, S> {
    #[inline]
    fn drop(&mut self) {
        self.writer.forget(&mut self.key);
    }
}

impl<S: Transport> fmt::Debug for SendFuture<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("queued", &self.parcel.is_none()).finish()
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

/// `start_send` queues; what is queued leaves at `poll_flush`, and at the latest when the
/// tasks that can run now have run. After `poll_ready` it does not fail for want of room, whatever
/// other halves and groups have sent meanwhile: so each half may add one message to those that
/// fill `high_water`.
impl<S: Transport> Sink<Message> for SendHalf<S> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.writer.poll_ready(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.writer.send_promised(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.writer.poll_flush(cx, None)
    }

    /// Closes with code 1000 and waits until all has left. Fails where it does not leave, as the
    /// connection has ended before.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.state() == ReadyState::Open {
            self.start_close(CloseCode::NORMAL, "")?;
        }
        ready!(self.writer.poll_flush(cx, None))?;
        Poll::Ready(match self.close_info() {
            // Nothing waits, but the Close could not even be queued.
            Some(info) if !info.close_sent && info.cause != CloseCause::Handshake => {
                Err(Error::ended(&info))
            }
            _ => Ok(()),
        })
    }
}

impl<S: Transport> fmt::Debug for SendHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendHalf").field("state", &self.state()).finish_non_exhaustive()
    }
}
