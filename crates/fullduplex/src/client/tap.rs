//! The tap of a client, which observes its WebSockets on all HTTP versions. With the feature `tap`
//! off there is none.

#[cfg(feature = "tap")]
use fullduplex_proto::Role;
#[cfg(any(feature = "http2", feature = "http3"))]
use http::Version;
use http::{HeaderValue, Method, Request, Response};

use crate::client::client::Client;
use crate::connection::websocket::WebSocket;
use crate::transport::Transport;
#[cfg(feature = "tap")]
use crate::transport::tap::{self, Opening};

/// A request as a tap sees it; `None` if there is no tap.
pub(super) type TappedRequest = Option<Box<Request<()>>>;

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
        target: &str,
        fields: impl Iterator<Item = (&'a str, &'a HeaderValue)>,
    ) -> TappedRequest {
        if !self.has_tap() {
            return None;
        }
        let method = Method::from_bytes(method.as_bytes()).ok()?;
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in fields {
            request = request.header(name, value);
        }
        request.body(()).ok().map(Box::new)
    }

    /// Returns a request of HTTP/2 or HTTP/3 for the tap.
    #[cfg(any(feature = "http2", feature = "http3"))]
    pub(super) fn tapped_request(&self, request: &Request<()>, version: Version) -> TappedRequest {
        self.has_tap().then(|| {
            let mut request = Box::new(request.clone());
            *request.version_mut() = version;
            request
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
            request: &request,
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
