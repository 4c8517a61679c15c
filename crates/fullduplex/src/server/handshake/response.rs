//! What the server answers by itself, and the rules of HTTP's semantics for an answer on any
//! version.

use std::time::SystemTime;

use bytes::Bytes;
use fullduplex_proto::handshake::server::RejectResponse;
use http::header::{CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};

#[cfg(any(feature = "http2", feature = "http3"))]
pub(crate) use self::stream::on_stream_head;
#[cfg(all(feature = "hyper", any(feature = "http2", feature = "http3")))]
pub(crate) use self::stream::strip_connection_fields;

/// The answer to a request that breaks a rule.
pub(crate) fn refusal_response(refusal: &RejectResponse) -> Response<Bytes> {
    let mut response = plain(refusal.status(), &refusal.to_string());
    for (name, value) in refusal.headers() {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

/// An answer of one line.
pub(crate) fn plain(status: u16, why: &str) -> Response<Bytes> {
    let mut response = Response::new(format!("{why}\n").into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
    response
}

/// What a server that drains answers.
pub(crate) const LEAVING: &str = "the server is going away";

/// The answer to whoever asks a server that drains.
pub(crate) fn leaving() -> Response<Bytes> {
    let mut response = plain(503, LEAVING);
    response.headers_mut().insert(http::header::RETRY_AFTER, 1.into());
    response
}

/// The answer where the application is at fault: what went wrong is not for the client to know.
pub(crate) fn failed() -> Response<Bytes> {
    plain(500, "the server failed to answer")
}

/// The head and the content of a final answer, with the `Content-Length` that belongs to it.
pub(crate) fn framed(response: Response<Bytes>, asked: &Method) -> (Parts, Bytes) {
    let (mut parts, content) = response.into_parts();
    // Two lengths would be two readings of where the answer ends (RFC 9112 §6.3).
    parts.headers.remove(TRANSFER_ENCODING);
    let length = HeaderValue::from(content.len());
    let content = match parts.status {
        status if !has_content(status) => {
            frame_without_content(&mut parts);
            Bytes::new()
        }
        // RFC 9110 §9.3.2: the length is that of the answer to a GET, which may be known without
        // the content.
        _ if asked == Method::HEAD => {
            parts.headers.entry(CONTENT_LENGTH).or_insert(length);
            Bytes::new()
        }
        _ => {
            parts.headers.insert(CONTENT_LENGTH, length);
            content
        }
    };
    add_date(&mut parts);
    (parts, content)
}

/// Whether an answer with this status may have content (RFC 9110 §6.4.1, §15.3.6).
pub(crate) fn has_content(status: StatusCode) -> bool {
    !matches!(status.as_u16(), 100..200 | 204 | 205 | 304)
}

/// RFC 9110 §8.6: 1xx and 204 have no length; that of a 304 is the one which the content would
/// have had.
pub(crate) fn frame_without_content(parts: &mut Parts) {
    match parts.status {
        StatusCode::NOT_MODIFIED => {}
        StatusCode::RESET_CONTENT => drop(parts.headers.insert(CONTENT_LENGTH, 0.into())),
        _ => drop(parts.headers.remove(CONTENT_LENGTH)),
    }
}

/// RFC 9110 §6.6.1: a server that has a clock says when it answered.
pub(crate) fn add_date(parts: &mut Parts) {
    let date = || HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now())).ok();
    if !parts.headers.contains_key(DATE)
        && let Some(date) = date()
    {
        parts.headers.insert(DATE, date);
    }
}

#[cfg(any(feature = "http2", feature = "http3"))]
mod stream {
    use http::HeaderMap;
    use http::header::{CONNECTION, TRANSFER_ENCODING, UPGRADE};

    use super::{Parts, Response};
    use crate::base::fields::mark_sensitive;

    /// The head of an answer as a stream of HTTP/2 or HTTP/3 carries it.
    pub(crate) fn on_stream_head(mut parts: Parts) -> Response<()> {
        strip_connection_fields(&mut parts.headers);
        mark_sensitive(&mut parts.headers);
        Response::from_parts(parts, ())
    }

    /// Takes away what is of a connection of HTTP/1.1 (RFC 9113 §8.2.2, RFC 9114 §4.2).
    pub(crate) fn strip_connection_fields(headers: &mut HeaderMap) {
        for name in [CONNECTION, UPGRADE, TRANSFER_ENCODING] {
            headers.remove(name);
        }
        headers.remove("keep-alive");
        headers.remove("proxy-connection");
    }
}
