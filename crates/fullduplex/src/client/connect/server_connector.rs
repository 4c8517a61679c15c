//! Connecting to a server: directly or through a proxy, with TLS for a `wss:` URL.

use std::borrow::Cow;
#[cfg(feature = "_tls")]
use std::sync::Arc;

use http::HeaderMap;

use crate::base::at_step::at_step;
use crate::base::error::{ConnectStep, Error, ErrorKind};
use crate::base::handshake_limits::HandshakeLimits;
use crate::base::uri::{WsUri, without_zone};
use crate::client::connect::connected::Connected;
use crate::client::connect::dial::Dialer;
use crate::client::connect::progress::ConnectEvent;
use crate::client::connect::proxy::tunnel::{self, Destination};
use crate::client::connect::proxy::{ChosenProxy, Proxies, Proxy, ProxyScheme, socks5};
#[cfg(feature = "_tls")]
use crate::client::connect::tls::LazyTls;
use crate::transport::net_stream::NetStream;

/// The settings of the way to a server.
#[derive(Clone, Default)]
pub(crate) struct ServerConnector {
    pub(crate) dialer: Dialer,
    /// The proxies to use; if `None`, those of the environment.
    pub(crate) proxies: Option<Proxies>,
    /// Header fields of the CONNECT request to a proxy.
    pub(crate) proxy_headers: HeaderMap,
    #[cfg(feature = "_tls")]
    pub(crate) tls: Arc<LazyTls>,
}

/// The other end of a TLS connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TlsPeer {
    Server,
    Proxy,
    /// A server of another origin, after a redirection.
    Redirected,
}

impl ServerConnector {
    /// Connects to the server and offers it these protocols (ALPN). The limits are those of a
    /// proxy's response.
    pub(crate) async fn connect(
        &self,
        target: &WsUri,
        alpn: &[&[u8]],
        limits: &HandshakeLimits,
    ) -> Result<Connected, Error> {
        let stream = match &target.socket {
            #[cfg(unix)]
            Some(path) => {
                let dialer = Dialer { unix_socket: Some(path.into()), ..self.dialer.clone() };
                dialer.dial(&target.host, target.port).await?
            }
            #[cfg(not(unix))]
            Some(_) => {
                let message = "Unix sockets are not available on this system";
                return Err(Error::new(ErrorKind::Misuse, message));
            }
            None => self.connect_to_host(target, limits).await?,
        };
        self.secure(stream, target, alpn).await
    }

    /// Runs the TLS handshake with the server of a `wss:` URL on a stream that is connected to it,
    /// and offers it these protocols (ALPN). Returns the stream of a `ws:` URL as it is.
    pub(crate) async fn secure(
        &self,
        stream: NetStream,
        target: &WsUri,
        alpn: &[&[u8]],
    ) -> Result<Connected, Error> {
        if !target.secure {
            return Ok(stream.into());
        }
        let peer = if target.redirected { TlsPeer::Redirected } else { TlsPeer::Server };
        self.tls_handshake(stream, &target.host, alpn, peer).await
    }

    /// Returns the proxy for this server, if there is one.
    pub(crate) fn proxy_for(&self, target: &WsUri) -> Result<Option<ChosenProxy>, Error> {
        let proxies = self.proxies.as_ref();
        let proxies =
            proxies.map_or_else(|| Cow::Owned(Proxies::from_env_for(target.secure)), Cow::Borrowed);
        proxies.choose(target.secure, &target.host, target.port)
    }

    async fn connect_to_host(
        &self,
        target: &WsUri,
        limits: &HandshakeLimits,
    ) -> Result<NetStream, Error> {
        #[cfg(unix)]
        if self.dialer.unix_socket.is_some() {
            return self.dialer.dial(&target.host, target.port).await;
        }
        let Some(chosen) = self.proxy_for(target)? else {
            return self.dialer.dial(&target.host, target.port).await;
        };
        let connected = self.connect_through(&chosen.proxy, target, limits).await;
        connected.map_err(|error| chosen.explain(error, &target.host))
    }

