//! Callbacks for WebSockets that were accepted and never opened.

use fullduplex::Error;

/// A callback for a connection that fails after the response that opens the WebSocket; any
/// `FnOnce(Error)`.
///
/// ```
/// use axum::response::Response;
/// use fullduplex_axum::WebSocketUpgrade;
///
/// async fn socket(upgrade: WebSocketUpgrade) -> Response {
///     upgrade
///         .on_failed_upgrade(|error| eprintln!("never opened: {error}"))
///         .on_upgrade(|websocket| async move { drop(websocket) })
/// }
/// ```
pub trait OnFailedUpgrade: Send + 'static {
    /// Handles the error.
    fn call(self, error: Error);
}

impl<F: FnOnce(Error) + Send + 'static> OnFailedUpgrade for F {
    fn call(self, error: Error) {
        self(error);
    }
}

/// The default callback, which does nothing: the client is gone.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DefaultOnFailedUpgrade;

impl OnFailedUpgrade for DefaultOnFailedUpgrade {
    fn call(self, _: Error) {}
}
