//! The handle of a socket.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use fullduplex::server::policy::PeerAddr;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ack::{self, AckError};
use super::config::SlowPolicy;
use super::cores::SocketCore;
use super::deliver::{Delivery, SendMode};
use super::event::Event;
use super::join::JoinOutcome;
use super::reason::DisconnectReason;
use crate::engine::{EndReason, TransportKind};
use crate::id::SocketId;
use crate::parser::Head;

/// A client in one namespace, with the user that
/// [`authenticate`](crate::NamespaceBuilder::authenticate) returned.
///
/// Clones are handles of the same socket. They don't keep a connection open, and a socket that is
/// disconnected answers [`Delivery::Closed`].
///
/// ```
/// use fullduplex_socketio::SocketIo;
///
/// let io = SocketIo::default();
/// io.of("/chat")
///     .on("message", async |socket, text: String| {
///         socket.to("lobby").emit("message", (socket.id().to_string(), text)).await;
///     })
///     .open();
/// ```
pub struct Socket<U = ()> {
    pub(super) core: Arc<SocketCore>,
    user: PhantomData<fn() -> U>,
}

impl<U> Clone for Socket<U> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), user: PhantomData }
    }
}

impl<U> fmt::Debug for Socket<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("id", &self.core.id)
            .field("namespace", &self.core.namespace.name())
            .finish_non_exhaustive()
    }
}

impl<U> PartialEq for Socket<U> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.core, &other.core)
    }
}

impl<U> Eq for Socket<U> {}

