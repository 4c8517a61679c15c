//! `Version::Auto`: the best version of HTTP that the server, and what is on the way to it, can
//! carry a WebSocket on.

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
    /// Opens a WebSocket on the best version that works.
    pub(crate) async fn connect_auto(&self, target: &WsUri, headers: &HeaderMap) -> ConnectResult {
        #[cfg(feature = "http3")]
        {
            let refused = match self.try_alternative(target, headers).await {
                None => None,
                Some(Err(error)) if self.may_be_the_version(target, &error) => Some(error),
                Some(ended) => return ended,
            };
            let is_refused = refused.is_some();
            let opened = self.connect_below_http3(target, headers, refused).await;
            if is_refused && opened.is_ok() {
                self.give_up_http3(target);
            }
            opened
        }
        #[cfg(not(feature = "http3"))]
        self.connect_below_http3(target, headers, None).await
    }

    /// On HTTP/2 or HTTP/1.1, after HTTP/3 may have been refused.
    async fn connect_below_http3(
        &self,
        target: &WsUri,
        headers: &HeaderMap,
        refused: Option<Error>,
    ) -> ConnectResult {
        #[cfg(feature = "http2")]
        let (mut refused, mut reached) = (refused, None);
        #[cfg(not(feature = "http2"))]
        let reached = None;
        #[cfg(feature = "http2")]
        if self.wants_http2(target) {
            match self.connect_http2(target, headers).await {
                Ok(Http2Outcome::Opened(websocket, response)) => return Ok((websocket, response)),
                Ok(Http2Outcome::Without(_, chose_http1)) => reached = chose_http1,
                Err(error) if self.may_be_the_version(target, &error) => refused = Some(error),
                Err(error) => return Err(error),
            }
        }
        let opened = match reached {
            Some(reached) => self.handshake_on(reached, target, headers).await,
            None => self.connect_http1(target, headers).await,
        };
        // Only where both versions were asked is there anything to conclude from the two answers.
        let Some(refused) = refused else { return opened };
        match opened {
            Ok(opened) => {
                self.learned.learn(PoolKey::of(target), ServerCapability::WithoutHttp2);
                Ok(opened)
            }
            // Both versions find fault with the request: it is the server's word.
            Err(error) if is_about_the_request(&error) => {
                self.learned.learn(PoolKey::of(target), ServerCapability::RefusesOnHttp1);
                Err(error)
            }
            // HTTP/1.1 got further, or failed in passing.
            Err(error) if is_answer(&error) || error.is_retryable() => Err(error),
            // Perhaps the server has no HTTP/1.1.
            Err(_) => Err(refused),
        }
    }

    #[cfg(feature = "http2")]
    fn wants_http2(&self, target: &WsUri) -> bool {
        target.secure && !self.learned.knows(PoolKey::of(target), ServerCapability::WithoutHttp2)
    }

    /// Whether it is worth finding out if HTTP/1.1 does better. Where it was found out that it does
    /// not, each refusal would else cost a second handshake.
    fn may_be_the_version(&self, target: &WsUri, refused: &Error) -> bool {
        is_about_the_request(refused)
            && !self.learned.knows(PoolKey::of(target), ServerCapability::RefusesOnHttp1)
    }
}

/// Whether the answer finds fault with the form of the request. So it does where an intermediary
/// makes a request of HTTP/1.1 of an extended CONNECT and has no key for it, or takes it for a
/// CONNECT. Every other status is the application's word, which a repetition won't change.
fn is_about_the_request(refused: &Error) -> bool {
    let status = refused.response().map(|response| response.status().as_u16());
    matches!(status, Some(400 | 405 | 426 | 505)) && is_answer(refused)
}

/// Whether it is an answer of the server's, not of a proxy's.
fn is_answer(error: &Error) -> bool {
    error.response().is_some() && error.kind() != ErrorKind::Proxy
}

/// Says of such an answer what may help, where no other version is tried.
pub(crate) fn explain(error: Error, version: &str) -> Error {
    if !is_about_the_request(&error) {
        return error;
    }
    error.with_hint(format!(
        "perhaps something on the way can't carry a WebSocket on {version}; try HTTP/1.1, or \
         Version::Auto"
    ))
}
