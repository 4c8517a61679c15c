//! What else than an open WebSocket a server may answer: a refusal with its body, or a
//! redirection.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use fullduplex_proto::handshake::client::{ResponseError, is_interim};
use fullduplex_proto::handshake::http1::{HeadError, HeadFinder, ResponseHead};
use http::header::{CONTENT_LENGTH, LOCATION, TRANSFER_ENCODING, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, Response, StatusCode, Version};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::base::error::{Error, ErrorKind};
use crate::transport::Transport;
use crate::transport::http1;
use crate::transport::http1::HandshakeLimits;

/// How much of the body of a refused handshake is kept.
const MAX_REFUSAL_BODY: usize = 64 << 10;
/// How long its rest is waited for.
const REFUSAL_BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// So many interim responses are passed over.
pub(super) const MAX_INTERIM: usize = 20;

/// Reads the head of the final response, past interim ones such as 103. What came behind it
/// stays in `received`.
pub(super) async fn read<S: Transport>(
    stream: &mut S,
    limits: &HandshakeLimits,
    received: &mut BytesMut,
) -> Result<Response<()>, Error> {
    let limits = limits.head();
    for _ in 0..=MAX_INTERIM {
        let head = http1::read_head(stream, HeadFinder::response(limits), received).await?;
        let head = ResponseHead::parse(&head, &limits)?;
        if is_interim(head.status()) {
            continue;
        }
        let mut response = Response::new(());
        *response.status_mut() =
            StatusCode::from_u16(head.status()).map_err(|_| HeadError::StartLine)?;
        *response.headers_mut() = http1::header_map(head.fields())?;
        return Ok(response);
    }
    Err(too_many_interim())
}

pub(super) fn too_many_interim() -> Error {
    let why = format!("more than {MAX_INTERIM} interim responses (RFC 9110 §15.2)");
    Error::new(ErrorKind::Limit, why)
}

/// All values of a header field, in one line.
pub(super) fn joined(headers: &HeaderMap, name: HeaderName) -> String {
    let values = headers.get_all(name).into_iter();
    let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    values.join(", ")
}

/// What there is of the body of a refusal, up to a bound in bytes and time.
pub(super) async fn refusal_body<S: Transport>(
    stream: &mut S,
    response: &Response<()>,
    received: BytesMut,
) -> Bytes {
    // A 2xx to a CONNECT of HTTP/2 or HTTP/3 is followed by a tunnel, which does not end by itself
    // (RFC 9110 §9.3.6).
    let is_tunnel = response.version() >= Version::HTTP_2 && response.status().is_success();
    if is_tunnel || matches!(response.status().as_u16(), 100..200 | 204 | 304) {
        return Bytes::new();
    }
    let mut body = ResponseReader::of(response.headers());
    body.push(received);
    let read = async {
        let mut buffer = BytesMut::new();
        while !body.is_whole() {
            buffer.reserve(4096);
            match stream.read_buf(&mut buffer).await {
                Ok(1..) => body.push(buffer.split()),
                _ => break,
            }
        }
    };
    // What came in time is better than nothing.
    let _ = timeout(REFUSAL_BODY_TIMEOUT, read).await;
    body.out.freeze()
}

/// What a server that refused has said.
pub(super) async fn refused<S: Transport>(
    error: ResponseError,
    stream: &mut S,
    response: Response<()>,
    received: BytesMut,
) -> Error {
    let body = refusal_body(stream, &response, received).await;
    let mut error = Error::from(error);
    if let Some(why) = explain(&response) {
        error = error.with_words(&why);
    }
    error.with_response(response.map(|()| body))
}

/// A body as it comes (RFC 9112 §6).
struct ResponseReader {
    out: BytesMut,
    /// Bytes that are still to come, of the body or of a chunk.
    remaining: usize,
    /// The line of a chunk, or the end of one, that is not whole.
    line: Option<BytesMut>,
    ended: bool,
}

impl ResponseReader {
    fn of(headers: &HeaderMap) -> Self {
        let value = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let chunked = value(TRANSFER_ENCODING)
            .is_some_and(|coding| coding.trim().eq_ignore_ascii_case("chunked"));
        // What is not a length, in whatever script, is none to go by: then all is read.
        let length = value(CONTENT_LENGTH).and_then(|length| length.parse().ok());
        Self {
            out: BytesMut::new(),
            remaining: if chunked { 0 } else { length.unwrap_or(usize::MAX) },
            line: chunked.then(BytesMut::new),
            ended: !chunked && length == Some(0),
        }
    }

    fn is_whole(&self) -> bool {
        self.ended || self.out.len() >= MAX_REFUSAL_BODY
    }

    fn push(&mut self, mut bytes: BytesMut) {
        while !bytes.is_empty() && !self.is_whole() {
            if self.remaining > 0 {
                let room = MAX_REFUSAL_BODY - self.out.len();
                let piece = bytes.split_to(self.remaining.min(bytes.len()));
                self.out.extend_from_slice(&piece[..piece.len().min(room)]);
                self.remaining -= piece.len();
                self.ended = self.remaining == 0 && self.line.is_none();
                continue;
            }
            let Some(line) = &mut self.line else { return };
            let byte = bytes.get_u8();
            match byte {
                // Before the size of a chunk stands the end of the last one's line.
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

/// Says more of a refusal than its status does.
fn explain(response: &Response<()>) -> Option<String> {
    let status = response.status();
    let asked = joined(response.headers(), WWW_AUTHENTICATE);
    let location =
        response.headers().get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()));
    Some(match status {
        StatusCode::UNAUTHORIZED if asked.is_empty() => "it wants credentials".into(),
        StatusCode::UNAUTHORIZED => format!("it wants credentials: {asked}"),
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            "a proxy on the way wants credentials; give it to the client as a proxy".into()
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
        let mut body = ResponseReader::of(&map);
        for piece in pieces {
            body.push(BytesMut::from(*piece));
        }
        (String::from_utf8_lossy(&body.out).into_owned(), body.is_whole())
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
        assert_eq!(body(&[], &[&long]).0.len(), MAX_REFUSAL_BODY);
    }
}
