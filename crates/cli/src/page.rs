//! The web page that `fdx serve` gives a browser.

use http::Response;

const PAGE: &str = include_str!("../assets/index.html");

/// The answer to a plain request.
pub(crate) fn response(path: &str) -> Response<String> {
    match path {
        "/" => html(PAGE),
        "/echo" | "/broadcast" => text(426, "this is a WebSocket; the page at / connects to it\n"),
        _ => not_found(),
    }
}

/// The answer for a path that is not there.
pub(crate) fn not_found() -> Response<String> {
    text(404, "there is /, /echo and /broadcast\n")
}

fn html(page: &str) -> Response<String> {
    let mut response = Response::new(page.to_owned());
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        (
            "content-security-policy",
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
             connect-src ws: wss:; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, http::HeaderValue::from_static(value));
    }
    response
}

fn text(status: u16, text: &str) -> Response<String> {
    let mut response = Response::new(text.to_owned());
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::NOT_FOUND);
    let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert("content-type", plain);
    if status == 426 {
        let websocket = http::HeaderValue::from_static("websocket");
        response.headers_mut().insert("upgrade", websocket);
        let upgrade = http::HeaderValue::from_static("Upgrade, close");
        response.headers_mut().insert("connection", upgrade);
    }
    response
}
