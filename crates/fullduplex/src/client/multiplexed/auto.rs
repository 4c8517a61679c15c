//! `HttpVersion::Auto`: the best HTTP version on which the server and the intermediaries before it
//! carry WebSockets.

use http::{HeaderMap, Response};

use crate::base::error::{Error, ErrorKind};
use crate::base::uri::WsUri;
use crate::client::client::Client;
#[cfg(feature = "http2")]
use crate::client::http2::connect::Http2Outcome;
use crate::client::multiplexed::capability_cache::ServerCapability;
use crate::client::multiplexed::pool::PoolKey;
use crate::connection::websocket::WebSocket;

type ConnectResult = Result<(WebSocket, Response<()>), Error>;

impl Client {
    /// Opens a WebSocket on the best HTTP version that works.
    pub(crate) async fn connect_auto(&self, target: &WsUri, headers: &HeaderMap) -> ConnectResult {
        #[cfg(feature = "http3")]
        {
            let rejection = match self.try_alternative(target, headers).await {
                None => None,
                Some(Err(error)) if self.may_depend_on_version(target, &error) => Some(error),
                Some(result) => return result,
            };
            let is_rejected = rejection.is_some();
            let result = self.connect_below_http3(target, headers, rejection).await;
            if is_rejected && result.is_ok() {
                self.avoid_http3(target);
            }
            result
        }
        #[cfg(not(feature = "http3"))]
        self.connect_below_http3(target, headers, None).await
    }

    /// Opens a WebSocket on HTTP/2 or HTTP/1.1. `rejection` is that on HTTP/3, if it was tried.
    async fn connect_below_http3(
        &self,
        target: &WsUri,
        headers: &HeaderMap,
        rejection: Option<Error>,
    ) -> ConnectResult {
        #[cfg(feature = "http2")]
        let (mut rejection, mut connected) = (rejection, None);
        #[cfg(not(feature = "http2"))]
        let connected = None;
        #[cfg(feature = "http2")]
        if self.should_try_http2(target) {
            match self.connect_http2(target, headers).await {
                Ok(Http2Outcome::Opened(websocket, response)) => return Ok((websocket, response)),
                Ok(Http2Outcome::Unsupported(_, http1)) => connected = http1,
                Err(error) if self.may_depend_on_version(target, &error) => {
                    rejection = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        let result = match connected {
            Some(connected) => self.handshake_on(connected, target, headers).await,
            None => self.connect_http1(target, headers).await,
        };
        // Only the responses of two versions together say what the server supports.
        let Some(rejection) = rejection else { return result };
        match result {
            Ok(opened) => {
                self.capabilities.insert(PoolKey::new(target), ServerCapability::NoHttp2);
                Ok(opened)
            }
            // Both versions reject the request, so the version is not the cause.
            Err(error) if rejects_request_form(&error) => {
                self.capabilities.insert(PoolKey::new(target), ServerCapability::RejectsOnHttp1);
                Err(error)
            }
            // HTTP/1.1 got further, or failed temporarily.
            Err(error) if is_server_response(&error) || error.is_retryable() => Err(error),
            // The server may not support HTTP/1.1.
            Err(_) => Err(rejection),
        }
    }

    #[cfg(feature = "http2")]
    fn should_try_http2(&self, target: &WsUri) -> bool {
        target.secure
            && !self.capabilities.contains(PoolKey::new(target), ServerCapability::NoHttp2)
    }

    /// Returns whether HTTP/1.1 may work where another version was rejected. It returns `false` for
    /// a server that is known to reject both, to avoid a second handshake for each rejection.
    fn may_depend_on_version(&self, target: &WsUri, rejection: &Error) -> bool {
        rejects_request_form(rejection)
            && !self.capabilities.contains(PoolKey::new(target), ServerCapability::RejectsOnHttp1)
    }
}

/// Returns whether the response rejects the form of the request.
///
/// That happens behind an intermediary which translates an extended CONNECT to an HTTP/1.1 request
/// without a `Sec-WebSocket-Key`, or takes it for a plain CONNECT. Any other status is the
/// application's decision, which does not depend on the HTTP version.
fn rejects_request_form(rejection: &Error) -> bool {
    let status = rejection.response().map(|response| response.status().as_u16());
    matches!(status, Some(400 | 405 | 426 | 505)) && is_server_response(rejection)
}

/// Returns whether the error has a response of the server, not of a proxy.
fn is_server_response(error: &Error) -> bool {
    error.response().is_some() && error.kind() != ErrorKind::Proxy
}

/// Adds a hint to a rejection that may depend on the HTTP version, where no other one is tried.
pub(crate) fn add_version_hint(error: Error, version: &str) -> Error {
    if !rejects_request_form(&error) {
        return error;
    }
    error.with_hint(format!(
        "perhaps an intermediary can't carry a WebSocket on {version}; try HTTP/1.1 or \
         HttpVersion::Auto"
    ))
}
