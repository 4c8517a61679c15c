//! The handle with which other tasks use a reconnecting client.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
#[cfg(not(target_family = "wasm"))]
use std::time::Duration;

use fullduplex_proto::{CloseCode, CloseFrame, Message, ReadyState};
use futures_core::future::BoxFuture;
use futures_sink::Sink;
use tokio::sync::watch;

use crate::base::error::{Error, ErrorKind};
use crate::base::stats::ConnectionStats;
use crate::base::sync::Mutex;
use crate::base::try_send_error::TrySendError;
use crate::client::reconnect::connection::{ConnectionRecord, ReconnectStats};
use crate::client::reconnect::control::Control;
use crate::client::reconnect::event::ReconnectEvent;
use crate::client::reconnect::platform::{SendHalf, close_frame};
use crate::client::reconnect::queue::OfflineQueue;
#[cfg(not(target_family = "wasm"))]
use crate::connection::control_frames::PongFuture;

/// What the handles of a reconnecting client share with its task.
pub(super) struct ReconnectShared {
    pub(super) queue: OfflineQueue,
    pub(super) connection: ConnectionRecord,
    pub(super) control: watch::Sender<Control>,
}

impl ReconnectShared {
    /// Returns the sending half of the present connection.
    fn present(&self) -> Result<SendHalf, Error> {
        self.connection.present().ok_or_else(|| Error::new(ErrorKind::Closed, "not connected"))
    }

    async fn flush(&self) -> Result<(), Error> {
        self.queue.sent().await?;
        self.present()?.flush().await
    }
}

type SinkFuture = BoxFuture<'static, Result<(), Error>>;

/// Sends messages through a [`Reconnecting`](crate::client::Reconnecting) client, and controls it.
/// Clones send through the same client.
///
/// As a [`Sink`], it is ready when the queue has space. Flushing it waits until all messages
/// are written to a connection; while the client is disconnected, it waits for the next one.
/// Closing it closes the client with code 1000 and waits for its end.
///
/// ```no_run
/// # async fn example() -> Result<(), fullduplex::Error> {
/// let mut client = fullduplex::Client::default().reconnecting("ws://127.0.0.1:9001/").start();
/// let sender = client.sender();
/// tokio::spawn(async move {
///     while sender.send("tick").await.is_ok() {
///         tokio::time::sleep(std::time::Duration::from_secs(1)).await;
///     }
/// });
/// while let Some(event) = client.next().await {
///     println!("{event:?}");
/// }
/// # Ok(())
/// # }
/// ```
pub struct ReconnectSender {
    pub(super) shared: Arc<ReconnectShared>,
    /// The futures of `poll_ready`, `poll_flush` and `poll_close`. The mutex is never locked: it
    /// makes the sender `Sync`.
    waits: Mutex<[Option<SinkFuture>; 3]>,
}

impl ReconnectSender {
    pub(super) fn new(shared: Arc<ReconnectShared>) -> Self {
        Self { shared, waits: Mutex::default() }
    }

