//! The two halves of a transport. A TCP or Unix socket is split without a lock; any other
//! transport is shared, with a lock that is held for one poll, and can be dropped by either half.

#[cfg(feature = "tap")]
mod tapped;

use std::any::Any;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, tcp};
#[cfg(unix)]
use tokio::net::{UnixStream, unix};

use crate::base::guard;
use crate::base::sync::Mutex;
use crate::transport::Transport;
use crate::transport::addresses::{Addressed as _, ConnectionEnd};
use crate::transport::net_stream::{NetStream, NetStreamKind};

#[derive(Debug)]
pub(crate) enum ReadHalf<S> {
    Tcp(tcp::OwnedReadHalf),
    #[cfg(unix)]
    Unix(unix::OwnedReadHalf),
    Any(Arc<SharedTransport<S>>),
    /// One that a tap observes.
    #[cfg(feature = "tap")]
    Tapped(Box<tapped::TappedReadHalf<S>>),
    /// Given up with the connection.
    Gone,
}

#[derive(Debug)]
pub(crate) enum WriteHalf<S> {
    Tcp(tcp::OwnedWriteHalf),
    /// Boxed, so that the others take a word less.
    #[cfg(unix)]
    Unix(Box<unix::OwnedWriteHalf>),
    Any(Arc<SharedTransport<S>>),
    /// One that a tap observes.
    #[cfg(feature = "tap")]
    Tapped(Box<tapped::TappedWriteHalf<S>>),
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
        return (ReadHalf::Unix(read), WriteHalf::Unix(Box::new(write)));
    }
    if let Some(client) = any.downcast_mut::<Option<NetStream>>().and_then(Option::take) {
        match client.0 {
            NetStreamKind::Tcp(tcp) => {
                let (read, write) = tcp.into_split();
                return (ReadHalf::Tcp(read), WriteHalf::Tcp(write));
            }
            #[cfg(unix)]
            NetStreamKind::Unix(unix) => {
                let (read, write) = unix.into_split();
                return (ReadHalf::Unix(read), WriteHalf::Unix(Box::new(write)));
            }
            other @ (NetStreamKind::Other(_) | NetStreamKind::Addressed(_)) => {
                if let Some(slot) = any.downcast_mut() {
                    *slot = Some(NetStream(other));
                }
            }
        }
    }
    let stream = stream.expect("taken only where the function returns");
    let is_write_vectored = stream.is_write_vectored();
    let shared = Arc::new(SharedTransport { is_write_vectored, stream: Mutex::new(Some(stream)) });
    (ReadHalf::Any(shared.clone()), WriteHalf::Any(shared))
}

/// A transport of any kind, shared by both halves; `None` when it was dropped.
#[derive(Debug)]
pub(crate) struct SharedTransport<S> {
    is_write_vectored: bool,
    stream: Mutex<Option<S>>,
}

impl<S> SharedTransport<S> {
    /// Drops the transport, unless it is being polled, perhaps by the caller of this.
    fn close(&self) {
        let stream = self.stream.try_lock().and_then(|mut stream| stream.take());
        drop(stream);
    }
}

impl<S: Transport> SharedTransport<S> {
    fn poll<T>(
        &self,
        poll: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<T>>,
        gone: impl FnOnce() -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut *self.stream.lock() {
            Some(stream) => poll(Pin::new(stream)),
            None => gone(),
        }
    }
}

impl<S: Transport> SharedTransport<S> {
    fn address(&self, end: ConnectionEnd) -> io::Result<SocketAddr> {
        let stream = match self.stream.try_lock() {
            // The transport asks for its own address while it is polled.
            None if guard::polls_transport() => return Err(io::ErrorKind::WouldBlock.into()),
            stream => stream.unwrap_or_else(|| self.stream.lock()),
        };
        let Some(stream) = &*stream else { return Err(io::ErrorKind::NotConnected.into()) };
        let any: &dyn Any = stream;
        let unsupported = || Err(io::ErrorKind::Unsupported.into());
        any.downcast_ref::<NetStream>().map_or_else(unsupported, |stream| stream.address(end))
    }
}

impl<S> ReadHalf<S> {
    /// Returns `Pending` if a socket has nothing to read, and registers the task to be woken.
    /// Returns `Ready` if there may be something, or if only a read can tell.
    #[inline]
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(half) => half.as_ref().poll_read_ready(cx).map(drop),
            #[cfg(unix)]
            Self::Unix(half) => half.as_ref().poll_read_ready(cx).map(drop),
            #[cfg(feature = "tap")]
            Self::Tapped(_) => Poll::Ready(()),
            Self::Any(_) | Self::Gone => Poll::Ready(()),
        }
    }
}

