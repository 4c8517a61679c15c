//! How a sender is bounded, and what it refuses.

use core::fmt;

/// Payloads up to this size are copied behind one another; longer ones are referenced.
pub(super) const COALESCE: usize = 4096;

/// How outgoing messages are bounded and cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendConfig {
    /// A message is taken while fewer bytes than this wait for the transport, so at most
    /// this plus one message is held. 0 counts as 1. Default: 64 KiB.
    pub high_water: usize,
    /// A task that waits to send goes on when no more than this waits for the transport.
    /// The core does not use it; those who wait do. It counts as less than `high_water`, if it
    /// is not. Default: 16 KiB.
    pub low_water: usize,
    /// Longer messages are cut into frames of this payload size (§5.4), so that a Pong or
    /// a Ping need not wait for the end of them. Default: 256 KiB.
    pub fragment_size: usize,
}

impl Default for SendConfig {
    fn default() -> Self {
        Self { high_water: 64 << 10, low_water: 16 << 10, fragment_size: 256 << 10 }
    }
}

/// Why a message or control frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// [`high_water`](SendConfig::high_water) bytes wait for the transport, or, for a
    /// Ping or Pong, the last one still does. Try again when some have left.
    Full,
    /// A Close was queued; no data may follow it (§5.5.1).
    Closing,
    /// A fragmented message is under way; another one can't begin inside it (§5.4).
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
