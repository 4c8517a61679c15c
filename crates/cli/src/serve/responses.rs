//! Complete HTTP responses.

use std::io;

use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    UPGRADE,
};
use http::{HeaderValue, Method, Response, StatusCode};

/// Returns the response to GET and HEAD, and 405 for other methods.
pub(super) fn read_only(
    method: &Method,
    response: impl FnOnce() -> Response<String>,
) -> Response<String> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return response();
    }
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are allowed here\n");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// Returns the response for an unknown path: 404.
pub(super) fn not_found() -> Response<String> {
    text(StatusCode::NOT_FOUND, "there is nothing at this path\n")
}

/// Returns the response to a client for which no more commands may run: 503.
#[cfg(unix)]
pub(super) fn too_many_processes() -> Response<String> {
    text(StatusCode::SERVICE_UNAVAILABLE, "too many commands run; see --max-processes\n")
}

/// Returns the response to a client whose target can't be reached: 502, or 504 after too long.
pub(super) fn no_target(error: io::ErrorKind) -> Response<String> {
    let status = match error {
        io::ErrorKind::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_GATEWAY,
    };
    text(status, "what this path is forwarded to can't be reached\n")
}

/// Returns the response to a client that came too late, as the server ends: 503.
pub(super) fn draining() -> Response<String> {
    text(StatusCode::SERVICE_UNAVAILABLE, "the server ends\n")
}

/// Returns the web page or a file that it loads. It may run and load only what this server
/// serves, connect to any WebSocket, and make requests to this server.
pub(super) fn asset(media_type: &'static str, content: &str) -> Response<String> {
    let mut response = Response::new(content.to_owned());
    for (name, value) in [
        (CONTENT_TYPE, media_type),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
             connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'; require-trusted-types-for 'script'",
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

/// Returns the response to a plain request at a WebSocket's path: 426 (RFC 9110 §15.5.22).
pub(super) fn upgrade_required() -> Response<String> {
    let why = "this path is for WebSockets: use fdx connect, or the page at /fdx\n";
    let mut response = text(StatusCode::UPGRADE_REQUIRED, why);
    for (name, value) in [(UPGRADE, "websocket"), (CONNECTION, "Upgrade")] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
