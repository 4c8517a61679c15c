//! The files of the web page, which the program contains.

use super::responses::asset;
use http::Response;

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The paths of the page's files, their media types and contents. The page names them relative
/// to itself, so that it also works behind a proxy that adds a prefix to its path.
const FILES: [(&str, &str, &str); 13] = [
    ("page.css", "text/css; charset=utf-8", include_str!("../../assets/page.css")),
    ("icon.svg", "image/svg+xml", include_str!("../../assets/icon.svg")),
    ("page.js", SCRIPT, include_str!("../../assets/page.js")),
    ("composer.js", SCRIPT, include_str!("../../assets/composer.js")),
    ("connection.js", SCRIPT, include_str!("../../assets/connection.js")),
    ("detail.js", SCRIPT, include_str!("../../assets/detail.js")),
    ("format.js", SCRIPT, include_str!("../../assets/format.js")),
    ("list.js", SCRIPT, include_str!("../../assets/list.js")),
    ("measure.js", SCRIPT, include_str!("../../assets/measure.js")),
    ("records.js", SCRIPT, include_str!("../../assets/records.js")),
    ("save.js", SCRIPT, include_str!("../../assets/save.js")),
    ("socketio.css", "text/css; charset=utf-8", include_str!("../../assets/socketio.css")),
    ("socketio.js", SCRIPT, include_str!("../../assets/socketio.js")),
];

/// Returns the page.
pub(super) fn page() -> Response<String> {
    asset("text/html; charset=utf-8", include_str!("../../assets/index.html"))
}

/// Returns the response with the file of this name, which the page loads from `/fdx/`.
pub(super) fn file(name: &str) -> Option<Response<String>> {
    let (_, media_type, content) = FILES.iter().find(|(path, ..)| *path == name)?;
    Some(asset(media_type, content))
}

/// Returns the page that tries Socket.IO.
pub(super) fn socketio_page() -> Response<String> {
    asset("text/html; charset=utf-8", include_str!("../../assets/socketio.html"))
}

/// Returns the official client of Socket.IO. Its licence is beside it.
pub(super) fn socketio_client() -> Response<String> {
    asset(SCRIPT, include_str!("../../assets/socket.io/socket.io.min.js"))
}
