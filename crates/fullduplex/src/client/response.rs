//! Responses to the opening handshake: their heads, and the bodies of rejections.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use fullduplex_proto::handshake::client::{ResponseError, is_interim};
use fullduplex_proto::handshake::http1::{HeadError, HeadFinder, ResponseHead};
use http::header::{CONTENT_LENGTH, LOCATION, TRANSFER_ENCODING, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, Response, StatusCode, Version};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::base::error::{Error, ErrorKind};
use crate::base::handshake_limits::HandshakeLimits;
use crate::client::connect::heads::{self, HeadField};
use crate::client::connect::progress::{ConnectEvents, HttpPeer};
use crate::transport::Transport;
use crate::transport::http1;

/// The most bytes of a rejection's body that are kept.
const MAX_REJECTION_BODY: usize = 64 << 10;
/// The time limit for reading a rejection's body.
const REJECTION_BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// The most interim responses that are skipped.
pub(super) const MAX_INTERIM: usize = 20;

/// Reads the head of the final response and skips interim ones such as 103. Bytes after the head
/// are left in `received`. The heads are reported as those of this peer.
pub(super) async fn read<S: Transport>(
    stream: &mut S,
    limits: &HandshakeLimits,
    received: &mut BytesMut,
    (peer, events): (HttpPeer, &ConnectEvents),
) -> Result<Response<()>, Error> {
    let limits = limits.head();
    for _ in 0..=MAX_INTERIM {
        let head = http1::read_head(stream, HeadFinder::response(limits), received).await;
        let head = head.map_err(|error| error.with_first_bytes(received))?;
        let parsed = ResponseHead::parse(&head, &limits);
        let head = parsed.map_err(|error| Error::of(error).with_first_bytes(&head))?;
        if events.has_listener() {
            report(&head, peer, events);
        }
        if is_interim(head.status()) {
            continue;
        }
        let mut response = Response::new(());
        *response.status_mut() =
            StatusCode::from_u16(head.status()).map_err(|_| Error::of(HeadError::StartLine))?;
        *response.headers_mut() = http1::header_map(head.fields()).map_err(Error::of)?;
        return Ok(response);
    }
    Err(too_many_interim())
}

/// Reports the head of a response on HTTP/1.1.
fn report(head: &ResponseHead<'_>, peer: HttpPeer, events: &ConnectEvents) {
    let fields = head.fields().iter();
    let fields: Vec<_> = fields.map(|(name, value)| HeadField::new(name, value)).collect();
    let is_old = head.minor_version() == 0;
    let version = if is_old { Version::HTTP_10 } else { Version::HTTP_11 };
    let (status, reason) = (head.status(), head.reason_phrase());
    events.response(peer, &heads::ResponseHead { version, status, reason, fields: &fields });
}

/// Reports the head of a response on HTTP/2 or HTTP/3.
#[cfg(any(feature = "http2", feature = "http3"))]
pub(super) fn report_on_stream(response: &Response<()>, version: Version, events: &ConnectEvents) {
    if !events.has_listener() {
        return;
    }
    let fields: Vec<_> = HeadField::of_map(response.headers()).collect();
    let status = response.status().as_u16();
    let head = heads::ResponseHead { version, status, reason: b"", fields: &fields };
    events.response(HttpPeer::Server, &head);
}

pub(super) fn too_many_interim() -> Error {
    let message = format!("more than {MAX_INTERIM} interim responses (RFC 9110 §15.2)");
    Error::new(ErrorKind::Limit, message)
}

/// Returns all values of a header field, joined by commas.
pub(super) fn joined(headers: &HeaderMap, name: HeaderName) -> String {
    let values = headers.get_all(name).into_iter();
    let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    values.join(", ")
}

/// Reads the body of a rejection, up to [`MAX_REJECTION_BODY`] and [`REJECTION_BODY_TIMEOUT`].
pub(super) async fn rejection_body<S: Transport>(
    stream: &mut S,
    response: &Response<()>,
    received: BytesMut,
) -> Bytes {
    // After a 2xx to a CONNECT of HTTP/2 or HTTP/3 the stream is a tunnel, which the server need
    // not end (RFC 9110 §9.3.6).
    let is_tunnel = response.version() >= Version::HTTP_2 && response.status().is_success();
    if is_tunnel || matches!(response.status().as_u16(), 100..200 | 204 | 304) {
        return Bytes::new();
    }
    let mut body = BodyReader::new(response.headers());
    body.push(received);
    let read = async {
        let mut buffer = BytesMut::new();
        while !body.is_complete() {
            buffer.reserve(4096);
            match stream.read_buf(&mut buffer).await {
                Ok(1..) => body.push(buffer.split()),
                _ => break,
            }
        }
    };
    // A part of the body is still useful to the application.
    let _ = timeout(REJECTION_BODY_TIMEOUT, read).await;
    body.content.freeze()
}

