//! Rules of HTTP's semantics that are the same on every version: what an application sees of a
//! request, and what an answer may have.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderValue, Method, Response, StatusCode};

#[cfg(any(feature = "http2", feature = "http3"))]
pub(crate) use self::stream::on_stream_head;
#[cfg(all(feature = "hyper", any(feature = "http2", feature = "http3")))]
pub(crate) use self::stream::strip_connection_fields;

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
fn has_content(status: StatusCode) -> bool {
    !matches!(status.as_u16(), 100..200 | 204 | 205 | 304)
}

/// RFC 9110 §8.6: 1xx and 204 have no length; that of a 304 is the one which the content would
/// have had.
fn frame_without_content(parts: &mut Parts) {
    match parts.status {
        StatusCode::NOT_MODIFIED => {}
        StatusCode::RESET_CONTENT => drop(parts.headers.insert(CONTENT_LENGTH, 0.into())),
        _ => drop(parts.headers.remove(CONTENT_LENGTH)),
    }
}

/// RFC 9110 §6.6.1: a server that has a clock says when it answered.
fn add_date(parts: &mut Parts) {
    let date = || HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now())).ok();
    if !parts.headers.contains_key(DATE)
        && let Some(date) = date()
    {
        parts.headers.insert(DATE, date);
    }
}

/// Joins cookies to one field (RFC 9113 §8.2.3, RFC 9114 §4.2.1).
#[cfg(any(feature = "http2", feature = "hyper"))]
pub(crate) fn join_cookies(headers: &mut http::HeaderMap) {
    use http::header::COOKIE;

    let crumbs: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(mut joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        joined.set_sensitive(true);
        headers.insert(COOKIE, joined);
    }
}

/// Replaces the answer of a service by a 500 if its status is not final (RFC 9110 §15.2), and
/// takes the content of a 205 away (§15.3.6).
#[cfg(feature = "hyper")]
pub(crate) fn final_answer(
    answer: crate::server::http::service::HttpResponse,
) -> crate::server::http::service::HttpResponse {
    if answer.status().is_informational() {
        let why = "the service gave no final answer";
        return crate::server::http::service::full(crate::server::handshake::request::plain(
            500, why,
        ));
    }
    if answer.status() == StatusCode::RESET_CONTENT {
        let mut response = answer.map(|_content| Bytes::new());
        response.headers_mut().insert(CONTENT_LENGTH, 0.into());
        return crate::server::http::service::full(response);
    }
    answer
}

/// The answer of a service, for a stream of HTTP/2 or HTTP/3: its head, and its content if it has
/// any. On HTTP/1.1 hyper does this.
#[cfg(all(feature = "hyper", any(feature = "http2", feature = "http3")))]
pub(crate) fn on_stream(
    answer: crate::server::http::service::HttpResponse,
    head_only: bool,
) -> (Response<()>, Option<crate::server::http::service::BoxBody>) {
    use http_body::Body as _;

    let (mut parts, body) = final_answer(answer).into_parts();
    let may_have_content = has_content(parts.status);
    if !may_have_content {
        frame_without_content(&mut parts);
    } else if let Some(length) = body.size_hint().exact()
        && !(head_only && length == 0)
    {
        parts.headers.entry(CONTENT_LENGTH).or_insert(length.into());
    }
    add_date(&mut parts);
    let has_content = may_have_content && !head_only && !body.is_end_stream();
    (on_stream_head(parts), has_content.then_some(body))
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
