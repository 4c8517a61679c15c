//! The rejection of a request as a response of axum.

use std::fmt;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use fullduplex::server::integrate::Rejection;

/// The rejection of a request for a WebSocket.
///
/// As a response it has the status that the rule asks for (400, 405, 426 with
/// `Sec-WebSocket-Version`, …) and a line that names the rule.
///
/// ```
/// use axum::response::{IntoResponse, Response};
/// use fullduplex_axum::{WebSocketUpgrade, WebSocketUpgradeRejection};
///
/// /// A page for browsers, at the same path.
/// async fn page_or_socket(
///     upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
/// ) -> Response {
///     match upgrade {
///         Ok(upgrade) => upgrade.on_upgrade(|websocket| async move { drop(websocket) }),
///         Err(rejection) if rejection.is_websocket() => rejection.into_response(),
///         Err(_) => "a page".into_response(),
///     }
/// }
/// ```
pub struct WebSocketUpgradeRejection(Rejection);

impl WebSocketUpgradeRejection {
    /// Returns whether the request asks for a WebSocket at all, even if incorrectly.
    pub fn is_websocket(&self) -> bool {
        self.0.is_websocket()
    }

    /// Returns the rejection of the library.
    pub fn into_inner(self) -> Rejection {
        self.0
    }
}

impl From<Rejection> for WebSocketUpgradeRejection {
    fn from(rejection: Rejection) -> Self {
        Self(rejection)
    }
}

impl IntoResponse for WebSocketUpgradeRejection {
    fn into_response(self) -> Response {
        self.0.into_response().map(Body::from)
    }
}

impl fmt::Display for WebSocketUpgradeRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for WebSocketUpgradeRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebSocketUpgradeRejection({self})")
    }
}

impl std::error::Error for WebSocketUpgradeRejection {}
