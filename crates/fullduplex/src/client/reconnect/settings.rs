//! The builder of a reconnecting client.

use std::fmt;
use std::future::Future;

use fullduplex_proto::ConfigError;
use futures_core::future::BoxFuture;
#[cfg(not(target_family = "wasm"))]
use http::HeaderMap;

use crate::base::error::Error;
use crate::base::setters::setters;
use crate::client::reconnect::backoff::Backoff;
use crate::client::reconnect::event::DisconnectReason;
use crate::client::reconnect::platform::{Client, IntoClientRequest, WebSocket, WsUri, prepare};
use crate::client::reconnect::queue::OfflinePolicy;

/// Changes to the request of one attempt, for
/// [`before_connect`](ReconnectBuilder::before_connect).
///
/// ```
/// use fullduplex::Client;
/// use fullduplex::client::RequestOverride;
///
/// # let client = Client::default();
/// let hosts = ["wss://a.example/", "wss://b.example/"];
/// let builder = client.reconnecting(hosts[0]).before_connect(move |attempt| async move {
///     let host = hosts[attempt as usize % hosts.len()];
///     Ok(RequestOverride::default().url(host.to_owned()))
/// });
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RequestOverride {
    /// A URL in place of the client's.
    ///
    /// As the application chose it, it is sent all of the client's header fields, subprotocols
    /// and its certificate. Redirections of earlier attempts are not remembered.
    pub url: Option<String>,
    /// Header fields in place of the client's of the same names. A page can't set any.
    #[cfg(not(target_family = "wasm"))]
    pub headers: HeaderMap,
}

impl RequestOverride {
    setters! {
        url: into Option<String>, "; `None` for the client's.";
    }

    #[cfg(not(target_family = "wasm"))]
    setters! {
        headers: owned HeaderMap, ".";
    }
}

/// Omits the URL and the values of header fields, which may be secret.
impl fmt::Debug for RequestOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RequestOverride");
        #[cfg(not(target_family = "wasm"))]
        debug.field("headers", &self.headers.keys().collect::<Vec<_>>());
        debug.finish_non_exhaustive()
    }
}

type BeforeConnect =
    dyn Fn(u32) -> BoxFuture<'static, Result<RequestOverride, Error>> + Send + Sync;
type OnConnected = dyn Fn(WebSocket) -> BoxFuture<'static, Result<WebSocket, Error>> + Send + Sync;
type RetryIf = dyn Fn(&DisconnectReason) -> bool + Send + Sync;

/// A builder of a [`Reconnecting`](crate::client::Reconnecting) client, created by
/// [`Client::reconnecting`].
///
/// ```no_run
/// use std::time::Duration;
///
/// use fullduplex::Client;
/// use fullduplex::client::{Backoff, OfflinePolicy, RequestOverride};
///
/// # async fn fresh_token() -> http::HeaderValue { http::HeaderValue::from_static("x") }
/// # async fn example() {
/// let feed = Client::default()
///     .reconnecting("wss://feed.example/")
///     .backoff(Backoff::default().max(Duration::from_secs(20)))
///     .queue(1000, OfflinePolicy::DropOldest)
///     .before_connect(|_attempt| async {
///         let mut request = RequestOverride::default();
///         request.headers.insert("authorization", fresh_token().await);
///         Ok(request)
///     })
///     .start();
/// # }
/// ```
pub struct ReconnectBuilder {
    /// The URL to connect to, or what is wrong with the request.
    pub(super) target: Result<WsUri, Error>,
    pub(super) settings: ReconnectSettings,
}

pub(super) struct ReconnectSettings {
    /// The client, with the header fields of the request.
    pub(super) client: Client,
    pub(super) backoff: Backoff,
    pub(super) before_connect: Option<Box<BeforeConnect>>,
    pub(super) on_connected: Option<Box<OnConnected>>,
    pub(super) retry_if: Box<RetryIf>,
    pub(super) capacity: usize,
    pub(super) offline_policy: OfflinePolicy,
}

impl Client {
    /// Returns a builder of a client that reconnects automatically, to a URL or with a request as
    /// [`connect`](Self::connect) takes.
    ///
    /// Each attempt sends the header fields of the request. A request that is not valid is
    /// reported as a setting is: by the only event after [`start`](ReconnectBuilder::start).
    pub fn reconnecting(&self, request: impl IntoClientRequest) -> ReconnectBuilder {
        let (client, target) = prepare(self, request);
        let settings = ReconnectSettings {
            client,
            backoff: Backoff::default(),
            before_connect: None,
            on_connected: None,
            retry_if: Box::new(DisconnectReason::is_retryable),
            capacity: 64,
            offline_policy: OfflinePolicy::default(),
        };
        ReconnectBuilder { target, settings }
    }
}

impl ReconnectBuilder {
    /// Sets the delay before reconnecting.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.settings.backoff = backoff;
        self
    }

    /// Sets a hook that is called before each attempt, for example to get a fresh token or to
    /// choose another server.
    ///
    /// Its argument is the number of failed attempts since the last connection: 0 for the first.
    /// The attempt fails if the hook fails, panics, or takes longer than the client's
    /// [`connect_timeout`](crate::ClientBuilder::connect_timeout).
    #[must_use]
    pub fn before_connect<F>(mut self, hook: impl Fn(u32) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<RequestOverride, Error>> + Send + 'static,
    {
        self.settings.before_connect = Some(Box::new(move |attempt| Box::pin(hook(attempt))));
        self
    }

    /// Sets a hook that is called with each new connection, before queued messages are sent on
    /// it, for example to subscribe again. It returns the WebSocket that it was passed.
    ///
    /// The connection ends if the hook fails, panics, or takes longer than the client's
    /// [`connect_timeout`](crate::ClientBuilder::connect_timeout).
    ///
    /// ```
    /// # let client = fullduplex::Client::default();
    /// let builder = client.reconnecting("ws://127.0.0.1:9001/");
    /// let builder = builder.on_connected(|mut websocket| async {
    ///     websocket.send("subscribe").await?;
    ///     Ok(websocket)
    /// });
    /// ```
    #[must_use]
    pub fn on_connected<F>(mut self, hook: impl Fn(WebSocket) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<WebSocket, Error>> + Send + 'static,
    {
        self.settings.on_connected = Some(Box::new(move |websocket| Box::pin(hook(websocket))));
        self
    }

    /// Sets a function that decides whether to reconnect. Default:
    /// [`DisconnectReason::is_retryable`], which is also used if the function panics.
    #[must_use]
    pub fn retry_if(
        mut self,
        should_retry: impl Fn(&DisconnectReason) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings.retry_if = Box::new(should_retry);
        self
    }

    /// Sets the capacity of the queue of messages, and the policy while there is no connection.
    /// Default: 64, [`OfflinePolicy::Wait`]. A capacity of 0 is an error.
    #[must_use]
    pub fn queue(mut self, capacity: usize, policy: OfflinePolicy) -> Self {
        (self.settings.capacity, self.settings.offline_policy) = (capacity, policy);
        self
    }
}

impl ReconnectSettings {
    /// Checks that every value is in its range.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        self.backoff.validate()?;
        ConfigError::require(self.capacity > 0, "queue", "have a capacity of at least 1")
    }
}

impl fmt::Debug for ReconnectBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReconnectBuilder")
            .field("backoff", &self.settings.backoff)
            .finish_non_exhaustive()
    }
}
