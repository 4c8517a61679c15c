//! The events of a reconnecting client.

use std::fmt;
use std::time::Duration;

use fullduplex_proto::{CloseInfo, Message};
use http::Response;

use crate::base::error::Error;
use crate::base::error::retry::is_worth_retrying;

/// An event of a [`Reconnecting`](crate::client::Reconnecting) client.
///
/// ```
/// use fullduplex::client::{DisconnectReason, ReconnectEvent};
///
/// fn describe(event: ReconnectEvent) -> String {
///     match event {
///         ReconnectEvent::Connected { attempts, .. } => format!("connected, attempt {attempts}"),
///         ReconnectEvent::Message(message) => format!("received {message:?}"),
///         ReconnectEvent::Disconnected { reason: DisconnectReason::Closed(info), .. } => {
///             format!("closed: {info}")
///         }
///         other => format!("{other:?}"),
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ReconnectEvent {
    /// A connection is open, and the hook `on_connected` has run.
    Connected {
        /// The server's response.
        response: Response<()>,
        /// The number of attempts that this connection took: 1 if the first succeeded.
        attempts: u32,
    },
    /// A message was received.
    Message(Message),
    /// The connection ended, or an attempt to connect failed.
    Disconnected {
        /// The reason.
        reason: DisconnectReason,
        /// The delay before the next attempt. If `None`, there is no further attempt, and this is
        /// the last event.
        retry_in: Option<Duration>,
    },
}

/// The reason why there is no connection.
///
/// ```
/// use fullduplex::client::DisconnectReason;
///
/// fn describe(reason: &DisconnectReason) -> String {
///     match reason {
///         DisconnectReason::Closed(info) => format!("the connection ended: {info}"),
///         DisconnectReason::Failed(error) => format!("no connection: {error}"),
///         other => format!("{other:?}"),
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The connection was closed, cleanly or not.
    Closed(CloseInfo),
    /// The attempt to connect, a hook or the connection failed.
    Failed(Error),
    /// The application called [`reconnect`](crate::client::ReconnectSender::reconnect).
    Requested,
}

impl DisconnectReason {
    /// Returns whether another attempt may succeed. This is the default of
    /// [`retry_if`](crate::client::ReconnectBuilder::retry_if).
    ///
    /// [`Error::is_retryable`] lists the cases.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Closed(info) => is_worth_retrying(info.into()),
            Self::Failed(error) => error.is_retryable(),
            Self::Requested => true,
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(info) => info.fmt(f),
            Self::Failed(error) => error.fmt(f),
            Self::Requested => f.write_str("the application asked for another connection"),
        }
    }
}

#[cfg(test)]
mod tests {
    use fullduplex_proto::{CloseCause, Initiator};

    use super::*;

    #[test]
    fn disconnect_reason_says_what_has_happened() {
        let info = CloseInfo::new(Initiator::Peer, CloseCause::TransportEnd);
        assert_eq!(DisconnectReason::Closed(info.clone()).to_string(), info.to_string());
        let error = Error::from(std::io::Error::other("no route"));
        assert!(DisconnectReason::Failed(error).to_string().contains("no route"));
        assert!(DisconnectReason::Requested.to_string().contains("the application"));
    }
}
