//! The limits of a sender, and the error when they are reached.

use core::fmt;

use crate::config_error::ConfigError;
use crate::setters::setters;

/// The size in bytes up to which payloads are copied next to one another; longer ones are
/// referenced.
pub(super) const MAX_INLINE: usize = 4096;

/// Limits on queued messages, and the size of fragments.
///
/// ```
/// use fullduplex_proto::{Config, SendConfig};
///
/// // Up to 1 MiB waits for a slow peer before senders wait.
/// let send = SendConfig::default().high_water(1 << 20).low_water(256 << 10);
/// assert!(Config::default().send(send).validate().is_ok());
/// assert!(send.low_water(1 << 20).validate().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendConfig {
    /// The number of queued bytes from which on no message is taken; so at most this plus one
    /// message is queued. It is never more than 4 GiB. Default: 64 KiB.
    #[doc(alias = "max_write_buffer_size")]
    #[doc(alias = "maxBackpressure")]
    pub high_water: usize,
    /// The number of queued bytes down to which a task that waits to send keeps waiting. It is for
    /// the code that waits; this crate does not use it. Must be less than `high_water`. Default:
    /// 16 KiB.
    pub low_water: usize,
    /// The payload size in bytes of the frames into which longer messages are split (§5.4), so that
    /// a Ping or Pong can be sent between them. It is never more than 4 GiB. Default: 256 KiB.
    pub fragment_size: usize,
}

impl Default for SendConfig {
    fn default() -> Self {
        Self { high_water: 64 << 10, low_water: 16 << 10, fragment_size: 256 << 10 }
    }
}

impl SendConfig {
    setters! {
        high_water: usize, ", in bytes.";
        low_water: usize, ", in bytes.";
        fragment_size: usize, ", in bytes.";
    }

    /// Checks that every value is in its range.
    ///
    /// # Errors
    /// The first setting that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::require(self.high_water > 0, "send.high_water", "not be zero")?;
        let is_lower = self.low_water < self.high_water;
        ConfigError::require(is_lower, "send.low_water", "be less than send.high_water")?;
        ConfigError::require(self.fragment_size > 0, "send.fragment_size", "not be zero")
    }
}

/// The reason why a message or control frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// [`high_water`](SendConfig::high_water) bytes are queued, or, for a Ping or Pong, the
    /// previous one still is. Try again when some have been written.
    Full,
    /// A Close was queued; no data may follow it (§5.5.1).
    Closing,
    /// A fragmented message is unfinished; another one can't start inside it (§5.4).
    MessageUnderWay,
    /// A control frame's payload is longer than 125 bytes (§5.5).
    ControlTooLong,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the send buffer has reached high_water",
            Self::Closing => {
                "the connection is closing; nothing may follow a Close (RFC 6455 §5.5.1)"
            }
            Self::MessageUnderWay => "a fragmented message is not finished (RFC 6455 §5.4)",
            Self::ControlTooLong => "a Ping or Pong carries at most 125 bytes (RFC 6455 §5.5)",
        })
    }
}

impl core::error::Error for SendError {}
