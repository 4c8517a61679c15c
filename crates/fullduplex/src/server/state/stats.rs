//! Statistics of a server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{StatusCode, Version};

use crate::base::error::{Error, ErrorKind};
use crate::base::histogram::Histogram;
use crate::base::stats::ConnectionStats;
use crate::base::sync::Mutex;
use crate::connection::close_kind::CloseKind;
use crate::server::state::connection_limit::ConnectionCounts;

/// The statistics of a server since its start, and what is open now.
///
/// ```
/// use fullduplex::server::ServerHandle;
///
/// fn report(handle: &ServerHandle) {
///     let stats = handle.stats();
///     println!("{} WebSockets are open", stats.websockets);
///     for (outcome, count) in &stats.handshakes {
///         println!("{count} handshakes: {outcome:?}");
///     }
///     for (end, count) in &stats.ends {
///         println!("{count} ended with {}: {}", end.code, end.cause);
///     }
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// The number of open connections, and of those that were rejected for a limit.
    pub connections: ConnectionCounts,
    /// The number of accepted connections.
    pub accepted: u64,
    /// The number of open WebSockets.
    pub websockets: usize,
    /// The number of opening handshakes, by outcome.
    pub handshakes: BTreeMap<HandshakeOutcome, u64>,
    /// The number of ended WebSockets, by close code and cause.
    pub ends: BTreeMap<CloseKind, u64>,
    /// Messages and bytes of all WebSockets, ended and open.
    pub traffic: ConnectionStats,
    /// The round-trip times of keepalive pings.
    pub round_trips: Histogram,
    /// The number of panics in the application's code: a handler, `authenticate`, the service,
    /// `on_rejected`, a transport, a waker, the `tracing` subscriber, or a `Drop`.
    pub panics: u64,
    /// The number of failures to accept a connection, such as for too many open files (`EMFILE`).
    pub accept_failures: u64,
}

/// The outcome of an opening handshake.
///
/// ```
/// use fullduplex::server::stats::{HandshakeOutcome, ServerStats};
/// use http::Version;
///
/// fn of_http2(stats: &ServerStats) -> u64 {
///     let opened = HandshakeOutcome::Opened(Version::HTTP_2);
///     stats.handshakes.get(&opened).copied().unwrap_or_default()
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HandshakeOutcome {
    /// A WebSocket was opened, on this version of HTTP: 1.1 (RFC 6455), 2 (RFC 8441) or 3
    /// (RFC 9220).
    Opened(Version),
    /// A rule, a policy or the application rejected the request with this status.
    Rejected(StatusCode),
    /// The request was not complete within `handshake_timeout`.
    TimedOut,
    /// Newer handshakes took its place (`max_handshakes`).
    Evicted,
    /// The TLS handshake failed.
    TlsFailed,
    /// The peer disconnected, or the transport failed.
    Disconnected,
}

impl HandshakeOutcome {
    /// Returns the outcome for a request that could not be read.
    pub(crate) fn of_failure(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Timeout => Self::TimedOut,
            ErrorKind::Tls => Self::TlsFailed,
            ErrorKind::Limit => Self::Rejected(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            ErrorKind::Handshake => Self::Rejected(StatusCode::BAD_REQUEST),
            _ => Self::Disconnected,
        }
    }
}

/// A recorder of the events that change [`ServerStats`], a few per connection. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct StatsRecorder(Arc<Mutex<ServerStats>>);

impl StatsRecorder {
    pub(crate) fn accepted(&self) {
        self.0.lock().accepted += 1;
    }

    pub(crate) fn handshake(&self, outcome: HandshakeOutcome) {
        *self.0.lock().handshakes.entry(outcome).or_default() += 1;
    }

    pub(crate) fn end(&self, end: CloseKind, traffic: ConnectionStats) {
        let mut stats = self.0.lock();
        *stats.ends.entry(end).or_default() += 1;
        stats.traffic.add(traffic);
    }

    pub(crate) fn round_trip(&self, took: Duration) {
        self.0.lock().round_trips.record(took);
    }

    pub(crate) fn accept_failed(&self) {
        self.0.lock().accept_failures += 1;
    }

    pub(crate) fn panic(&self) {
        self.0.lock().panics += 1;
    }

    /// Returns a copy of the statistics.
    pub(crate) fn read(&self) -> ServerStats {
        self.0.lock().clone()
    }
}
