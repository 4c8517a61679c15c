//! The two halves of a transport. A TCP or Unix socket is split without a lock; any
//! other transport by tokio's `split`, whose lock is held for one poll.

use std::any::Any;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, tcp};
#[cfg(unix)]
use tokio::net::{UnixStream, unix};

use crate::net_stream::{Kind, NetStream};

/// Any transport: what a WebSocket runs on.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for S {}

#[derive(Debug)]
pub(crate) enum ReadHalf<S> {
    Tcp(tcp::OwnedReadHalf),
    #[cfg(unix)]
    Unix(unix::OwnedReadHalf),
    Any(tokio::io::ReadHalf<S>),
}

#[derive(Debug)]
pub(crate) enum WriteHalf<S> {
    Tcp(tcp::OwnedWriteHalf),
    #[cfg(unix)]
    Unix(unix::OwnedWriteHalf),
    Any(tokio::io::WriteHalf<S>),
    /// Given up with the connection.
    Gone,
}

pub(crate) fn split<S: Transport>(stream: S) -> (ReadHalf<S>, WriteHalf<S>) {
    let mut stream = Some(stream);
    // The type is known when compiling, so these tests cost nothing.
    let any: &mut dyn Any = &mut stream;
    if let Some(tcp) = any.downcast_mut::<Option<TcpStream>>().and_then(Option::take) {
        let (read, write) = tcp.into_split();
        return (ReadHalf::Tcp(read), WriteHalf::Tcp(write));
    }
    #[cfg(unix)]
    if let Some(unix) = any.downcast_mut::<Option<UnixStream>>().and_then(Option::take) {
        let (read, write) = unix.into_split();
        return (ReadHalf::Unix(read), WriteHalf::Unix(write));
    }
    if let Some(client) = any.downcast_mut::<Option<NetStream>>().and_then(Option::take) {
        match client.0 {
            Kind::Tcp(tcp) => {
                let (read, write) = tcp.into_split();
                return (ReadHalf::Tcp(read), WriteHalf::Tcp(write));
            }
            #[cfg(unix)]
            Kind::Unix(unix) => {
                let (read, write) = unix.into_split();
                return (ReadHalf::Unix(read), WriteHalf::Unix(write));
            }
            other @ Kind::Other(_) => {
                if let Some(slot) = any.downcast_mut() {
                    *slot = Some(NetStream(other));
                }
            }
        }
    }
    let stream = stream.expect("taken only where the function returns");
    let (read, write) = tokio::io::split(stream);
    (ReadHalf::Any(read), WriteHalf::Any(write))
}

impl<S> WriteHalf<S> {
    /// Whether bytes wait to be read, so far as that can be known without reading.
    pub(crate) fn has_unread(&self) -> bool {
        let readable = Interest::READABLE;
        match self {
            Self::Tcp(half) => half.as_ref().try_io(readable, || Ok(())).is_ok(),
            #[cfg(unix)]
            Self::Unix(half) => half.as_ref().try_io(readable, || Ok(())).is_ok(),
            Self::Any(_) | Self::Gone => false,
        }
    }

    /// Whether dropping both halves ends the transport just as shutting it down does.
    pub(crate) fn ends_when_dropped(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Gone => true,
            #[cfg(unix)]
            Self::Unix(_) => true,
            Self::Any(_) => false,
        }
    }

    /// Leaves the end of the transport to its closing: tokio's halves would shut a socket down
    /// first, which is a system call for nothing where the other half goes, too.
    pub(crate) fn give_up(&mut self) {
        match std::mem::replace(self, Self::Gone) {
            Self::Tcp(half) => half.forget(),
            #[cfg(unix)]
            Self::Unix(half) => half.forget(),
            Self::Any(_) | Self::Gone => {}
        }
    }
}

macro_rules! each {
    ($self:expr, $half:ident => $call:expr $(, $gone:pat => $none:expr)?) => {
        match $self.get_mut() {
            Self::Tcp($half) => $call,
            #[cfg(unix)]
            Self::Unix($half) => $call,
            Self::Any($half) => $call,
            $($gone => $none,)?
        }
    };
}

fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl<S: Transport> AsyncRead for ReadHalf<S> {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, half => Pin::new(half).poll_read(cx, buf))
    }
}

impl<S: Transport> AsyncWrite for WriteHalf<S> {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self, half => Pin::new(half).poll_write(cx, buf), Self::Gone => gone())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, half => Pin::new(half).poll_write_vectored(cx, bufs), Self::Gone => gone())
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(half) => half.is_write_vectored(),
            #[cfg(unix)]
            Self::Unix(half) => half.is_write_vectored(),
            Self::Any(half) => half.is_write_vectored(),
            Self::Gone => false,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, half => Pin::new(half).poll_flush(cx), Self::Gone => gone())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, half => Pin::new(half).poll_shutdown(cx), Self::Gone => gone())
    }
}
