//! Connecting: the way to the server, the opening handshake, and what else may be answered.
//!
//! ```text
//! URL ─▶ proxy? ─▶ addresses ─▶ socket ─▶ TLS to the proxy? ─▶ tunnel? ─▶ TLS? ─▶ handshake
//!          ▲                                                                         │
//!          └──────────────────────── redirection, if allowed ◀───────────────────────┘
//! ```

#[cfg(any(feature = "http2", feature = "http3"))]
mod auto;
mod builder;
mod connect;
#[cfg(any(feature = "http2", feature = "http3"))]
mod extended;
#[cfg(feature = "http2")]
mod http2;
#[cfg(feature = "http3")]
mod http3;
#[cfg(any(feature = "http2", feature = "http3"))]
mod learned;
mod list;
#[cfg(any(feature = "http2", feature = "http3"))]
mod pool;
mod reconnect;
mod redirect;
mod response;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fullduplex_proto::handshake::client::{ClientHandshake, Negotiated};
use fullduplex_proto::handshake::http1::write_request;
use fullduplex_proto::{Config, DeflateConfig, Role};
use http::header::{AUTHORIZATION, COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Response};

pub use builder::ClientBuilder;
pub use connect::dial::{Connect, Resolve, SocketOptions};
pub use connect::progress::ConnectEvent;
pub use connect::proxy::{Proxies, Proxy};
#[cfg(feature = "tls")]
pub use connect::tls::{ClientTls, RootCertificates};
pub use futures_core::future::BoxFuture;
pub use reconnect::{
    Backoff, DisconnectReason, OfflinePolicy, ReconnectBuilder, ReconnectEvent, ReconnectSender,
    Reconnecting, RequestOverride,
};

use crate::base::deadline::{doing, within};
use crate::base::error::{Error, ErrorKind};
use crate::base::protected::check_name;
use crate::base::uri::{WsUri, without_zone};
#[cfg(feature = "tls")]
use crate::client::connect::client_cert::MissingClientCert;
use crate::client::connect::dial::Dialer;
use crate::client::connect::proxy::{ChosenProxy, ProxyScheme};
#[cfg(feature = "tls")]
use crate::client::connect::tls::{TlsContext, explain_alert};
use crate::client::connect::tunnel::{self, Destination};
#[cfg(feature = "http3")]
use crate::client::http3::quic_tls::QuicTls;
use crate::connection::websocket::WebSocket;
use crate::transport::Transport;
use crate::transport::http1;
use crate::transport::http1::{HandshakeLimits, HeaderMapSource};
use crate::transport::net_stream::NetStream;

/// Opens a WebSocket to a `ws:` or `wss:` URL, with the defaults of [`Client`].
///
/// Gives the WebSocket and the server's response. If the server refuses, the error has its
/// [`response`](Error::response).
///
/// # Cancel safety
/// Dropped before it is ready, the socket is closed.
pub async fn connect(uri: &str) -> Result<(WebSocket, Response<()>), Error> {
    // One for all, so that certificates are read once and TLS sessions are resumed.
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(Client::default).connect(uri).await
}

/// Which version of HTTP carries the opening handshake, and what follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Version {
    /// HTTP/1.1, a connection for each WebSocket (RFC 6455). Default.
    #[default]
    Http1,
    /// HTTP/2, many WebSockets on one connection (RFC 8441); over TLS, or with prior
    /// knowledge that the server speaks it.
    #[cfg(feature = "http2")]
    Http2,
    /// HTTP/3, many WebSockets on one QUIC connection (RFC 9220); for `wss:` alone. It runs
    /// over UDP, so neither through a proxy nor over a [`Connect`] of your own.
    ///
    /// A connection whose server is silent is given up after 60 s, or three intervals of the
    /// keepalive where that is longer. QUIC keeps it alive with a PING after 10 s of silence,
    /// whatever the keepalive of its WebSockets. One without a WebSocket is closed after 60 s to
    /// 90 s.
    #[cfg(feature = "http3")]
    Http3,
    /// For `wss:` the best that the server does; what it does is remembered. That is HTTP/3
    /// once a response has offered it (`Alt-Svc`, RFC 7838) and there is no proxy, HTTP/2
    /// where that feature is on, or else HTTP/1.1. A server that does not choose HTTP/2, lacks
    /// the setting of RFC 8441, answers 501, refuses the first stream or requires HTTP/1.1 is
    /// not asked for HTTP/2 again for 5 minutes. So is one that answers 400, 405, 426 or 505 on
    /// HTTP/2 or HTTP/3 and opens the WebSocket on HTTP/1.1: something on the way can't carry
    /// the other version. Where HTTP/1.1 is refused too, it is not tried again for as long.
    ///
    /// An HTTP/3 that is not reached in 2 s, or that fails, is not tried again for 5 minutes.
    #[cfg(any(feature = "http2", feature = "http3"))]
    Auto,
}

