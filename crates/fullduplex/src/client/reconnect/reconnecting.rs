//! The handle of a reconnecting client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use fullduplex_proto::{CloseCode, CloseFrame, Message};
use futures_core::Stream;
use tokio::sync::{mpsc, watch};

use crate::base::error::Error;
use crate::client::reconnect::event::ReconnectEvent;
use crate::client::reconnect::queue::OfflineQueue;
use crate::client::reconnect::settings::ReconnectBuilder;
use crate::client::reconnect::task::ReconnectTask;

/// The most events that are buffered for the application.
const MAX_UNREAD_EVENTS: usize = 16;

impl ReconnectBuilder {
    /// Starts to connect, in a separate task that runs until the client is closed or dropped.
    ///
    /// # Panics
    /// Panics outside a tokio runtime.
    pub fn start(self) -> Reconnecting {
        let (event_sender, events) = mpsc::channel(MAX_UNREAD_EVENTS);
        let (close_frame, close) = watch::channel(None);
        let queue = Arc::new(OfflineQueue::new(self.capacity, self.offline_policy));
        let task = ReconnectTask {
            builder: self,
            queue: queue.clone(),
            events: event_sender,
            close,
            unsent: None,
        };
        tokio::spawn(task.run());
        Reconnecting { events, sender: ReconnectSender { queue }, close_frame }
    }
}

/// A client that reconnects automatically: a [`Stream`] of [`ReconnectEvent`]s.
///
/// Messages that `send` accepted are sent in order, on the current connection or a later one. A
/// message that was written just before a connection failed may be lost or may have arrived. Only
/// the application can find out, with acknowledgements.
///
/// Keep calling [`next`](Self::next): after 16 unread events the client stops reading and no longer
/// answers Pings. A server with a keepalive then closes the connection (one of this library after
/// 30 s to 40 s by default). The reason in the next event depends on which the client notices
/// first: the server's Close or a failed write.
///
/// When it is dropped, the connection is closed with code 1001.
#[derive(Debug)]
pub struct Reconnecting {
    events: mpsc::Receiver<ReconnectEvent>,
    sender: ReconnectSender,
    close_frame: watch::Sender<Option<CloseFrame>>,
}

impl Reconnecting {
    /// Returns the next event, or `None` after the last one.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no event is lost.
    pub async fn next(&mut self) -> Option<ReconnectEvent> {
        self.events.recv().await
    }

    /// Queues a message; see [`ReconnectSender::send`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message is not sent.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.sender.send(message).await
    }

    /// Returns a sender for use in other tasks.
    pub fn sender(&self) -> ReconnectSender {
        self.sender.clone()
    }

    /// Sends the queued messages, closes the connection and stops.
    ///
    /// The last event reports how the connection ended. If there is no connection, the queued
    /// messages are dropped and there is no further event.
    ///
    /// # Errors
    /// Fails if the code may not be sent or the reason is too long (RFC 6455 §5.5.1, §7.4).
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.close_frame.send_replace(Some(CloseFrame::new(code, reason).map_err(Error::of)?));
        Ok(())
    }
}

impl Stream for Reconnecting {
    type Item = ReconnectEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(cx)
    }
}

/// Sends messages on a [`Reconnecting`] client. Clones send on the same client.
#[derive(Clone, Debug)]
pub struct ReconnectSender {
    queue: Arc<OfflineQueue>,
}

impl ReconnectSender {
    /// Queues a message to be sent.
    ///
    /// Ready means queued in this process, not written. If the queue is full, it waits. Without a
    /// connection the [`OfflinePolicy`](crate::client::OfflinePolicy) may say otherwise.
    ///
    /// # Errors
    /// Fails if the client has stopped, or if the policy rejects the message.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message is not sent.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.queue.push(message.into()).await
    }
}
