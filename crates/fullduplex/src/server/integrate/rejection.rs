//! Rejected requests for a WebSocket in a server that hyper runs.

use std::fmt;

use bytes::Bytes;
use http::Response;

use crate::base::error::Error;
use crate::server::handshake::request::RejectionCause;

/// A rejected request for a WebSocket: why, and the response to it.
///
/// ```
/// use fullduplex::server::ServerConfig;
/// use fullduplex::server::integrate::UpgradeRequest;
///
/// // As hyper passes it on, though without a WebSocket in sight.
/// let mut request = http::Request::get("/chat").body(()).unwrap();
/// let rejection = UpgradeRequest::new(&mut request).unwrap_err();
/// assert!(!rejection.is_websocket());
/// println!("rejected: {rejection}");
/// assert_eq!(rejection.into_response().status(), 426);
/// ```
pub struct Rejection {
    cause: RejectionCause,
    is_websocket: bool,
}

impl Rejection {
    pub(crate) fn new(cause: RejectionCause, is_websocket: bool) -> Self {
        Self { cause, is_websocket }
    }

    /// Returns whether the request asks for a WebSocket, validly or not, rather than being ordinary
    /// HTTP.
    pub fn is_websocket(&self) -> bool {
        self.is_websocket
    }

    /// Returns the response. Its status and header fields follow from the rule that the request
    /// breaks, and its content is a line that names the rule. For an error of the application,
    /// it is a 500 that does not say why.
    pub fn into_response(self) -> Response<Bytes> {
        self.cause.response()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rejection({self})")
    }
}

impl std::error::Error for Rejection {}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        rejection.cause.into_error()
    }
}
