//! What a server listens on.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::SockRef;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::net::{TcpListener, TcpStream};

use crate::server::policy::peer::PeerAddr;
use crate::transport::net_stream::NetStream;

/// How long to wait after an error of `accept` that does not pass by itself, such as too
/// many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A socket that listens. A server sets `TCP_NODELAY` on one for TCP, whose connections then
/// have it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// For TCP.
    Tcp(TcpListener),
    /// For a Unix socket.
    #[cfg(unix)]
    Unix(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// Takes a listener of the standard library, which it sets to not blocking.
impl TryFrom<std::net::TcpListener> for Listener {
    type Error = io::Error;

    fn try_from(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(Self::Tcp)
    }
}

/// Takes a listener of the standard library, which it sets to not blocking.
#[cfg(unix)]
impl TryFrom<std::os::unix::net::UnixListener> for Listener {
    type Error = io::Error;

    fn try_from(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        UnixListener::from_std(listener).map(Self::Unix)
    }
}

/// Takes a listener that systemd passed.
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
    /// Where it listens, if that is an address.
    pub fn local_addr(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Some),
            #[cfg(unix)]
            Self::Unix(_) => Ok(None),
        }
    }
}

/// A listener whose connections are taken.
pub(crate) struct BoundListener {
    listener: Listener,
    /// Whether sockets come with `TCP_NODELAY`, as the listening one has it: one call less for
    /// each.
    has_nodelay: AtomicBool,
}

impl BoundListener {
    pub(crate) fn new(listener: Listener) -> Self {
        if let Listener::Tcp(tcp) = &listener {
            // Where it can't be set, or is not passed on, each connection's socket is asked.
            let _ = SockRef::from(tcp).set_tcp_nodelay(true);
        }
        Self { listener, has_nodelay: AtomicBool::new(false) }
    }

    /// The next connection. Errors are waited out: none of them is a reason to serve nobody
    /// any more. `failed` is called where it is not only one connection that is gone, such as for
    /// want of open files.
    pub(crate) async fn accept(&self, failed: impl Fn(&io::Error)) -> (NetStream, PeerAddr) {
        loop {
            match self.try_accept().await {
                Ok(accepted) => return accepted,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    failed(&error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn try_accept(&self) -> io::Result<(NetStream, PeerAddr)> {
        match &self.listener {
            Listener::Tcp(listener) => {
                let (tcp, address) = listener.accept().await?;
                self.set_nodelay(&tcp);
                Ok((tcp.into(), address.into()))
            }
            #[cfg(unix)]
            Listener::Unix(listener) => Ok((listener.accept().await?.0.into(), PeerAddr::Unix)),
        }
    }

    /// Small messages should not wait for the peer's acknowledgement.
    ///
    /// Those that waited in the queue before the listener had the option come first, and don't
    /// have it; once one has it by itself, so have all behind it.
    fn set_nodelay(&self, tcp: &TcpStream) {
        if self.has_nodelay.load(Ordering::Relaxed) {
            return;
        }
        if tcp.nodelay().unwrap_or(false) {
            self.has_nodelay.store(true, Ordering::Relaxed);
        } else {
            let _ = tcp.set_nodelay(true);
        }
    }
}

/// Whether only the connection that was to be accepted is gone.
fn is_of_one_connection(error: &io::Error) -> bool {
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
        let listening = BoundListener::new(listener.into());
        for _ in 0..3 {
            let (stream, _) = listening.accept(|_| {}).await;
            assert!(stream.as_tcp().unwrap().nodelay().unwrap());
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let is_passed_on = cfg!(any(target_os = "linux", target_os = "android"));
        assert!(listening.has_nodelay.into_inner() || !is_passed_on);
    }
}
