//! Statistics of a server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fullduplex_proto::{CloseCause, CloseInfo, ProtocolError};
use http::Version;

use crate::base::error::{Error, ErrorKind};
use crate::base::sync::Mutex;
use crate::connection::stats::ConnectionStats;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HandshakeOutcome {
    /// A WebSocket was opened, on this version of HTTP: 1.1 (RFC 6455), 2 (RFC 8441) or 3
    /// (RFC 9220).
    Opened(Version),
    /// A rule, a policy or the application rejected the request with this status.
    Rejected(u16),
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
            ErrorKind::Limit => Self::Rejected(431),
            ErrorKind::Handshake => Self::Rejected(400),
            _ => Self::Disconnected,
        }
    }
}

/// The close code and cause of an ended WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct CloseKind {
    /// The close code of the connection (RFC 6455 §7.1.5). Codes from 3000 on are rounded down to
    /// thousands, so that a peer can't create any number of kinds.
    pub code: u16,
    /// The close cause in a word: `handshake`, `keepalive_timeout`, `max_message_size`, ….
    pub cause: &'static str,
}

impl CloseKind {
    pub(crate) fn of(info: Option<&CloseInfo>) -> Self {
        let Some(info) = info else { return Self { code: 1006, cause: "dropped" } };
        let code = match info.code().get() {
            code @ 3000.. => code - code % 1000,
            code => code,
        };
        Self { code, cause: cause(info.cause) }
    }
}

fn cause(cause: CloseCause) -> &'static str {
    match cause {
        CloseCause::Handshake => "handshake",
        CloseCause::Protocol(ProtocolError::MessageTooBig { .. }) => "max_message_size",
        CloseCause::Protocol(ProtocolError::TooManyFragments { .. }) => "max_fragments",
        CloseCause::Protocol(ProtocolError::TooManyControlFrames { .. }) => "max_control_rate",
        CloseCause::Protocol(ProtocolError::TooManyMessages { .. }) => "max_message_rate",
        CloseCause::Protocol(ProtocolError::TooManyBytes { .. }) => "max_byte_rate",
        CloseCause::Protocol(ProtocolError::InvalidUtf8) => "invalid_utf8",
        CloseCause::Protocol(ProtocolError::InvalidDeflate) => "invalid_deflate",
        CloseCause::Protocol(_) => "protocol_error",
        CloseCause::KeepaliveTimeout => "keepalive_timeout",
        CloseCause::IdleTimeout => "idle_timeout",
        CloseCause::Unread => "unread",
        CloseCause::CloseTimeout => "close_timeout",
        CloseCause::Aborted => "aborted",
        CloseCause::TransportEnd => "transport_end",
        CloseCause::TransportError => "transport_error",
        _ => "dropped",
    }
}

/// A histogram of durations.
///
/// ```
/// use fullduplex::server::ServerHandle;
/// use fullduplex::server::stats::Histogram;
///
/// /// The share of round-trip times up to 200 ms.
/// fn fast(handle: &ServerHandle) -> f64 {
///     let times = handle.stats().round_trips;
///     let buckets = Histogram::BOUNDS.iter().zip(times.counts());
///     let fast: u64 = buckets.filter(|(bound, _)| **bound <= 200).map(|(_, count)| count).sum();
///     fast as f64 / times.count() as f64
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; Self::BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    /// The upper bounds of the buckets in milliseconds. The last bucket has no bound.
    pub const BOUNDS: [u64; 13] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

    pub(crate) fn record(&mut self, took: Duration) {
        let bucket = Self::BOUNDS.partition_point(|bound| Duration::from_millis(*bound) < took);
        self.counts[bucket] += 1;
        self.sum += took;
    }

    /// Returns the number of durations in each bucket; the last has no upper bound.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Returns the number of durations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the sum of all durations.
    pub fn sum(&self) -> Duration {
        self.sum
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stats_sort_times_into_buckets() {
        let mut histogram = Histogram::default();
        for (micros, bucket) in [(0, 0), (1000, 0), (1001, 1), (10_000_000, 12), (u64::MAX / 4, 13)]
        {
            let before = histogram.counts()[bucket];
            histogram.record(Duration::from_micros(micros));
            assert_eq!(histogram.counts()[bucket], before + 1, "{micros} µs");
        }
        assert_eq!(histogram.count(), 5);
    }

    #[test]
    fn stats_bound_the_close_codes_of_peers() {
        use fullduplex_proto::{CloseCode, CloseFrame, Initiator};
        let mut info = CloseInfo::new(Initiator::Peer, CloseCause::Handshake);
        (info.close_sent, info.close_received) = (true, true);
        for (code, expected) in [(1001, 1001), (3123, 3000), (4999, 4000)] {
            info.received = CloseFrame::new(CloseCode::new(code), "").ok();
            assert_eq!(
                CloseKind::of(Some(&info)),
                CloseKind { code: expected, cause: "handshake" }
            );
        }
        assert_eq!(CloseKind::of(None).code, 1006);
    }
}
