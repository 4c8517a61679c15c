//! Packets of Socket.IO v5, and the limits that received ones are held to.

use std::fmt;
use std::sync::Arc;

use crate::args::Args;

/// The events that only the libraries themselves emit, so that no packet may carry them.
pub(crate) const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// A received packet, complete with its attachments.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Packet {
    /// The namespace, which begins with `/`.
    pub namespace: Arc<str>,
    /// What the packet says.
    pub body: PacketBody,
}

/// The types of packets, with what each carries.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum PacketBody {
    /// Asks to connect to the namespace, or says that this succeeded.
    Connect {
        /// The object that the packet carries, or nothing.
        data: Args,
    },
    /// Leaves the namespace.
    Disconnect,
    /// Carries an event.
    Event {
        /// The name of the event.
        name: String,
        /// The acknowledgement id, if the sender asks for an acknowledgement.
        id: Option<u64>,
        /// The arguments, without the name.
        args: Args,
    },
    /// Answers an event.
    Ack {
        /// The acknowledgement id of the event.
        id: u64,
        /// The arguments of the acknowledgement.
        args: Args,
    },
    /// Refuses a connection to the namespace.
    ConnectError {
        /// The object that the packet carries.
        data: Args,
    },
}

/// Limits of what a received packet may hold. Each is enforced before memory is taken for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PacketLimits {
    /// How many attachments a packet may have. Default: 10.
    pub max_attachments: usize,
    /// How deeply arrays and objects may be nested in a packet. Default: 64.
    pub max_depth: usize,
    /// How many bytes the name of an event may have. Default: 256.
    pub max_event_name: usize,
    /// How many bytes the name of a namespace may have. Default: 256.
    pub max_namespace_name: usize,
    /// How many bytes a packet may have with its attachments. Default: 4,000,000.
    pub max_packet_size: usize,
}

impl Default for PacketLimits {
    fn default() -> Self {
        Self {
            max_attachments: 10,
            max_depth: 64,
            max_event_name: 256,
            max_namespace_name: 256,
            max_packet_size: 4_000_000,
        }
    }
}

impl PacketLimits {
    /// Sets how many attachments a packet may have.
    #[must_use]
    pub fn max_attachments(mut self, attachments: usize) -> Self {
        self.max_attachments = attachments;
        self
    }

    /// Sets how deeply arrays and objects may be nested in a packet.
    #[must_use]
    pub fn max_depth(mut self, depth: usize) -> Self {
        self.max_depth = depth;
        self
    }

    /// Sets how many bytes the name of an event may have.
    #[must_use]
    pub fn max_event_name(mut self, bytes: usize) -> Self {
        self.max_event_name = bytes;
        self
    }

    /// Sets how many bytes the name of a namespace may have.
    #[must_use]
    pub fn max_namespace_name(mut self, bytes: usize) -> Self {
        self.max_namespace_name = bytes;
        self
    }

    /// Sets how many bytes a packet may have with its attachments.
    #[must_use]
    pub fn max_packet_size(mut self, bytes: usize) -> Self {
        self.max_packet_size = bytes;
        self
    }
}

/// The error for a received packet that breaks the protocol or a limit.
///
/// The connection is closed with the reason `parse error`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PacketError {
    /// The packet is not one of Socket.IO v5; the text says what is wrong with it.
    Malformed(&'static str),
    /// The packet is larger than `max_packet_size`.
    TooLarge,
    /// The packet announces more attachments than `max_attachments`.
    TooManyAttachments,
    /// The packet is nested more deeply than `max_depth`.
    TooDeep,
    /// The name of the event or of the namespace is longer than `max_event_name` or
    /// `max_namespace_name`.
    NameTooLong,
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(what) => what,
            Self::TooLarge => "the packet is larger than max_packet_size",
            Self::TooManyAttachments => "the packet has more attachments than max_attachments",
            Self::TooDeep => "the packet is nested more deeply than max_depth",
            Self::NameTooLong => "a name is longer than max_event_name or max_namespace_name",
        })
    }
}

impl std::error::Error for PacketError {}

/// The error for a value that can't be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// Only the libraries themselves may emit events of this name.
    ReservedEvent,
    /// The value can't be serialized; the text says why.
    Unserializable(String),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedEvent => f.write_str("the name of the event is reserved"),
            Self::Unserializable(why) => write!(f, "the value can't be serialized: {why}"),
        }
    }
}

impl std::error::Error for EncodeError {}