impl<S> WriteHalf<S> {
    /// Whether there are unread bytes, as far as that can be known without reading.
    pub(crate) fn has_unread(&self) -> bool {
        let readable = Interest::READABLE;
        match self {
            Self::Tcp(half) => half.as_ref().try_io(readable, || Ok(())).is_ok(),
            #[cfg(unix)]
            Self::Unix(half) => (**half).as_ref().try_io(readable, || Ok(())).is_ok(),
            #[cfg(feature = "tap")]
            Self::Tapped(tapped) => tapped.half().has_unread(),
            Self::Any(_) | Self::Gone => false,
        }
    }

    /// Whether dropping both halves ends the transport as shutting it down does. With a tap, which
    /// shall see how it ends, it is shut down.
    pub(crate) fn ends_when_dropped(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Gone => true,
            #[cfg(unix)]
            Self::Unix(_) => true,
            #[cfg(feature = "tap")]
            Self::Tapped(_) => false,
            Self::Any(_) => false,
        }
    }

    /// Drops a socket's half without shutting it down, as tokio's halves would when dropped: that
    /// is a needless system call if the other half is dropped, too.
    pub(crate) fn give_up(&mut self) {
        #[cfg(feature = "tap")]
        if let Self::Tapped(tapped) = self {
            return tapped.give_up();
        }
        match std::mem::replace(self, Self::Gone) {
            Self::Tcp(half) => half.forget(),
            #[cfg(unix)]
            Self::Unix(half) => (*half).forget(),
            other => *self = other,
        }
    }

    /// Ends both directions of a socket, and drops this half. TCP is reset when both halves are
    /// dropped, so that a peer that is blocked in a write learns of it, too. If this `is_last`, the
    /// socket is closed at once, which ends both directions anyway and saves a system call.
    pub(crate) fn abort(&mut self, is_last: bool) {
        #[cfg(feature = "tap")]
        if let Self::Tapped(tapped) = self {
            return tapped.abort(is_last);
        }
        let socket = match &*self {
            Self::Tcp(half) => {
                let socket = SockRef::from(half.as_ref());
                let _ = socket.set_linger(Some(Duration::ZERO));
                socket
            }
            #[cfg(unix)]
            Self::Unix(half) => SockRef::from((**half).as_ref()),
            _ => return,
        };
        if !is_last {
            // It fails if the peer has ended the connection.
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.give_up();
    }

    /// Ends the transport. A socket is shut down for writing, and closed with the other half; any
    /// other transport is dropped, even if the other half still exists.
    pub(crate) fn close(self) {
        match self {
            Self::Any(shared) => shared.close(),
            #[cfg(feature = "tap")]
            Self::Tapped(tapped) => tapped.close(),
            _ => {}
        }
    }
}

impl<S: Transport> WriteHalf<S> {
    /// Returns the address of an end of the connection.
    pub(crate) fn address(&self, end: ConnectionEnd) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(half) => end.of_tcp(half.as_ref()),
            Self::Any(shared) => shared.address(end),
            #[cfg(unix)]
            Self::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(feature = "tap")]
            Self::Tapped(tapped) => tapped.half().address(end),
            Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

macro_rules! each {
    (
        $self:expr, $half:ident => $call:expr, $any:ident => $shared:expr,
        $tapped:ident => $observed:expr, $gone:expr
    ) => {
        match $self.get_mut() {
            Self::Tcp($half) => $call,
            #[cfg(unix)]
            Self::Unix($half) => $call,
            Self::Any($any) => $shared,
            #[cfg(feature = "tap")]
            Self::Tapped($tapped) => $observed,
            Self::Gone => $gone,
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
        // Reads after the end return nothing.
        let ended = || Poll::Ready(Ok(()));
        each!(
            self, half => Pin::new(half).poll_read(cx, buf),
            shared => shared.poll(|stream| stream.poll_read(cx, buf), ended),
            tapped => tapped.poll_read(cx, buf), ended()
        )
    }
}

impl<S: Transport> AsyncWrite for WriteHalf<S> {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(
            self, half => Pin::new(half).poll_write(cx, buf),
            shared => shared.poll(|stream| stream.poll_write(cx, buf), gone),
            tapped => tapped.poll_write(cx, buf), gone()
        )
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(
            self, half => Pin::new(half).poll_write_vectored(cx, bufs),
            shared => shared.poll(|stream| stream.poll_write_vectored(cx, bufs), gone),
            tapped => tapped.poll_write_vectored(cx, bufs), gone()
        )
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(half) => half.is_write_vectored(),
            #[cfg(unix)]
            Self::Unix(half) => half.is_write_vectored(),
            Self::Any(shared) => shared.is_write_vectored,
            #[cfg(feature = "tap")]
            Self::Tapped(tapped) => tapped.half().is_write_vectored(),
            Self::Gone => false,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(
            self, half => Pin::new(half).poll_flush(cx),
            shared => shared.poll(|stream| stream.poll_flush(cx), gone),
            tapped => tapped.poll_flush(cx), gone()
        )
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(
            self, half => Pin::new(half).poll_shutdown(cx),
            shared => shared.poll(|stream| stream.poll_shutdown(cx), gone),
            tapped => tapped.poll_shutdown(cx), gone()
        )
    }
}