impl<U: Send + Sync + 'static> Socket<U> {
    pub(super) fn new(core: Arc<SocketCore>) -> Self {
        Self { core, user: PhantomData }
    }

    /// The id of the socket, which the client knows as well.
    pub fn id(&self) -> SocketId {
        self.core.id
    }

    /// The user that `authenticate` returned.
    pub fn user(&self) -> &U {
        const NO_USER: &(dyn Any + Send + Sync) = &();
        // A handler that was set before `authenticate` knows of no user.
        let user = self.core.user.downcast_ref().or_else(|| NO_USER.downcast_ref());
        match user {
            Some(user) => user,
            None => unreachable!("the users of a namespace are of one type"),
        }
    }

    /// Whether the client came back, with its id and its rooms, and nothing was lost in between.
    pub fn is_recovered(&self) -> bool {
        self.core.is_recovered
    }

    /// Whether the socket is connected.
    pub fn is_connected(&self) -> bool {
        self.core.reason().is_none()
    }

    /// Why the socket was disconnected, if it was.
    pub fn reason(&self) -> Option<DisconnectReason> {
        self.core.reason()
    }

    /// Waits until the socket is disconnected, and returns why.
    ///
    /// Events of the socket are handled meanwhile, also if its handler `connected` waits here.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn closed(&self) -> DisconnectReason {
        self.core.awaits_end.store(true, Ordering::Release);
        self.core.connection.changed.set();
        self.core.closed().await
    }

    /// The address of the client.
    pub fn peer(&self) -> PeerAddr {
        self.core.connection.sender.peer()
    }

    /// What carries the connection now.
    pub fn transport(&self) -> TransportKind {
        self.core.connection.sender.transport()
    }

    /// Waits until a WebSocket carries the connection of a client that began to poll, or the
    /// connection ends. Returns whether there is a WebSocket.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn upgraded(&self) -> bool {
        self.core.connection.sender.upgraded().await
    }

    /// How many messages were dropped for this socket, because its client is slow, or were replaced
    /// by later ones.
    pub fn dropped(&self) -> u64 {
        self.core.dropped_total.load(Ordering::Relaxed)
    }

    /// The bytes that wait for the client, with those of other namespaces on its connection.
    pub fn queued_bytes(&self) -> usize {
        self.core.connection.sender.queued_bytes()
    }

    /// Sets what happens to messages that the client is too slow for.
    pub fn set_slow_policy(&self, policy: SlowPolicy) {
        let old = {
            let mut slow = self.core.slow.lock().unwrap_or_else(PoisonError::into_inner);
            slow.replace(policy)
        };
        drop(old);
    }

    /// Joins a room, if the socket is not in [too many](crate::SocketIoBuilder::max_rooms) and the
    /// name is not [too long](crate::SocketIoBuilder::max_room_name).
    pub fn join(&self, room: impl Into<Arc<str>>) -> JoinOutcome {
        self.core.namespace.join(&self.core, &room.into())
    }

    /// Leaves a room. Returns whether the socket was in it.
    pub fn leave(&self, room: &str) -> bool {
        self.core.namespace.leave(&self.core, room)
    }

    /// Returns the rooms that the socket is in, without that of its own id.
    pub fn rooms(&self) -> Vec<Arc<str>> {
        self.core.namespace.rooms_of(self.core.id)
    }

    /// Sends an event to the client.
    ///
    /// `args` is any value that serde serializes: a tuple is several arguments, `()` none, all
    /// others are one. Bytes, such as [`Binary`](crate::Binary), leave as attachments. If the
    /// client is slow, this waits until the message fits, unless the [policy](SlowPolicy) drops it.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits, the event is not sent.
    pub fn emit<T: Serialize>(
        &self,
        event: &str,
        args: T,
    ) -> impl Future<Output = Delivery> + Send {
        self.emit_in(SendMode::Reliable, event, &args)
    }

    /// Sends an event to the client if it can leave at once, and drops it otherwise.
    pub fn emit_volatile<T: Serialize>(
        &self,
        event: &str,
        args: T,
    ) -> impl Future<Output = Delivery> + Send {
        self.emit_in(SendMode::Volatile, event, &args)
    }

    /// Sends an event that, under [`SlowPolicy::Conflate`], takes the place of one with the same
    /// key that waits.
    pub fn emit_keyed<T: Serialize>(
        &self,
        key: u64,
        event: &str,
        args: T,
    ) -> impl Future<Output = Delivery> + Send {
        self.emit_in(SendMode::Keyed(key), event, &args)
    }

    fn emit_in<T: Serialize>(
        &self,
        mode: SendMode,
        event: &str,
        args: &T,
    ) -> impl Future<Output = Delivery> + Send + use<'_, T, U> {
        let packet = self.core.namespace.encode(Head::Event(event, None), args);
        async move {
            match packet {
                Ok(packet) => self.core.namespace.emit_to(&self.core, packet, mode).await,
                Err(error) => Delivery::Invalid(error),
            }
        }
    }

    /// Sends an event to the client, and returns its acknowledgement.
    ///
    /// It is waited for as long as [`ack_timeout`](crate::SocketIoBuilder::ack_timeout) says.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the acknowledgement is ignored; the event may have been sent.
    pub fn emit_with_ack<R: DeserializeOwned>(
        &self,
        event: &str,
        args: impl Serialize,
    ) -> impl Future<Output = Result<R, AckError>> + Send {
        let timeout = self.core.connection.shared.config.ack_timeout;
        self.emit_with_ack_within(timeout, event, args)
    }

    /// Sends an event to the client, and waits this long for its acknowledgement.
    pub fn emit_with_ack_within<R: DeserializeOwned>(
        &self,
        timeout: Duration,
        event: &str,
        args: impl Serialize,
    ) -> impl Future<Output = Result<R, AckError>> + Send {
        let id = self.core.namespace.next_ack_id();
        let packet = self.core.namespace.encode(Head::Event(event, Some(id)), &args);
        async move {
            let args = ack::emit_with_ack(&self.core, id, packet?, timeout).await?;
            args.get().map_err(AckError::UnexpectedArgs)
        }
    }

    /// Disconnects the socket from its namespace, and tells the client.
    ///
    /// The connection stays, if the client has it for other namespaces.
    pub fn disconnect(&self) {
        self.core.disconnect(DisconnectReason::ServerNamespaceDisconnect);
    }

    /// Closes the connection of the client, with its sockets in all namespaces.
    pub fn close_connection(&self) {
        self.core.close(DisconnectReason::ServerNamespaceDisconnect);
        self.core.connection.sender.close(EndReason::ForcedClose);
    }
}

impl Event {
    /// Acknowledges the event, if the client asks for it. A client takes the first acknowledgement.
    ///
    /// The output of a handler of [`on`](crate::NamespaceBuilder::on) is its acknowledgement; this
    /// is for [`on_any`](crate::NamespaceBuilder::on_any).
    pub async fn acknowledge<U>(&self, socket: &Socket<U>, answer: impl Serialize) -> Delivery {
        match self.ack_id {
            Some(id) => socket.core.acknowledge(id, &answer).await,
            None => Delivery::Closed,
        }
    }
}
