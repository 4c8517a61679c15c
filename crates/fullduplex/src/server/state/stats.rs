//! What a server has seen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fullduplex_proto::{CloseCause, CloseInfo, ProtocolError};

use crate::base::error::{Error, ErrorKind};
use crate::base::sync::Mutex;
use crate::connection::stats::ConnectionStats;
use crate::server::state::connection_limit::ConnectionCounts;

/// What a server has seen since it began, and what it holds now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Connections: how many stand, and how many were refused.
    pub connections: ConnectionCounts,
    /// How many connections were accepted.
    pub accepted: u64,
    /// How many WebSockets are open.
    pub websockets: usize,
    /// How the opening handshakes ended, and how often.
    pub handshakes: BTreeMap<HandshakeOutcome, u64>,
    /// How the WebSockets ended, and how often.
    pub ends: BTreeMap<CloseKind, u64>,
    /// All messages and bytes, of the WebSockets that are open too.
    pub traffic: ConnectionStats,
    /// The round trips of keepalive pings.
    pub round_trips: Histogram,
    /// How often something of the application's has panicked: a handler, `authenticate`, the
    /// service, `on_rejected`, a transport, a waker, the `tracing` subscriber, or the `Drop` of
    /// what a connection held.
    pub panics: u64,
    /// How often accepting a connection has failed, such as for want of open files (`EMFILE`).
    pub accept_failures: u64,
}

/// How an opening handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HandshakeOutcome {
    /// With a WebSocket, on this version of HTTP.
    Opened(HttpVersion),
    /// With this status: a rule, a policy or the application refused.
    Refused(u16),
    /// The head was not there after `handshake_timeout`.
    TimedOut,
    /// It gave way for others (`max_handshakes`).
    Evicted,
    /// TLS failed.
    Tls,
    /// The peer left, or the transport failed.
    Gone,
}

impl HandshakeOutcome {
    /// Of a request that could not be read.
    pub(crate) fn of_failure(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Timeout => Self::TimedOut,
            ErrorKind::Tls => Self::Tls,
            ErrorKind::Limit => Self::Refused(431),
            ErrorKind::Handshake => Self::Refused(400),
            _ => Self::Gone,
        }
    }
}

/// A version of HTTP, as far as it matters to WebSockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/1.1 (RFC 6455).
    Http1,
    /// HTTP/2 (RFC 8441).
    Http2,
    /// HTTP/3 (RFC 9220).
    Http3,
}

impl HttpVersion {
    pub(crate) fn of(version: http::Version) -> Self {
        match version {
            http::Version::HTTP_2 => Self::Http2,
            http::Version::HTTP_3 => Self::Http3,
            _ => Self::Http1,
        }
    }

    /// `1.1`, `2` or `3`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "1.1",
            Self::Http2 => "2",
            Self::Http3 => "3",
        }
    }
}

/// How a WebSocket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct CloseKind {
    /// The peer's close code (RFC 6455 §7.1.5); the first of their thousand for codes from
    /// 3000 on, of which a peer could make up any number.
    pub code: u16,
    /// Why, in a word: `handshake`, `keepalive_timeout`, `max_message_size`, ….
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
        CloseCause::TransportEnd => "transport_end",
        CloseCause::TransportError => "transport_error",
        _ => "dropped",
    }
}

/// How long things took, in classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; Self::BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    /// The upper bounds of the classes, in milliseconds; what took longer is in one more.
    pub const BOUNDS: [u64; 13] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

    pub(crate) fn record(&mut self, took: Duration) {
        let class = Self::BOUNDS.partition_point(|bound| Duration::from_millis(*bound) < took);
        self.counts[class] += 1;
        self.sum += took;
    }

    /// How many there are in each class, the last without an upper bound.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        self.sum
    }
}

/// What is counted when it happens: a few times in the life of a connection. Clones count together.
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

    /// All of it, as of now.
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
        for (micros, class) in [(0, 0), (1000, 0), (1001, 1), (10_000_000, 12), (u64::MAX / 4, 13)]
        {
            let before = histogram.counts()[class];
            histogram.record(Duration::from_micros(micros));
            assert_eq!(histogram.counts()[class], before + 1, "{micros} µs");
        }
        assert_eq!(histogram.count(), 5);
    }

    #[test]
    fn stats_bound_the_close_codes_of_peers() {
        use fullduplex_proto::{CloseCode, CloseFrame, Initiator};
        let mut info = CloseInfo {
            sent: None,
            received: None,
            close_sent: true,
            close_received: true,
            initiator: Initiator::Peer,
            cause: CloseCause::Handshake,
        };
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
