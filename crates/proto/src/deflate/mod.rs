//! permessage-deflate (RFC 7692): compression of messages with DEFLATE.
//!
//! ```text
//! handshake:  DeflateConfig ── offers / accept / check ──▶ PerMessageDeflate (negotiated)
//! sending:    message ──▶ Compressor ──▶ frames with RSV1 on the first
//! receiving:  payload ──▶ Inflater ──▶ pieces of the message, bounded as they grow
//! ```
//!
//! Between messages a connection keeps its *history*: the last bytes that were compressed, at most
//! the negotiated window. The workspaces of the algorithms are many times as large. They belong to
//! the thread, and a connection borrows one for a message. A borrowed workspace gets the history
//! as its dictionary. So the only memory of an idle connection is its history, and without context
//! takeover it has none.

#[cfg(feature = "deflate")]
mod compress;
#[cfg(feature = "deflate")]
mod compressed_forms;
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
mod prepared;

#[cfg(feature = "deflate")]
pub(crate) use compress::{CompressedMessage, Compressor};
#[cfg(feature = "deflate")]
pub(crate) use compressed_forms::CompressedForms;
#[cfg(not(feature = "deflate"))]
pub(crate) use disabled::{CompressedForms, CompressedMessage, Compressor, Inflater};
#[cfg(feature = "deflate")]
pub(crate) use inflate::Inflater;
pub use negotiate::{DeflateError, DeflateParams, PerMessageDeflate};
pub use prepared::PreparedMessage;

use crate::config_error::ConfigError;
use crate::setters::setters;

/// The end of a DEFLATE flush. The sender removes it from the end of a message (§7.2.1), and the
/// receiver appends it again (§7.2.2).
#[cfg(feature = "deflate")]
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The smallest window of RFC 7692, 256 bytes, as a power of two.
pub const MIN_WINDOW_BITS: u8 = 8;
/// The largest window of RFC 7692, 32 KiB, as a power of two.
pub const MAX_WINDOW_BITS: u8 = 15;

/// The compression settings of one end: what it negotiates (RFC 7692 §7.1), and how it compresses.
///
/// There are four presets. The memory is that of one connection between messages. The project's
/// `docs/src/reference/benchmarks.md` has measurements of each.
///
/// While a message is sent in pieces, the connection holds a workspace of 375 KiB. While one is
/// received in pieces, it holds a workspace of 70 KiB.
///
/// | preset | level | takeover | window | memory, at most |
/// |---|---|---|---|---|
/// | none (`Option::None`) | – | – | – | 0 |
/// | [`small_memory`](Self::small_memory) | 5 | no | 32 KiB | 0 |
/// | [`balanced`](Self::balanced) | 5 | yes | 4 KiB | 10 KiB |
/// | [`smallest_bytes`](Self::smallest_bytes) | 8 | yes | 32 KiB | 80 KiB, and 375 KiB while it sends often |
///
/// # Security
///
/// Compression makes the length of a message depend on its content. If an attacker can choose
/// text that is sent together with a secret, and can see the lengths, the attacker can guess the
/// secret. Send such messages with [`Compression::Off`].
///
/// ```
/// use fullduplex_proto::DeflateConfig;
///
/// let deflate = DeflateConfig::smallest_bytes().level(9).send_context_takeover(false);
/// assert_eq!((deflate.level, deflate.send_window_bits), (9, 15));
/// ```
#[doc(alias = "perMessageDeflate")]
#[doc(alias = "permessage-deflate")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeflateConfig {
    /// The compression level, from 1 (fastest) to 9 (smallest output). Default: 5.
    pub level: u8,
    /// The number of symbols in a block, from 1 to 9: each step doubles it, and the smaller part
    /// of a workspace. Default: 6.
    pub memory_level: u8,
    /// The minimum length in bytes of a message that is compressed. Default: 64.
    pub min_size: usize,
    /// Whether messages that this end sends refer to earlier ones. Default: `true`. The peer may
    /// forbid it.
    pub send_context_takeover: bool,
    /// The window of messages that this end sends, as a power of two, from 8 to 15. Default: 12.
    /// The peer may require a smaller one.
    ///
    /// From 13 on, a connection that sends often keeps a workspace, as loading a long history
    /// takes longer than compressing a short message.
    pub send_window_bits: u8,
    /// Whether messages that the peer sends may refer to earlier ones. Default: `true`.
    pub receive_context_takeover: bool,
    /// The window of messages that the peer sends, as a power of two, from 8 to 15. Default: 12.
    /// Not every peer supports less than 15.
    ///
    /// A client requests less than 15 by `server_max_window_bits`. The server of
    /// nhooyr.io/websocket up to 1.8.7 responds to that with 400 instead of declining it
    /// (RFC 7692 §5.1): set 15 for it. There is no automatic retry: a second request after each
    /// 400 would burden all other servers, and an offer without the parameter would cost 28 KiB
    /// per connection.
    pub receive_window_bits: u8,
}

impl DeflateConfig {
    /// Returns settings that keep no memory between messages. Each message is compressed
    /// independently.
    pub const fn small_memory() -> Self {
        Self::balanced()
            .send_context_takeover(false)
            .send_window_bits(15)
            .receive_context_takeover(false)
            .receive_window_bits(15)
    }

    /// Returns the default settings: small windows, which take little memory and time.
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

    /// Returns settings for the fewest bytes on the wire, at the cost of memory and time.
    pub const fn smallest_bytes() -> Self {
        Self::balanced()
            // Level 9 takes longer, and often compresses less.
            .level(8)
            .memory_level(8)
            .min_size(16)
            .send_window_bits(15)
            .receive_window_bits(15)
    }

    setters! {
        level: u8, ", from 1 to 9.";
        memory_level: u8, ", from 1 to 9.";
        min_size: usize, ", in bytes.";
        send_context_takeover: bool, ".";
        send_window_bits: u8, ", from 8 to 15.";
        receive_context_takeover: bool, ".";
        receive_window_bits: u8, ", from 8 to 15.";
    }

    /// Checks that every value is in its range.
    ///
    /// # Errors
    /// The first setting that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let (levels, bits) = ("be from 1 to 9", "be from 8 to 15");
        let windows = MIN_WINDOW_BITS..=MAX_WINDOW_BITS;
        for (is_in_range, setting, rule) in [
            ((1..=9).contains(&self.level), "deflate.level", levels),
            ((1..=9).contains(&self.memory_level), "deflate.memory_level", levels),
            (windows.contains(&self.send_window_bits), "deflate.send_window_bits", bits),
            (windows.contains(&self.receive_window_bits), "deflate.receive_window_bits", bits),
        ] {
            ConfigError::require(is_in_range, setting, rule)?;
        }
        Ok(())
    }

    /// Returns settings that negotiation and zlib can take, if a caller has not validated them.
    pub(crate) fn checked(mut self) -> Self {
        debug_assert_eq!(self.validate(), Ok(()));
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

/// Whether a message is compressed, if compression was negotiated.
///
/// ```
/// use fullduplex_proto::{Compression, Config, Session};
///
/// let session = Session::server(&Config::default());
/// // No compression was negotiated.
/// assert!(!session.would_compress(1 << 20, Compression::On));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Compresses the message if it has at least [`min_size`](DeflateConfig::min_size) bytes and
    /// becomes shorter. After a message that did not become shorter, up to 32 are sent
    /// uncompressed before the next attempt.
    #[default]
    Auto,
    /// Compresses the message if it becomes shorter.
    On,
    /// Sends the message uncompressed: for data that is compressed already, or that has a secret
    /// together with text chosen by an attacker.
    Off,
}
