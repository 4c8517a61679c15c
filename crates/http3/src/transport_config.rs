//! The settings of QUIC that go with HTTP/3.

use std::time::Duration;

use quinn::{IdleTimeout, TransportConfig, VarInt};

/// What a stream that nobody reads may hold; its sender then waits.
const STREAM_WINDOW: u32 = 256 << 10;
/// The same for all streams of a connection, so that some of them may stand still.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// What may be sent and not acknowledged.
const SEND_WINDOW: u64 = 4 << 20;
/// Three are needed (RFC 9114 §6.2); the rest is for extensions.
const UNIDIRECTIONAL: u32 = 8;

/// How often a connection is kept alive. A silent one ends after the lesser of both ends' idle
/// timeouts (RFC 9000 §10.1), of which the peer's can't be known here; 30 s are common.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// QUIC for HTTP/3: windows of 256 KiB for a stream and 16 MiB for a connection, no
/// datagrams, so many requests of the peer at once (none at a client), and the connection
/// given up after so long a silence.
///
/// A PING after 10 s of silence, or a third of `max_idle` where that is less, keeps a connection
/// alive with any peer whose own idle timeout is 20 s or more. So whoever has a connection that
/// nobody uses is to close it; see
/// [`close_when_unused`](crate::client::ClientConnection::close_when_unused).
pub fn transport_config(requests: u32, max_idle: Duration) -> TransportConfig {
    let third = Some(max_idle / 3).filter(|third| !third.is_zero());
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(requests.into())
        .max_concurrent_uni_streams(UNIDIRECTIONAL.into())
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