/// Keeps the cookies of servers.
pub trait CookieJar: Send + Sync + 'static {
    /// The value of the `Cookie` header for this URL, if there are any.
    fn cookies(&self, url: &str) -> Option<HeaderValue>;
    /// Takes note of a `Set-Cookie` header in the response to this URL.
    fn store(&self, url: &str, set_cookie: &HeaderValue);
}

/// A client: settings for connections, to be used as often as wanted. Clones share its TLS
/// sessions.
#[derive(Clone)]
pub struct Client {
    headers: HeaderMap,
    subprotocols: Vec<String>,
    config: Config,
    limits: HandshakeLimits,
    connect_timeout: Duration,
    dialer: Dialer,
    /// Those of the environment, where it is `None`.
    proxies: Option<Proxies>,
    proxy_headers: HeaderMap,
    max_redirects: u32,
    /// The names of fields that go along to another origin.
    redirected_headers: Vec<HeaderName>,
    cookies: Option<Arc<dyn CookieJar>>,
    version: Version,
    #[cfg(any(feature = "http2", feature = "http3"))]
    learned: Arc<learned::CapabilityCache>,
    #[cfg(feature = "http2")]
    pool: Arc<http2::Http2Pool>,
    #[cfg(feature = "http3")]
    http3: Arc<http3::Http3Pool>,
    #[cfg(feature = "tls")]
    tls: Arc<LazyTls>,
}

/// Who is at the other end of a TLS connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TlsPeer {
    Server,
    Proxy,
    /// A server of another origin, which a redirection leads to.
    Redirected,
}

/// What takes the time of `handshake_timeout`.
const AWAITING_ANSWER: &str = "waiting for the server's answer to the opening handshake";

/// A transport to a server, through what lies before it.
pub(crate) struct Connected {
    stream: NetStream,
    /// What it chose of the protocols that were offered (ALPN).
    #[cfg_attr(not(feature = "http2"), allow(dead_code, reason = "one alone is offered"))]
    protocol: Option<Vec<u8>>,
    #[cfg(feature = "tls")]
    unshown: MissingClientCert,
}

impl From<NetStream> for Connected {
    fn from(stream: NetStream) -> Self {
        Self {
            stream,
            protocol: None,
            #[cfg(feature = "tls")]
            unshown: MissingClientCert::default(),
        }
    }
}

/// TLS, set up when it is first needed.
#[cfg(feature = "tls")]
#[derive(Debug, Default)]
struct LazyTls {
    settings: ClientTls,
    built: OnceLock<TlsContext>,
    /// For proxies, and for other origins: without the client's certificate.
    anonymous: OnceLock<TlsContext>,
    #[cfg(feature = "http3")]
    quic: OnceLock<QuicTls>,
    #[cfg(feature = "http3")]
    anonymous_quic: OnceLock<QuicTls>,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            headers: HeaderMap::new(),
            subprotocols: Vec::new(),
            config: Config::default(),
            limits: HandshakeLimits::client(),
            connect_timeout: Duration::from_secs(30),
            dialer: Dialer::default(),
            proxies: None,
            proxy_headers: HeaderMap::new(),
            max_redirects: 0,
            redirected_headers: Vec::new(),
            cookies: None,
            version: Version::default(),
            #[cfg(any(feature = "http2", feature = "http3"))]
            learned: Arc::default(),
            #[cfg(feature = "http2")]
            pool: Arc::default(),
            #[cfg(feature = "http3")]
            http3: Arc::default(),
            #[cfg(feature = "tls")]
            tls: Arc::default(),
        }
    }
}

