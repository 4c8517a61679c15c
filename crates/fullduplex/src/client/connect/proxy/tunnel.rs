//! Tunnels through HTTP proxies: CONNECT (RFC 9110 §9.3.6).

use std::borrow::Cow;
use std::net::SocketAddr;

use bytes::BytesMut;
use fullduplex_proto::handshake::http1::write_request;
use http::header::{PROXY_AUTHENTICATE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version};

use crate::base::basic_auth::basic_auth;
use crate::base::error::{Error, ErrorKind};
use crate::base::handshake_limits::HandshakeLimits;
use crate::client::connect::heads::{HeadField, RequestHead};
use crate::client::connect::progress::{ConnectEvents, HttpPeer};
use crate::client::header_list::split;
use crate::client::response;
use crate::transport::http1;
use crate::transport::net_stream::NetStream;

/// The destination of a tunnel.
pub(crate) struct Destination<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    /// The resolved address, unless the proxy resolves the host.
    pub(crate) address: Option<SocketAddr>,
}

/// Opens a tunnel through an HTTP proxy.
pub(crate) async fn connect(
    mut stream: NetStream,
    to: &Destination<'_>,
    auth: Option<&(String, String)>,
    headers: &HeaderMap,
    limits: &HandshakeLimits,
    events: &ConnectEvents,
) -> Result<NetStream, Error> {
    let brackets = to.host.contains(':');
    let host = if brackets { format!("[{}]", to.host) } else { to.host.to_owned() };
    let authority = format!("{host}:{}", to.port);
    // RFC 9110 §11.7.2: this field has one value. The application's takes precedence over that
    // of the URL.
    let auth = auth.filter(|_| !headers.contains_key(PROXY_AUTHORIZATION));
    let auth = auth.map(|(user, password)| basic_auth(user, password));
    let fields = [("Host", authority.as_bytes())].into_iter();
    let fields = fields.chain(auth.as_ref().map(|value| ("Proxy-Authorization", value.as_bytes())));
    let fields = fields.map(|(name, value)| (Cow::Borrowed(name), value));
    let others = headers
        .iter()
        .map(|(name, value)| (http1::title_case(name.as_str()).into(), value.as_bytes()));
    let fields: Vec<(Cow<'_, str>, &[u8])> = fields.chain(others).collect();
    if events.has_listener() {
        report(&authority, &fields, headers, events);
    }
    let head = write_request("CONNECT", &authority, fields).map_err(Error::of)?;
    http1::write_all(&mut stream, &head).await?;
    let mut received = BytesMut::new();
    let reported_as = (HttpPeer::Proxy, events);
    let response = response::read(&mut stream, limits, &mut received, reported_as).await;
    let response = response.map_err(|error| error.with_context("the proxy's response"))?;
    if response.status().is_success() {
        if received.is_empty() {
            return Ok(stream);
        }
        let message = "the proxy sent bytes after its response to CONNECT, before the client did";
        return Err(Error::new(ErrorKind::Proxy, message));
    }
    let body = response::rejection_body(&mut stream, &response, received).await;
    let message = rejection_message(&response, auth.is_some(), &authority);
    Err(Error::new(ErrorKind::Proxy, message).with_response(response.map(|()| body)))
}

/// Reports the head of the request.
fn report(
    authority: &str,
    fields: &[(Cow<'_, str>, &[u8])],
    headers: &HeaderMap,
    events: &ConnectEvents,
) {
    let fields = fields.iter().map(|(name, value)| {
        let is_marked = headers.get_all(&**name).iter().any(HeaderValue::is_sensitive);
        let field = HeadField::new(name, value);
        HeadField { is_sensitive: field.is_sensitive || is_marked, ..field }
    });
    let fields: Vec<_> = fields.collect();
    let (version, method) = (Version::HTTP_11, "CONNECT");
    let head = RequestHead { version, method, target: authority, fields: &fields };
    events.request(HttpPeer::Proxy, &head);
}

fn rejection_message(response: &Response<()>, had_auth: bool, authority: &str) -> String {
    let status = response.status();
    // Some proxies answer 401 to bad credentials, though that status is for servers.
    if had_auth && status == StatusCode::UNAUTHORIZED {
        return "the proxy does not accept the user and password (401)".into();
    }
    if status != StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        return format!("the proxy rejected the tunnel to {authority}: {status}");
    }
    let challenges = response::joined(response.headers(), PROXY_AUTHENTICATE);
    let scheme = |challenge: &str| challenge.split_whitespace().next().map(str::to_owned);
    let offers_basic = split(&challenges, ',')
        .filter_map(scheme)
        .any(|scheme| scheme.eq_ignore_ascii_case("Basic"));
    match (had_auth, offers_basic) {
        (true, true) => {
            format!("the proxy does not accept the user and password (407 with {challenges})")
        }
        (false, true) => {
            format!("the proxy requires a user and password in its URL (407 with {challenges})")
        }
        // RFC 9110 §15.5.8: Proxy-Authenticate is mandatory, but some proxies omit it.
        (true, false) if challenges.is_empty() => {
            "the proxy does not accept the user and password (407 without Proxy-Authenticate)"
                .into()
        }
        (false, false) if challenges.is_empty() => {
            "the proxy requires authentication of an unknown scheme (407 without \
             Proxy-Authenticate); perhaps a user and password in its URL"
                .into()
        }
        (_, false) => {
            format!("the proxy requires {challenges} (407), but only Basic (RFC 7617) is supported")
        }
    }
}
