//! Responses that the server makes itself, and what HTTP's semantics (RFC 9110) ask of a
//! response on any version.

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

/// The text of the response of a server that drains, and of the error in the application.
pub(crate) const SHUTTING_DOWN: &str = "the server is shutting down";

/// Returns the response to a request that breaks a rule of the protocol.
pub(crate) fn rejection_response(rejection: &RejectResponse) -> Response<Bytes> {
    let mut response = plain(rejection.status(), &rejection.to_string());
    for (name, value) in rejection.headers() {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

/// Returns a response whose content is one line of text.
pub(crate) fn plain(status: u16, line: &str) -> Response<Bytes> {
    let mut response = Response::new(format!("{line}\n").into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    response
}

/// Returns the response to requests while the server drains: 503.
pub(crate) fn shutting_down() -> Response<Bytes> {
    let mut response = plain(503, SHUTTING_DOWN);
    response.headers_mut().insert(http::header::RETRY_AFTER, 1.into());
    response
}

/// Returns the response to an error of the application: 500. It does not tell the client what
/// went wrong.
pub(crate) fn internal_error() -> Response<Bytes> {
    plain(500, "the server failed to answer")
}

/// Splits a final response into head and content, and sets its `Content-Length`. `method` is
/// the request's.
pub(crate) fn with_content_length(response: Response<Bytes>, method: &Method) -> (Parts, Bytes) {
    let (mut parts, content) = response.into_parts();
    // With both fields, recipients may disagree on where the response ends (RFC 9112 §6.3).
    parts.headers.remove(TRANSFER_ENCODING);
    let length = HeaderValue::from(content.len());
    let content = match parts.status {
        status if !has_content(status) => {
            frame_without_content(&mut parts);
            Bytes::new()
        }
        // RFC 9110 §9.3.2: the length is that of the response to a GET, which the application
        // may know without having the content.
        _ if method == Method::HEAD => {
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

/// Whether a response with this status may have content (RFC 9110 §6.4.1, §15.3.6).
pub(crate) fn has_content(status: StatusCode) -> bool {
    !matches!(status.as_u16(), 100..200 | 204 | 205 | 304)
}

/// Sets the `Content-Length` of a response without content (RFC 9110 §8.6). 1xx and 204 have
/// none; that of a 304 is the length which the content would have.
pub(crate) fn frame_without_content(parts: &mut Parts) {
    match parts.status {
        StatusCode::NOT_MODIFIED => {}
        StatusCode::RESET_CONTENT => drop(parts.headers.insert(CONTENT_LENGTH, 0.into())),
        _ => drop(parts.headers.remove(CONTENT_LENGTH)),
    }
}

/// Adds `Date`, which a server that has a clock must send (RFC 9110 §6.6.1).
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
    use crate::base::header_fields::mark_sensitive;

    /// Returns the head of a response as a stream of HTTP/2 or HTTP/3 carries it.
    pub(crate) fn on_stream_head(mut parts: Parts) -> Response<()> {
        strip_connection_fields(&mut parts.headers);
        mark_sensitive(&mut parts.headers);
        Response::from_parts(parts, ())
    }

    /// Removes the connection-specific fields of HTTP/1.1 (RFC 9113 §8.2.2, RFC 9114 §4.2).
    pub(crate) fn strip_connection_fields(headers: &mut HeaderMap) {
        for name in [CONNECTION, UPGRADE, TRANSFER_ENCODING] {
            headers.remove(name);
        }
        headers.remove("keep-alive");
        headers.remove("proxy-connection");
    }
}
