//! The handles of a session: the receiving and the sending side.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use fullduplex::server::policy::PeerAddr;
use http::Request;

use crate::engine::id::SessionId;
use crate::engine::outcome::{EndReason, SendOutcome, TransportKind};
use crate::engine::outgoing::Outgoing;
use crate::engine::packet::Data;
use crate::engine::shared::Shared;

/// The receiving side of a session, for its handler.
///
/// Dropping it discards what is received from then on. The session stays open until it is
/// [closed](Sender::close), or its handler returns.
///
/// ```
/// use fullduplex_socketio::engine::{Data, Outgoing, Session};
///
/// /// Sends back every text.
/// async fn echo(mut session: Session) {
///     while let Some(data) = session.recv().await {
///         if let Data::Text(text) = data {
///             let _ = session.sender().send(&Outgoing::text(&text));
///         }
///     }
/// }
/// ```
pub struct Session {
    sender: Sender,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { sender: Sender { shared } }
    }

    /// Returns the session's id.
    pub fn id(&self) -> &SessionId {
        self.sender.id()
    }

    /// Returns the request that opened the session. Its extensions are those that a server or a
    /// layer has set, such as the [`ConnectInfo`](fullduplex::server::ConnectInfo).
    ///
    /// It is made anew from what is kept of it in little memory.
    pub fn request(&self) -> Request<()> {
        self.sender.shared.request.get()
    }

    /// Returns the address of the client that opened the session.
    pub fn peer(&self) -> PeerAddr {
        self.sender.shared.peer
    }

    /// Returns what carries the session now.
    pub fn transport(&self) -> TransportKind {
        self.sender.transport()
    }

    /// Receives the next message; `None` after the end of the session. What was received before
    /// the end is returned first.
    ///
    /// # Cancel safety
    /// No message is lost.
    pub async fn recv(&mut self) -> Option<Data> {
        poll_fn(|cx| self.sender.shared.poll_receive(cx)).await
    }

    /// Returns the sending side. Clones of it may be kept elsewhere.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.sender.shared.change(|state| state.protocol.stop_receiving());
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", self.id()).finish_non_exhaustive()
    }
}

/// The sending side of a session. Clones send in the same session, and do not keep it open.
///
/// ```
/// use fullduplex_socketio::engine::{Outgoing, SendOutcome, Sender};
///
/// /// Sends to everybody, and returns who is too slow.
/// fn publish<'a>(members: &'a [Sender], text: &str) -> Vec<&'a Sender> {
///     let message = Outgoing::text(text);
///     members.iter().filter(|member| member.send(&message) == SendOutcome::Full).collect()
/// }
/// ```
#[derive(Clone)]
pub struct Sender {
    shared: Arc<Shared>,
}

impl Sender {
    /// Returns the session's id.
    pub fn id(&self) -> &SessionId {
        &self.shared.id
    }

    /// Returns what carries the session now.
    pub fn transport(&self) -> TransportKind {
        self.shared.transport()
    }

    /// Returns the request that opened the session, made anew.
    #[cfg(feature = "admin")]
    pub(crate) fn request(&self) -> Request<()> {
        self.shared.request.get()
    }

    /// Returns the address of the client that opened the session.
    pub(crate) fn peer(&self) -> PeerAddr {
        self.shared.peer
    }

    /// Sends a message, or queues it.
    pub fn send(&self, message: &Outgoing) -> SendOutcome {
        self.shared.send(message, None, false)
    }

    /// Sends a message that many sessions get, or queues it. A WebSocket sends several of them with
    /// one system call.
    pub(crate) fn send_to_many(&self, message: &Outgoing) -> SendOutcome {
        self.shared.send(message, None, true)
    }

    /// Sends a message, in place of one with the same key that still waits in the queue.
    pub fn send_keyed(&self, key: u64, message: &Outgoing) -> SendOutcome {
        self.shared.send(message, Some(key), false)
    }

    /// Sends a message if the transport takes it now, and otherwise returns
    /// [`SendOutcome::Full`]. If it takes only the first frames, the rest is queued.
    pub fn send_volatile(&self, message: &Outgoing) -> SendOutcome {
        self.shared.send_volatile(message)
    }

    /// Returns how many bytes wait in the queue, as [`Outgoing::len`] counts them. What was handed
    /// to the WebSocket is not counted.
    pub fn queued_bytes(&self) -> usize {
        self.shared.lock().protocol.queued_bytes()
    }

    /// Waits until the queue has space for a message of `len` bytes (see [`Outgoing::len`]), or
    /// the session closes.
    pub async fn ready(&self, len: usize) {
        self.wait(|shared| shared.lock().protocol.is_ready(len).then_some(())).await;
    }

    /// Waits until the session has a WebSocket, or ends. Returns whether it has one.
    pub(crate) async fn upgraded(&self) -> bool {
        self.wait(|shared| {
            let is_websocket = shared.transport() == TransportKind::WebSocket;
            let is_over = is_websocket || shared.lock().protocol.end_reason().is_some();
            is_over.then_some(is_websocket)
        })
        .await
    }

    /// Waits until the queue is empty, or the session ends.
    pub(crate) async fn drained(&self) {
        self.wait(|shared| (shared.lock().protocol.queued_bytes() == 0).then_some(())).await;
    }

    /// Closes the session once what is queued is sent: by a close packet if it polls, and by a
    /// Close frame on a WebSocket. Nothing can be sent after this.
    pub fn close(&self, reason: EndReason) {
        self.shared.close(reason);
    }

    /// Ends the session at once. What is queued is not sent.
    pub fn abort(&self, reason: EndReason) {
        self.shared.end(reason);
    }

    /// Returns why the session has ended; `None` while it is open or closing.
    pub fn end_reason(&self) -> Option<EndReason> {
        self.shared.lock().protocol.end_reason()
    }

    /// Waits for the end of the session.
    pub async fn closed(&self) -> EndReason {
        self.wait(|shared| shared.lock().protocol.end_reason()).await
    }

    /// Waits until `ready` returns a value, which it is asked for after each change.
    async fn wait<T>(&self, ready: impl Fn(&Shared) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            // Registered before the state is read, so that no wake-up is lost between the two.
            changed.as_mut().enable();
            if let Some(value) = ready(&self.shared) {
                return value;
            }
            changed.await;
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("id", self.id()).finish_non_exhaustive()
    }
}
