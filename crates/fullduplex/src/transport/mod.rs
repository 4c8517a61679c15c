//! Transports, and what is read and written on them before a WebSocket is open.

pub(crate) mod addresses;
#[cfg(any(feature = "server", feature = "http2", feature = "_tls"))]
pub(crate) mod delegate;
pub(crate) mod halves;
#[cfg(any(feature = "client", feature = "server"))]
pub(crate) mod http1;
#[cfg(feature = "http2")]
pub(crate) mod http2_stream;
#[cfg(feature = "http3")]
pub(crate) mod http3_stream;
#[cfg(feature = "server")]
pub(crate) mod lingering_close;
#[cfg(feature = "server")]
pub(crate) mod memory;
pub(crate) mod net_stream;
#[cfg(feature = "server")]
pub(crate) mod prefixed;
#[cfg(feature = "tap")]
pub(crate) mod tap;
#[cfg(feature = "_tls")]
pub(crate) mod tls_stream;
#[cfg(feature = "http2")]
pub(crate) mod tunnel_heads;

use tokio::io::{AsyncRead, AsyncWrite};

/// A transport that a WebSocket can run on: any reliable byte stream.
///
/// # Use of a broadcast group while polled
/// A transport that uses a [`Group`](crate::broadcast::Group) while it is polled, for example by
/// what it logs, may publish, and may drop a [`Membership`](crate::broadcast::Membership): both are
/// done right after the poll. Anything else panics there if another thread uses the group at that
/// time, as it could be a deadlock.
///
/// ```
/// use fullduplex::{Transport, WebSocket};
///
/// /// Works on TCP, TLS, a pipe in memory, a stream of SSH, ….
/// async fn greet<S: Transport>(stream: S) -> Result<(), fullduplex::Error> {
///     let mut websocket = WebSocket::server(stream);
///     websocket.send("hello").await
/// }
/// ```
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for S {}
