//! Reaching a server: directly or through a proxy, with TLS where its URL asks for it.

use std::borrow::Cow;

use crate::base::deadline::doing;
use crate::base::error::{Error, ErrorKind};
use crate::base::uri::{WsUri, without_zone};
use crate::client::client::Client;
use crate::client::connect::connected::Connected;
use crate::client::connect::dial::Dialer;
use crate::client::connect::progress::ConnectEvent;
use crate::client::connect::proxy::tunnel::{self, Destination};
use crate::client::connect::proxy::{ChosenProxy, Proxies, Proxy, ProxyScheme, socks5};
use crate::transport::net_stream::NetStream;

/// Who is at the other end of a TLS connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TlsPeer {
    Server,
    Proxy,
    /// A server of another origin, which a redirection leads to.
    Redirected,
}

impl Client {
    /// A transport to the server, which is offered these protocols (ALPN).
    pub(crate) async fn reach(&self, target: &WsUri, alpn: &[&[u8]]) -> Result<Connected, Error> {
        let stream = match &target.socket {
            #[cfg(unix)]
            Some(path) => {
                let dialer = Dialer { unix_socket: Some(path.into()), ..self.dialer.clone() };
                return Ok(dialer.dial(&target.host, target.port).await?.into());
            }
            #[cfg(not(unix))]
            Some(_) => return Err(Error::new(ErrorKind::Misuse, "there are no Unix sockets here")),
            None => self.reach_host(target).await?,
        };
        if !target.secure {
            return Ok(stream.into());
        }
        let peer = if target.redirected { TlsPeer::Redirected } else { TlsPeer::Server };
        self.tls(stream, &target.host, alpn, peer).await
    }

    /// The proxy on the way, if there is one.
    pub(crate) fn proxy_of(&self, target: &WsUri) -> Result<Option<ChosenProxy>, Error> {
        let proxies =
            self.proxies.as_ref().map_or_else(|| Cow::Owned(Proxies::from_env()), Cow::Borrowed);
        proxies.of(target.secure, &target.host, target.port)
    }

    async fn reach_host(&self, target: &WsUri) -> Result<NetStream, Error> {
        #[cfg(unix)]
        if self.dialer.unix_socket.is_some() {
            return self.dialer.dial(&target.host, target.port).await;
        }
        let Some(chosen) = self.proxy_of(target)? else {
            return self.dialer.dial(&target.host, target.port).await;
        };
        let reached = self.reach_through(&chosen.proxy, target).await;
        reached.map_err(|error| chosen.explain(error, &target.host))
    }

    async fn reach_through(&self, proxy: &Proxy, target: &WsUri) -> Result<NetStream, Error> {
        let mut to =
            Destination { host: without_zone(&target.host), port: target.port, address: None };
        let auth = proxy.auth.as_ref();
        match proxy.scheme {
            ProxyScheme::Http | ProxyScheme::Https => {
                let stream = self.reach_proxy(proxy).await?;
                let headers = &self.proxy_headers;
                let tunnel = tunnel::connect(stream, &to, auth, headers, &self.limits);
                let stream = doing(format!("waiting for the proxy {proxy:?}"), tunnel).await?;
                self.dialer.steps.tell(&ConnectEvent::Tunnel(to.host, to.port));
                Ok(stream)
            }
            ProxyScheme::Socks5 { remote: true } => {
                let tunnel = socks5::connect(self.reach_proxy(proxy).await?, &to, auth);
                let stream = doing(format!("waiting for the proxy {proxy:?}"), tunnel).await??;
                self.dialer.steps.tell(&ConnectEvent::Tunnel(to.host, to.port));
                Ok(stream)
            }
            ProxyScheme::Socks5 { remote: false } => {
                let mut refused: Option<Error> = None;
                for address in self.dialer.addresses(to.host, to.port).await? {
                    to.address = Some(address);
                    let tunnel = socks5::connect(self.reach_proxy(proxy).await?, &to, auth);
                    match doing(format!("waiting for the proxy {proxy:?}"), tunnel).await? {
                        Ok(stream) => {
                            let ip = address.ip().to_string();
                            self.dialer.steps.tell(&ConnectEvent::Tunnel(&ip, to.port));
                            return Ok(stream);
                        }
                        // One that may pass decides: the proxy may lack IPv6, say, and the
                        // server be down at its other address.
                        Err(error) => {
                            refused = refused
                                .filter(|first| first.is_retryable() || !error.is_retryable())
                                .or(Some(error));
                        }
                    }
                }
                let none =
                    || Error::new(ErrorKind::Resolve, format!("no address for {:?}", to.host));
                Err(refused.unwrap_or_else(none))
            }
        }
    }

    async fn reach_proxy(&self, proxy: &Proxy) -> Result<NetStream, Error> {
        let named = |error: Error| error.in_setting(&format!("the proxy {proxy:?}"));
        self.dialer.steps.tell(&ConnectEvent::Proxy(proxy));
        let stream = self.dialer.dial(&proxy.host, proxy.port).await.map_err(named)?;
        if proxy.scheme != ProxyScheme::Https {
            return Ok(stream);
        }
        let tls = self.tls(stream, &proxy.host, &[b"http/1.1"], TlsPeer::Proxy);
        Ok(tls.await.map_err(named)?.stream)
    }

    #[cfg(feature = "tls")]
    async fn tls(
        &self,
        stream: NetStream,
        host: &str,
        alpn: &[&[u8]],
        peer: TlsPeer,
    ) -> Result<Connected, Error> {
        let tls = self.tls.context(peer != TlsPeer::Server)?;
        let handshake =
            tls.connect(stream, host, alpn, peer == TlsPeer::Server, &self.dialer.steps);
        doing(format!("waiting for the TLS handshake with {host}"), handshake).await
    }

    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_async, reason = "as with the feature")]
    async fn tls(
        &self,
        _: NetStream,
        _: &str,
        _: &[&[u8]],
        _: TlsPeer,
    ) -> Result<Connected, Error> {
        Err(Error::new(ErrorKind::Tls, "TLS is not built in: the feature tls is off"))
    }
}
