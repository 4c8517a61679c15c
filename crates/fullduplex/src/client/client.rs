//! The client: its settings and what its connections share.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fullduplex_proto::{Config, Role};
use http::{HeaderMap, HeaderName, Response};

use crate::base::error::Error;
use crate::base::handshake_limits::HandshakeLimits;
use crate::base::protected_headers::check_name;
use crate::client::client_stats::ClientStats;
use crate::client::connect::server_connector::ServerConnector;
use crate::client::cookies::CookieJar;
use crate::client::http_version::HttpVersion;
#[cfg(feature = "http2")]
use crate::client::http2::pool::Http2Pool;
#[cfg(feature = "http3")]
use crate::client::http3::pool::Http3Pool;
#[cfg(any(feature = "http2", feature = "http3"))]
use crate::client::multiplexed::capability_cache::CapabilityCache;
use crate::client::request::{ClientRequest, IntoClientRequest, convert};
use crate::client::state::ClientState;
use crate::connection::websocket::WebSocket;

/// Opens a WebSocket to a `ws:` or `wss:` URL, with the default settings of a [`Client`].
///
/// ```no_run
/// # async fn example() -> Result<(), fullduplex::Error> {
/// let (mut websocket, response) = fullduplex::connect("wss://echo.example/").await?;
/// websocket.send("hello").await?;
/// # Ok(())
/// # }
/// ```
///
/// Returns the WebSocket and the server's response. If the server rejects the handshake, the
/// error has its [`response`](Error::response).
///
/// # Cancel safety
/// If the future is dropped before it is ready, the socket is closed.
#[doc(alias = "connect_async")]
pub async fn connect(request: impl IntoClientRequest) -> Result<(WebSocket, Response<()>), Error> {
    // One client for all calls, so that certificates are read once and TLS sessions are resumed.
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(Client::default).connect(request).await
}

/// A WebSocket client: reusable settings for connections. Clones share TLS sessions, cached
/// server capabilities, HTTP/2 and HTTP/3 connections, and [statistics](Self::stats).
///
/// ```no_run
/// use std::time::Duration;
///
/// use fullduplex::Client;
///
/// # async fn example() -> Result<(), fullduplex::Error> {
/// let client = Client::builder()
///     .bearer_auth("secret")
///     .subprotocols(["chat"])
///     .connect_timeout(Duration::from_secs(5))
///     .build()?;
/// let (websocket, _response) = client.connect("wss://chat.example/rooms/1").await?;
/// println!("{:?}", websocket.subprotocol());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "connector")]
#[derive(Clone)]
pub struct Client {
    pub(super) headers: HeaderMap,
    pub(super) subprotocols: Vec<String>,
    pub(super) config: Config,
    pub(super) limits: HandshakeLimits,
    pub(super) connect_timeout: Duration,
    pub(super) connector: ServerConnector,
    pub(super) max_redirects: u32,
    /// The names of the header fields that are also sent to another origin.
    pub(super) cross_origin_headers: Vec<HeaderName>,
    pub(super) cookies: Option<Arc<dyn CookieJar>>,
    pub(super) http_version: HttpVersion,
    #[cfg(feature = "tap")]
    pub(super) tap: Option<Arc<dyn crate::transport::tap::Tap>>,
    pub(super) state: Arc<ClientState>,
    #[cfg(any(feature = "http2", feature = "http3"))]
    pub(super) capabilities: Arc<CapabilityCache>,
    #[cfg(feature = "http2")]
    pub(super) http2: Arc<Http2Pool>,
    #[cfg(feature = "http3")]
    pub(super) http3: Arc<Http3Pool>,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            headers: HeaderMap::new(),
            subprotocols: Vec::new(),
            config: Config::default(),
            limits: HandshakeLimits::client(),
            connect_timeout: Duration::from_secs(30),
            connector: ServerConnector::default(),
            max_redirects: 0,
            cross_origin_headers: Vec::new(),
            cookies: None,
            http_version: HttpVersion::default(),
            #[cfg(feature = "tap")]
            tap: None,
            state: Arc::default(),
            #[cfg(any(feature = "http2", feature = "http3"))]
            capabilities: Arc::default(),
            #[cfg(feature = "http2")]
            http2: Arc::default(),
            #[cfg(feature = "http3")]
            http3: Arc::default(),
        }
    }
}

/// Omits the values of header fields and subprotocols, which may be secret.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("subprotocols", &self.subprotocols.len())
            .field("proxies", &self.connector.proxies)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Opens a WebSocket to a URL (RFC 6455 §3, §4.1).
    ///
    /// Supported schemes are `ws:`, `wss:`, `ws+unix:/path/of/the/socket:/resource` for a Unix
    /// socket, and `wss+unix:` for one with TLS and a certificate for localhost. As in the WHATWG's
    /// WebSocket, `http:` is read as `ws:` and `https:` as `wss:`. An IPv6 address may have a zone,
    /// as in `ws://[fe80::1%25eth0]/`.
    ///
    /// # Errors
    /// [`Error::kind`] says what failed. If the server rejects the handshake, the error has its
    /// [`response`](Error::response).
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the socket is closed.
    pub async fn connect(
        &self,
        request: impl IntoClientRequest,
    ) -> Result<(WebSocket, Response<()>), Error> {
        let ClientRequest { target, headers } = convert(request)?;
        self.with_headers(headers)?.connect_target(target).await
    }

    /// Returns the statistics of the client and its clones.
    ///
    /// They include WebSockets of [`connect`](Self::connect), of
    /// [`connect_over`](Self::connect_over) and of [`reconnecting`](Self::reconnecting) clients.
    /// [`fullduplex::connect`](crate::connect) has a client of its own, which can't be asked.
    pub fn stats(&self) -> ClientStats {
        self.state.stats()
    }

    /// Closes the HTTP/3 connections without WebSockets: sends `CONNECTION_CLOSE`, and waits
    /// until that is done.
    ///
    /// Call it before the runtime shuts down, or servers keep the connections until their idle
    /// timeout. Clones of the client share their connections.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the connections are closed without waiting.
    #[cfg(feature = "http3")]
    pub async fn close_idle_connections(&self) {
        self.http3.close().await;
    }

    /// Returns a client with these header fields in place of its own of the same names.
    pub(super) fn with_headers(&self, headers: HeaderMap) -> Result<Cow<'_, Self>, Error> {
        if headers.is_empty() {
            return Ok(Cow::Borrowed(self));
        }
        let mut client = self.clone();
        for name in headers.keys() {
            check_name(name.as_str(), Role::Client)?;
            client.headers.remove(name);
        }
        client.headers.extend(headers);
        Ok(Cow::Owned(client))
    }
}
