//! Who is at the other end of a request.

use std::net::IpAddr;
#[cfg(feature = "tls")]
use std::sync::Arc;

use super::Peer;
#[cfg(feature = "tls")]
use super::TlsInfo;

/// Who is at the other end of a request that a [`Server`](super::Server) read. It is among
/// the extensions of each request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Remote {
    /// The other end of the socket, which may be a proxy; with the PROXY protocol, what that
    /// says.
    pub peer: Peer,
    /// The client that a trusted proxy names in the request.
    pub forwarded_for: Option<IpAddr>,
    /// Whether the client's connection is encrypted: to this server, or to a trusted proxy
    /// that says so.
    pub secure: bool,
    /// What TLS to this server agreed on.
    #[cfg(feature = "tls")]
    pub tls: Option<Arc<TlsInfo>>,
}

impl Remote {
    pub(crate) fn new(peer: Peer) -> Self {
        Self {
            peer,
            forwarded_for: None,
            secure: false,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// The client: the one that a trusted proxy names, else the other end of the socket.
    pub fn client_ip(&self) -> Option<IpAddr> {
        self.forwarded_for.or_else(|| self.peer.ip())
    }
}
