//! The limits of a decoder.

/// Limits on the memory and time that a peer can make a decoder spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecoderLimits {
    /// The most bytes that are kept of the payload of a frame, and of a message. The rest is
    /// counted. Default: 64 KiB.
    pub max_payload: usize,
    /// The most bytes to which a message is decompressed. Default: 256 MiB.
    pub max_inflated: u64,
}

impl Default for DecoderLimits {
    fn default() -> Self {
        Self { max_payload: 64 << 10, max_inflated: 256 << 20 }
    }
}

impl DecoderLimits {
    /// Sets [`max_payload`](Self::max_payload), in bytes.
    #[must_use]
    pub const fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// Sets [`max_inflated`](Self::max_inflated), in bytes.
    #[must_use]
    pub const fn max_inflated(mut self, bytes: u64) -> Self {
        self.max_inflated = bytes;
        self
    }
}
