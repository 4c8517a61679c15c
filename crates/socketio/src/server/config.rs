//! The settings of a Socket.IO server.

use std::sync::Arc;
use std::time::Duration;

use fullduplex::ConfigError;

use super::SocketIo;
use crate::engine::EngineConfig;
use crate::packet::PacketLimits;
use crate::parser::Parser;
use crate::recovery::Recovery;

/// What happens to messages for a client that takes them more slowly than they come: when the bytes
/// that wait for it would exceed `max_queue_bytes` of [`EngineConfig`].
///
/// [`emit`](crate::Socket::emit) to the one socket waits under the policies `Close` and `Wait`.
/// Messages to many sockets are where the policies differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowPolicy {
    /// A message to many closes the connection of this client. It can come back, and with
    /// [`Recovery`] it then receives what it missed. The default.
    #[default]
    Close,
    /// A message to many waits until it fits for this client, and with it the sender.
    Wait,
    /// The message is dropped for this client, and counted.
    Drop {
        /// The event that tells the client the number of dropped messages, before the next one that
        /// it receives, or when it has caught up. `None` tells it nothing.
        event: Option<Arc<str>>,
    },
    /// A message with a [key](crate::Broadcast::keyed) takes the place of one with the same key
    /// that waits. All others are dropped and counted, as under `Drop`.
    ///
    /// A client that missed a message is not recovered later: send it the state when it connects.
    Conflate,
}

/// The settings of a Socket.IO server, which [`build`](SocketIoBuilder::build) starts.
#[derive(Debug)]
pub struct SocketIoBuilder {
    pub(super) config: Config,
    engine: EngineConfig,
}

#[derive(Debug)]
pub(super) struct Config {
    pub(super) parser: Parser,
    pub(super) packet_limits: Arc<PacketLimits>,
    pub(super) connect_timeout: Duration,
    pub(super) ack_timeout: Duration,
    pub(super) max_namespaces: usize,
    pub(super) max_outstanding_acks: usize,
    pub(super) max_pending_events: usize,
    pub(super) max_rooms: usize,
    pub(super) max_room_name: usize,
    pub(super) slow: SlowPolicy,
    pub(super) recovery: Option<Recovery>,
}

impl Default for SocketIoBuilder {
    fn default() -> Self {
        Self {
            config: Config {
                parser: Parser::default(),
                packet_limits: Arc::default(),
                connect_timeout: Duration::from_secs(10),
                ack_timeout: Duration::from_secs(10),
                max_namespaces: 16,
                max_outstanding_acks: 1024,
                max_pending_events: 64,
                max_rooms: 1024,
                max_room_name: 1024,
                slow: SlowPolicy::default(),
                recovery: None,
            },
            engine: EngineConfig::default(),
        }
    }
}

impl SocketIoBuilder {
    /// Sets the settings of Engine.IO: heartbeats, the origins that may connect, sizes, and the
    /// path if it is not `/socket.io/`.
    #[must_use]
    pub fn engine(mut self, engine: EngineConfig) -> Self {
        self.engine = engine;
        self
    }

    /// Sets how packets are written. Default: [`Parser::Default`].
    #[must_use]
    pub fn parser(mut self, parser: Parser) -> Self {
        self.config.parser = parser;
        self
    }

    /// Sets the limits of a received packet.
    #[must_use]
    pub fn packet_limits(mut self, limits: PacketLimits) -> Self {
        self.config.packet_limits = Arc::new(limits);
        self
    }

    /// Sets how long a connection may be in no namespace, and how long a namespace may take to let
    /// a client in. Default: 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// Sets how long an acknowledgement is waited for. Default: 10 s.
    #[must_use]
    pub fn ack_timeout(mut self, timeout: Duration) -> Self {
        self.config.ack_timeout = timeout;
        self
    }

    /// Sets to how many namespaces one connection may belong. Default: 16.
    #[must_use]
    pub fn max_namespaces(mut self, namespaces: usize) -> Self {
        self.config.max_namespaces = namespaces;
        self
    }

    /// Sets how many acknowledgements of one socket may be waited for at once. Default: 1,024.
    #[must_use]
    pub fn max_outstanding_acks(mut self, acks: usize) -> Self {
        self.config.max_outstanding_acks = acks;
        self
    }

    /// Sets how many received events of one connection may wait for their handlers, or run. Beyond
    /// that nothing is read. Default: 64.
    ///
    /// While acknowledgements are waited for, 16 times as many may wait.
    #[must_use]
    pub fn max_pending_events(mut self, events: usize) -> Self {
        self.config.max_pending_events = events;
        self
    }

    /// Sets in how many rooms one socket may be, besides that of its id. Default: 1,024.
    ///
    /// [`Socket::join`](crate::Socket::join) returns whether there were too many. A client that
    /// chooses rooms can so take a bounded part of the memory and time of its namespace: joining
    /// takes time in proportion to the number of the socket's rooms.
    #[must_use]
    pub fn max_rooms(mut self, rooms: usize) -> Self {
        self.config.max_rooms = rooms;
        self
    }

    /// Sets the longest name of a room that can be joined, in bytes. Default: 1,024.
    #[must_use]
    pub fn max_room_name(mut self, bytes: usize) -> Self {
        self.config.max_room_name = bytes;
        self
    }

    /// Sets what happens to messages for slow clients, unless a
    /// [socket](crate::Socket::set_slow_policy) has its own policy.
    #[must_use]
    pub fn slow(mut self, policy: SlowPolicy) -> Self {
        self.config.slow = policy;
        self
    }

    /// Lets clients recover their state when they reconnect. Off by default.
    ///
    /// Each event then has one more argument, the offset, as with the official server.
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.config.recovery = Some(recovery);
        self
    }

    /// Starts the server. Clients are let in once namespaces are [opened](SocketIo::of).
    ///
    /// # Errors
    /// The first setting that is out of range.
    pub fn build(self) -> Result<SocketIo, ConfigError> {
        SocketIo::start(self.config, self.engine)
    }
}
