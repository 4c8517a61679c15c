//! The limits on the opening handshake, of a server or a client, on every version of HTTP.

use std::time::Duration;

use fullduplex_proto::ConfigError;
use fullduplex_proto::handshake::http1::HeadLimits;

use crate::base::setters::setters;

/// Limits on the opening handshake. The defaults are those of a server, which has many unknown
/// clients; a client has those of [`HandshakeLimits::client`].
///
/// ```
/// use std::time::Duration;
///
/// use fullduplex::{Client, HandshakeLimits};
///
/// let limits = HandshakeLimits::client().handshake_timeout(Duration::from_secs(3));
/// let client = Client::builder().handshake_limits(limits).build()?;
/// # Ok::<(), fullduplex::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandshakeLimits {
    /// Maximum number of bytes of the peer's head. Default: 16 KiB; for a client 64 KiB.
    pub max_head_bytes: usize,
    /// Maximum number of header fields of the peer's head; at most 24,576. On HTTP/2 and
    /// HTTP/3, pseudo-header fields do not count, and the parts of a split `Cookie` count as one.
    /// Default: 100; for a client 1,000.
    pub max_fields: usize,
    /// Maximum time for the opening handshake, once the transport is connected. Default: 10 s.
    ///
    /// At a server it ends when the head of the first request was read, the PROXY protocol and TLS
    /// included. `authenticate` has this time anew, and so has the writing of the response.
    pub handshake_timeout: Duration,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        let HeadLimits { max_head_bytes, max_fields, .. } = HeadLimits::default();
        Self { max_head_bytes, max_fields, handshake_timeout: Duration::from_secs(10) }
    }
}

impl HandshakeLimits {
    /// Returns the defaults of a client.
    pub fn client() -> Self {
        Self::default().max_head_bytes(64 << 10).max_fields(1000)
    }

    setters! {
        max_head_bytes: usize, ", in bytes.";
        max_fields: usize, ".";
        handshake_timeout: Duration, ".";
    }

    /// Checks that every value is in its range.
    ///
    /// # Errors
    /// The first setting that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::require(self.max_head_bytes > 0, "max_head_bytes", "not be zero")?;
        let is_in_range = (1..=MAX_FIELDS).contains(&self.max_fields);
        ConfigError::require(is_in_range, "max_fields", "be from 1 to 24,576")?;
        ConfigError::require_time(self.handshake_timeout, "handshake_timeout")
    }

    pub(crate) fn head(&self) -> HeadLimits {
        HeadLimits::default().max_head_bytes(self.max_head_bytes).max_fields(self.max_fields)
    }
}

/// The most fields that a [`http::HeaderMap`] can hold.
pub(crate) const MAX_FIELDS: usize = 24_576;
