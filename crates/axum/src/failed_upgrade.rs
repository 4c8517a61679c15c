//! What becomes of a WebSocket that was answered and never opened.

use fullduplex::Error;

/// What to do when the connection fails after the response that opens the WebSocket; any
/// `FnOnce(Error)`.
pub trait OnFailedUpgrade: Send + 'static {
    /// Is told what went wrong.
    fn call(self, error: Error);
}

impl<F: FnOnce(Error) + Send + 'static> OnFailedUpgrade for F {
    fn call(self, error: Error) {
        self(error);
    }
}

/// Does nothing: the client is gone.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DefaultOnFailedUpgrade;

impl OnFailedUpgrade for DefaultOnFailedUpgrade {
    fn call(self, _: Error) {}
}
