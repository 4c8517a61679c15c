//! The settings of QUIC for HTTP/3.

use std::time::Duration;

use quinn::{IdleTimeout, TransportConfig, VarInt};

/// The maximum number of bytes that a stream buffers if they are not read. Its sender then waits.
const STREAM_WINDOW: u32 = 256 << 10;
/// The maximum number of bytes that all streams of a connection buffer. It is larger than the
/// window of a stream, so that some streams may stall without blocking the others.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// The maximum number of bytes sent and not acknowledged.
const SEND_WINDOW: u64 = 4 << 20;
/// The maximum number of unidirectional streams of the peer. Three are needed (RFC 9114 §6.2); the
/// others are for extensions.
const MAX_UNIDIRECTIONAL: u32 = 8;

/// The interval at which a silent connection is kept alive. A connection ends after the smaller of
/// both ends' idle timeouts (RFC 9000 §10.1). That of the peer is not known here; 30 s is common.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Returns settings of QUIC for HTTP/3: windows of 256 KiB for a stream and 16 MiB for a
/// connection, and no datagrams.
///
/// `requests` is the maximum number of concurrent requests of the peer (0 for a client). The
/// connection ends after `max_idle` without a packet.
///
/// A PING after 10 s of silence, or after a third of `max_idle` if that is shorter, keeps a
/// connection alive with any peer whose idle timeout is at least 20 s. The owner of an unused
/// connection must therefore close it; see
/// [`close_when_unused`](crate::client::ClientConnection::close_when_unused).
pub fn transport_config(requests: u32, max_idle: Duration) -> TransportConfig {
    let third = Some(max_idle / 3).filter(|third| !third.is_zero());
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(requests.into())
        .max_concurrent_uni_streams(MAX_UNIDIRECTIONAL.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(CONNECTION_WINDOW.into())
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(None)
        .keep_alive_interval(Some(third.map_or(KEEP_ALIVE, |third| KEEP_ALIVE.min(third))))
        .max_idle_timeout(Some(
            IdleTimeout::try_from(max_idle).unwrap_or_else(|_| IdleTimeout::from(VarInt::MAX)),
        ));
    config
}
