//! The error of sending without waiting.

use std::fmt;

use fullduplex_proto::{Message, SendError};

use crate::base::error::Error;

/// The error of [`try_send`](crate::SendHalf::try_send), with the message that was not sent.
///
/// It is complete: a later try may succeed, or none can.
///
/// ```
/// use fullduplex::{SendHalf, TrySendError};
///
/// /// Sends a position that the next one replaces: if the client is slow, it misses some.
/// fn send_position(send: &SendHalf, position: String) -> Result<(), fullduplex::Error> {
///     match send.try_send(position) {
///         Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
///         Err(TrySendError::Closed { error, .. }) => Err(error),
///     }
/// }
/// ```
pub enum TrySendError {
    /// The message can't be queued now, but may be later: `high_water` is reached, or another
    /// message is being written by a [`MessageWriter`](crate::MessageWriter).
    /// [`send`](crate::SendHalf::send) waits.
    Full(Message),
    /// The message can never be queued: the connection is closing or closed.
    Closed {
        /// How the connection ended, or that it is closing.
        error: Error,
        /// The message that was not sent.
        message: Message,
    },
}

impl TrySendError {
    /// Returns the message that was not sent.
    pub fn into_message(self) -> Message {
        match self {
            Self::Full(message) | Self::Closed { message, .. } => message,
        }
    }

    /// Returns whether the message may be sent later.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

impl fmt::Debug for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("Full(..)"),
            Self::Closed { error, .. } => {
                f.debug_struct("Closed").field("error", error).finish_non_exhaustive()
            }
        }
    }
}

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => SendError::Full.fmt(f),
            Self::Closed { error, .. } => error.fmt(f),
        }
    }
}

impl std::error::Error for TrySendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Full(_) => None,
            Self::Closed { error, .. } => error.source(),
        }
    }
}
