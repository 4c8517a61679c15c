//! Joining the halves of a connection again.

use std::fmt;

use crate::connection::split::{ReceiveHalf, SendHalf};
use crate::connection::websocket::WebSocket;
use crate::transport::Transport;
use crate::transport::net_stream::NetStream;

impl<S: Transport> SendHalf<S> {
    /// Joins the halves of a connection that was [split](crate::WebSocket::split).
    ///
    /// Other clones of this half still send. If the halves are of different connections, the error
    /// has both.
    pub fn reunite(self, receive: ReceiveHalf<S>) -> Result<WebSocket<S>, ReuniteError<S>> {
        if receive.is_of(&self.writer) {
            Ok(WebSocket::from_halves(self, receive))
        } else {
            Err(ReuniteError(self, receive))
        }
    }
}

/// The error of [`SendHalf::reunite`], with both halves: they are of different connections.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (send, _receive) = fullduplex::pair().0.split();
/// let (_send, receive) = fullduplex::pair().0.split();
/// let error = send.reunite(receive).unwrap_err();
/// assert_eq!(error.to_string(), "the halves are of different connections");
/// let fullduplex::ReuniteError(send, receive) = error;
/// # }
/// ```
pub struct ReuniteError<S: Transport = NetStream>(
    /// The sending half.
    pub SendHalf<S>,
    /// The receiving half.
    pub ReceiveHalf<S>,
);

impl<S: Transport> fmt::Debug for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReuniteError").finish_non_exhaustive()
    }
}

impl<S: Transport> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are of different connections")
    }
}

impl<S: Transport> std::error::Error for ReuniteError<S> {}
