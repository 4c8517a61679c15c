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

/// QUIC for HTTP/3: windows of 256 KiB for a stream and 16 MiB for a connection, no
/// datagrams, so many requests of the peer at once (none at a client), and the connection
/// given up after so long a silence.
///
/// Nothing is sent to keep a connection alive: its WebSockets do that, if the time is longer
/// than their keepalive.
pub fn transport_config(requests: u32, max_idle: Duration) -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(requests.into())
        .max_concurrent_uni_streams(UNIDIRECTIONAL.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(CONNECTION_WINDOW.into())
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(
            IdleTimeout::try_from(max_idle).unwrap_or_else(|_| IdleTimeout::from(VarInt::MAX)),
        ));
    config
}
