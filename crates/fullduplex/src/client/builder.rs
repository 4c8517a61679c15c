//! The builder of a client.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "deflate")]
use fullduplex_proto::DeflateConfig;
use fullduplex_proto::{Config, ConfigError, KeepaliveConfig, Role};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, ORIGIN, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue};

use crate::base::basic_auth::basic_auth;
use crate::base::error::{Error, ErrorKind};
use crate::base::handshake_limits::HandshakeLimits;
use crate::base::protected_headers::check_name;
use crate::base::subprotocols;
use crate::client::client::Client;
use crate::client::connect::dial::{Connect, Resolve, SocketOptions};
use crate::client::connect::progress::ConnectEvent;
use crate::client::connect::proxy::{Proxies, Proxy};
#[cfg(feature = "_tls")]
use crate::client::connect::tls::{ClientTls, LazyTls};
use crate::client::cookies::CookieJar;
use crate::client::http_version::HttpVersion;
use crate::client::redirect::CREDENTIALS;

/// A builder of a [`Client`].
///
/// No setting fails: the first one that is not valid is reported by [`build`](Self::build).
///
/// ```
/// use fullduplex::{Client, ErrorKind};
///
/// let client = Client::builder().origin("https://a.example").max_message_size(16 << 20).build()?;
/// let error = Client::builder().subprotocols(["not a token"]).build().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Misuse);
/// # Ok::<(), fullduplex::Error>(())
/// ```
#[derive(Debug)]
pub struct ClientBuilder {
    client: Client,
    error: Option<Error>,
}

impl Client {
    /// Returns a builder with the default settings.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// Returns a builder with the settings of this client, to change some of them.
    ///
    /// The two share TLS sessions, and nothing else: no connections, statistics or what was learnt
    /// of servers.
    ///
    /// ```
    /// use fullduplex::Client;
    ///
    /// let client = Client::builder().subprotocols(["chat"]).build()?;
    /// let as_page = client.to_builder().origin("https://app.example").build()?;
    /// # Ok::<(), fullduplex::Error>(())
    /// ```
    pub fn to_builder(&self) -> ClientBuilder {
        let client = Client {
            headers: self.headers.clone(),
            subprotocols: self.subprotocols.clone(),
            config: self.config,
            limits: self.limits,
            connect_timeout: self.connect_timeout,
            connector: self.connector.clone(),
            max_redirects: self.max_redirects,
            cross_origin_headers: self.cross_origin_headers.clone(),
            cookies: self.cookies.clone(),
            http_version: self.http_version,
            #[cfg(feature = "tap")]
            tap: self.tap.clone(),
            ..Client::default()
        };
        ClientBuilder { client, error: None }
    }
}

impl ClientBuilder {
    fn new() -> Self {
        Self { client: Client::default(), error: None }
    }

    // --- The request ---------------------------------------------------------------

    /// Adds a header field to the request.
    ///
    /// `Host` may be set. Fields of the protocol itself, such as `Sec-WebSocket-Key`, may not.
    #[must_use]
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName> + AsRef<[u8]>,
        V: TryInto<HeaderValue>,
    {
        let shown = String::from_utf8_lossy(name.as_ref()).into_owned();
        if let Err(error) = check_name(&shown, Role::Client) {
            self.fail(error);
            return self;
        }
        match (name.try_into(), value.try_into()) {
            (Ok(name), Ok(value)) => {
                self.client.headers.append(name, value);
            }
            (Err(_), _) => self.misuse(format!("the header name {shown:?} is too long")),
            // The message omits the value, which may be secret.
            (_, Err(_)) => {
                self.misuse(format!(
                    "the value of the header {shown} is not valid: it has a control character or \
                     is not ASCII; HeaderValue::from_bytes accepts other text (RFC 9110 §5.5)"
                ));
            }
        }
        self
    }

    /// Sets the `Origin` header field, which browsers send (RFC 6455 §10.2).
    #[must_use]
    pub fn origin(self, origin: &str) -> Self {
        self.header(ORIGIN, origin)
    }

