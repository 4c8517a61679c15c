//! Tunnels through HTTP proxies: CONNECT (RFC 9110 §9.3.6).

use std::borrow::Cow;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use fullduplex_proto::handshake::http1::write_request;
use http::header::{PROXY_AUTHENTICATE, PROXY_AUTHORIZATION};
use http::{HeaderMap, Response, StatusCode};

use crate::base::error::{Error, ErrorKind};
use crate::client::header_list::split;
use crate::client::response;
use crate::transport::http1;
use crate::transport::http1::HandshakeLimits;
use crate::transport::net_stream::NetStream;

/// Where a tunnel leads.
pub(crate) struct Destination<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    /// The address, where it is resolved here.
    pub(crate) address: Option<SocketAddr>,
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Has an HTTP proxy open a tunnel.
pub(crate) async fn connect(
    mut stream: NetStream,
    to: &Destination<'_>,
    auth: Option<&(String, String)>,
    headers: &HeaderMap,
    limits: &HandshakeLimits,
) -> Result<NetStream, Error> {
    let brackets = to.host.contains(':');
    let host = if brackets { format!("[{}]", to.host) } else { to.host.to_owned() };
    let authority = format!("{host}:{}", to.port);
    // RFC 9110 §11.7.2: it is one field with one value. The application's own goes before the
    // URL's.
    let auth = auth.filter(|_| !headers.contains_key(PROXY_AUTHORIZATION));
    let auth = auth.map(|(user, password)| basic(user, password));
    let own = [("Host", authority.as_bytes())].into_iter();
    let own = own.chain(auth.as_ref().map(|value| ("Proxy-Authorization", value.as_bytes())));
    let own = own.map(|(name, value)| (Cow::Borrowed(name), value));
    let others = headers
        .iter()
        .map(|(name, value)| (http1::title_case(name.as_str()).into(), value.as_bytes()));
    let head = write_request("CONNECT", &authority, own.chain(others))?;
    http1::write_all(&mut stream, &head).await?;
    let mut received = BytesMut::new();
    let response = response::read(&mut stream, limits, &mut received).await;
    let response = response.map_err(|error| error.in_setting("the proxy's answer"))?;
    if response.status().is_success() {
        if received.is_empty() {
            return Ok(stream);
        }
        let why = "the proxy sent bytes behind its answer to CONNECT, before any were due";
        return Err(Error::new(ErrorKind::Proxy, why));
    }
    let body = response::refusal_body(&mut stream, &response, received).await;
    let why = refusal(&response, auth.is_some(), &authority);
    Err(Error::new(ErrorKind::Proxy, why).with_response(response.map(|()| body)))
}

fn refusal(response: &Response<()>, had_auth: bool, authority: &str) -> String {
    let status = response.status();
    // Some say 401 to bad credentials, though that is for servers.
    if had_auth && status == StatusCode::UNAUTHORIZED {
        return "the proxy does not take the user and password (401)".into();
    }
    if status != StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        return format!("the proxy refused a tunnel to {authority}: {status}");
    }
    let asks = response::joined(response.headers(), PROXY_AUTHENTICATE);
    let scheme = |challenge: &str| challenge.split_whitespace().next().map(str::to_owned);
    let asks_for_basic =
        split(&asks, ',').filter_map(scheme).any(|scheme| scheme.eq_ignore_ascii_case("Basic"));
    match (had_auth, asks_for_basic) {
        (true, true) => {
            format!("the proxy does not take the user and password (407, it asks for {asks})")
        }
        (false, true) => {
            format!("the proxy wants a user and password in its URL (407, it asks for {asks})")
        }
        // RFC 9110 §15.5.8 has it say what it asks for.
        (true, false) if asks.is_empty() => {
            "the proxy does not take the user and password (407, without Proxy-Authenticate)".into()
        }
        (false, false) if asks.is_empty() => {
            "the proxy wants credentials and does not say of what kind (407, without \
             Proxy-Authenticate); perhaps a user and password in its URL"
                .into()
        }
        (_, false) => {
            format!("the proxy asks for {asks} (407), and this client has only Basic (RFC 7617)")
        }
    }
}
