//! permessage-deflate (RFC 7692): messages compressed with DEFLATE.
//!
//! ```text
//! handshake:  DeflateConfig ── offers / accept / check ──▶ PerMessageDeflate (what was agreed)
//! sending:    message ──▶ Compressor ──▶ frames with RSV1 on the first
//! receiving:  payload ──▶ Inflater ──▶ pieces of the message, bounded as they grow
//! ```
//!
//! What a connection keeps between messages is the *history*: the last bytes of what was
//! compressed, at most the agreed window. The workspaces of the algorithms, many times as
//! large, belong to the thread and are lent for a message; a new one is told the history
//! as its dictionary. So an idle connection costs its history and nothing else, and
//! without context takeover nothing at all.

#[cfg(feature = "deflate")]
mod compress;
#[cfg(not(feature = "deflate"))]
mod disabled;
#[cfg(feature = "deflate")]
mod history;
#[cfg(feature = "deflate")]
mod inflate;
mod negotiate;
#[cfg(feature = "libdeflate")]
mod one_shot;
#[cfg(feature = "deflate")]
mod pool;
#[cfg(feature = "deflate")]
mod prepared;

#[cfg(feature = "deflate")]
pub(crate) use compress::{CompressedMessage, Compressor};
#[cfg(not(feature = "deflate"))]
pub(crate) use disabled::{CompressedMessage, Compressor, Inflater};
#[cfg(feature = "deflate")]
pub(crate) use inflate::Inflater;
pub use negotiate::{DeflateError, DeflateParams, PerMessageDeflate};
#[cfg(feature = "deflate")]
pub use prepared::PreparedMessage;

/// What DEFLATE ends a flush with: the sender cuts it off the end of a message (§7.2.1), and
/// the receiver puts it back (§7.2.2).
#[cfg(feature = "deflate")]
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The smallest window of RFC 7692, 256 bytes, as a power of two.
pub const MIN_WINDOW_BITS: u8 = 8;
/// The largest window, 32 KiB, as a power of two.
pub const MAX_WINDOW_BITS: u8 = 15;

/// How an end wants to compress, and have the peer compress: its side of the negotiation
/// (RFC 7692 §7.1), and what it does with the outcome.
///
/// There are four presets. Sizes are for one connection, between messages; figures for
/// each are in the project's `docs/benchmarks.md`.
///
/// While a message is sent or received in pieces, it holds a workspace: 375 KiB or 70 KiB.
///
/// | preset | level | takeover | window | memory, at most |
/// |---|---|---|---|---|
/// | none (`Option::None`) | – | – | – | 0 |
/// | [`small_memory`](Self::small_memory) | 5 | no | 32 KiB | 0 |
/// | [`balanced`](Self::balanced) | 5 | yes | 4 KiB | 10 KiB |
/// | [`smallest_bytes`](Self::smallest_bytes) | 8 | yes | 32 KiB | 80 KiB, and 375 KiB while it sends often |
///
/// Compression makes lengths depend on content. Where an attacker can have text of his own
/// sent beside a secret and see the lengths, he can guess the secret: send such messages
/// with [`Compression::Off`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateConfig {
    /// How hard to search for matches: 1, fastest, to 9, slowest. Default: 5.
    pub level: u8,
    /// How many symbols are gathered for one block, 1 to 9: each step halves or doubles
    /// the smaller part of a workspace. Default: 6.
    pub memory_level: u8,
    /// Shorter messages are sent as they are. Default: 64 bytes.
    pub min_size: usize,
    /// Whether messages that this end sends refer to earlier ones. Default: yes, unless
    /// the peer forbids it.
    pub send_context_takeover: bool,
    /// How far back they may refer, as a power of two, 8 to 15; the peer may ask for less.
    /// Default: 12.
    ///
    /// From 13 on, a connection that sends often keeps a workspace of its own, as filling
    /// one with a long history takes longer than compressing a short message.
    pub send_window_bits: u8,
    /// Whether messages that the peer sends may refer to earlier ones. Default: yes.
    pub receive_context_takeover: bool,
    /// How far back they may refer, 8 to 15. Not every peer can be bound to less than 15.
    /// Default: 12.
    ///
    /// A client asks for less than 15 by `server_max_window_bits`. The server of nhooyr.io/websocket
    /// up to 1.8.7 answers that with 400 instead of declining it (RFC 7692 §5.1): set 15 for it.
    /// Nothing is tried again without being asked, as a second request after each 400 would
    /// burden all other servers, and an offer without it would cost 28 KiB for each connection.
    pub receive_window_bits: u8,
}

impl DeflateConfig {
    /// No memory between messages: each is compressed by itself.
    pub const fn small_memory() -> Self {
        Self {
            send_context_takeover: false,
            send_window_bits: 15,
            receive_context_takeover: false,
            receive_window_bits: 15,
            ..Self::balanced()
        }
    }

    /// The default: small windows, for little memory and time.
    pub const fn balanced() -> Self {
        Self {
            level: 5,
            memory_level: 6,
            min_size: 64,
            send_context_takeover: true,
            send_window_bits: 12,
            receive_context_takeover: true,
            receive_window_bits: 12,
        }
    }

    /// The fewest bytes on the wire, whatever they cost.
    pub const fn smallest_bytes() -> Self {
        Self {
            // Level 9 looks harder, and often finds less.
            level: 8,
            memory_level: 8,
            min_size: 16,
            send_window_bits: 15,
            receive_window_bits: 15,
            ..Self::balanced()
        }
    }

    /// The same with every field in its range.
    #[must_use]
    pub fn clamped(mut self) -> Self {
        self.level = self.level.clamp(1, 9);
        self.memory_level = self.memory_level.clamp(1, 9);
        self.send_window_bits = self.send_window_bits.clamp(MIN_WINDOW_BITS, MAX_WINDOW_BITS);
        self.receive_window_bits = self.receive_window_bits.clamp(MIN_WINDOW_BITS, MAX_WINDOW_BITS);
        self
    }
}

impl Default for DeflateConfig {
    fn default() -> Self {
        Self::balanced()
    }
}

/// Whether a message is compressed, where the peer agreed to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// If it is at least [`min_size`](DeflateConfig::min_size) long and becomes shorter.
    /// After one that did not, up to 32 are sent as they are before the next is tried.
    #[default]
    Auto,
    /// If it becomes shorter.
    On,
    /// No: it is compressed already, or holds a secret beside text of an attacker.
    Off,
}
