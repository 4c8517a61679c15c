//! The first request of a client of the proxy.

use fullduplex::NetStream;
use tokio::io::AsyncReadExt as _;

use super::hosts::HostPort;
use crate::inspect::head::{Head, MAX_HEAD, end_of_head};

/// What a client asks for.
pub(super) enum ProxyRequest {
    /// A tunnel.
    Connect(HostPort),
    /// A request that is passed on, and others behind it.
    Forward { to: HostPort, head: Vec<u8> },
}

/// The reason for which a client of the proxy is connected to no target.
pub(super) enum RequestError {
    /// The request is answered with this status, and with this reason as its content.
    Answered(&'static str, String),
    /// The connection ends without an answer, as the client sent no request of HTTP.
    Ended(String),
}

impl ProxyRequest {
    pub(super) fn to(&self) -> &HostPort {
        match self {
            Self::Connect(to) | Self::Forward { to, .. } => to,
        }
    }

    fn parse(bytes: Vec<u8>) -> Result<Self, RequestError> {
        let bad = |why: &str| RequestError::Answered("400 Bad Request", why.to_owned());
        let head = Head::parse(bytes).ok_or_else(|| bad("not a request of HTTP/1.1"))?;
        let start_line = head.start_line();
        let mut words = start_line.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if !words.next().is_some_and(|version| version.starts_with("HTTP/1.")) {
            return Err(bad("not a request of HTTP/1.1"));
        }
        if method == "CONNECT" {
            let to = HostPort::parse(target, None);
            let to = to.ok_or_else(|| bad("CONNECT needs a host and a port"))?;
            return Ok(Self::Connect(to));
        }
        let Some((scheme, authority, _)) = split_url(target) else {
            return Err(bad(
                "this is a proxy: set it as that of a client, such as by HTTPS_PROXY, or use --to",
            ));
        };
        if !is_plain(scheme) {
            return Err(bad("https: and wss: need CONNECT"));
        }
        let to = HostPort::parse(authority, Some(80));
        let to = to.ok_or_else(|| bad("the URL has no valid host"))?;
        Ok(Self::Forward { to, head: head.bytes().to_vec() })
    }
}

/// Splits the URL of a request (RFC 9112 §3.2.2): the scheme, the host with its port, and the path
/// with the query.
pub(in crate::inspect) fn split_url(target: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    if target.starts_with('/') {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    Some((scheme, &rest[..end], &rest[end..]))
}

fn is_plain(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("ws")
}

/// Reads the head of a request, and nothing behind it.
pub(super) async fn read(socket: &mut NetStream) -> Result<ProxyRequest, RequestError> {
    let ended = |why: &str| RequestError::Ended(why.to_owned());
    let failed = |error: std::io::Error| RequestError::Ended(format!("the client: {error}"));
    let mut head: Vec<u8> = Vec::new();
    let mut piece = vec![0; 4 << 10];
    loop {
        let tcp = socket.as_tcp().ok_or_else(|| ended("not a connection of TCP"))?;
        let seen = tcp.peek(&mut piece).await.map_err(failed)?;
        if seen == 0 {
            return Err(ended("the client sent no request"));
        }
        let known = head.len();
        head.extend_from_slice(&piece[..seen]);
        match head[0] {
            22 => return Err(ended("TLS to the proxy itself: its URL begins with http://")),
            4 | 5 => return Err(ended("SOCKS: the URL of the proxy begins with http://")),
            _ => {}
        }
        let end = end_of_head(&head, known);
        let taken = end.unwrap_or(head.len()) - known;
        socket.read_exact(&mut piece[..taken]).await.map_err(failed)?;
        if let Some(end) = end {
            head.truncate(end);
            return ProxyRequest::parse(head);
        }
        if head.len() > MAX_HEAD {
            let why = "the head of the request is longer than 64 KiB".to_owned();
            return Err(RequestError::Answered("431 Request Header Fields Too Large", why));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_names_its_target() {
        let parse = |text: &str| ProxyRequest::parse(format!("{text}\r\n\r\n").into());
        for (text, port) in [
            ("CONNECT a.example:443 HTTP/1.1", 443),
            ("GET http://a.example/x HTTP/1.1", 80),
            ("GET WS://A.example:81?x HTTP/1.1", 81),
        ] {
            let request = parse(text).ok().unwrap();
            assert_eq!((&*request.to().host, request.to().port), ("a.example", port), "{text}");
        }
        for wrong in [
            "CONNECT a.example HTTP/1.1",
            "GET / HTTP/1.1",
            "GET /http://a.example/ HTTP/1.1",
            "GET https://a.example/ HTTP/1.1",
            "GET http:/// HTTP/1.1",
            "GET http://a.example/",
        ] {
            let refused = parse(wrong);
            assert!(
                matches!(refused, Err(RequestError::Answered("400 Bad Request", _))),
                "{wrong}"
            );
        }
    }
}
