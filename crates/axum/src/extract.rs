//! The extractor `WebSocketUpgrade`.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use fullduplex::server::integrate::UpgradeRequest;
use fullduplex::server::policy::OriginPolicy;
use fullduplex::server::{HandlerOutput, ServerConfig, ServerHandle};
use fullduplex::{DeflateConfig, KeepaliveConfig, WebSocket};
use http::request::Parts;

use crate::failed_upgrade::{DefaultOnFailedUpgrade, OnFailedUpgrade};
use crate::rejection::WebSocketUpgradeRejection;

/// A request for a WebSocket: a GET of HTTP/1.1 (RFC 6455 §4), or a CONNECT of HTTP/2 (RFC 8441).
/// Route it with `any`, which accepts both methods.
///
/// A request that breaks a rule of the opening handshake is rejected before the handler. As
/// `Option<WebSocketUpgrade>` it is `None` for ordinary requests, so that a page and a WebSocket
/// can share a route.
///
/// ```
/// use axum::Router;
/// use axum::extract::Path;
/// use axum::response::Response;
/// use axum::routing::any;
/// use fullduplex_axum::{Error, WebSocket, WebSocketUpgrade};
///
/// async fn room(Path(room): Path<String>, upgrade: WebSocketUpgrade) -> Response {
///     upgrade.max_message_size(64 << 10).on_upgrade(|websocket| chat(websocket, room))
/// }
///
/// async fn chat(mut websocket: WebSocket, room: String) -> Result<(), Error> {
///     websocket.send(format!("welcome to {room}")).await?;
///     while let Some(message) = websocket.next().await {
///         websocket.send(message?).await?;
///     }
///     Ok(())
/// }
///
/// let app: Router = Router::new().route("/rooms/{room}", any(room));
/// ```
#[must_use = "the request is answered by the response of `on_upgrade`"]
pub struct WebSocketUpgrade<F = DefaultOnFailedUpgrade> {
    request: UpgradeRequest,
    config: Arc<ServerConfig>,
    on_failed_upgrade: F,
}

impl<F> WebSocketUpgrade<F> {
    /// Sets all settings at once. Call it before the methods that change single settings;
    /// [`UpgradeRequest::accept`] lists the settings that have no effect here.
    ///
    /// With an `Arc<ServerConfig>`, requests share the settings.
    pub fn config(mut self, config: impl Into<Arc<ServerConfig>>) -> Self {
        self.config = config.into();
        self
    }

    fn with_config(mut self, change: impl FnOnce(ServerConfig) -> ServerConfig) -> Self {
        self.config = Arc::new(change(Arc::unwrap_or_clone(self.config)));
        self
    }

    /// Sets the maximum length of a received message in bytes, whatever its frames; `None` for no
    /// limit. A longer one ends the connection with 1009. Default: 1 MiB.
    pub fn max_message_size(self, bytes: impl Into<Option<u64>>) -> Self {
        self.with_config(|config| config.max_message_size(bytes))
    }

    /// Sets the compression of messages, for clients that offer it (permessage-deflate, RFC 7692);
    /// `None` for none. Default: `None`.
    pub fn deflate(self, deflate: impl Into<Option<DeflateConfig>>) -> Self {
        self.with_config(|config| config.deflate(deflate))
    }

    /// Sets when a connection that is silent is tested with a Ping, and given up.
    pub fn keepalive(self, keepalive: KeepaliveConfig) -> Self {
        self.with_config(|config| config.keepalive(keepalive))
    }

    /// Sets the time without a message after which the WebSocket is closed; `None` for no timeout.
    /// Default: `None`.
    pub fn idle_timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        self.with_config(|config| config.idle_timeout(timeout))
    }

    /// Sets which web pages may connect; others are answered with 403. Default: those of the same
    /// host.
    pub fn origin_policy(self, policy: OriginPolicy) -> Self {
        self.with_config(|config| config.origin_policy(policy))
    }

    /// Registers the WebSocket with `handle`: it is counted there, and closed with 1001 by
    /// [`drain`](ServerHandle::drain). Once a drain has started, the response is 503.
    pub fn track(mut self, handle: &ServerHandle) -> Self {
        self.request.track(handle);
        self
    }

    /// Selects the subprotocol: the first of these that the client offers, or none.
    pub fn protocols<I>(mut self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let offered = self.request.subprotocols();
        let mut ours = protocols.into_iter();
        let chosen = ours.find_map(|name| offered.iter().find(|o| *o == name.as_ref()).cloned());
        self.request.set_subprotocol(chosen);
        self
    }

    /// Returns the subprotocols that the client offers, in its order of preference.
    pub fn requested_protocols(&self) -> impl Iterator<Item = &str> {
        self.request.subprotocols().iter().map(String::as_str)
    }

    /// Selects the subprotocol, which must be one that the client offers (RFC 6455 §4.2.2);
    /// otherwise the response is 500.
    pub fn set_selected_protocol(&mut self, protocol: impl Into<String>) {
        self.request.set_subprotocol(Some(protocol.into()));
    }

    /// Returns the selected subprotocol.
    pub fn selected_protocol(&self) -> Option<&str> {
        self.request.subprotocol()
    }

    /// Calls `callback` if the connection fails before the WebSocket is open. It is not called for
    /// rejected requests, whose error is the response.
    pub fn on_failed_upgrade<C: OnFailedUpgrade>(self, callback: C) -> WebSocketUpgrade<C> {
        let Self { request, config, on_failed_upgrade: _ } = self;
        WebSocketUpgrade { request, config, on_failed_upgrade: callback }
    }

    /// Returns the response that opens the WebSocket. Once it has been sent, `callback` runs with
    /// the WebSocket in a separate task.
    ///
    /// The response can also be a rejection, such as for the `Origin`. The callback may return a
    /// `Result`; see [`HandlerOutput`].
    #[must_use = "the WebSocket opens when this response is sent"]
    pub fn on_upgrade<C, Fut>(self, callback: C) -> Response
    where
        C: FnOnce(WebSocket) -> Fut + Send + 'static,
        Fut: Future<Output: HandlerOutput> + Send + 'static,
        F: OnFailedUpgrade,
    {
        let Self { request, config, on_failed_upgrade } = self;
        let (response, upgrade) = match request.accept(config) {
            Ok(accepted) => accepted,
            Err(rejection) => return WebSocketUpgradeRejection::from(rejection).into_response(),
        };
        upgrade.spawn(|opened| async move {
            match opened {
                Ok(websocket) => Some(callback(websocket).await),
                Err(error) => {
                    on_failed_upgrade.call(error);
                    None
                }
            }
        });
        response.map(|()| Body::empty())
    }
}

impl<F> fmt::Debug for WebSocketUpgrade<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketUpgrade").field("request", &self.request).finish_non_exhaustive()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = WebSocketUpgradeRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self {
            request: UpgradeRequest::from_parts(parts)?,
            config: Arc::default(),
            on_failed_upgrade: DefaultOnFailedUpgrade,
        })
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for WebSocketUpgrade {
    type Rejection = WebSocketUpgradeRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &S,
    ) -> Result<Option<Self>, Self::Rejection> {
        match <Self as FromRequestParts<S>>::from_request_parts(parts, state).await {
            Ok(upgrade) => Ok(Some(upgrade)),
            Err(rejection) if !rejection.is_websocket() => Ok(None),
            Err(rejection) => Err(rejection),
        }
    }
}