    async fn connect_through(
        &self,
        proxy: &Proxy,
        target: &WsUri,
        limits: &HandshakeLimits,
    ) -> Result<NetStream, Error> {
        let mut to =
            Destination { host: without_zone(&target.host), port: target.port, address: None };
        let auth = proxy.auth.as_ref();
        match proxy.scheme {
            ProxyScheme::Http | ProxyScheme::Https => {
                let stream = self.connect_to_proxy(proxy).await?;
                let headers = &self.proxy_headers;
                let events = &self.dialer.events;
                let tunnel = tunnel::connect(stream, &to, auth, headers, limits, events);
                let operation = format!("waiting for the proxy {proxy:?} to answer CONNECT");
                let stream = at_step(ConnectStep::Proxy, operation, tunnel).await?;
                self.dialer.events.emit(&ConnectEvent::Tunnel(to.host, to.port));
                Ok(stream)
            }
            ProxyScheme::Socks5 { remote: true } => {
                let stream = self.connect_to_proxy(proxy).await?;
                let stream = socks5::connect(stream, &to, proxy).await??;
                self.dialer.events.emit(&ConnectEvent::Tunnel(to.host, to.port));
                Ok(stream)
            }
            ProxyScheme::Socks5 { remote: false } => {
                let mut rejection: Option<Error> = None;
                for address in self.dialer.addresses(to.host, to.port).await? {
                    to.address = Some(address);
                    let stream = self.connect_to_proxy(proxy).await?;
                    match socks5::connect(stream, &to, proxy).await? {
                        Ok(stream) => {
                            let ip = address.ip().to_string();
                            self.dialer.events.emit(&ConnectEvent::Tunnel(&ip, to.port));
                            return Ok(stream);
                        }
                        // A retryable failure is the one to report: the proxy may lack IPv6,
                        // for example, while the server is only down at its IPv4 address.
                        Err(error) => {
                            rejection = rejection
                                .filter(|first| first.is_retryable() || !error.is_retryable())
                                .or(Some(error));
                        }
                    }
                }
                let no_address =
                    || Error::new(ErrorKind::Resolve, format!("no address for {:?}", to.host));
                Err(rejection.unwrap_or_else(no_address))
            }
        }
    }

    async fn connect_to_proxy(&self, proxy: &Proxy) -> Result<NetStream, Error> {
        let add_name = |error: Error| error.with_context(&format!("the proxy {proxy:?}"));
        self.dialer.events.emit(&ConnectEvent::Proxy(proxy));
        let stream = self.dialer.dial(&proxy.host, proxy.port).await.map_err(add_name)?;
        if proxy.scheme != ProxyScheme::Https {
            return Ok(stream);
        }
        let tls = self.tls_handshake(stream, &proxy.host, &[b"http/1.1"], TlsPeer::Proxy);
        Ok(tls.await.map_err(add_name)?.stream)
    }

    #[cfg(feature = "_tls")]
    async fn tls_handshake(
        &self,
        stream: NetStream,
        host: &str,
        alpn: &[&[u8]],
        peer: TlsPeer,
    ) -> Result<Connected, Error> {
        let is_origin_server = peer == TlsPeer::Server;
        let tls = self.tls.context(!is_origin_server)?;
        let handshake = tls.connect(stream, host, alpn, is_origin_server, &self.dialer.events);
        let step = if peer == TlsPeer::Proxy { ConnectStep::Proxy } else { ConnectStep::Tls };
        at_step(step, format!("waiting for the TLS handshake with {host}"), handshake).await
    }

    #[cfg(not(feature = "_tls"))]
    #[allow(clippy::unused_async, reason = "as with the feature")]
    async fn tls_handshake(
        &self,
        _: NetStream,
        _: &str,
        _: &[&[u8]],
        _: TlsPeer,
    ) -> Result<Connected, Error> {
        Err(Error::new(ErrorKind::Tls, "TLS is not built in: the feature tls is off"))
    }
}
