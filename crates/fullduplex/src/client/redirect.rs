//! Redirections: where they lead, and what goes along to another origin.

use std::borrow::Cow;

use http::header::{
    ACCEPT_LANGUAGE, AUTHORIZATION, COOKIE, HOST, LOCATION, PROXY_AUTHORIZATION, USER_AGENT,
};
use http::{HeaderMap, HeaderName, Response};

use crate::base::error::{Error, ErrorKind};
use crate::base::uri::WsUri;
use crate::client::client::Client;
use crate::client::response;
use crate::connection::websocket::WebSocket;
use crate::transport::net_stream::NetStream;

/// Never goes to another origin, whatever the application says.
pub(super) const CREDENTIALS: [HeaderName; 4] = [AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION];

impl Client {
    /// Connects, and follows redirections as far as that is allowed.
    pub(super) async fn connect_redirected(
        &self,
        mut target: WsUri,
    ) -> Result<(WebSocket<NetStream>, Response<()>), Error> {
        let mut left = self.max_redirects;
        loop {
            let refused = match self.connect_to(&target, &self.headers_for(&target)).await {
                Err(refused) if self.max_redirects > 0 => refused,
                other => return other,
            };
            match redirection(&target, &refused) {
                None => return Err(refused),
                Some(_) if left == 0 => {
                    let why = format!("more than max_redirects ({})", self.max_redirects);
                    return Err(refused.in_setting(&why));
                }
                Some(next) => {
                    target = next?;
                    left -= 1;
                }
            }
        }
    }

    /// The application's header fields that this server may see.
    fn headers_for(&self, target: &WsUri) -> Cow<'_, HeaderMap> {
        if !target.redirected {
            return Cow::Borrowed(&self.headers);
        }
        let harmless = |name: &HeaderName| {
            *name == USER_AGENT
                || *name == ACCEPT_LANGUAGE
                || self.redirected_headers.contains(name)
        };
        let all = self.headers.iter();
        let shown = all.filter(|(name, value)| harmless(name) && !value.is_sensitive());
        Cow::Owned(shown.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// The subprotocols that this server may see.
    pub(super) fn subprotocols_for(&self, target: &WsUri) -> &[String] {
        let are_shown =
            || self.redirected_headers.iter().any(|name| name == "sec-websocket-protocol");
        if target.redirected && !are_shown() { &[] } else { &self.subprotocols }
    }
}

/// Where a refused handshake leads on to; `None` if it does not.
fn redirection(from: &WsUri, refused: &Error) -> Option<Result<WsUri, Error>> {
    // A proxy has no say in where the server is.
    let answer = refused.response().filter(|_| refused.kind() != ErrorKind::Proxy);
    let response = answer.filter(|response| response::is_redirect(response.status()))?;
    let fail = |why: &str| {
        Error::new(ErrorKind::Handshake, format!("a redirection {why}"))
            .with_response(response.clone())
    };
    let Some(to) = response.headers().get(LOCATION) else {
        return Some(Err(fail("without a Location")));
    };
    // A URI is ASCII (RFC 3986 §2), but servers write out what should be percent-encoded UTF-8,
    // and browsers understand it.
    let Ok(to) = std::str::from_utf8(to.as_bytes()) else {
        let shown = to.as_bytes().escape_ascii();
        let why = format!("to \"{shown}\", which is neither ASCII nor UTF-8 (RFC 3986 §2)");
        return Some(Err(fail(&why)));
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
