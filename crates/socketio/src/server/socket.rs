//! A client in one namespace.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, oneshot};

use super::ServerShared;
use super::ack::{self, AckError};
use super::broadcast::{Broadcast, Target};
use super::config::SlowPolicy;
use super::deliver::{Delivery, SendMode};
use super::namespace::{Namespace, NamespaceCore};
use super::reason::DisconnectReason;
use crate::args::Args;
use crate::engine::{EndReason, SendOutcome, Sender};
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

/// The connection that sockets of several namespaces share.
pub(super) struct ConnectionCore {
    pub(super) sender: Sender,
    pub(super) shared: Arc<ServerShared>,
    /// Wakes the connection's task: a socket was closed, or waits for its end.
    pub(super) changed: Notify,
}

pub(super) struct SocketCore {
    pub(super) id: SocketId,
    pub(super) namespace: Arc<NamespaceCore>,
    pub(super) connection: Arc<ConnectionCore>,
    pub(super) user: Arc<dyn Any + Send + Sync>,
    pub(super) is_recovered: bool,
    /// The number of the [`DisconnectReason`]; 0 while connected.
    reason: AtomicU8,
    closed: Notify,
    /// Whether the handler `connected` has begun to wait for the end.
    pub(super) awaits_end: AtomicBool,
    /// Whether live packets wait until those that were missed are sent.
    pub(super) is_gated: AtomicBool,
    /// Whether a message was replaced, so that what is missing is not known.
    pub(super) has_conflated: AtomicBool,
    pub(super) dropped_now: AtomicU64,
    pub(super) dropped_total: AtomicU64,
    outstanding_acks: Mutex<HashMap<u64, oneshot::Sender<Args>>>,
    slow: Mutex<Option<SlowPolicy>>,
}

impl SocketCore {
    pub(super) fn new(
        id: SocketId,
        namespace: Arc<NamespaceCore>,
        connection: Arc<ConnectionCore>,
        user: Arc<dyn Any + Send + Sync>,
        is_recovered: bool,
    ) -> Self {
        Self {
            id,
            namespace,
            connection,
            user,
            is_recovered,
            reason: AtomicU8::new(0),
            closed: Notify::new(),
            awaits_end: AtomicBool::new(false),
            is_gated: AtomicBool::new(false),
            has_conflated: AtomicBool::new(false),
            dropped_now: AtomicU64::new(0),
            dropped_total: AtomicU64::new(0),
            outstanding_acks: Mutex::default(),
            slow: Mutex::new(None),
        }
    }

    pub(super) fn reason(&self) -> Option<DisconnectReason> {
        DisconnectReason::from_number(self.reason.load(Ordering::Acquire))
    }

    pub(super) fn slow_policy(&self) -> SlowPolicy {
        let own = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        own.as_ref().unwrap_or(&self.connection.shared.config.slow).clone()
    }

    fn acks(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Args>>> {
        self.outstanding_acks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an acknowledgement is waited for, unless there are too many or the socket is
    /// closed.
    pub(super) fn expect_ack(&self, id: u64) -> Result<oneshot::Receiver<Args>, AckError> {
        let mut acks = self.acks();
        // What closes the socket takes all entries afterwards.
        if self.reason().is_some() {
            return Err(AckError::Disconnected);
        }
        if acks.len() >= self.connection.shared.config.max_outstanding_acks {
            return Err(AckError::TooManyOutstanding);
        }
        let (sender, receiver) = oneshot::channel();
        acks.insert(id, sender);
        if acks.len() == 1 {
            // The connection's task may have stopped reading.
            self.connection.changed.notify_one();
        }
        Ok(receiver)
    }

    pub(super) fn forget_ack(&self, id: u64) {
        let mut acks = self.acks();
        acks.remove(&id);
        if acks.is_empty() {
            *acks = HashMap::new();
        }
    }

    pub(super) fn has_outstanding_acks(&self) -> bool {
        !self.acks().is_empty()
    }

    /// Hands an acknowledgement to the task that waits for it. An unexpected one is ignored.
    pub(super) fn resolve_ack(&self, id: u64, args: Args) {
        let waiting = self.acks().remove(&id);
        if let Some(waiting) = waiting {
            let _ = waiting.send(args);
        }
    }

    /// Marks the socket as disconnected. Returns whether it was connected.
    pub(super) fn mark_closed(&self, reason: DisconnectReason) -> bool {
        let closed =
            self.reason.compare_exchange(0, reason as u8, Ordering::AcqRel, Ordering::Acquire);
        if closed.is_err() {
            return false;
        }
        let acks = std::mem::take(&mut *self.acks());
        drop(acks);
        self.closed.notify_waiters();
        self.connection.changed.notify_one();
        true
    }

    /// Disconnects the socket, without a word to the client. Must not be called under the lock of
    /// the namespace.
    pub(super) fn close(&self, reason: DisconnectReason) {
        if self.mark_closed(reason) {
            self.namespace.remove(self, reason);
        }
    }

    /// Disconnects the socket, and tells the client.
    pub(super) fn disconnect(&self, reason: DisconnectReason) {
        if self.reason().is_some() {
            return;
        }
        let parser = self.connection.shared.config.parser;
        let packet = parser.encode_disconnect(self.namespace.name()).into();
        if self.connection.sender.send(&packet) == SendOutcome::Full {
            // The client must not believe that it is connected.
            self.connection.sender.close(EndReason::ForcedClose);
        }
        self.close(reason);
    }

    /// Disconnects a client that is too slow, with its connection.
    pub(super) fn close_slow(&self) {
        self.close(DisconnectReason::SlowClient);
        self.connection.sender.close(EndReason::ForcedClose);
    }

    pub(super) async fn closed(&self) -> DisconnectReason {
        loop {
            let notified = self.closed.notified();
            // A close after this line wakes the future that was made before it.
            if let Some(reason) = self.reason() {
                return reason;
            }
            notified.await;
        }
    }

    /// Answers an event.
    pub(super) async fn acknowledge<T: Serialize + ?Sized>(&self, id: u64, answer: &T) -> Delivery {
        let parser = self.connection.shared.config.parser;
        match parser.encode(self.namespace.name(), Head::Ack(id), answer) {
            Ok(packet) => self.send_waiting(&packet.finish(None).into()).await,
            Err(error) => Delivery::Invalid(error),
        }
    }
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

    /// The namespace that the socket is in.
    pub fn namespace(&self) -> Namespace<U> {
        Namespace::new(self.core.namespace.clone())
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
        self.core.connection.changed.notify_one();
        self.core.closed().await
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

    /// Joins a room. Returns whether the socket was not in it.
    pub fn join(&self, room: impl Into<Arc<str>>) -> bool {
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

    /// Addresses the other sockets in this room.
    pub fn to(&self, room: impl Into<Arc<str>>) -> Broadcast<U> {
        self.broadcast().to(room)
    }

    /// Addresses all other sockets of the namespace.
    pub fn broadcast(&self) -> Broadcast<U> {
        let target = Target { except_socket: Some(self.core.id), ..Target::default() };
        Broadcast::new(self.core.namespace.clone(), target)
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