/// Shows neither the values of header fields nor subprotocols: there may be secrets among them.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("subprotocols", &self.subprotocols.len())
            .field("proxies", &self.proxies)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client with other settings than the defaults.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// Opens a WebSocket to a `ws:` or `wss:` URL (RFC 6455 §3, §4.1), or to a Unix socket:
    /// `ws+unix:/path/of/the/socket:/resource`. For `http:` and `https:` it is `ws:` and `wss:`, as
    /// the WHATWG's WebSocket has it. An IPv6 address may have its zone, as in
    /// `ws://[fe80::1%25eth0]/`.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the socket is closed.
    pub async fn connect(&self, uri: &str) -> Result<(WebSocket, Response<()>), Error> {
        self.connect_redirected(WsUri::parse(uri)?).await
    }

    /// Closes the HTTP/3 connections that no WebSocket uses, and waits until their servers
    /// were told: for the end of a program, with whose runtime what is on the way is lost.
    /// Clones of the client have the same connections.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, they are closed and not waited for.
    #[cfg(feature = "http3")]
    pub async fn close_idle(&self) {
        self.http3.close().await;
    }

    /// Without redirections.
    async fn connect_to(
        &self,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<(WebSocket, Response<()>), Error> {
        match self.version {
            Version::Http1 => self.connect_http1(target, headers).await,
            #[cfg(feature = "http2")]
            Version::Http2 => match self.connect_http2(target, headers).await {
                Ok(http2::Http2Outcome::Opened(websocket, response)) => Ok((websocket, response)),
                Ok(http2::Http2Outcome::Without(why, _)) => {
                    let why = format!("the server takes no WebSockets on HTTP/2: {why}");
                    Err(Error::new(ErrorKind::Handshake, why))
                }
                Err(error) => Err(auto::explain(error, "HTTP/2")),
            },
            #[cfg(feature = "http3")]
            Version::Http3 => {
                let ended = self.connect_http3(target, headers).await;
                ended.map_err(|error| auto::explain(error, "HTTP/3"))
            }
            #[cfg(any(feature = "http2", feature = "http3"))]
            Version::Auto => self.connect_auto(target, headers).await,
        }
    }

    async fn connect_http1(
        &self,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<(WebSocket, Response<()>), Error> {
        let reaching = self.reach(target, &[b"http/1.1"]);
        let reached = within("connect_timeout", self.connect_timeout, reaching).await??;
        self.handshake_on(reached, target, headers).await
    }

    async fn handshake_on(
        &self,
        reached: Connected,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<(WebSocket, Response<()>), Error> {
        let opened = self.handshake(reached.stream, target, headers).await;
        #[cfg(feature = "tls")]
        let opened = opened.map_err(|error| reached.unshown.explain(error));
        opened
    }

    /// The same with these header fields in place of those of the same names.
    fn with_headers(&self, headers: HeaderMap) -> Result<Self, Error> {
        let mut client = self.clone();
        for name in headers.keys() {
            check_name(name.as_str(), Role::Client)?;
            client.headers.remove(name);
        }
        client.headers.extend(headers);
        Ok(client)
    }

    /// Opens a WebSocket on a transport that stands already; the URL gives `Host` and the
    /// path, and its scheme is not looked at.
    pub async fn connect_over<S: Transport>(
        &self,
        stream: S,
        uri: &str,
    ) -> Result<(WebSocket<S>, Response<()>), Error> {
        self.handshake(stream, &WsUri::parse(uri)?, &self.headers).await
    }

    /// A transport to the server, which is offered these protocols (ALPN).
    async fn reach(&self, target: &WsUri, alpn: &[&[u8]]) -> Result<Connected, Error> {
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
    fn proxy_of(&self, target: &WsUri) -> Result<Option<ChosenProxy>, Error> {
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
                let tunnel = tunnel::socks5(self.reach_proxy(proxy).await?, &to, auth);
                let stream = doing(format!("waiting for the proxy {proxy:?}"), tunnel).await??;
                self.dialer.steps.tell(&ConnectEvent::Tunnel(to.host, to.port));
                Ok(stream)
            }
            ProxyScheme::Socks5 { remote: false } => {
                let mut refused: Option<Error> = None;
                for address in self.dialer.addresses(to.host, to.port).await? {
                    to.address = Some(address);
                    let tunnel = tunnel::socks5(self.reach_proxy(proxy).await?, &to, auth);
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
        let is_anonymous = peer != TlsPeer::Server;
        let built = if is_anonymous { &self.tls.anonymous } else { &self.tls.built };
        let tls = if let Some(tls) = built.get() {
            tls
        } else {
            let tls = self.tls.settings.build(is_anonymous)?;
            built.get_or_init(|| tls)
        };
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

    async fn handshake<S: Transport>(
        &self,
        mut stream: S,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<(WebSocket<S>, Response<()>), Error> {
        let after = self.limits.handshake_timeout;
        let opening = self.opening(target, headers)?;
        let head = self.request_head(&opening, target, headers)?;
        let mut leftover = BytesMut::new();
        let exchange = async {
            http1::write_all(&mut stream, &head).await?;
            response::read(&mut stream, &self.limits, &mut leftover).await
        };
        let exchange = doing(AWAITING_ANSWER, exchange);
        let response = within("handshake_timeout", after, exchange).await?;
        #[cfg(feature = "tls")]
        let response = response.map_err(explain_alert);
        let response = response?;
        self.learn_from(target, response.headers());
        match opening.check(response.status().as_u16(), HeaderMapSource(response.headers())) {
            Ok(agreement) => self.opened(stream, agreement, response, leftover),
            Err(error) => Err(response::refused(error, &mut stream, response, leftover).await),
        }
    }

    /// The WebSocket that both ends agreed on.
    fn opened<S: Transport>(
        &self,
        stream: S,
        agreement: Negotiated,
        response: Response<()>,
        leftover: BytesMut,
    ) -> Result<(WebSocket<S>, Response<()>), Error> {
        let config = &self.config;
        let deflate = match config.deflate.map(|deflate| deflate.check(&agreement.extensions)) {
            Some(Ok(agreed)) => agreed,
            Some(Err(error)) => {
                return Err(Error::from(error).with_response(response.map(|()| Bytes::new())));
            }
            None => None,
        };
        let websocket =
            WebSocket::from_handshake(stream, Role::Client, config, deflate.as_ref(), leftover);
        Ok((websocket.with_subprotocol(agreement.subprotocol), response))
    }

    fn opening(&self, target: &WsUri, headers: &HeaderMap) -> Result<ClientHandshake, Error> {
        let host = authority(target, headers);
        self.offers(ClientHandshake::http1(host, crate::base::rng::nonce())?, target)
    }

    fn offers(
        &self,
        mut opening: ClientHandshake,
        target: &WsUri,
    ) -> Result<ClientHandshake, Error> {
        for protocol in self.subprotocols_for(target) {
            opening = opening.with_subprotocol(protocol)?;
        }
        for offer in self.config.deflate.iter().flat_map(DeflateConfig::offers) {
            opening = opening.with_extension(offer);
        }
        Ok(opening)
    }

    fn request_head(
        &self,
        opening: &ClientHandshake,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<Vec<u8>, Error> {
        let fields = self.fields(opening, target, headers)?;
        let fields = fields.iter().map(|(name, value)| (&**name, value.as_bytes()));
        Ok(write_request(opening.method(), &target.resource, fields)?)
    }

    /// All header fields of the request, with names as HTTP/1.1 has them. Credentials are marked
    /// sensitive, and so is what the application has marked.
    fn fields(
        &self,
        opening: &ClientHandshake,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<Vec<(Cow<'static, str>, HeaderValue)>, Error> {
        let value = |text: String| {
            let why = "a header's value is not valid (RFC 9110 §5.5)";
            HeaderValue::try_from(text).map_err(|_| Error::new(ErrorKind::Misuse, why))
        };
        let secret = |mut value: HeaderValue| {
            value.set_sensitive(true);
            value
        };
        let mut fields = Vec::new();
        for (name, text) in opening.headers() {
            fields.push((Cow::Borrowed(name), value(text)?));
        }
        let users = headers.iter().filter(|(name, _)| *name != HOST);
        fields.extend(users.map(|(name, value)| {
            let is_secret = *name == AUTHORIZATION || *name == COOKIE;
            let value = if is_secret { secret(value.clone()) } else { value.clone() };
            (http1::title_case(name).into(), value)
        }));
        if let Some((user, password)) = &target.user
            && !headers.contains_key(AUTHORIZATION)
        {
            fields.push(("Authorization".into(), secret(value(tunnel::basic(user, password))?)));
        }
        if let Some(jar) = &self.cookies
            && !headers.contains_key(COOKIE)
            && let Some(cookies) = jar.cookies(&target.cookie_url())
        {
            fields.push(("Cookie".into(), secret(cookies)));
        }
        Ok(fields)
    }

    /// Takes note of what a server said beside its answer.
    fn learn_from(&self, target: &WsUri, headers: &HeaderMap) {
        #[cfg(feature = "http3")]
        self.http3.learn_from(target, headers);
        if let Some(jar) = &self.cookies {
            let url = target.cookie_url();
            headers.get_all(SET_COOKIE).iter().for_each(|cookie| jar.store(&url, cookie));
        }
    }
}

/// What the request names as its server: the URL's host, or the header that was set.
fn authority(target: &WsUri, headers: &HeaderMap) -> String {
    match headers.get(HOST) {
        Some(own) => String::from_utf8_lossy(own.as_bytes()).into_owned(),
        None => target.authority.clone(),
    }
}
