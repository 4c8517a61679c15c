//! A client, and what it opens WebSockets with.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fullduplex_proto::{Config, Role};
use http::{HeaderMap, HeaderName, Response};

use crate::base::error::Error;
use crate::base::protected::check_name;
use crate::base::uri::WsUri;
use crate::client::connect::dial::Dialer;
use crate::client::connect::proxy::Proxies;
#[cfg(feature = "tls")]
use crate::client::connect::tls::LazyTls;
use crate::client::cookies::CookieJar;
#[cfg(feature = "http2")]
use crate::client::http2::pool::Http2Pool;
#[cfg(feature = "http3")]
use crate::client::http3::pool::Http3Pool;
#[cfg(any(feature = "http2", feature = "http3"))]
use crate::client::multiplexed::capability_cache::CapabilityCache;
use crate::client::version::Version;
use crate::connection::websocket::WebSocket;
use crate::transport::http1::HandshakeLimits;

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

/// A client: settings for connections, to be used as often as wanted. Clones share its TLS
/// sessions.
#[derive(Clone)]
pub struct Client {
    pub(super) headers: HeaderMap,
    pub(super) subprotocols: Vec<String>,
    pub(super) config: Config,
    pub(super) limits: HandshakeLimits,
    pub(super) connect_timeout: Duration,
    pub(super) dialer: Dialer,
    /// Those of the environment, where it is `None`.
    pub(super) proxies: Option<Proxies>,
    pub(super) proxy_headers: HeaderMap,
    pub(super) max_redirects: u32,
    /// The names of fields that go along to another origin.
    pub(super) redirected_headers: Vec<HeaderName>,
    pub(super) cookies: Option<Arc<dyn CookieJar>>,
    pub(super) version: Version,
    #[cfg(any(feature = "http2", feature = "http3"))]
    pub(super) learned: Arc<CapabilityCache>,
    #[cfg(feature = "http2")]
    pub(super) pool: Arc<Http2Pool>,
    #[cfg(feature = "http3")]
    pub(super) http3: Arc<Http3Pool>,
    #[cfg(feature = "tls")]
    pub(super) tls: Arc<LazyTls>,
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

    /// The same with these header fields in place of those of the same names.
    pub(super) fn with_headers(&self, headers: HeaderMap) -> Result<Self, Error> {
        let mut client = self.clone();
        for name in headers.keys() {
            check_name(name.as_str(), Role::Client)?;
            client.headers.remove(name);
        }
        client.headers.extend(headers);
        Ok(client)
    }
}
