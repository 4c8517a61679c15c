//! Settings for a client that connects again.

use std::fmt;
use std::future::Future;

use futures_core::future::BoxFuture;
use http::HeaderMap;

use crate::base::error::Error;
use crate::client::client::Client;
use crate::client::reconnect::backoff::Backoff;
use crate::client::reconnect::event::DisconnectReason;
use crate::client::reconnect::queue::OfflinePolicy;
use crate::connection::websocket::WebSocket;

/// What is changed in a request before it is sent.
#[derive(Clone, Default)]
pub struct RequestOverride {
    /// Another URL. As it is the application's own choice, all of the client's header fields,
    /// its subprotocols and its certificate go there. Each attempt begins with this one, or with
    /// the client's, wherever a redirection led before.
    pub url: Option<String>,
    /// Header fields in place of the client's of the same name.
    pub headers: HeaderMap,
}

/// Shows no values: there may be secrets among them.
impl fmt::Debug for RequestOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().collect();
        f.debug_struct("Change").field("headers", &names).finish_non_exhaustive()
    }
}

type BeforeConnect =
    dyn Fn(u32) -> BoxFuture<'static, Result<RequestOverride, Error>> + Send + Sync;
type OnConnected =
    dyn for<'a> Fn(&'a mut WebSocket) -> BoxFuture<'a, Result<(), Error>> + Send + Sync;
type RetryIf = dyn Fn(&DisconnectReason) -> bool + Send + Sync;

/// Settings for a [`Reconnecting`] client; made by [`Client::reconnecting`].
pub struct ReconnectBuilder {
    pub(super) client: Client,
    pub(super) url: String,
    pub(super) backoff: Backoff,
    pub(super) prepare: Option<Box<BeforeConnect>>,
    pub(super) opened: Option<Box<OnConnected>>,
    pub(super) retry_if: Box<RetryIf>,
    pub(super) capacity: usize,
    pub(super) while_down: OfflinePolicy,
}

impl Client {
    /// A connection that is made again when it ends.
    pub fn reconnecting(&self, url: impl Into<String>) -> ReconnectBuilder {
        ReconnectBuilder {
            client: self.clone(),
            url: url.into(),
            backoff: Backoff::default(),
            prepare: None,
            opened: None,
            retry_if: Box::new(DisconnectReason::is_retryable),
            capacity: 64,
            while_down: OfflinePolicy::default(),
        }
    }
}

impl ReconnectBuilder {
    /// Sets how long to wait before connecting again.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Calls this before each attempt, with how many went before it since the last
    /// connection: for a fresh token, or another server. Its failure counts as one of the
    /// attempt, and so does a panic, or taking longer than the client's
    /// [`connect_timeout`](crate::ClientBuilder::connect_timeout).
    #[must_use]
    pub fn before_connect<F>(mut self, hook: impl Fn(u32) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<RequestOverride, Error>> + Send + 'static,
    {
        self.prepare = Some(Box::new(move |attempt| Box::pin(hook(attempt))));
        self
    }

    /// Calls this with each new connection, before queued messages are sent on it: to
    /// subscribe anew. Its failure ends the connection, and so does a panic, or taking longer
    /// than the client's [`connect_timeout`](crate::ClientBuilder::connect_timeout).
    #[must_use]
    pub fn on_connected<H>(mut self, hook: H) -> Self
    where
        H: for<'a> Fn(&'a mut WebSocket) -> BoxFuture<'a, Result<(), Error>>,
        H: Send + Sync + 'static,
    {
        self.opened = Some(Box::new(hook));
        self
    }

    /// Sets when to try again. Default: [`DisconnectReason::is_retryable`], which also decides where
    /// this panics.
    #[must_use]
    pub fn retry_if(
        mut self,
        decide: impl Fn(&DisconnectReason) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.retry_if = Box::new(decide);
        self
    }

    /// Sets how many messages wait to be sent, and what happens when that is full and there
    /// is no connection. Default: 64, [`OfflinePolicy::Wait`].
    #[must_use]
    pub fn queue(mut self, capacity: usize, while_down: OfflinePolicy) -> Self {
        (self.capacity, self.while_down) = (capacity.max(1), while_down);
        self
    }
}

impl fmt::Debug for ReconnectBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReconnectBuilder").field("backoff", &self.backoff).finish_non_exhaustive()
    }
}
