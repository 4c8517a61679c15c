//! A connection that is made again when it ends.

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

impl ReconnectBuilder {
    /// Begins. A task of its own keeps the connection, until it is closed or dropped.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(self) -> Reconnecting {
        let (sink, events) = mpsc::channel(16);
        let (closing, close) = watch::channel(None);
        let queue = Arc::new(OfflineQueue::new(self.capacity, self.while_down));
        let task = ReconnectTask { builder: self, queue: queue.clone(), sink, close, unsent: None };
        tokio::spawn(task.run());
        Reconnecting { events, sender: ReconnectSender { queue }, closing }
    }
}

/// A connection that is made again when it ends: a [`Stream`] of [`ReconnectEvent`]s.
///
/// What `send` has taken is sent, in order, on this connection or a later one. A message
/// that was handed to a connection just before it broke may be lost, or may have arrived
/// without its answer: only the application can know, by answers of its own.
///
/// Its events are to be read: while 16 of them wait, nothing is received, and no Ping is answered.
/// This end goes on, but a server with a keepalive of its own gives the connection up after the
/// time that it is set to (of this library 30 s to 40 s by default). What the last event says then
/// depends on what reaches this end first: the server's end, or that it takes nothing any more.
///
/// When it is dropped, the connection is closed with 1001.
#[derive(Debug)]
pub struct Reconnecting {
    events: mpsc::Receiver<ReconnectEvent>,
    sender: ReconnectSender,
    closing: watch::Sender<Option<CloseFrame>>,
}

impl Reconnecting {
    /// What happens next; `None` behind the last event.
    ///
    /// # Cancel safety
    /// No event is lost.
    pub async fn next(&mut self) -> Option<ReconnectEvent> {
        self.events.recv().await
    }

    /// Queues a message; see [`ReconnectSender::send`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the message is not sent.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.sender.send(message).await
    }

    /// A sender for other tasks.
    pub fn sender(&self) -> ReconnectSender {
        self.sender.clone()
    }

    /// Sends what is queued and closes the connection, and connects no more; the last event
    /// tells how it ended. If there is no connection, what is queued is dropped, and there is
    /// no further event. Fails if the code may not be sent or the reason is too long.
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.closing.send_replace(Some(CloseFrame::new(code, reason)?));
        Ok(())
    }
}

impl Stream for Reconnecting {
    type Item = ReconnectEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(cx)
    }
}

/// Sends on a [`Reconnecting`] client. Clones send on the same.
#[derive(Clone, Debug)]
pub struct ReconnectSender {
    queue: Arc<OfflineQueue>,
}

impl ReconnectSender {
    /// Queues a message. When the queue is full it waits, or does as [`OfflinePolicy`] says.
    /// Fails when no connection will be made any more.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the message is not sent.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.queue.push(message.into()).await
    }
}
