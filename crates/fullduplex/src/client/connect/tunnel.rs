//! Through a proxy: HTTP's CONNECT (RFC 9110 §9.3.6) and SOCKS5 (RFC 1928, RFC 1929).

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use fullduplex_proto::handshake::http1::write_request;
use http::header::{PROXY_AUTHENTICATE, PROXY_AUTHORIZATION};
use http::{HeaderMap, Response, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::base::error::retry::AttemptFailure;
use crate::base::error::{Error, ErrorKind};
use crate::client::list::split;
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
    let others =
        headers.iter().map(|(name, value)| (http1::title_case(name).into(), value.as_bytes()));
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

/// Has a SOCKS5 proxy open a tunnel. What is inside is the proxy's answer: it may refuse one
/// address and take another.
pub(crate) async fn socks5(
    mut stream: NetStream,
    to: &Destination<'_>,
    auth: Option<&(String, String)>,
) -> Result<Result<NetStream, Error>, Error> {
    let refused = |why: String| Error::new(ErrorKind::Proxy, format!("the SOCKS5 proxy {why}"));
    let io = |error| Error::io("talking to the SOCKS5 proxy", error);
    // RFC 1928 §3: no authentication, and user with password (RFC 1929) if we have one.
    let methods: &[u8] = if auth.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
    stream.write_all(methods).await.map_err(io)?;
    stream.flush().await.map_err(io)?;
    let mut choice = [0; 2];
    stream.read_exact(&mut choice).await.map_err(io)?;
    match (choice, auth) {
        ([5, 0], _) => {}
        ([5, 2], Some((user, password))) => {
            let mut request = vec![1];
            for part in [user, password] {
                let len = u8::try_from(part.len());
                let len = len.map_err(|_| {
                    refused("takes no more than 255 bytes of user or password".into())
                })?;
                request.push(len);
                request.extend_from_slice(part.as_bytes());
            }
            stream.write_all(&request).await.map_err(io)?;
            stream.flush().await.map_err(io)?;
            let mut answer = [0; 2];
            stream.read_exact(&mut answer).await.map_err(io)?;
            if answer[1] != 0 {
                return Err(refused("does not take the user and password".into()));
            }
        }
        ([5, 0xff], None) => return Err(refused("wants a user and password in its URL".into())),
        ([5, 0xff], Some(_)) => return Err(refused("takes no user and password".into())),
        ([5, other], _) => {
            return Err(refused(format!("chose a method that was not offered: {other}")));
        }
        _ => return Err(refused("does not speak SOCKS5".into())),
    }
    stream.write_all(&request(to).map_err(refused)?).await.map_err(io)?;
    stream.flush().await.map_err(io)?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.map_err(io)?;
    if head[0] != 5 {
        return Err(refused("does not speak SOCKS5".into()));
    }
    if head[1] != 0 {
        let (host, port) = (to.host, to.port);
        let at = to.address.map(|address| format!(" at {}", address.ip())).unwrap_or_default();
        let error = refused(format!("refused {host}:{port}{at}: {}", reason(head[1])));
        return Ok(Err(error.with_failure(AttemptFailure::Socks5(head[1]))));
    }
    // The address it bound says nothing to us, but stands in the way.
    let len = match head[3] {
        1 => 4,
        4 => 16,
        3 => usize::from(stream.read_u8().await.map_err(io)?),
        other => return Err(refused(format!("answered with an address of unknown type {other}"))),
    };
    let mut bound = [0; 257];
    stream.read_exact(&mut bound[..len + 2]).await.map_err(io)?;
    Ok(Ok(stream))
}

/// The CONNECT request of RFC 1928 §4.
fn request(to: &Destination<'_>) -> Result<Vec<u8>, String> {
    let mut request = vec![5, 1, 0];
    let literal = to.host.parse::<IpAddr>().ok();
    match to.address.map(|address| address.ip()).or(literal) {
        Some(IpAddr::V4(ip)) => {
            request.push(1);
            request.extend(ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            request.push(4);
            request.extend(ip.octets());
        }
        None => {
            let len = u8::try_from(to.host.len());
            request.push(3);
            request.push(len.map_err(|_| "takes no host names over 255 bytes".to_owned())?);
            request.extend(to.host.bytes());
        }
    }
    request.extend(to.port.to_be_bytes());
    Ok(request)
}

/// RFC 1928 §6.
fn reason(code: u8) -> String {
    match code {
        1 => "general failure".into(),
        2 => "its rules don't allow it".into(),
        3 => "network unreachable".into(),
        4 => "host unreachable".into(),
        5 => "connection refused".into(),
        6 => "TTL expired".into(),
        7 => "CONNECT is not supported".into(),
        8 => "this type of address is not supported".into(),
        other => format!("code {other}"),
    }
}
