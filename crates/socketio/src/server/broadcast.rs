//! Messages to many sockets.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::ack::{self, AckError, ExpectedAck};
use super::cores::{NamespaceCore, SocketCore};
use super::deliver::{Attempt, Delivery, SendMode};
use super::join::JoinOutcome;
use super::reason::DisconnectReason;
use super::sending::Receipt;
use super::socket::Socket;
use super::target::Target;
use crate::args::Args;
use crate::engine::Outgoing;
use crate::packet::EncodeError;
use crate::parser::{Head, PartialPacket};

/// Sockets of a namespace that are addressed together. What it does happens to those that are
/// connected then.
///
/// ```
/// # async fn example(socket: fullduplex_socketio::Socket) {
/// let report = socket.to("lobby").except("muted").emit("message", "hello").await;
/// println!("{} have it, {} are too slow", report.accepted(), report.dropped);
/// # }
/// ```
#[must_use = "addresses sockets, and does nothing to them yet"]
pub struct Broadcast<U = ()> {
    namespace: Arc<NamespaceCore>,
    target: Target,
    mode: SendMode,
    timeout: Option<Duration>,
    user: PhantomData<fn() -> U>,
}

/// How many sockets a message has reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BroadcastReport {
    /// The transports that took it.
    pub sent: usize,
    /// The sockets in whose queue it waits.
    pub queued: usize,
    /// The sockets for which it was dropped, as they are slow.
    pub dropped: usize,
    /// The sockets that were closed meanwhile, or because they are too slow.
    pub closed: usize,
    /// Why it can't be sent to anyone, if it can't.
    pub error: Option<EncodeError>,
}

impl BroadcastReport {
    /// The number of sockets to which the message is on its way.
    pub fn accepted(&self) -> usize {
        self.sent + self.queued
    }

    fn add(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Sent => self.sent += 1,
            Delivery::Queued => self.queued += 1,
            Delivery::Dropped(_) => self.dropped += 1,
            Delivery::Closed => self.closed += 1,
            Delivery::Invalid(error) => self.error = Some(error),
        }
    }
}

/// The acknowledgements of an event that was sent to many sockets.
#[derive(Debug)]
#[non_exhaustive]
pub struct Acks<R, U = ()> {
    /// The sockets that answered, with their answers.
    pub answers: Vec<(Socket<U>, R)>,
    /// The sockets that did not answer, and why.
    pub missing: Vec<(Socket<U>, AckError)>,
}

impl<U> Clone for Broadcast<U> {
    fn clone(&self) -> Self {
        Self {
            namespace: self.namespace.clone(),
            target: self.target.clone(),
            mode: self.mode,
            timeout: self.timeout,
            user: PhantomData,
        }
    }
}

