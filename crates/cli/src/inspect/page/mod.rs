//! The page of `fdx inspect --page`: what was seen, live, in a browser of this machine.
//!
//! It listens on loopback addresses only, and answers only requests with the token of its URL, for
//! an IP address or localhost, and from pages of its own origin.

mod controls;
mod decoded;
mod kept;
mod reader;
mod values;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use fullduplex::server::limits::ConnectionLimits;
use fullduplex::server::policy::HostPolicy;
use fullduplex::server::{Body, Handshake, Server, ServerConfig};
use fullduplex_inspect::har;
use fullduplex_inspect::recording::MADE_HEADER;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use ring::rand::{SecureRandom as _, SystemRandom};
use tower_service::Service;

pub(super) use self::kept::Kept;

use super::act::Acting;
use crate::serve::listen::{Address, SystemdListeners};

/// The page, with its scripts in the order in which they run.
const PAGE: &str = concat!(
    include_str!("../../../assets/inspect/page.html"),
    "<script>\n",
    include_str!("../../../assets/inspect/base.js"),
    include_str!("../../../assets/inspect/rows.js"),
    include_str!("../../../assets/inspect/sockets.js"),
    include_str!("../../../assets/inspect/header.js"),
    include_str!("../../../assets/inspect/detail.js"),
    include_str!("../../../assets/inspect/controls.js"),
    include_str!("../../../assets/inspect/live.js"),
    "</script>\n</body>\n</html>\n",
);

/// The page runs its own script only, and connects to its own server only.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                      connect-src 'self' ws:; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'";

/// The most connections to the page. They are not part of `--max-connections`.
const MAX_CONNECTIONS: u32 = 64;

/// The most bytes of a message of the page: a message to be sent, in hexadecimal, or in JSON with
/// escapes.
const MAX_MESSAGE: u64 = 8 << 20;

/// The bytes of the token.
const TOKEN: usize = 16;

/// Serves the page, and returns its URL.
pub(super) fn serve(
    address: &Address,
    kept: Arc<Kept>,
    acting: Option<Arc<Acting>>,
) -> Result<String, String> {
    if !address.is_local() {
        return Err(format!("--page: {address} is not a loopback address"));
    }
    let mut bound = address.bind(&mut SystemdListeners::default(), None)?;
    let bound = bound.pop().ok_or("--page: no listener")?;
    let token = token()?;
    let url = format!("http://{}/?token={token}", bound.address);
    let advice = "the page of fdx inspect is for IP addresses and localhost";
    let mut config = ServerConfig::default();
    config.host_policy = HostPolicy::Local { advice: advice.into() };
    config.limits.connections =
        ConnectionLimits::default().max_connections(MAX_CONNECTIONS).max_per_address(None);
    let pages = Pages { token: token.clone(), kept: kept.clone() };
    let server = Server::from_listener(bound.listener).config(config);
    let server = server.max_message_size(MAX_MESSAGE).service(pages);
    tokio::spawn(server.serve_handshakes(move |handshake: Handshake| {
        let (kept, acting, token) = (kept.clone(), acting.clone(), token.clone());
        async move {
            let uri = handshake.request().uri();
            if uri.path() != "/live" || !has_token(uri, &token) {
                drop(handshake.respond(refusal()).await);
            } else if let Ok(websocket) = handshake.accept().await {
                reader::show(websocket, &kept, acting.as_ref()).await;
            }
        }
    }));
    Ok(url)
}

fn token() -> Result<String, String> {
    let mut bytes = [0; TOKEN];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "--page: no random bytes".to_owned())?;
    Ok(values::hex(&bytes))
}

/// Returns whether a URL has the token, in a time that does not depend on what it has in its place.
fn has_token(uri: &Uri, token: &str) -> bool {
    let mut parameters = uri.query().unwrap_or_default().split('&');
    let given = parameters.find_map(|parameter| parameter.strip_prefix("token="));
    let given = given.unwrap_or_default();
    let pairs = given.bytes().zip(token.bytes());
    given.len() == token.len() && pairs.fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

/// Returns the response to a request without the token.
fn refusal() -> Response<Bytes> {
    let text = "the URL that fdx inspect prints has a token, without which there is nothing here\n";
    answer(StatusCode::FORBIDDEN, "text/plain; charset=utf-8", text)
}

fn answer(
    status: StatusCode,
    media_type: &'static str,
    content: impl Into<Bytes>,
) -> Response<Bytes> {
    let mut response = Response::new(content.into());
    *response.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, media_type),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Returns a file that a browser saves, by the value of `Content-Disposition`.
fn file(name: &'static str, media_type: &'static str, content: String) -> Response<Bytes> {
    let mut file = answer(StatusCode::OK, media_type, content);
    file.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static(name));
    file
}

/// The requests that open no WebSocket.
#[derive(Clone)]
struct Pages {
    token: String,
    kept: Arc<Kept>,
}

impl Pages {
    fn respond(&self, request: &Request<Body>) -> Response<Bytes> {
        if !has_token(request.uri(), &self.token) {
            return refusal();
        }
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/") => {
                answer(StatusCode::OK, "text/html; charset=utf-8", PAGE)
            }
            (&Method::GET, "/har") => {
                let sockets = self.kept.lock().store.to_har();
                let name = "attachment; filename=\"fdx.har\"";
                file(name, "application/json", har::write(&sockets))
            }
            (&Method::GET, "/recording") => {
                let records = self.kept.lock().store.to_recording();
                let mut lines = String::from(MADE_HEADER);
                for record in records {
                    lines.extend(["\n", &record.to_line()]);
                }
                lines.push('\n');
                file("attachment; filename=\"fdx.fdxr\"", "application/jsonl", lines)
            }
            _ => answer(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "nothing is here\n"),
        }
    }
}

impl Service<Request<Body>> for Pages {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        ready(Ok(self.respond(&request).map(Full::new)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_long_and_compared_as_a_whole() {
        let token = token().unwrap();
        assert_eq!(token.len(), 2 * TOKEN);
        assert_ne!(token, super::token().unwrap());
        let has = |text: String| has_token(&text.parse().unwrap(), &token);
        assert!(has(format!("/live?a=b&token={token}")));
        for wrong in ["/live", "/live?token=", "/live?token"] {
            assert!(!has(wrong.into()), "{wrong}");
        }
        assert!(!has(format!("/live?token={}", &token[1..])));
        assert!(!has(format!("/live?token={token}0")));
    }
}
