//! The connection of a session.

use std::future::poll_fn;
use std::task::Poll;

use fullduplex::{
    CloseCode, CloseInfo, ConnectionStats, ControlFrames, Error, Message, ReceiveHalf, SendHalf,
    WebSocket,
};

/// The connection of a session.
pub(crate) struct Link {
    pub(super) sender: LinkSender,
    pub(super) receiver: LinkReceiver,
}

impl From<WebSocket> for Link {
    fn from(websocket: WebSocket) -> Self {
        let (sender, receiver) = websocket.split();
        Self { sender: LinkSender(sender), receiver: LinkReceiver(receiver) }
    }
}

/// The sending side of a connection. Clones send on the same connection.
#[derive(Clone)]
pub(super) struct LinkSender(SendHalf);

/// The receiving side of a connection. When it is dropped, what arrives is dropped too.
pub(super) struct LinkReceiver(ReceiveHalf);

impl LinkSender {
    /// Queues a message, and waits for space.
    pub(super) async fn send(&self, message: Message) -> Result<(), Error> {
        self.0.send(message).await
    }

    /// Waits until what is queued is written to the transport.
    pub(super) async fn flush(&self) -> Result<(), Error> {
        self.0.flush().await
    }

    /// Sends a Ping.
    pub(super) async fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.0.ping(payload).await.map(drop)
    }

    /// Sends a Pong.
    pub(super) async fn pong(&self, payload: &[u8]) -> Result<(), Error> {
        self.0.pong(payload).await
    }

    /// Queues a Close.
    pub(super) fn start_close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.0.start_close(code, reason)
    }

    /// Waits until the connection has ended.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }

    /// Waits until both ends have sent a Close. It is woken only in the task that receives.
    pub(super) async fn closed_both_ways(&self) {
        poll_fn(|_| match self.0.close_info() {
            Some(info) if info.is_clean() && self.0.buffered_amount() == 0 => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
    }

    /// Ends the transport without a Close.
    pub(super) fn abort(&self) {
        self.0.abort();
    }

    /// Returns how the connection ended, or how far its closing is.
    pub(super) fn close_info(&self) -> Option<CloseInfo> {
        self.0.close_info()
    }

    /// Returns the counts of messages and bytes.
    pub(super) fn stats(&self) -> ConnectionStats {
        self.0.stats()
    }

    /// Returns the Pings and Pongs that arrive.
    pub(super) fn control_frames(&self) -> ControlFrames {
        self.0.control_frames()
    }
}

impl LinkReceiver {
    /// Receives the next message; `None` after the peer's Close.
    pub(super) async fn next(&mut self) -> Option<Result<Message, Error>> {
        self.0.next().await
    }
}
