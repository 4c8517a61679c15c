//! What became of a message, and why a session ended.

use std::fmt;

/// What became of a message that was sent.
///
/// ```
/// use fullduplex_socketio::engine::{EndReason, Outgoing, SendOutcome, Sender};
///
/// fn send_or_end(sender: &Sender, message: &Outgoing) {
///     if sender.send(message) == SendOutcome::Full {
///         sender.close(EndReason::ForcedClose);
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a message may not have been sent"]
#[non_exhaustive]
pub enum SendOutcome {
    /// The message was handed to the WebSocket, or to a poll that waited.
    Sent,
    /// The message waits in the session's queue.
    Queued,
    /// The message waits in the session's queue, in place of an older one with its key.
    Replaced,
    /// The queue has no space for it: it is not sent.
    Full,
    /// The session has ended, or is closing: it is not sent.
    Closed,
}

impl SendOutcome {
    /// Returns whether the message is sent, now or later, unless the session ends before.
    pub fn is_accepted(self) -> bool {
        matches!(self, Self::Sent | Self::Queued | Self::Replaced)
    }
}

/// Why a session ended. The names are those of the official server.
///
/// ```
/// use fullduplex_socketio::engine::EndReason;
///
/// assert_eq!(EndReason::PingTimeout.as_str(), "ping timeout");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The client closed the session.
    TransportClose,
    /// The connection failed, or the client broke a rule of the protocol: a poll was cut off, or
    /// two were open at once.
    TransportError,
    /// The client did not answer a ping in time.
    PingTimeout,
    /// The client sent what is not a packet.
    ParseError,
    /// The application closed the session.
    ForcedClose,
    /// The server shuts down.
    ServerShutdown,
}

impl EndReason {
    /// All reasons, in their order.
    pub(crate) const ALL: [Self; 6] = [
        Self::TransportClose,
        Self::TransportError,
        Self::PingTimeout,
        Self::ParseError,
        Self::ForcedClose,
        Self::ServerShutdown,
    ];

    /// Returns the name of the reason.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::ForcedClose => "forced close",
            Self::ServerShutdown => "server shutting down",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What carries the packets of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportKind {
    /// HTTP long-polling.
    Polling,
    /// A WebSocket.
    WebSocket,
}

impl TransportKind {
    /// Returns the name of the transport in a query.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

impl fmt::Display for TransportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