    /// Queues a message, and waits while the queue is full. While the client is disconnected, the
    /// [`OfflinePolicy`](crate::client::OfflinePolicy) applies.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Closed`] if the client has stopped, or if it is disconnected and
    /// the policy is `Reject`.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message is not sent.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.shared.queue.push(message.into()).await
    }

    /// Queues a message without waiting.
    ///
    /// # Errors
    /// Fails with [`TrySendError::Full`] if the queue is full, and with [`TrySendError::Closed`]
    /// where [`send`](Self::send) fails. Both have the message.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), TrySendError> {
        self.shared.queue.try_send(message.into())
    }

    /// Waits until all queued messages are written to a connection.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Closed`] if the client stops or the connection ends before that.
    ///
    /// # Cancel safety
    /// Nothing is lost: what is queued is sent all the same.
    pub async fn flush(&self) -> Result<(), Error> {
        self.shared.flush().await
    }

    /// Sends a Ping (RFC 6455 §5.5.2) of at most 125 bytes on the present connection. Returns a
    /// future of the Pong; see [`SendHalf::ping`](crate::SendHalf::ping).
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Closed`] while the client is disconnected.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no Ping is sent.
    #[cfg(not(target_family = "wasm"))]
    pub async fn ping(&self, payload: &[u8]) -> Result<PongFuture, Error> {
        self.shared.present()?.ping(payload).await
    }

    /// Ends the present connection and connects anew. Its peer is sent a Close with code 1001
    /// (going away), whose answer is not awaited.
    ///
    /// Use it if the feed is stale, messages are missing, a token expires, or the network has
    /// changed. The queue is kept. Messages that were written to the old connection may be lost,
    /// and those that arrive on it later are.
    ///
    /// The next attempt begins at once, without a delay of the
    /// [`Backoff`](crate::client::Backoff). A delay or an attempt that is under way ends. If there
    /// was a connection, the event is `Disconnected` with
    /// [`DisconnectReason::Requested`](crate::client::DisconnectReason::Requested).
    ///
    /// It is about the connection whose messages the application reads. Up to 16 messages that
    /// have arrived are still to be read after it; further calls have no effect until the
    /// application has read of the next connection, or of an attempt that failed.
    pub fn reconnect(&self) {
        self.request_reconnect(None);
    }

    /// Ends the present connection with this Close and connects anew; see
    /// [`reconnect`](Self::reconnect).
    ///
    /// With [`CloseCode::NO_STATUS`] (1005) and no reason, the Close is sent without a code.
    ///
    /// # Errors
    /// Fails if the code may not be sent or the reason is too long (RFC 6455 §5.5.1, §7.4).
    pub fn reconnect_with_close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.request_reconnect(Some(requested_close(code, reason)?));
        Ok(())
    }

    /// Records that the application reads an event.
    pub(super) fn record_event(&self, event: &ReconnectEvent) {
        self.shared.control.send_if_modified(|control| {
            control.record_event(event);
            false
        });
    }

    fn request_reconnect(&self, close: Option<CloseFrame>) {
        self.shared.control.send_if_modified(|control| control.request_reconnect(close));
    }

    /// Sends the queued messages, closes the connection and stops the client, without waiting.
    ///
    /// The last event reports how the connection ended. If the client is disconnected, the
    /// queued messages are dropped, and no further event follows.
    ///
    /// With [`CloseCode::NO_STATUS`] (1005) and no reason, the Close is sent without a code.
    ///
    /// # Errors
    /// Fails if the code may not be sent or the reason is too long (RFC 6455 §5.5.1, §7.4).
    pub fn start_close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let frame = requested_close(code, reason)?;
        self.shared.control.send_modify(|control| control.close = Some(frame));
        Ok(())
    }

    /// Returns the number of messages that are not yet handed to a connection.
    pub fn queue_len(&self) -> usize {
        self.shared.queue.len()
    }

    /// Returns the state: `Open` and `Closing` are those of the present connection. Without one it
    /// is `Connecting`, or `Closed` if the client has stopped.
    pub fn state(&self) -> ReadyState {
        match self.shared.connection.present().map(|send| send.state()) {
            Some(state @ (ReadyState::Open | ReadyState::Closing)) => state,
            _ if self.shared.queue.is_closed() => ReadyState::Closed,
            _ => ReadyState::Connecting,
        }
    }

    /// Returns the figures since the start.
    pub fn stats(&self) -> ReconnectStats {
        let (queued, dropped) = (self.shared.queue.len(), self.shared.queue.dropped());
        ReconnectStats { queued, dropped, ..self.shared.connection.stats() }
    }

    /// Returns the counts of the present connection; `None` while disconnected.
    pub fn connection_stats(&self) -> Option<ConnectionStats> {
        self.shared.connection.present().map(|send| send.stats())
    }

    /// Returns the last round-trip time on the present connection; `None` if there is none yet, or
    /// no connection.
    #[cfg(not(target_family = "wasm"))]
    pub fn round_trip(&self) -> Option<Duration> {
        self.shared.connection.present()?.round_trip()
    }

    /// Returns how many bytes the present connection has yet to write to its transport; 0 if there
    /// is no connection. The queue is not counted.
    pub fn buffered_amount(&self) -> usize {
        self.shared.connection.present().map_or(0, |send| send.buffered_amount())
    }

    /// Polls a future of the sink, which is created if there is none.
    fn poll_wait<F>(
        &mut self,
        index: usize,
        cx: &mut Context<'_>,
        create: impl FnOnce(Arc<ReconnectShared>) -> F,
    ) -> Poll<Result<(), Error>>
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let shared = &self.shared;
        let wait = &mut self.waits.get_mut()[index];
        let future = wait.get_or_insert_with(|| Box::pin(create(shared.clone())));
        let polled = future.as_mut().poll(cx);
        if polled.is_ready() {
            *wait = None;
        }
        polled
    }
}

impl Clone for ReconnectSender {
    fn clone(&self) -> Self {
        Self::new(self.shared.clone())
    }
}

/// Returns the Close to send, after the checks of
/// [`SendHalf::start_close`](crate::SendHalf::start_close).
fn requested_close(code: CloseCode, reason: &str) -> Result<CloseFrame, Error> {
    close_frame(code, reason)?;
    Ok(CloseFrame { code, reason: reason.into() })
}

impl fmt::Debug for ReconnectSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReconnectSender").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// After `poll_ready`, `start_send` does not fail because the queue is full. So each sender may
/// queue one message more than the capacity.
impl Sink<Message> for ReconnectSender {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.shared.queue.check_space()? {
            self.waits.get_mut()[0] = None;
            return Poll::Ready(Ok(()));
        }
        self.poll_wait(0, cx, |shared| async move { shared.queue.has_space().await })
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.shared.queue.push_reserved(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_wait(1, cx, |shared| async move { shared.flush().await })
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.waits.get_mut()[2].is_none() {
            self.start_close(CloseCode::NORMAL, "")?;
        }
        self.poll_wait(2, cx, |shared| async move {
            shared.queue.closed().await;
            Ok(())
        })
    }
}
