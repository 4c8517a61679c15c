//! Settings for a client.

use std::sync::Arc;
use std::time::Duration;

use fullduplex_proto::handshake::is_token;
use fullduplex_proto::{Config, DeflateConfig, Role};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, ORIGIN, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue};

use crate::base::error::{Error, ErrorKind};
use crate::base::protected::check_name;
use crate::client::client::Client;
use crate::client::connect::dial::{Connect, Resolve, SocketOptions};
use crate::client::connect::progress::ConnectEvent;
use crate::client::connect::proxy::{Proxies, Proxy, tunnel};
#[cfg(feature = "tls")]
use crate::client::connect::tls::{ClientTls, LazyTls};
use crate::client::cookies::CookieJar;
use crate::client::redirect::CREDENTIALS;
use crate::client::version::Version;
use crate::transport::http1::HandshakeLimits;

/// Settings for a [`Client`].
#[derive(Debug)]
pub struct ClientBuilder {
    client: Client,
    error: Option<Error>,
}

impl Client {
    /// A client with other settings than the defaults.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }
}

impl ClientBuilder {
    fn new() -> Self {
        Self { client: Client::default(), error: None }
    }

    // --- The request ---------------------------------------------------------------

    /// Adds a header field to the request. Those of the protocol itself, such as
    /// `Sec-WebSocket-Key`, can't be set; `Host` can.
    #[must_use]
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName> + AsRef<[u8]>,
        V: TryInto<HeaderValue>,
    {
        let shown = String::from_utf8_lossy(name.as_ref()).into_owned();
        if let Err(error) = check_name(&shown, Role::Client) {
            self.error = self.error.take().or(Some(error));
            return self;
        }
        match (name.try_into(), value.try_into()) {
            (Ok(name), Ok(value)) => {
                self.client.headers.append(name, value);
            }
            (Err(_), _) => self.misuse(format!("the header name {shown:?} is too long")),
            // It may be a secret.
            (_, Err(_)) => {
                self.misuse(format!(
                    "the value of the header {shown} has a control character, or is text beyond \
                     ASCII, which HeaderValue::from_bytes takes (RFC 9110 §5.5)"
                ));
            }
        }
        self
    }

    /// Sets the `Origin` that is sent, as a browser would (RFC 6455 §10.2).
    #[must_use]
    pub fn origin(self, origin: &str) -> Self {
        self.header(ORIGIN, origin)
    }

