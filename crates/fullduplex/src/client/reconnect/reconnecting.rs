//! The handle of a reconnecting client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
#[cfg(not(target_family = "wasm"))]
use std::time::Duration;

use fullduplex_proto::{CloseCode, Message, ReadyState};
use futures_core::Stream;
use futures_core::stream::FusedStream;
use tokio::sync::{mpsc, watch};

use crate::base::error::Error;
use crate::base::stats::ConnectionStats;
use crate::base::try_send_error::TrySendError;
use crate::client::reconnect::connection::{ConnectionRecord, ReconnectStats};
use crate::client::reconnect::control::{Control, ControlReceiver};
use crate::client::reconnect::event::ReconnectEvent;
use crate::client::reconnect::platform::spawn;
use crate::client::reconnect::queue::OfflineQueue;
use crate::client::reconnect::record::ReconnectRecord;
use crate::client::reconnect::sender::{ReconnectSender, ReconnectShared};
use crate::client::reconnect::settings::ReconnectBuilder;
use crate::client::reconnect::task::ReconnectTask;
#[cfg(not(target_family = "wasm"))]
use crate::connection::control_frames::PongFuture;

/// The most events that are buffered for the application.
const MAX_UNREAD_EVENTS: usize = 16;

impl ReconnectBuilder {
    /// Starts to connect, in a separate task that runs until the client is closed or dropped. If a
    /// setting is out of range, or the request is not valid, the only event is a
    /// [`ReconnectEvent::Disconnected`] that says so.
    ///
    /// # Panics
    /// Panics outside a tokio runtime; in a browser, none is needed.
    pub fn start(self) -> Reconnecting {
        let (event_sender, events) = mpsc::channel(MAX_UNREAD_EVENTS);
        let (control, receiver) = watch::channel(Control::default());
        let Self { target, settings } = self;
        let queue = OfflineQueue::new(settings.capacity, settings.offline_policy);
        let connection = ConnectionRecord::default();
        let shared = Arc::new(ReconnectShared { queue, connection, control });
        let record = ReconnectRecord::started(&settings.client, &shared);
        let task = ReconnectTask {
            settings,
            shared: shared.clone(),
            events: event_sender,
            control: ControlReceiver::new(receiver),
            unsent: None,
            record,
        };
        spawn(task.run(target));
        Reconnecting { events, sender: ReconnectSender::new(shared), has_ended: false }
    }
}

/// A client that reconnects automatically: a [`Stream`] of [`ReconnectEvent`]s.
///
/// ```no_run
/// use fullduplex::Client;
/// use fullduplex::client::ReconnectEvent;
///
/// # async fn example() {
/// let mut client = Client::default().reconnecting("ws://127.0.0.1:9001/").start();
/// while let Some(event) = client.next().await {
///     match event {
///         ReconnectEvent::Message(message) => println!("{message:?}"),
///         ReconnectEvent::Disconnected { reason, retry_in } => {
///             println!("{reason:?}, next attempt in {retry_in:?}");
///         }
///         _ => {}
///     }
/// }
/// # }
/// ```
///
/// Messages that `send` accepted are sent in order, on the current connection or a later one. A
/// message that was written just before a connection failed may be lost or may have arrived. Only
/// the application can find out, with acknowledgements.
///
/// Keep calling [`next`](Self::next): after 16 unread events the client stops reading and no longer
/// answers Pings. It is the server's keepalive that counts then, not the client's: a server with
/// one closes the connection (one of this library after 30 s to 40 s by default), a server without
/// one waits. In a page it is the browser that answers Pings, whatever the application reads. The
/// reason in the next event depends on which the client notices first: the server's Close or a
/// failed write.
///
/// When it is dropped, the connection is closed with code 1001, in a page without a code.
#[doc(alias = "retry")]
#[doc(alias = "reconnecting-websocket")]
#[derive(Debug)]
pub struct Reconnecting {
    events: mpsc::Receiver<ReconnectEvent>,
    sender: ReconnectSender,
    has_ended: bool,
}

impl Reconnecting {
    /// Returns the next event, or `None` after the last one.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no event is lost.
    #[doc(alias = "recv")]
    pub async fn next(&mut self) -> Option<ReconnectEvent> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Queues a message; see [`ReconnectSender::send`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message is not sent.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.sender.send(message).await
    }

    /// Queues a message without waiting; see [`ReconnectSender::try_send`].
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), TrySendError> {
        self.sender.try_send(message)
    }

    /// Returns a sender for use in other tasks, which is also a [`Sink`](futures_sink::Sink).
    pub fn sender(&self) -> ReconnectSender {
        self.sender.clone()
    }

    /// Waits until all queued messages are written; see [`ReconnectSender::flush`].
    ///
    /// # Cancel safety
    /// Nothing is lost: what is queued is sent all the same.
    pub async fn flush(&self) -> Result<(), Error> {
        self.sender.flush().await
    }

    /// Sends a Ping on the present connection; see [`ReconnectSender::ping`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, no Ping is sent.
    #[cfg(not(target_family = "wasm"))]
    pub async fn ping(&self, payload: &[u8]) -> Result<PongFuture, Error> {
        self.sender.ping(payload).await
    }

    /// Ends the present connection and connects anew; see [`ReconnectSender::reconnect`].
    pub fn reconnect(&self) {
        self.sender.reconnect();
    }

    /// Ends the present connection with this Close and connects anew; see
    /// [`ReconnectSender::reconnect_with_close`].
    ///
    /// # Errors
    /// Fails if the code may not be sent or the reason is too long (RFC 6455 §5.5.1, §7.4).
    pub fn reconnect_with_close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.sender.reconnect_with_close(code, reason)
    }

    /// Sends the queued messages, closes the connection and stops, without waiting; see
    /// [`ReconnectSender::start_close`].
    ///
    /// # Errors
    /// Fails if the code may not be sent or the reason is too long (RFC 6455 §5.5.1, §7.4).
    pub fn start_close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.sender.start_close(code, reason)
    }

    /// Returns the number of messages that are not yet handed to a connection.
    pub fn queue_len(&self) -> usize {
        self.sender.queue_len()
    }

    /// Returns the state; see [`ReconnectSender::state`].
    pub fn state(&self) -> ReadyState {
        self.sender.state()
    }

    /// Returns the figures since the start.
    pub fn stats(&self) -> ReconnectStats {
        self.sender.stats()
    }

    /// Returns the counts of the present connection; `None` while disconnected.
    pub fn connection_stats(&self) -> Option<ConnectionStats> {
        self.sender.connection_stats()
    }

    /// Returns the last round-trip time; see [`ReconnectSender::round_trip`].
    #[cfg(not(target_family = "wasm"))]
    pub fn round_trip(&self) -> Option<Duration> {
        self.sender.round_trip()
    }

    /// Returns how many bytes wait for the transport; see [`ReconnectSender::buffered_amount`].
    pub fn buffered_amount(&self) -> usize {
        self.sender.buffered_amount()
    }
}

impl Stream for Reconnecting {
    type Item = ReconnectEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let event = ready!(self.events.poll_recv(cx));
        self.has_ended = event.is_none();
        if let Some(event) = &event
            && !matches!(event, ReconnectEvent::Message(_))
        {
            self.sender.record_event(event);
        }
        Poll::Ready(event)
    }
}

impl FusedStream for Reconnecting {
    fn is_terminated(&self) -> bool {
        self.has_ended
    }
}
