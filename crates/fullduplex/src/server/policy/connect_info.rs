//! The addresses and the TLS state of the client of a request.

use std::net::IpAddr;
#[cfg(feature = "_tls")]
use std::sync::Arc;

use crate::server::policy::forwarded::{ClientAddr, ForwardedError, ForwardedProto, Forwarding};
use crate::server::policy::peer::PeerAddr;
#[cfg(feature = "_tls")]
use crate::server::policy::tls_info::TlsInfo;
use http::HeaderMap;

/// The addresses and the TLS state of the client of a request.
///
/// A [`Server`](crate::server::Server) adds it to the extensions of each request.
///
/// ```
/// use fullduplex::server::{ConnectInfo, Handshake};
///
/// fn describe(handshake: &Handshake) -> String {
///     match handshake.request().extensions().get::<ConnectInfo>() {
///         Some(info) => format!("{} by {}, encrypted: {}", info.client, info.peer, info.secure),
///         None => "not read by a Server".to_owned(),
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectInfo {
    /// The peer of the socket, which may be a proxy; or the client that the PROXY protocol names.
    pub peer: PeerAddr,
    /// The client that trusted proxies name, else the peer.
    pub client: ClientAddr,
    /// Whether the client's connection is encrypted, to this server or, as a trusted proxy
    /// reports, to that.
    pub secure: bool,
    /// The parameters of the TLS connection to this server, if there is one.
    #[cfg(feature = "_tls")]
    #[cfg_attr(docsrs, doc(cfg(any(feature = "tls", feature = "aws-lc-rs"))))]
    pub tls: Option<Arc<TlsInfo>>,
}

impl ConnectInfo {
    pub(crate) fn new(peer: PeerAddr) -> Self {
        Self {
            peer,
            client: ClientAddr::of(peer),
            secure: false,
            #[cfg(feature = "_tls")]
            tls: None,
        }
    }

    /// Returns the IP address of the client; `None` for a Unix socket, or if a proxy hides it.
    pub fn client_ip(&self) -> Option<IpAddr> {
        self.client.ip
    }

    /// Applies the client's address and scheme that trusted proxies report in a request.
    pub(crate) fn apply_forwarding<'h>(
        &mut self,
        headers: impl FnOnce() -> &'h HeaderMap,
        forwarding: &Forwarding,
    ) -> Result<(), ForwardedError> {
        self.client = forwarding.client_by(self.peer, headers)?;
        self.secure |= self.client.proto == Some(ForwardedProto::Https);
        Ok(())
    }
}
