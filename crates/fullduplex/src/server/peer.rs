//! Who is at the other end.

use std::net::{IpAddr, SocketAddr};

/// Who is at the other end of a connection that a [`Server`](super::Server) accepted. It is
/// among the extensions of each request.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Peer {
    /// The other end of the socket, which may be a proxy; with the PROXY protocol, what that
    /// says. `None` on a Unix socket.
    pub address: Option<SocketAddr>,
    /// The client that a trusted proxy names.
    pub forwarded_for: Option<IpAddr>,
    /// Whether the connection is encrypted: by this server, or by a trusted proxy that says
    /// so.
    pub secure: bool,
}

impl Peer {
    /// The client: the one that a trusted proxy names, else the other end of the socket.
    pub fn client_ip(&self) -> Option<IpAddr> {
        self.forwarded_for.or(self.address.map(|address| address.ip()))
    }
}
