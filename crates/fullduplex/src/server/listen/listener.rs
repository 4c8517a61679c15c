//! A listener, on a TCP or Unix socket or in memory, and how its connections are accepted.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::net::{TcpListener, TcpStream};

use crate::server::policy::peer::PeerAddr;
use crate::transport::memory::MemoryListener;
use crate::transport::net_stream::NetStream;

/// The pause after an error of `accept` that persists, such as too many open files (`EMFILE`).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener of a server: a socket, or in memory. A server sets `TCP_NODELAY` on TCP
/// listeners, which their connections inherit.
///
/// ```
/// use fullduplex::server::Server;
/// use tokio::net::TcpListener;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let first = TcpListener::bind("127.0.0.1:0").await?;
/// let second = TcpListener::bind("127.0.0.1:0").await?;
/// let server = Server::from_listener(first).add_listener(second);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// A TCP listener.
    Tcp(TcpListener),
    /// A listener on a Unix socket.
    #[cfg(unix)]
    Unix(UnixListener),
    /// A listener in memory, for tests.
    Memory(MemoryListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<MemoryListener> for Listener {
    fn from(listener: MemoryListener) -> Self {
        Self::Memory(listener)
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// Converts a listener of the standard library, and makes it non-blocking.
impl TryFrom<std::net::TcpListener> for Listener {
    type Error = io::Error;

    fn try_from(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(Self::Tcp)
    }
}

/// Converts a listener of the standard library, and makes it non-blocking.
#[cfg(unix)]
impl TryFrom<std::os::unix::net::UnixListener> for Listener {
    type Error = io::Error;

    fn try_from(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        UnixListener::from_std(listener).map(Self::Unix)
    }
}

/// Converts a listener that systemd passed.
#[cfg(unix)]
impl TryFrom<crate::server::listen::systemd::ActivatedSocket> for Listener {
    type Error = io::Error;

    fn try_from(socket: crate::server::listen::systemd::ActivatedSocket) -> io::Result<Self> {
        match socket {
            crate::server::listen::systemd::ActivatedSocket::Tcp(tcp) => tcp.try_into(),
            crate::server::listen::systemd::ActivatedSocket::Unix(unix) => unix.try_into(),
        }
    }
}

impl Listener {
    /// Returns the address of a TCP listener; `None` for a Unix socket, or in memory.
    ///
    /// # Errors
    /// Fails if the system does.
    pub fn local_addr(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Some),
            #[cfg(unix)]
            Self::Unix(_) => Ok(None),
            Self::Memory(_) => Ok(None),
        }
    }
}

/// A listener that a server accepts connections from.
pub(crate) struct BoundListener {
    listener: Listener,
    /// Whether accepted sockets inherit `TCP_NODELAY` from the listener, which saves a system call
    /// for each.
    has_nodelay: bool,
}

impl BoundListener {
    pub(crate) fn new(listener: Listener) -> Self {
        if let Listener::Tcp(tcp) = &listener {
            // If it is not inherited, `set_nodelay` sets it on each accepted socket.
            let _ = SockRef::from(tcp).set_tcp_nodelay(true);
        }
        Self { listener, has_nodelay: false }
    }

    /// Accepts the next connection. Retries after errors, as the server can continue after each of
    /// them. `on_error` is called for errors that affect more than one connection, such as too
    /// many open files.
    pub(crate) async fn accept(&mut self, on_error: impl Fn(&io::Error)) -> (NetStream, PeerAddr) {
        loop {
            match self.try_accept().await {
                Ok(accepted) => return accepted,
                Err(error) if affects_one_connection(&error) => {}
                Err(error) => {
                    on_error(&error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn try_accept(&mut self) -> io::Result<(NetStream, PeerAddr)> {
        match &mut self.listener {
            Listener::Tcp(listener) => {
                let (tcp, address) = listener.accept().await?;
                Self::set_nodelay(&tcp, &mut self.has_nodelay);
                Ok((tcp.into(), address.into()))
            }
            #[cfg(unix)]
            Listener::Unix(listener) => Ok((listener.accept().await?.0.into(), PeerAddr::Unix)),
            Listener::Memory(listener) => {
                let (stream, address) = listener.accept_with_address().await;
                let peer = address.map_or(PeerAddr::Unknown, PeerAddr::Inet);
                Ok((NetStream::new(stream), peer))
            }
        }
    }

    /// Sets `TCP_NODELAY` unless the socket has inherited it, so that small messages don't wait for
    /// the peer's acknowledgement.
    ///
    /// Connections that were queued before the listener had the option don't inherit it. They are
    /// accepted first: once one socket has it, all later ones have.
    fn set_nodelay(tcp: &TcpStream, has_nodelay: &mut bool) {
        if *has_nodelay {
            return;
        }
        if tcp.nodelay().unwrap_or(false) {
            *has_nodelay = true;
        } else {
            let _ = tcp.set_nodelay(true);
        }
    }
}

/// Returns whether an error of `accept` affects only the connection that was to be accepted.
fn affects_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionRefused | K::ConnectionAborted | K::ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nodelay_is_set_on_sockets_accepted_before_and_after() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients = vec![TcpStream::connect(address).await.unwrap()];
        let mut bound = BoundListener::new(listener.into());
        for _ in 0..3 {
            let (stream, _) = bound.accept(|_| {}).await;
            assert!(stream.as_tcp().unwrap().nodelay().unwrap());
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let is_passed_on = cfg!(any(target_os = "linux", target_os = "android"));
        assert!(bound.has_nodelay || !is_passed_on);
    }
}