impl<U> fmt::Debug for Broadcast<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("namespace", self.namespace.name())
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl<U: Send + Sync + 'static> Broadcast<U> {
    pub(super) fn new(namespace: Arc<NamespaceCore>, target: Target) -> Self {
        Self { namespace, target, mode: SendMode::Reliable, timeout: None, user: PhantomData }
    }

    /// Adds a room, or the id of one socket. A socket that is in several rooms is addressed once.
    pub fn to(mut self, room: impl Into<Arc<str>>) -> Self {
        self.target.rooms.push(room.into());
        self
    }

    /// Leaves out the sockets of a room, or the socket with this id.
    pub fn except(mut self, room: impl Into<Arc<str>>) -> Self {
        self.target.except.push(room.into());
        self
    }

    /// Addresses only sockets of this process. Without a way to other processes, that is all.
    pub fn local(self) -> Self {
        self
    }

    /// Sends to each socket now or never: nothing is queued, and nothing is recovered.
    pub fn volatile(mut self) -> Self {
        self.mode = SendMode::Volatile;
        self
    }

    /// Lets the message take the place of one with the same key that waits, for sockets whose
    /// policy is [`SlowPolicy::Conflate`](crate::SlowPolicy::Conflate).
    pub fn keyed(mut self, key: u64) -> Self {
        self.mode = SendMode::Keyed(key);
        self
    }

    /// Sets how long acknowledgements are waited for. By default that is
    /// [`ack_timeout`](crate::SocketIoBuilder::ack_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends an event to all, and returns how many it has reached.
    ///
    /// The packet is made once. This waits only for sockets whose policy is
    /// [`SlowPolicy::Wait`](crate::SlowPolicy::Wait).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits, sockets that it waits for don't receive the event.
    pub fn emit<T: Serialize>(
        &self,
        event: &str,
        args: T,
    ) -> impl Future<Output = BroadcastReport> + Send {
        let packet = self.namespace.encode(Head::Event(event, None), &args);
        async move {
            match packet {
                Ok(packet) => self.publish(packet).await,
                Err(error) => BroadcastReport { error: Some(error), ..Default::default() },
            }
        }
    }

    async fn publish(&self, packet: PartialPacket) -> BroadcastReport {
        let (receipts, message) = self.namespace.publish(&self.target, packet, self.mode);
        let mut report = BroadcastReport::default();
        for receipt in receipts {
            report.add(match receipt {
                Receipt::Delivery(delivery) => delivery,
                Receipt::MustWait(core) => core.send_waiting(&message).await,
            });
        }
        report
    }

    /// Sends an event to all, and returns their acknowledgements, with who did not answer.
    pub fn emit_with_ack<R: DeserializeOwned + Send>(
        &self,
        event: &str,
        args: impl Serialize,
    ) -> impl Future<Output = Result<Acks<R, U>, EncodeError>> + Send {
        let id = self.namespace.next_ack_id();
        let packet = self.namespace.encode(Head::Event(event, Some(id)), &args);
        async move { Ok(self.collect_acks(id, packet?).await) }
    }

    async fn collect_acks<R: DeserializeOwned + Send>(
        &self,
        id: u64,
        packet: PartialPacket,
    ) -> Acks<R, U> {
        let cores = self.namespace.sockets(&self.target);
        let mut acks = Acks { answers: Vec::new(), missing: Vec::new() };
        let Some(first) = cores.first() else { return acks };
        let timeout = self.timeout.unwrap_or(first.connection.shared.config.ack_timeout);
        let until = Instant::now() + timeout;
        let message = packet.finish(None).into();
        // All are asked before any is waited for.
        let mut asked = Vec::with_capacity(cores.len());
        for core in &cores {
            let expected = match ExpectedAck::new(core, id) {
                Ok(expected) => expected,
                Err(error) => {
                    acks.missing.push((Socket::new(core.clone()), error));
                    continue;
                }
            };
            let attempt = core.attempt(&message, self.mode, true);
            asked.push((core, expected, attempt));
        }
        for (core, expected, attempt) in asked {
            match answer(core, expected, attempt, &message, until).await {
                Ok(args) => match args.get() {
                    Ok(answer) => acks.answers.push((Socket::new(core.clone()), answer)),
                    Err(error) => {
                        let error = AckError::UnexpectedArgs(error);
                        acks.missing.push((Socket::new(core.clone()), error));
                    }
                },
                Err(error) => acks.missing.push((Socket::new(core.clone()), error)),
            }
        }
        acks
    }

    /// Returns the sockets.
    pub fn fetch(&self) -> Vec<Socket<U>> {
        self.namespace.sockets(&self.target).into_iter().map(Socket::new).collect()
    }

    /// Lets all join a room, as [`Socket::join`](crate::Socket::join) does. Returns how many have
    /// joined, without those that were in it.
    pub fn join(&self, room: impl Into<Arc<str>>) -> usize {
        let room = room.into();
        let cores = self.namespace.sockets(&self.target);
        let joined = cores.iter().map(|core| self.namespace.join(core, &room));
        joined.filter(|outcome| *outcome == JoinOutcome::Joined).count()
    }

    /// Lets all leave a room. Returns how many were in it.
    pub fn leave(&self, room: &str) -> usize {
        let cores = self.namespace.sockets(&self.target);
        cores.iter().filter(|core| self.namespace.leave(core, room)).count()
    }

    /// Disconnects all from the namespace. Returns how many there were.
    pub fn disconnect(&self) -> usize {
        let cores = self.namespace.sockets(&self.target);
        for core in &cores {
            core.disconnect(DisconnectReason::ServerNamespaceDisconnect);
        }
        cores.len()
    }
}

impl<U: Send + Sync + 'static> Socket<U> {
    /// Addresses the other sockets in this room.
    pub fn to(&self, room: impl Into<Arc<str>>) -> Broadcast<U> {
        self.broadcast().to(room)
    }

    /// Addresses all other sockets of the namespace.
    pub fn broadcast(&self) -> Broadcast<U> {
        let target = Target { except_socket: Some(self.core.id), ..Target::default() };
        Broadcast::new(self.core.namespace.clone(), target)
    }
}

/// Waits for one acknowledgement of many.
async fn answer(
    core: &SocketCore,
    expected: ExpectedAck<'_>,
    attempt: Attempt,
    message: &Outgoing,
    until: Instant,
) -> Result<Args, AckError> {
    let delivery = match attempt {
        Attempt::Done(delivery) => delivery,
        Attempt::Close => Delivery::Closed,
        Attempt::Full => match timeout_at(until, core.send_waiting(message)).await {
            Ok(delivery) => delivery,
            Err(_) => return Err(AckError::Timeout),
        },
    };
    ack::check(delivery)?;
    expected.wait(until).await
}
