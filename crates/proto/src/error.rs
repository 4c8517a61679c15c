//! Errors of the peer.

use core::fmt;

use crate::close_code::CloseCode;

/// An error of the peer: it broke a rule of the protocol or exceeded a limit of the local side.
///
/// The connection is failed (RFC 6455 §7.1.7) with [`close_code`](Self::close_code).
///
/// Its `Display` names the rule and its section, or the setting.
///
/// ```
/// use core::time::Duration;
///
/// use fullduplex_proto::{Config, Connection, ProtocolError};
///
/// let mut server = Connection::server(&Config::default());
/// server.session().open(Duration::ZERO);
/// // A client must mask its frames (RFC 6455 §5.1).
/// let error = server.receive(&mut *b"\x81\x05Hello".to_vec(), Duration::ZERO).unwrap_err();
/// assert_eq!(error, ProtocolError::Unmasked);
/// println!("closed with {}: {error}", error.close_code());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ProtocolError {
    /// Reserved bits without an extension that defines them (§5.2); RSV1 is 4, RSV3 is 1.
    ReservedBits(u8),
    /// RSV1 on a frame that is not the first of a message (RFC 7692 §6.1).
    MisplacedRsv1,
    /// A compressed message that is not DEFLATE, or ends inside a block (RFC 7692 §7.2.2).
    InvalidDeflate,
    /// A reserved opcode (§5.2).
    ReservedOpcode(u8),
    /// A Close, Ping or Pong that is fragmented (§5.5).
    FragmentedControl,
    /// A Close, Ping or Pong with more than 125 bytes (§5.5).
    ControlTooLong,
    /// A client's frame without a mask (§5.1).
    Unmasked,
    /// A server's frame with a mask (§5.1).
    Masked,
    /// A length in more bytes than it needs (§5.2).
    LengthNotMinimal,
    /// A 64-bit length whose top bit is set (§5.2).
    LengthTopBit,
    /// A continuation frame with no message to continue (§5.4).
    UnexpectedContinuation,
    /// A new message before the last one ended (§5.4).
    ExpectedContinuation,
    /// A text message that is not UTF-8 (§8.1).
    InvalidUtf8,
    /// A Close frame whose payload is a single byte (§5.5.1).
    ClosePayloadTooShort,
    /// A close code that must not be sent (§7.4).
    CloseCode(CloseCode),
    /// A close reason that is not UTF-8 (§5.5.1).
    CloseReason,
    /// A message larger than [`max_message_size`](crate::Limits::max_message_size).
    MessageTooBig {
        /// The limit in bytes.
        limit: u64,
    },
    /// A message in more pieces than [`max_fragments`](crate::Limits::max_fragments).
    TooManyFragments {
        /// The setting; one fragment more is allowed for each 32 bytes received.
        limit: u32,
    },
    /// More control frames than [`max_control_rate`](crate::Limits::max_control_rate).
    TooManyControlFrames {
        /// The setting, in frames a second.
        limit: u32,
    },
    /// More messages than [`max_message_rate`](crate::Limits::max_message_rate).
    TooManyMessages {
        /// The setting, in messages a second.
        limit: u32,
    },
    /// More bytes than [`max_byte_rate`](crate::Limits::max_byte_rate).
    TooManyBytes {
        /// The setting, in bytes a second.
        limit: u32,
    },
}

impl ProtocolError {
    /// Returns the code of the Close frame that fails the connection (§7.4.1).
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::CloseReason | Self::InvalidDeflate => {
                CloseCode::INVALID_PAYLOAD
            }
            Self::MessageTooBig { .. } => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFragments { .. }
            | Self::TooManyControlFrames { .. }
            | Self::TooManyMessages { .. }
            | Self::TooManyBytes { .. } => CloseCode::POLICY_VIOLATION,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }

    /// Returns whether a limit of the local side was exceeded, rather than a rule broken.
    pub const fn is_limit(self) -> bool {
        matches!(
            self,
            Self::MessageTooBig { .. }
                | Self::TooManyFragments { .. }
                | Self::TooManyControlFrames { .. }
                | Self::TooManyMessages { .. }
                | Self::TooManyBytes { .. }
        )
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits(bits) => {
                write!(f, "reserved bits {bits:03b} are set without an extension")?;
                f.write_str(" (RFC 6455 §5.2)")
            }
            Self::MisplacedRsv1 => {
                f.write_str("RSV1 is set on a frame that does not begin a message (RFC 7692 §6.1)")
            }
            Self::InvalidDeflate => f.write_str(
                "a compressed message is not valid DEFLATE, or is cut short (RFC 7692 §7.2.2)",
            ),
            Self::ReservedOpcode(op) => write!(f, "opcode {op:#x} is reserved (RFC 6455 §5.2)"),
            Self::FragmentedControl => f.write_str("a control frame is fragmented (RFC 6455 §5.5)"),
            Self::ControlTooLong => {
                f.write_str("a control frame has more than 125 bytes (RFC 6455 §5.5)")
            }
            Self::Unmasked => f.write_str("a frame from the client is not masked (RFC 6455 §5.1)"),
            Self::Masked => f.write_str("a frame from the server is masked (RFC 6455 §5.1)"),
            Self::LengthNotMinimal => {
                f.write_str("a payload length is not in its shortest form (RFC 6455 §5.2)")
            }
            Self::LengthTopBit => {
                f.write_str("a 64-bit payload length has its top bit set (RFC 6455 §5.2)")
            }
            Self::UnexpectedContinuation => {
                f.write_str("a continuation frame without a message to continue (RFC 6455 §5.4)")
            }
            Self::ExpectedContinuation => {
                f.write_str("a new message inside a fragmented one (RFC 6455 §5.4)")
            }
            Self::InvalidUtf8 => f.write_str("a text message is not UTF-8 (RFC 6455 §8.1)"),
            Self::ClosePayloadTooShort => {
                f.write_str("a Close frame has a payload of one byte (RFC 6455 §5.5.1)")
            }
            Self::CloseCode(code) => {
                write!(f, "close code {} may not be sent (RFC 6455 §7.4)", code.get())
            }
            Self::CloseReason => f.write_str("a close reason is not UTF-8 (RFC 6455 §5.5.1)"),
            Self::MessageTooBig { limit } => {
                write!(f, "a message is larger than max_message_size ({limit} bytes)")
            }
            Self::TooManyFragments { limit } => write!(
                f,
                "a message has more fragments than max_fragments \
                 ({limit}, and one for each 32 bytes)"
            ),
            Self::TooManyControlFrames { limit } => {
                write!(f, "more control frames than max_control_rate ({limit} a second)")
            }
            Self::TooManyMessages { limit } => {
                write!(f, "more messages than max_message_rate ({limit} a second)")
            }
            Self::TooManyBytes { limit } => {
                write!(f, "more payload than max_byte_rate ({limit} bytes a second)")
            }
        }
    }
}

impl core::error::Error for ProtocolError {}
