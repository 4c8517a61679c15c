//! The transport of the WebSockets of a [`Client`](crate::Client) and of a
//! [`Server`](crate::server::Server).

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::base::sync::Mutex;
use crate::transport::Transport;
use crate::transport::addresses::{Addressed, ConnectionEnd};

/// The transport of a connection that a [`Client`](crate::Client) opened or a
/// [`Server`](crate::server::Server) accepted: a socket, or any other transport, such as
/// TLS, or a stream of an HTTP/2 connection.
///
/// ```
/// use fullduplex::{NetStream, WebSocket};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // A WebSocket of the type that servers and clients have, on any transport.
/// let (near, _far) = tokio::io::duplex(1024);
/// let websocket: WebSocket = WebSocket::server(NetStream::new(near));
/// # }
/// ```
#[derive(Debug)]
pub struct NetStream(pub(crate) NetStreamKind);

pub(crate) enum NetStreamKind {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    /// Only locked where there is no exclusive reference: the mutex makes the stream `Sync`
    /// whatever the transport is.
    Other(Box<Mutex<dyn Transport>>),
    /// One that knows its addresses: TLS, or a stream of HTTP/2 or HTTP/3.
    Addressed(Box<Mutex<dyn Addressed>>),
}

impl NetStream {
    /// Creates a stream from any transport.
    pub fn new(transport: impl Transport) -> Self {
        Self(NetStreamKind::Other(Box::new(Mutex::new(transport))))
    }

    /// Creates a stream from a transport that knows its addresses.
    pub(crate) fn addressed(transport: impl Addressed) -> Self {
        Self(NetStreamKind::Addressed(Box::new(Mutex::new(transport))))
    }

    /// Returns the address of the other end of the connection, also below TLS, and of the
    /// connection of a stream of HTTP/2 or HTTP/3.
    ///
    /// # Errors
    /// `Unsupported` if the transport is a Unix socket, or one of the application.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.address(ConnectionEnd::Peer)
    }

    /// Returns the local address of the connection, also below TLS, and of the connection of a
    /// stream of HTTP/2 or HTTP/3.
    ///
    /// On HTTP/3, the IP address may be unspecified (`0.0.0.0` or `::`), as it is at a client.
    ///
    /// # Errors
    /// As those of [`peer_addr`](Self::peer_addr).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.address(ConnectionEnd::Local)
    }

    /// Returns the TCP socket, if the stream is one directly.
    pub fn as_tcp(&self) -> Option<&TcpStream> {
        match &self.0 {
            NetStreamKind::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    /// Makes the TCP connection end with a reset when the stream is dropped, also below TLS
    /// (`SO_LINGER` of zero seconds). What was written and not yet sent is lost, and TLS sends no
    /// `close_notify`.
    ///
    /// # Errors
    /// `Unsupported` if there is no TCP connection of the stream's own: it is a Unix socket, a
    /// stream of HTTP/2 or HTTP/3, or a transport of the application. Otherwise that of the system.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        Addressed::set_zero_linger(self)
    }

    fn transport(self: Pin<&mut Self>) -> Pin<&mut dyn Transport> {
        match &mut self.get_mut().0 {
            NetStreamKind::Tcp(tcp) => Pin::new(tcp),
            #[cfg(unix)]
            NetStreamKind::Unix(unix) => Pin::new(unix),
            NetStreamKind::Other(other) => Pin::new(other.get_mut()),
            NetStreamKind::Addressed(addressed) => Pin::new(addressed.get_mut()),
        }
    }
}

impl Addressed for NetStream {
    fn address(&self, end: ConnectionEnd) -> io::Result<SocketAddr> {
        match &self.0 {
            NetStreamKind::Tcp(tcp) => end.of_tcp(tcp),
            NetStreamKind::Addressed(addressed) => addressed.lock().address(end),
            #[cfg(unix)]
            NetStreamKind::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
            NetStreamKind::Other(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn set_zero_linger(&self) -> io::Result<()> {
        match &self.0 {
            NetStreamKind::Tcp(tcp) => tcp.set_zero_linger(),
            NetStreamKind::Addressed(addressed) => addressed.lock().set_zero_linger(),
            #[cfg(unix)]
            NetStreamKind::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
            NetStreamKind::Other(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl From<TcpStream> for NetStream {
    fn from(tcp: TcpStream) -> Self {
        Self(NetStreamKind::Tcp(tcp))
    }
}

#[cfg(unix)]
impl From<UnixStream> for NetStream {
    fn from(unix: UnixStream) -> Self {
        Self(NetStreamKind::Unix(unix))
    }
}

impl fmt::Debug for NetStreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(tcp) => tcp.fmt(f),
            #[cfg(unix)]
            Self::Unix(unix) => unix.fmt(f),
            Self::Other(_) | Self::Addressed(_) => f.write_str("Other"),
        }
    }
}

impl AsyncRead for NetStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.transport().poll_read(cx, buf)
    }
}

impl AsyncWrite for NetStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.transport().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.transport().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            NetStreamKind::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(unix)]
            NetStreamKind::Unix(stream) => stream.is_write_vectored(),
            NetStreamKind::Other(stream) => stream.lock().is_write_vectored(),
            NetStreamKind::Addressed(stream) => stream.lock().is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport().poll_shutdown(cx)
    }
}
