//! The tap of a client, which observes its WebSockets on all HTTP versions. With the feature `tap`
//! off there is none.

#[cfg(feature = "tap")]
use fullduplex_proto::Role;
#[cfg(any(feature = "http2", feature = "http3"))]
use http::Version;
#[cfg(any(feature = "http2", feature = "http3"))]
use http::uri::Scheme;
use http::{HeaderValue, Method, Request, Response};

use crate::base::uri::WsUri;
use crate::client::client::Client;
use crate::connection::websocket::WebSocket;
use crate::transport::Transport;
#[cfg(feature = "tap")]
use crate::transport::tap::{self, Opening};

/// A request as a tap sees it; `None` if there is no tap.
pub(super) type TappedRequest = Option<Box<ObservedRequest>>;

/// A request, and whether its URL has the scheme `wss`.
#[cfg_attr(not(feature = "tap"), allow(dead_code, reason = "there is none"))]
pub(super) struct ObservedRequest {
    request: Request<()>,
    is_secure: bool,
}

impl Client {
    #[cfg(feature = "tap")]
    fn has_tap(&self) -> bool {
        self.tap.is_some()
    }

    #[cfg(not(feature = "tap"))]
    #[allow(clippy::unused_self, reason = "as with the feature")]
    fn has_tap(&self) -> bool {
        false
    }

    /// Returns a request of HTTP/1.1 for the tap.
    pub(super) fn tapped_http1_request<'a>(
        &self,
        method: &str,
        target: &WsUri,
        fields: impl Iterator<Item = (&'a str, &'a HeaderValue)>,
    ) -> TappedRequest {
        if !self.has_tap() {
            return None;
        }
        let method = Method::from_bytes(method.as_bytes()).ok()?;
        let mut request = Request::builder().method(method).uri(&*target.resource);
        for (name, value) in fields {
            request = request.header(name, value);
        }
        let request = request.body(()).ok()?;
        Some(Box::new(ObservedRequest { request, is_secure: target.secure }))
    }

    /// Returns a request of HTTP/2 or HTTP/3 for the tap.
    #[cfg(any(feature = "http2", feature = "http3"))]
    pub(super) fn tapped_request(&self, request: &Request<()>, version: Version) -> TappedRequest {
        self.has_tap().then(|| {
            let mut request = request.clone();
            *request.version_mut() = version;
            let is_secure = request.uri().scheme() == Some(&Scheme::HTTPS);
            Box::new(ObservedRequest { request, is_secure })
        })
    }

    /// Adds the observer that the tap returns for a WebSocket.
    #[cfg(feature = "tap")]
    pub(super) fn with_tap<S: Transport>(
        &self,
        (websocket, response): (WebSocket<S>, Response<()>),
        request: TappedRequest,
    ) -> (WebSocket<S>, Response<()>) {
        let (Some(tap), Some(request)) = (&self.tap, request) else {
            return (websocket, response);
        };
        let opening = Opening {
            role: Role::Client,
            is_secure: request.is_secure,
            request: &request.request,
            response: &response,
            subprotocol: websocket.subprotocol(),
            deflate: websocket.deflate(),
        };
        let websocket = match tap::open(&**tap, &opening) {
            Some(tap) => websocket.with_tap(tap),
            None => websocket,
        };
        (websocket, response)
    }

    /// Returns the WebSocket, as there is no tap.
    #[cfg(not(feature = "tap"))]
    #[allow(clippy::unused_self, reason = "as with the feature")]
    pub(super) fn with_tap<S: Transport>(
        &self,
        opened: (WebSocket<S>, Response<()>),
        _: TappedRequest,
    ) -> (WebSocket<S>, Response<()>) {
        opened
    }
}
