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
    /// One on top of another stream, as TLS is.
    Layered(Box<Mutex<dyn Layered>>),
}

/// A transport on top of another stream.
pub(crate) trait Layered: Transport {
    /// Returns the stream below.
    fn below(&self) -> &NetStream;
}

impl NetStream {
    /// Creates a stream from any transport.
    pub fn new(transport: impl Transport) -> Self {
        Self(NetStreamKind::Other(Box::new(Mutex::new(transport))))
    }

    /// Creates a stream from a transport on top of another stream, whose addresses it has.
    pub(crate) fn layered(transport: impl Layered) -> Self {
        Self(NetStreamKind::Layered(Box::new(Mutex::new(transport))))
    }

    /// Returns the address of the other end of the TCP connection, also below TLS.
    ///
    /// # Errors
    /// `Unsupported` if the stream is not one, or is a stream of HTTP/2 or HTTP/3.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.address(TcpStream::peer_addr)
    }

    /// Returns the local address of the TCP connection, also below TLS.
    ///
    /// # Errors
    /// `Unsupported` if the stream is not one, or is a stream of HTTP/2 or HTTP/3.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.address(TcpStream::local_addr)
    }

    pub(crate) fn address(
        &self,
        of: fn(&TcpStream) -> io::Result<SocketAddr>,
    ) -> io::Result<SocketAddr> {
        match &self.0 {
            NetStreamKind::Tcp(tcp) => of(tcp),
            NetStreamKind::Layered(layered) => layered.lock().below().address(of),
            #[cfg(unix)]
            NetStreamKind::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
            NetStreamKind::Other(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Returns the TCP socket, if the stream is one directly.
    pub fn as_tcp(&self) -> Option<&TcpStream> {
        match &self.0 {
            NetStreamKind::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    fn transport(self: Pin<&mut Self>) -> Pin<&mut dyn Transport> {
        match &mut self.get_mut().0 {
            NetStreamKind::Tcp(tcp) => Pin::new(tcp),
            #[cfg(unix)]
            NetStreamKind::Unix(unix) => Pin::new(unix),
            NetStreamKind::Other(other) => Pin::new(other.get_mut()),
            NetStreamKind::Layered(layered) => Pin::new(layered.get_mut()),
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
            Self::Other(_) | Self::Layered(_) => f.write_str("Other"),
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
            NetStreamKind::Layered(stream) => stream.lock().is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport().poll_shutdown(cx)
    }
}
