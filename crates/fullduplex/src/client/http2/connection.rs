//! Making an HTTP/2 connection that takes WebSockets.

use std::sync::Arc;

use h2::Ping;

use crate::base::deadline::doing;
use crate::base::error::{Error, ErrorKind};
use crate::base::uri::WsUri;
use crate::client::client::Client;
use crate::client::connect::connected::Connected;
#[cfg(feature = "tls")]
use crate::client::http2::alert::ReceivedAlert;
use crate::client::http2::pool::Http2Connection;
use crate::client::multiplexed::capability_cache::ServerCapability;
use crate::client::multiplexed::pool::PoolKey;
use crate::client::version::Version;
use crate::transport::tunnel_heads::{HEADER_TABLE_SIZE, TunnelHeads};

/// What a stream that nobody reads may hold; its sender then waits.
const STREAM_WINDOW: u32 = 256 << 10;

/// The same for all streams of a connection, so that some of them may stand still.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Why there is no connection.
pub(super) enum NoConnection {
    Failed(Error),
    /// The server does not do it. It may have chosen HTTP/1.1 for the transport.
    Without(&'static str, Option<Connected>),
}

impl From<Error> for NoConnection {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Client {
    /// A new connection.
    pub(super) async fn http2_connection(
        &self,
        target: &WsUri,
    ) -> Result<Http2Connection, NoConnection> {
        let without = |why, stream| {
            self.learned.learn(PoolKey::of(target), ServerCapability::WithoutHttp2);
            Err(NoConnection::Without(why, stream))
        };
        // Perhaps the attempt that this one waited for has found out.
        let is_known = || self.learned.knows(PoolKey::of(target), ServerCapability::WithoutHttp2);
        if self.version == Version::Auto && is_known() {
            return Err(NoConnection::Without("it has not done so before", None));
        }
        let alpn: &[&[u8]] = match self.version {
            Version::Auto => &[b"h2", b"http/1.1"],
            _ => &[b"h2"],
        };
        let reached = self.reach(target, alpn).await?;
        // Without TLS it is prior knowledge (RFC 9113 §3.3).
        if target.secure && reached.protocol.as_deref() != Some(b"h2") {
            return without("it did not choose h2 (ALPN)", Some(reached));
        }
        let mut builder = h2::client::Builder::new();
        builder
            .max_header_list_size(u32::try_from(self.limits.max_head_bytes).unwrap_or(u32::MAX))
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .header_table_size(HEADER_TABLE_SIZE)
            .enable_push(false);
        let stream = reached.stream;
        #[cfg(feature = "tls")]
        let alert = ReceivedAlert::default();
        #[cfg(feature = "tls")]
        let stream = alert.noting(stream);
        let handshake = builder.handshake(TunnelHeads::of_server(stream)).await;
        let begins = |error| {
            let error = failed_to_begin(target.secure, error);
            #[cfg(feature = "tls")]
            let error = alert.explain(reached.unshown.explain(error));
            error
        };
        let (sender, mut connection) = handshake.map_err(begins)?;
        // The server's SETTINGS come before anything else it sends (RFC 9113 §3.4), so they
        // have come when it answers.
        if let Some(mut pings) = connection.ping_pong() {
            let pinged = pings.ping(Ping::opaque());
            tokio::select! {
                // First, as it knows why there will be no pong.
                biased;
                ended = &mut connection => {
                    let unexplained = || Error::new(ErrorKind::Io, "beginning HTTP/2: it ended");
                    return Err(ended.err().map_or_else(unexplained, begins).into());
                }
                pong = doing("waiting for the server to begin HTTP/2 with SETTINGS", pinged) => {
                    pong.map(drop).map_err(begins)?;
                }
            }
        }
        let task = tokio::spawn(async move {
            // Its streams are told how it ended.
            let _ = connection.await;
        });
        if !sender.is_extended_connect_protocol_enabled() {
            let why = "it does not set SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3)";
            return without(why, None);
        }
        let sender = sender.ready().await.map_err(begins)?;
        Ok(Http2Connection { sender, streams: Arc::default(), task: task.abort_handle() })
    }
}

/// Over TLS the server has chosen HTTP/2; else it may never have heard of it, and ends the
/// connection or answers what can't be read.
fn failed_to_begin(over_tls: bool, error: h2::Error) -> Error {
    if over_tls {
        return failed("beginning HTTP/2", error);
    }
    let kind = if error.is_library() { ErrorKind::Handshake } else { ErrorKind::Io };
    let why = "beginning HTTP/2: the server does not seem to speak it; try HTTP/1.1";
    Error::new(kind, why).with_source(error)
}

pub(super) fn failed(doing: &'static str, error: h2::Error) -> Error {
    Error::new(ErrorKind::Io, doing).with_source(error)
}
