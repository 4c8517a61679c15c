//! Who is at the other end of a request.

use std::net::IpAddr;
#[cfg(feature = "tls")]
use std::sync::Arc;

use crate::server::policy::forwarded::{ClientAddr, ForwardedError, ForwardedProto, Forwarding};
use crate::server::policy::peer::PeerAddr;
#[cfg(feature = "tls")]
use crate::server::policy::tls_info::TlsInfo;
use http::HeaderMap;

/// Who is at the other end of a request that a [`Server`](crate::server::Server) read. It is among
/// the extensions of each request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectInfo {
    /// The other end of the socket, which may be a proxy; with the PROXY protocol, what that
    /// says.
    pub peer: PeerAddr,
    /// The client: the one that trusted proxies name, else the other end of the socket.
    pub client: ClientAddr,
    /// Whether the client's connection is encrypted: to this server, or to a trusted proxy
    /// that says so.
    pub secure: bool,
    /// What TLS to this server agreed on.
    #[cfg(feature = "tls")]
    pub tls: Option<Arc<TlsInfo>>,
}

impl ConnectInfo {
    pub(crate) fn new(peer: PeerAddr) -> Self {
        Self {
            peer,
            client: ClientAddr::of(peer),
            secure: false,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// The address of the client; none behind a Unix socket, and where a proxy hides it.
    pub fn client_ip(&self) -> Option<IpAddr> {
        self.client.ip
    }

    /// Takes in what trusted proxies tell in a request.
    pub(crate) fn learn<'h>(
        &mut self,
        headers: impl FnOnce() -> &'h HeaderMap,
        forwarding: &Forwarding,
    ) -> Result<(), ForwardedError> {
        self.client = forwarding.client_by(self.peer, headers)?;
        self.secure |= self.client.proto == Some(ForwardedProto::Https);
        Ok(())
    }
}
