//! What a peer may cost: every bound of the receiving side, with its default.

/// One more fragment is allowed for each so many payload bytes of the message, so that
/// fragments which carry data are cheap and empty ones are not.
pub(crate) const BYTES_PER_FRAGMENT: u64 = 32;

/// Bounds on what is received. Each error names the field that it hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most payload bytes of a message; `None` for no bound, which only a consumer
    /// that streams messages should choose. Default: 1 MiB. A longer message fails the
    /// connection with 1009 at the frame header that announces it; a compressed one as soon
    /// as more than that has come out of it, or twice that and 64 KiB has gone in.
    pub max_message_size: Option<u64>,
    /// How many fragments a message may have, plus one for each 32 payload bytes
    /// received of it. Default: 4,096. More fail the connection with 1008.
    pub max_fragments: u32,
    /// How many control frames may arrive in one second, on average; ten times as many
    /// may come in a burst. Default: 500. More fail the connection with 1008.
    pub max_control_rate: u32,
    /// How many messages may arrive in one second, on average; ten times as many may come in
    /// a burst. More fail the connection with 1008. Default: `None`, no bound: nothing is
    /// read faster than the application takes it.
    pub max_message_rate: Option<u32>,
    /// How many bytes of payload may arrive in one second, on average, after decompression;
    /// ten times as many may come in a burst. More fail the connection with 1008. Default:
    /// `None`, no bound.
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