    /// Authenticates with user and password (RFC 7617). Those in a URL do the same.
    #[must_use]
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        if user.contains(':') {
            self.misuse("a user's name has no colon (RFC 7617 §2)".into());
        }
        self.authorization(tunnel::basic(user, password))
    }

    /// Authenticates with a token (RFC 6750).
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
            Err(_) => self.misuse("the token can't stand in a header (RFC 9110 §5.5)".into()),
        }
        self
    }

    /// Keeps and sends cookies.
    #[must_use]
    pub fn cookies(mut self, jar: Arc<dyn CookieJar>) -> Self {
        self.client.cookies = Some(jar);
        self
    }

    /// Offers a subprotocol (RFC 6455 §1.9); call it again for those liked less.
    #[must_use]
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if !is_token(name.as_bytes()) {
            self.misuse(format!("subprotocol {name:?} is not a token (RFC 6455 §4.1)"));
        } else if self.client.subprotocols.contains(&name) {
            self.misuse(format!("subprotocol {name:?} is offered twice (RFC 6455 §4.1)"));
        } else {
            self.client.subprotocols.push(name);
        }
        self
    }

    /// Offers compression (RFC 7692); `None` does not. Default: `None`.
    #[must_use]
    pub fn deflate(mut self, deflate: impl Into<Option<DeflateConfig>>) -> Self {
        self.client.config.deflate = deflate.into();
        self
    }

    /// Sets the version of HTTP. Default: HTTP/1.1.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.client.version = version;
        self
    }

    /// Sets how many redirections are followed (301, 302, 303, 307, 308), never from `wss:` to
    /// `ws:`. Default: 0, as browsers do.
    ///
    /// Another origin is one that differs in scheme, host, port or Unix socket. What goes there,
    /// and wherever it leads to, back included:
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
    /// A WebSocket on HTTP/3 at a port that the server named in `Alt-Svc` is at the same origin
    /// (RFC 7838 §2.1). Proxies get the fields of [`proxy_header`](Self::proxy_header) and the
    /// user and password of their own URL, whatever the target is, and nothing else of these.
    #[must_use]
    pub fn max_redirects(mut self, most: u32) -> Self {
        self.client.max_redirects = most;
        self
    }

    /// Lets the header field of this name go along where a redirection leads to another origin:
    /// one that is neither secret nor tied to the server. `Sec-WebSocket-Protocol` stands for all
    /// subprotocols, among which some servers expect a token.
    ///
    /// `Authorization`, `Cookie`, `Proxy-Authorization` and `Host` can't be; nor does a value go
    /// along that is [marked sensitive](HeaderValue::set_sensitive).
    #[must_use]
    pub fn keep_on_redirect<N>(mut self, name: N) -> Self
    where
        N: TryInto<HeaderName> + AsRef<[u8]>,
    {
        let shown = String::from_utf8_lossy(name.as_ref()).into_owned();
        match name.try_into() {
            Ok(name) if CREDENTIALS.contains(&name) => {
                self.misuse(format!("the header {name} does not go to another origin"));
            }
            Ok(name) => self.client.redirected_headers.push(name),
            Err(_) => {
                self.misuse(format!("the header name {shown:?} is not a token (RFC 9110 §5.1)"));
            }
        }
        self
    }

    // --- The way -------------------------------------------------------------------

    /// Sets how TLS is done.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, settings: ClientTls) -> Self {
        self.client.tls = Arc::new(LazyTls::new(settings));
        self
    }

    /// Goes through this proxy, whatever the environment says.
    #[must_use]
    pub fn proxy(self, proxy: Proxy) -> Self {
        self.proxies(Proxies::all(proxy))
    }

    /// Sets which proxies are used. Default: [`Proxies::from_env`], read for each connection.
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.client.proxies = Some(proxies);
        self
    }

    /// Adds a header field to the request for a tunnel that a proxy gets. `Host` and those that
    /// announce content can't be set. `Proxy-Authorization` replaces the user and password of the
    /// proxy's URL.
    #[must_use]
    pub fn proxy_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        // RFC 9112 §3.2: one Host. RFC 9110 §9.3.6: a CONNECT has no content.
        if matches!(name, HOST | CONTENT_LENGTH | TRANSFER_ENCODING) {
            self.misuse(format!("the header {name} of a request for a tunnel can't be set"));
            return self;
        }
        self.client.proxy_headers.append(name, value);
        self
    }

    /// Sets options of TCP sockets.
    #[must_use]
    pub fn socket(mut self, options: SocketOptions) -> Self {
        self.client.dialer.options = options;
        self
    }

    /// Resolves names in a way of your own.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.client.dialer.resolver = Some(Arc::new(resolver));
        self
    }

    /// Makes transports in a way of your own, in place of TCP.
    #[must_use]
    pub fn connector(mut self, connector: impl Connect) -> Self {
        self.client.dialer.connector = Some(Arc::new(connector));
        self
    }

    /// Connects to this Unix socket, whatever the URL's host is.
    #[cfg(unix)]
    #[must_use]
    pub fn unix_socket(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.client.dialer.unix_socket = Some(path.into());
        self
    }

    // --- Limits --------------------------------------------------------------------

    /// Sets what holds once the connection is open: limits, keepalive, buffers.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.client.config = config;
        self
    }

    /// Sets [`Limits::max_message_size`](crate::Limits::max_message_size). Default: 1 MiB.
    #[must_use]
    pub fn max_message_size(mut self, bytes: Option<u64>) -> Self {
        self.client.config.limits.max_message_size = bytes;
        self
    }

    /// Sets the bounds on the opening handshake. Default: [`HandshakeLimits::client`].
    #[must_use]
    pub fn handshake_limits(mut self, limits: HandshakeLimits) -> Self {
        self.client.limits = limits;
        self
    }

    /// Sets how long finding and reaching the server may take: its address, the socket, a
    /// proxy, TLS. Default: 30 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.client.connect_timeout = timeout;
        self
    }

    /// Calls this with each step on the way to a server as soon as it is made: the proxy, the
    /// connection with its addresses, TLS with its version and the certificate. A connection
    /// of HTTP/2 or HTTP/3 that stands already takes no steps. The call is to be short. A panic
    /// in it ends nothing.
    #[must_use]
    pub fn on_connect_event(
        mut self,
        tell: impl Fn(&ConnectEvent<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.client.dialer.steps.0 = Some(Arc::new(tell));
        self
    }

    /// The client, or what was wrong with the first bad setting.
    pub fn build(self) -> Result<Client, Error> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.client),
        }
    }

    fn misuse(&mut self, why: String) {
        if self.error.is_none() {
            self.error = Some(Error::new(ErrorKind::Misuse, why));
        }
    }
}
