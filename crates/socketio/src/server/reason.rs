//! Why a socket is disconnected.

use std::fmt;

use crate::engine::EndReason;

/// Why a socket is disconnected, in the words of the official server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum DisconnectReason {
    /// The client's transport ended: it closed, or its network did.
    TransportClose = 1,
    /// The transport failed.
    TransportError,
    /// The client did not answer the heartbeat.
    PingTimeout,
    /// The client sent what is not Socket.IO, or more than a limit allows.
    ParseError,
    /// The connection was closed by the server.
    ForcedClose,
    /// The client left the namespace.
    ClientNamespaceDisconnect,
    /// The server called [`disconnect`](crate::Socket::disconnect).
    ServerNamespaceDisconnect,
    /// The server is shutting down.
    ServerShuttingDown,
    /// The client was too slow for what was sent to it, by [`SlowPolicy`](crate::SlowPolicy).
    SlowClient,
    /// A handler of the socket panicked.
    HandlerPanicked,
}

impl DisconnectReason {
    /// All reasons, each at the index of its number less one.
    pub(super) const ALL: [Self; 10] = [
        Self::TransportClose,
        Self::TransportError,
        Self::PingTimeout,
        Self::ParseError,
        Self::ForcedClose,
        Self::ClientNamespaceDisconnect,
        Self::ServerNamespaceDisconnect,
        Self::ServerShuttingDown,
        Self::SlowClient,
        Self::HandlerPanicked,
    ];

    /// Returns the text that the official server has for this reason.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::ForcedClose => "forced close",
            Self::ClientNamespaceDisconnect => "client namespace disconnect",
            Self::ServerNamespaceDisconnect | Self::HandlerPanicked => {
                "server namespace disconnect"
            }
            Self::ServerShuttingDown => "server shutting down",
            Self::SlowClient => "forced server close",
        }
    }

    /// Whether the client may come back and recover.
    pub fn is_recoverable(self) -> bool {
        !matches!(
            self,
            Self::ClientNamespaceDisconnect
                | Self::ServerNamespaceDisconnect
                | Self::HandlerPanicked
                | Self::ParseError
        )
    }

    /// Returns the reason with this number.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }
}

impl From<EndReason> for DisconnectReason {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::TransportClose => Self::TransportClose,
            EndReason::TransportError => Self::TransportError,
            EndReason::PingTimeout => Self::PingTimeout,
            EndReason::ParseError => Self::ParseError,
            EndReason::ForcedClose => Self::ForcedClose,
            EndReason::ServerShutdown => Self::ServerShuttingDown,
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disconnect_reason_has_its_number() {
        for reason in DisconnectReason::ALL {
            assert_eq!(DisconnectReason::from_number(reason as u8), Some(reason));
        }
        assert_eq!(DisconnectReason::from_number(0), None);
        assert_eq!(DisconnectReason::from_number(11), None);
    }
}
