//! Why a request for a WebSocket is refused, in a server that hyper runs.

use std::fmt;

use bytes::Bytes;
use http::Response;

use crate::base::error::Error;
use crate::server::handshake::request::RejectionCause;

/// Why a request is not taken, and the answer to it.
pub struct Rejection {
    cause: RejectionCause,
    is_websocket: bool,
}

impl Rejection {
    pub(crate) fn new(cause: RejectionCause, is_websocket: bool) -> Self {
        Self { cause, is_websocket }
    }

    /// Whether the request asks for a WebSocket at all, if badly, rather than being ordinary
    /// HTTP.
    pub fn is_websocket(&self) -> bool {
        self.is_websocket
    }

    /// The answer: its status and header fields are what the rule asks for, its content is a
    /// line that names it. Where the application is at fault, it is 500, and doesn't say why.
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
