//! The addresses of the two ends of a connection.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

use crate::transport::Transport;

/// The end of a connection whose address is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ConnectionEnd {
    Local,
    Peer,
}

impl ConnectionEnd {
    /// Returns the address of this end of a TCP connection.
    pub(crate) fn of_tcp(self, tcp: &TcpStream) -> io::Result<SocketAddr> {
        match self {
            Self::Local => tcp.local_addr(),
            Self::Peer => tcp.peer_addr(),
        }
    }
}

/// A transport that knows the addresses of its connection.
pub(crate) trait Addressed: Transport {
    fn address(&self, end: ConnectionEnd) -> io::Result<SocketAddr>;

    /// Makes its TCP connection end with a reset. One that others share has no such end.
    fn set_zero_linger(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The addresses of a connection that many streams share, as they were when it was opened.
#[cfg(feature = "http2")]
#[derive(Debug, Default)]
pub(crate) struct ConnectionAddresses {
    local: Option<SocketAddr>,
    peer: Option<SocketAddr>,
}

#[cfg(feature = "http2")]
impl ConnectionAddresses {
    pub(crate) fn of(stream: &impl Addressed) -> Self {
        let address = |end| stream.address(end).ok();
        Self { local: address(ConnectionEnd::Local), peer: address(ConnectionEnd::Peer) }
    }

    pub(crate) fn get(&self, end: ConnectionEnd) -> io::Result<SocketAddr> {
        let address = match end {
            ConnectionEnd::Local => self.local,
            ConnectionEnd::Peer => self.peer,
        };
        address.ok_or_else(|| io::ErrorKind::Unsupported.into())
    }
}