    /// Authenticates with a user and password (HTTP Basic, RFC 7617), like those in a URL.
    #[must_use]
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        if user.contains(':') {
            self.misuse("the user name must not have a colon (RFC 7617 §2)".into());
        }
        self.authorization(basic_auth(user, password))
    }

    /// Authenticates with a bearer token (RFC 6750).
    #[must_use]
    pub fn bearer_auth(self, token: &str) -> Self {
        self.authorization(format!("Bearer {token}"))
    }

    fn authorization(mut self, value: String) -> Self {
        match HeaderValue::try_from(value) {
            Ok(mut value) => {
                value.set_sensitive(true);
                self.client.headers.insert(AUTHORIZATION, value);
            }
            Err(_) => self.misuse("the token is not a valid header value (RFC 9110 §5.5)".into()),
        }
        self
    }

    /// Sets the store of cookies, which may be an `Arc` that the application keeps too. Default:
    /// none; cookies are neither stored nor sent.
    #[must_use]
    pub fn cookies(mut self, jar: impl CookieJar) -> Self {
        self.client.cookies = Some(Arc::new(jar));
        self
    }

    /// Sets the subprotocols to offer, the preferred one first (RFC 6455 §1.9). Default: none.
    #[must_use]
    pub fn subprotocols<I>(mut self, subprotocols: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        match subprotocols::checked(subprotocols) {
            Ok(names) => self.client.subprotocols = names,
            Err(error) => self.fail(error),
        }
        self
    }

    /// Offers compression with permessage-deflate (RFC 7692). Default: `None`, not offered.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(mut self, deflate: impl Into<Option<DeflateConfig>>) -> Self {
        self.client.config.deflate = deflate.into();
        self
    }

    /// Sets the HTTP version. Default: HTTP/1.1.
    #[must_use]
    pub fn http_version(mut self, version: HttpVersion) -> Self {
        self.client.http_version = version;
        self
    }

    /// Sets the maximum number of redirections to follow (301, 302, 303, 307, 308). Default: 0, as
    /// in browsers. A redirection from `wss:` to `ws:` is never followed.
    ///
    /// Another origin is one with a different scheme, host, port or Unix socket. Once a redirection
    /// has left the original origin, the right column applies to that hop and to all later ones,
    /// even back to the original:
    ///
    /// | | to the URL's origin | to another one |
    /// |---|---|---|
    /// | `User-Agent`, `Accept-Language` | yes | yes, unless the value is marked sensitive |
    /// | other header fields, `Origin` among them | yes | those of [`keep_on_redirect`](Self::keep_on_redirect), unless the value is marked sensitive |
    /// | subprotocols | yes | with `keep_on_redirect("Sec-WebSocket-Protocol")` |
    /// | `Authorization`, `Cookie`, `Host`, `Proxy-Authorization` | yes | no |
    /// | user and password in a URL | yes | those in the redirection itself |
    /// | cookies of a [`CookieJar`] | those for the URL | those for the new URL |
    /// | the certificate of `ClientTls::identity`, the name of `ClientTls::server_name` | yes | no |
    /// | the offer of compression | yes | yes |
    ///
    /// HTTP/3 on another port, which the server offered in `Alt-Svc`, is the same origin
    /// (RFC 7838 §2.1). A proxy is only sent the fields of [`proxy_header`](Self::proxy_header)
    /// and the user and password of its own URL, for every origin.
    #[must_use]
    pub fn max_redirects(mut self, count: u32) -> Self {
        self.client.max_redirects = count;
        self
    }

    /// Also sends the header field of this name to another origin after a redirection. Use it
    /// only for a field that is neither secret nor specific to the server.
    ///
    /// `Sec-WebSocket-Protocol` means all subprotocols; some servers expect a token among them.
    /// `Authorization`, `Cookie`, `Proxy-Authorization` and `Host` can't be kept, and values that
    /// are [marked sensitive](HeaderValue::set_sensitive) are not sent.
    #[must_use]
    pub fn keep_on_redirect<N>(mut self, name: N) -> Self
    where
        N: TryInto<HeaderName> + AsRef<[u8]>,
    {
        let shown = String::from_utf8_lossy(name.as_ref()).into_owned();
        match name.try_into() {
            Ok(name) if CREDENTIALS.contains(&name) => {
                self.misuse(format!("the header {name} is never sent to another origin"));
            }
            Ok(name) => self.client.cross_origin_headers.push(name),
            Err(_) => {
                self.misuse(format!("the header name {shown:?} is not a token (RFC 9110 §5.1)"));
            }
        }
        self
    }

    // --- The connection -------------------------------------------------------------------

    /// Sets the TLS settings. Their files are read now; [`build`](Self::build) reports the error.
    #[cfg(feature = "_tls")]
    #[cfg_attr(docsrs, doc(cfg(any(feature = "tls", feature = "aws-lc-rs"))))]
    #[must_use]
    pub fn tls(mut self, settings: ClientTls) -> Self {
        match settings.load() {
            Ok(settings) => self.client.connector.tls = Arc::new(LazyTls::new(settings)),
            Err(error) => self.fail(error),
        }
        self
    }

    /// Uses this proxy for every connection, instead of those of the environment.
    #[must_use]
    pub fn proxy(self, proxy: Proxy) -> Self {
        self.proxies(Proxies::all(proxy))
    }

    /// Sets the proxies. Default: [`Proxies::from_env`], read for each connection.
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.client.connector.proxies = Some(proxies);
        self
    }

    /// Adds a header field to the CONNECT request that an HTTP proxy is sent.
    ///
    /// `Host`, `Content-Length` and `Transfer-Encoding` can't be set. `Proxy-Authorization`
    /// replaces the user and password of the proxy's URL.
    #[must_use]
    pub fn proxy_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        // RFC 9112 §3.2: one Host. RFC 9110 §9.3.6: a CONNECT has no content.
        if matches!(name, HOST | CONTENT_LENGTH | TRANSFER_ENCODING) {
            self.misuse(format!("the header {name} of a CONNECT request can't be set"));
            return self;
        }
        self.client.connector.proxy_headers.append(name, value);
        self
    }

    /// Sets the options of sockets.
    #[must_use]
    pub fn socket_options(mut self, options: SocketOptions) -> Self {
        self.client.connector.dialer.options = options;
        self
    }

    /// Sets a custom DNS resolver. Default: that of the system.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.client.connector.dialer.resolver = Some(Arc::new(resolver));
        self
    }

    /// Sets a custom transport in place of TCP.
    #[must_use]
    pub fn connector(mut self, connector: impl Connect) -> Self {
        self.client.connector.dialer.custom_transport = Some(Arc::new(connector));
        self
    }

    /// Connects to this Unix socket, and uses the URL's host only for `Host` and TLS.
    #[cfg(unix)]
    #[must_use]
    pub fn unix_socket(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.client.connector.dialer.unix_socket = Some(path.into());
        self
    }

    // --- Limits --------------------------------------------------------------------

    /// Sets the configuration of open connections: limits, keepalive, buffers.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.client.config = config;
        self
    }

    /// Sets [`Limits::max_message_size`](crate::Limits::max_message_size). Default: 1 MiB.
    #[must_use]
    pub fn max_message_size(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.client.config.limits.max_message_size = bytes.into();
        self
    }

    /// Sets when a connection that is silent is tested with a Ping, and given up.
    #[must_use]
    #[doc(alias = "heartbeat")]
    pub fn keepalive(mut self, keepalive: KeepaliveConfig) -> Self {
        self.client.config.keepalive = keepalive;
        self
    }

    /// Sets the time without a message after which a WebSocket is closed; `None` for no timeout.
    /// Default: `None`.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.client.config.idle_timeout = timeout.into();
        self
    }

    /// Sets the limits of the opening handshake. Default: [`HandshakeLimits::client`].
    #[must_use]
    pub fn handshake_limits(mut self, limits: HandshakeLimits) -> Self {
        self.client.limits = limits;
        self
    }

    /// Sets the time limit for connecting to the server: name resolution, the socket, a proxy and
    /// TLS together. Default: 30 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.client.connect_timeout = timeout;
        self
    }

    /// Sets an observer of the WebSockets, on all HTTP versions. Default: none.
    #[cfg(feature = "tap")]
    #[must_use]
    pub fn tap(mut self, tap: Arc<dyn crate::tap::Tap>) -> Self {
        self.client.tap = Some(tap);
        self
    }

    /// Sets a callback for each completed step of connecting to a server, such as the choice of a
    /// proxy, the TCP connection and the TLS handshake.
    ///
    /// A WebSocket on an existing HTTP/2 or HTTP/3 connection has no such steps. The callback
    /// must not block. A panic in it is caught and ignored.
    #[must_use]
    pub fn on_connect_event(
        mut self,
        callback: impl Fn(&ConnectEvent<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.client.connector.dialer.events.0 = Some(Arc::new(callback));
        self
    }

    /// Returns the client.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Misuse`] if a setting is not valid, or [`ErrorKind::Tls`] if one of
    /// `ClientTls` is not; the error is that of the first.
    pub fn build(self) -> Result<Client, Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let client = self.client;
        let valid = client.config.validate().and_then(|()| {
            client.limits.validate()?;
            client.connector.dialer.options.validate()?;
            ConfigError::require_time(client.connect_timeout, "connect_timeout")
        });
        valid.map_err(Error::of)?;
        Ok(client)
    }

    fn misuse(&mut self, message: String) {
        self.fail(Error::new(ErrorKind::Misuse, message));
    }

    /// Keeps the first error for [`build`](Self::build).
    fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }
}
