//! Opening an HTTP/2 connection that supports WebSockets.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use h2::Ping;

use crate::base::at_step::at_step;
use crate::base::error::{ConnectStep, Error, ErrorKind};
use crate::base::uri::WsUri;
use crate::client::client::Client;
use crate::client::connect::connected::Connected;
use crate::client::http_version::HttpVersion;
#[cfg(feature = "_tls")]
use crate::client::http2::alert::ReceivedAlert;
use crate::client::http2::pool::Http2Connection;
use crate::client::multiplexed::capability_cache::ServerCapability;
use crate::client::multiplexed::pool::PoolKey;
use crate::transport::addresses::ConnectionAddresses;
use crate::transport::tunnel_heads::{HEADER_TABLE_SIZE, TunnelHeads};

/// The flow-control window of a stream: the most bytes that it buffers while they are not read.
const STREAM_WINDOW: u32 = 256 << 10;

/// The flow-control window of a connection: enough for 64 streams that are not read, before they
/// block the others.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// The reason why no HTTP/2 connection was opened.
pub(super) enum Http2ConnectError {
    Failed(Error),
    /// The server does not support WebSockets on HTTP/2. It may have chosen HTTP/1.1 for the
    /// transport.
    Unsupported(&'static str, Option<Connected>),
}

impl From<Error> for Http2ConnectError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Client {
    /// Opens a connection.
    pub(super) async fn http2_connection(
        &self,
        target: &WsUri,
    ) -> Result<Http2Connection, Http2ConnectError> {
        let unsupported = |reason, connected| {
            self.capabilities.insert(PoolKey::new(target), ServerCapability::NoHttp2);
            Err(Http2ConnectError::Unsupported(reason, connected))
        };
        // Another attempt, which this one has waited for, may have found this out.
        let is_unsupported =
            || self.capabilities.contains(PoolKey::new(target), ServerCapability::NoHttp2);
        if self.http_version == HttpVersion::Auto && is_unsupported() {
            return Err(Http2ConnectError::Unsupported("a recent attempt failed", None));
        }
        let alpn: &[&[u8]] = match self.http_version {
            HttpVersion::Auto => &[b"h2", b"http/1.1"],
            _ => &[b"h2"],
        };
        let connected = self.connector.connect(target, alpn, &self.limits).await?;
        // Without TLS the server is known to support HTTP/2 (RFC 9113 §3.3).
        if target.secure && connected.alpn.as_deref() != Some(b"h2") {
            return unsupported("it did not choose h2 (ALPN)", Some(connected));
        }
        let mut builder = h2::client::Builder::new();
        builder
            .max_header_list_size(u32::try_from(self.limits.max_head_bytes).unwrap_or(u32::MAX))
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .header_table_size(HEADER_TABLE_SIZE)
            .enable_push(false);
        let stream = connected.stream;
        let streams = Arc::new(ConnectionAddresses::of(&stream));
        #[cfg(feature = "_tls")]
        let alert = ReceivedAlert::default();
        #[cfg(feature = "_tls")]
        let stream = alert.wrap(stream);
        let handshake = builder.handshake(TunnelHeads::from_server(stream)).await;
        let open_error = |error| {
            let error = preface_error(target.secure, error);
            #[cfg(feature = "_tls")]
            let error = alert.explain(connected.missing_client_cert.explain(error));
            error.with_step(ConnectStep::Settings)
        };
        let (sender, mut connection) = handshake.map_err(open_error)?;
        // The server sends its SETTINGS first (RFC 9113 §3.4). Those that allow WebSockets are
        // seen; others have arrived when it answers a PING.
        let mut pings = connection.ping_pong();
        let ponged = async {
            match &mut pings {
                Some(pings) => pings.ping(Ping::opaque()).await.map(drop).map_err(open_error),
                None => Ok(()),
            }
        };
        let allowed = poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
            Poll::Ready(result) => {
                let no_error = || Error::new(ErrorKind::Io, "opening HTTP/2: it was closed");
                Poll::Ready(Err(result.err().map_or_else(no_error, open_error)))
            }
            Poll::Pending if sender.is_extended_connect_protocol_enabled() => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        });
        let settled = async {
            tokio::select! {
                // First, as its error says why there is no PONG.
                biased;
                allowed = allowed => allowed,
                ponged = ponged => ponged,
            }
        };
        let operation = "waiting for the server's HTTP/2 SETTINGS";
        at_step(ConnectStep::Settings, operation, settled).await?;
        let task = tokio::spawn(async move {
            // The streams get the error.
            let _ = connection.await;
        });
        if !sender.is_extended_connect_protocol_enabled() {
            let reason = "it does not set SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3)";
            return unsupported(reason, None);
        }
        let sender = sender.ready().await.map_err(open_error)?;
        Ok(Http2Connection { sender, streams, task: task.abort_handle() })
    }
}

/// Returns the error of a connection that failed while it was opened.
///
/// Over TLS the server has chosen HTTP/2. Without TLS it may not support HTTP/2, and then closes
/// the connection or responds with another protocol.
fn preface_error(over_tls: bool, error: h2::Error) -> Error {
    if over_tls {
        return io_error("opening HTTP/2", error);
    }
    let kind = if error.is_library() { ErrorKind::Handshake } else { ErrorKind::Io };
    let message = "opening HTTP/2: the server does not seem to support it; try HTTP/1.1";
    Error::new(kind, message).with_source(error)
}

pub(super) fn io_error(operation: &'static str, error: h2::Error) -> Error {
    Error::new(ErrorKind::Io, operation).with_source(error)
}
