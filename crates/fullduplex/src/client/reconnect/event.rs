//! What happens to a client that connects again.

use std::time::Duration;

use fullduplex_proto::{CloseInfo, Message};
use http::Response;

use crate::base::error::Error;
use crate::base::error::retry::is_worth_retrying;

/// What happened to a [`Reconnecting`] client.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReconnectEvent {
    /// A connection stands, and the hook has run.
    Connected {
        /// The server's response.
        response: Response<()>,
        /// How many attempts it took since the last connection.
        attempts: u32,
    },
    /// A message came.
    Message(Message),
    /// There is no connection, or none came about.
    Disconnected {
        /// Why.
        why: DisconnectReason,
        /// After what time the next attempt is made; `None` if none is. Then this is the
        /// last event.
        retry_in: Option<Duration>,
    },
}

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// It was closed, cleanly or not.
    Closed(CloseInfo),
    /// It did not come about, or its hook failed.
    Failed(Error),
}

impl DisconnectReason {
    /// Whether it makes sense to try again, which is the default for when to stop.
    ///
    /// What makes sense and what does not is listed at [`Error::is_retryable`], which decides
    /// in the same way.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Closed(info) => is_worth_retrying(info.into()),
            Self::Failed(error) => error.is_retryable(),
        }
    }
}
