//! Whole responses of ordinary HTTP.

use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, UPGRADE,
};
use http::{HeaderValue, Method, Response, StatusCode};

/// What is there to be read alone.
pub(super) fn got(method: &Method, answer: impl FnOnce() -> Response<String>) -> Response<String> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return answer();
    }
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "this can be read alone\n");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// The answer for a path that is not there.
pub(super) fn not_found() -> Response<String> {
    text(StatusCode::NOT_FOUND, "there is nothing at this path\n")
}

pub(super) fn html(page: &str) -> Response<String> {
    let mut response = Response::new(page.to_owned());
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
             connect-src ws: wss:; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
        ),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn text(status: StatusCode, text: &str) -> Response<String> {
    let mut response = Response::new(text.to_owned());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// RFC 9110 §15.5.22
pub(super) fn upgrade_required() -> Response<String> {
    let why = "this is a WebSocket: fdx connect, or the page at /fdx, can talk to it\n";
    let mut response = text(StatusCode::UPGRADE_REQUIRED, why);
    for (name, value) in [(UPGRADE, "websocket"), (CONNECTION, "Upgrade")] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
