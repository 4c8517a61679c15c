//! Limits on what is received, with their defaults.

use crate::config_error::ConfigError;
use crate::setters::setters;

/// The number of payload bytes of a message for which it may have one more fragment, so that
/// fragments that carry data are cheap and empty ones are not.
pub(crate) const BYTES_PER_FRAGMENT: u64 = 32;

/// Limits on what is received. Each error names the field that was exceeded.
///
/// ```
/// use fullduplex_proto::Limits;
///
/// let limits = Limits::default().max_message_size(64 << 10).max_message_rate(100);
/// assert_eq!(limits.max_message_size, Some(65_536));
/// assert_eq!(limits.max_message_size(None).max_message_size, None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Maximum number of payload bytes of a message; `None` for no limit, which is only for a
    /// consumer that streams messages. Default: 1 MiB.
    ///
    /// A longer message fails the connection with 1009 at the frame header that announces it. A
    /// compressed one does as soon as more than the limit was inflated, or twice the limit plus 64
    /// KiB was received.
    #[doc(alias = "max_payload")]
    #[doc(alias = "maxPayload")]
    #[doc(alias = "max_message_len")]
    pub max_message_size: Option<u64>,
    /// Maximum number of fragments of a message, plus one for each 32 payload bytes received of it.
    /// More fail the connection with 1008. Default: 4,096.
    pub max_fragments: u32,
    /// Maximum number of control frames a second, on average; a burst may have ten times as many.
    /// More fail the connection with 1008. Default: 500.
    pub max_control_rate: u32,
    /// Maximum number of messages a second, on average; a burst may have ten times as many. More
    /// fail the connection with 1008. Default: `None`, no limit: nothing is received faster than
    /// the application reads it.
    pub max_message_rate: Option<u32>,
    /// Maximum number of payload bytes a second after decompression, on average; a burst may have
    /// ten times as many. More fail the connection with 1008. Default: `None`, no limit.
    pub max_byte_rate: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_size: Some(1 << 20),
            max_fragments: 4096,
            max_control_rate: 500,
            max_message_rate: None,
            max_byte_rate: None,
        }
    }
}

impl Limits {
    setters! {
        max_message_size: into Option<u64>, ", in bytes; `None` for no limit.";
        max_fragments: u32, ", for each message.";
        max_control_rate: u32, ", in frames per second.";
        max_message_rate: into Option<u32>, ", in messages per second; `None` for no limit.";
        max_byte_rate: into Option<u32>, ", in bytes per second; `None` for no limit.";
    }

    /// Checks that every value is in its range.
    ///
    /// # Errors
    /// The first setting that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (setting, value) in [
            ("limits.max_fragments", Some(self.max_fragments)),
            ("limits.max_control_rate", Some(self.max_control_rate)),
            ("limits.max_message_rate", self.max_message_rate),
            ("limits.max_byte_rate", self.max_byte_rate),
        ] {
            ConfigError::require(value != Some(0), setting, "not be zero")?;
        }
        Ok(())
    }
}
