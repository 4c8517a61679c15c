//! Redirections: following them, and what is sent to another origin.

use std::borrow::Cow;

use http::header::{
    ACCEPT_LANGUAGE, AUTHORIZATION, COOKIE, HOST, LOCATION, PROXY_AUTHORIZATION, USER_AGENT,
};
use http::{HeaderMap, HeaderName, Response};

use crate::base::error::{Error, ErrorKind};
use crate::base::span;
use crate::base::uri::WsUri;
use crate::client::attempt::Attempt;
use crate::client::client::Client;
use crate::client::response;
use crate::client::trace;
use crate::connection::websocket::WebSocket;
use crate::transport::net_stream::NetStream;

/// The header fields that are never sent to another origin.
pub(super) const CREDENTIALS: [HeaderName; 4] = [AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION];

impl Client {
    /// Connects, and follows up to `max_redirects` redirections. Counts and traces that.
    pub(super) async fn connect_target(
        &self,
        target: WsUri,
    ) -> Result<(WebSocket<NetStream>, Response<()>), Error> {
        let attempt = Attempt::start(&self.state, &target);
        let result = span::within(attempt.span(), self.follow_redirections(target)).await;
        attempt.end(result)
    }

    async fn follow_redirections(
        &self,
        mut target: WsUri,
    ) -> Result<(WebSocket<NetStream>, Response<()>), Error> {
        let mut remaining = self.max_redirects;
        loop {
            let rejection = match self.connect_to(&target, &self.headers_for(&target)).await {
                Err(rejection) if self.max_redirects > 0 => rejection,
                other => return other,
            };
            match redirection(&target, &rejection) {
                None => return Err(rejection),
                Some(_) if remaining == 0 => {
                    let limit = format!("more than max_redirects ({})", self.max_redirects);
                    return Err(rejection.with_context(&limit));
                }
                Some(next) => {
                    target = next?;
                    let status = rejection.response().map(Response::status);
                    self.state.record.redirected();
                    let _ = self.state.record.traced(|| trace::redirected(status, &target));
                    remaining -= 1;
                }
            }
        }
    }

    /// Returns the application's header fields that may be sent to this server.
    fn headers_for(&self, target: &WsUri) -> Cow<'_, HeaderMap> {
        if !target.redirected {
            return Cow::Borrowed(&self.headers);
        }
        let is_allowed = |name: &HeaderName| {
            *name == USER_AGENT
                || *name == ACCEPT_LANGUAGE
                || self.cross_origin_headers.contains(name)
        };
        let all = self.headers.iter();
        let allowed = all.filter(|(name, value)| is_allowed(name) && !value.is_sensitive());
        Cow::Owned(allowed.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// Returns the subprotocols that may be sent to this server.
    pub(super) fn subprotocols_for(&self, target: &WsUri) -> &[String] {
        let are_allowed =
            || self.cross_origin_headers.iter().any(|name| name == "sec-websocket-protocol");
        if target.redirected && !are_allowed() { &[] } else { &self.subprotocols }
    }
}

/// Returns the target of a redirection; `None` if the error is not one.
fn redirection(from: &WsUri, error: &Error) -> Option<Result<WsUri, Error>> {
    // A proxy must not redirect to another server.
    let response = error.response().filter(|_| error.kind() != ErrorKind::Proxy);
    let response = response.filter(|response| response::is_redirect(response.status()))?;
    let fail = |problem: &str| {
        Error::new(ErrorKind::Handshake, format!("a redirection {problem}"))
            .with_response(response.clone())
    };
    let Some(to) = response.headers().get(LOCATION) else {
        return Some(Err(fail("without a Location")));
    };
    // A URI is ASCII (RFC 3986 §2), but some servers send unencoded UTF-8, and browsers accept it.
    let Ok(to) = std::str::from_utf8(to.as_bytes()) else {
        let shown = to.as_bytes().escape_ascii();
        let problem = format!("to \"{shown}\", which is neither ASCII nor UTF-8 (RFC 3986 §2)");
        return Some(Err(fail(&problem)));
    };
    let next = match from.join(to) {
        Ok(next) => next,
        Err(error) => return Some(Err(fail(&format!("to {to:?}: {error}")))),
    };
    if from.secure && !next.secure {
        return Some(Err(fail("from wss: to ws: is not followed")));
    }
    Some(Ok(next))
}
