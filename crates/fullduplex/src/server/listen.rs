//! What a server listens on.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use super::peer::Peer;
use super::trace;
use crate::net_stream::NetStream;

/// How long to wait after an error of `accept` that does not pass by itself, such as too
/// many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A socket that listens.
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
impl TryFrom<super::PassedSocket> for Listener {
    type Error = io::Error;

    fn try_from(socket: super::PassedSocket) -> io::Result<Self> {
        match socket {
            super::PassedSocket::Tcp(tcp) => tcp.try_into(),
            super::PassedSocket::Unix(unix) => unix.try_into(),
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

    /// The next connection. Errors are waited out: none of them is a reason to serve nobody
    /// any more. `failed` is called where it is not only one connection that is gone.
    pub(crate) async fn accept(&self, failed: impl Fn()) -> (NetStream, Peer) {
        loop {
            match self.try_accept().await {
                Ok(accepted) => return accepted,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    trace::not_accepted(&error);
                    failed();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn try_accept(&self) -> io::Result<(NetStream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (tcp, address) = listener.accept().await?;
                // Small messages should not wait for the peer's acknowledgement.
                let _ = tcp.set_nodelay(true);
                Ok((tcp.into(), address.into()))
            }
            #[cfg(unix)]
            Self::Unix(listener) => Ok((listener.accept().await?.0.into(), Peer::Unix)),
        }
    }
}

/// Whether only the connection that was to be accepted is gone.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionRefused | K::ConnectionAborted | K::ConnectionReset)
}
