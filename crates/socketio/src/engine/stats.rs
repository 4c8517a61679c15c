//! What an engine has done since its start.

use std::collections::BTreeMap;
use std::fmt;

use crate::engine::outcome::EndReason;

/// The statistics of an [`Engine`](crate::engine::Engine) since its start, and what is open now.
///
/// ```
/// use fullduplex_socketio::engine::{EndReason, Engine};
///
/// fn report(engine: &Engine) {
///     let stats = engine.stats();
///     println!("{} sessions poll, {} have a WebSocket", stats.open.polling, stats.open.websocket);
///     println!("{} clients fell silent", stats.ends[&EndReason::PingTimeout]);
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineStats {
    /// The open sessions, by what carries them now.
    pub open: TransportStats,
    /// The sessions that were opened, by what they began with.
    pub opened: TransportStats,
    /// The upgrades from polling to a WebSocket.
    pub upgrades: UpgradeStats,
    /// The polls that were answered.
    pub polls: u64,
    /// The packets of all types that were received, but for those that test a WebSocket.
    pub received: PacketStats,
    /// The packets of all types that were sent, but for those that open a session or test a
    /// WebSocket.
    pub sent: PacketStats,
    /// The number of ended sessions, by every reason.
    pub ends: BTreeMap<EndReason, u64>,
    /// The number of rejected requests, by every reason. What a
    /// [`Server`](fullduplex::server::Server) rejects before it asks the engine is in its own
    /// statistics.
    pub rejected: BTreeMap<RejectReason, u64>,
}

/// A number of sessions by transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportStats {
    /// Sessions that poll.
    pub polling: u64,
    /// Sessions with a WebSocket.
    pub websocket: u64,
}

/// How upgrades have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpgradeStats {
    /// The session went on by the WebSocket.
    pub completed: u64,
    /// The session went on by polling, or ended meanwhile.
    pub failed: u64,
}

/// The packets of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PacketStats {
    /// How many there were.
    pub packets: u64,
    /// Their bytes, as messages of a WebSocket before compression, or as payloads of polling.
    pub bytes: u64,
}

/// Why a request was rejected.
///
/// ```
/// use fullduplex_socketio::engine::RejectReason;
///
/// assert_eq!(RejectReason::Origin.as_str(), "origin");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RejectReason {
    /// The Origin is not allowed.
    Origin,
    /// The query has no session that is open.
    UnknownSession,
    /// The query has no transport that is offered.
    UnknownTransport,
    /// The query has another version of the protocol than 4.
    UnsupportedVersion,
    /// The request breaks another rule of the protocol.
    BadRequest,
    /// The content of a POST is longer than `max_payload`.
    ContentTooLarge,
    /// The content of a POST did not arrive within `body_timeout`.
    ContentTimeout,
    /// The engine has too many sessions, or is shut down.
    Unavailable,
    /// The client's address has too many sessions.
    TooManyOfAddress,
}

impl RejectReason {
    /// All reasons, in their order.
    pub(crate) const ALL: [Self; 9] = [
        Self::Origin,
        Self::UnknownSession,
        Self::UnknownTransport,
        Self::UnsupportedVersion,
        Self::BadRequest,
        Self::ContentTooLarge,
        Self::ContentTimeout,
        Self::Unavailable,
        Self::TooManyOfAddress,
    ];

    /// Returns the name of the reason, as it is a label of metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::UnknownSession => "unknown_session",
            Self::UnknownTransport => "unknown_transport",
            Self::UnsupportedVersion => "unsupported_version",
            Self::BadRequest => "bad_request",
            Self::ContentTooLarge => "content_too_large",
            Self::ContentTimeout => "content_timeout",
            Self::Unavailable => "unavailable",
            Self::TooManyOfAddress => "too_many_of_address",
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_at_their_numbers() {
        assert!(RejectReason::ALL.iter().enumerate().all(|(at, reason)| *reason as usize == at));
        assert!(EndReason::ALL.iter().enumerate().all(|(at, reason)| *reason as usize == at));
    }
}