/// Returns the error of a rejected handshake, with the response and its body.
pub(super) async fn rejection<S: Transport>(
    error: ResponseError,
    stream: &mut S,
    response: Response<()>,
    received: BytesMut,
) -> Error {
    let body = rejection_body(stream, &response, received).await;
    let mut error = Error::of(error);
    if let Some(explanation) = explain(&response) {
        error = error.with_detail(&explanation);
    }
    error.with_response(response.map(|()| body))
}

/// Decodes a response's body from the bytes that arrive (RFC 9112 §6).
struct BodyReader {
    content: BytesMut,
    /// The bytes left of the body or of a chunk.
    remaining: usize,
    /// The incomplete line before a chunk; `None` if the body is not chunked.
    line: Option<BytesMut>,
    ended: bool,
}

impl BodyReader {
    fn new(headers: &HeaderMap) -> Self {
        let value = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let chunked = value(TRANSFER_ENCODING)
            .is_some_and(|coding| coding.trim().eq_ignore_ascii_case("chunked"));
        // Without a valid length, the body ends with the connection.
        let length = value(CONTENT_LENGTH).and_then(|length| length.parse().ok());
        Self {
            content: BytesMut::new(),
            remaining: if chunked { 0 } else { length.unwrap_or(usize::MAX) },
            line: chunked.then(BytesMut::new),
            ended: !chunked && length == Some(0),
        }
    }

    fn is_complete(&self) -> bool {
        self.ended || self.content.len() >= MAX_REJECTION_BODY
    }

    fn push(&mut self, mut bytes: BytesMut) {
        while !bytes.is_empty() && !self.is_complete() {
            if self.remaining > 0 {
                let free = MAX_REJECTION_BODY - self.content.len();
                let part = bytes.split_to(self.remaining.min(bytes.len()));
                self.content.extend_from_slice(&part[..part.len().min(free)]);
                self.remaining -= part.len();
                self.ended = self.remaining == 0 && self.line.is_none();
                continue;
            }
            let Some(line) = &mut self.line else { return };
            let byte = bytes.get_u8();
            match byte {
                // The end of the previous chunk's data precedes the size of the next one.
                b'\n' if line.is_empty() => {}
                b'\r' => {}
                b'\n' => {
                    let text = String::from_utf8_lossy(line);
                    let size = text.split(';').next().unwrap_or_default().trim();
                    match usize::from_str_radix(size, 16) {
                        Ok(0) | Err(_) => self.ended = true,
                        Ok(size) => self.remaining = size,
                    }
                    line.clear();
                }
                _ if line.len() > 100 => self.ended = true,
                _ => line.extend_from_slice(&[byte]),
            }
        }
    }
}

/// Explains a rejection beyond its status.
fn explain(response: &Response<()>) -> Option<String> {
    let status = response.status();
    let challenge = joined(response.headers(), WWW_AUTHENTICATE);
    let location =
        response.headers().get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()));
    Some(match status {
        StatusCode::UNAUTHORIZED if challenge.is_empty() => "it requires authentication".into(),
        StatusCode::UNAUTHORIZED => format!("it requires authentication: {challenge}"),
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            "a proxy on the path requires authentication; configure it as the client's proxy".into()
        }
        _ if is_redirect(status) => {
            format!(
                "a redirection to {}, which is not followed",
                location.as_deref().unwrap_or("?")
            )
        }
        _ => return None,
    })
}

pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(headers: &[(&'static str, &str)], pieces: &[&str]) -> (String, bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let mut body = BodyReader::new(&map);
        for piece in pieces {
            body.push(BytesMut::from(*piece));
        }
        (String::from_utf8_lossy(&body.content).into_owned(), body.is_complete())
    }

    #[test]
    fn response_body_is_read_in_every_framing() {
        assert_eq!(body(&[("content-length", "5")], &["he", "llo, more"]), ("hello".into(), true));
        assert_eq!(body(&[("content-length", "0")], &["x"]), (String::new(), true));
        assert_eq!(body(&[], &["till ", "the end"]), ("till the end".into(), false));
        let chunked = [("transfer-encoding", "chunked")];
        let all = "5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n";
        assert_eq!(body(&chunked, &[all]), ("hello!".into(), true));
        let bytes: Vec<_> = (0..all.len()).map(|i| &all[i..=i]).collect();
        assert_eq!(body(&chunked, &bytes), ("hello!".into(), true));
        assert_eq!(body(&chunked, &["zz\r\nhello"]), (String::new(), true));
        let long = "x".repeat(100_000);
        assert_eq!(body(&[], &[&long]).0.len(), MAX_REJECTION_BODY);
    }
}
