//! The categories of errors.

use std::fmt;

/// The category of an [`Error`](crate::Error). `Display` has it in two or three words, which may
/// change between versions.
///
/// ```
/// use fullduplex::ErrorKind;
///
/// fn exit_code(kind: ErrorKind) -> u8 {
///     match kind {
///         ErrorKind::Closed => 0,
///         ErrorKind::Misuse => 64,
///         ErrorKind::Io | ErrorKind::Resolve | ErrorKind::Timeout => 75,
///         _ => 70,
///     }
/// }
/// assert_eq!(exit_code(ErrorKind::Timeout), 75);
/// assert_eq!(ErrorKind::Timeout.to_string(), "timed out");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The transport failed or ended too early.
    Io,
    /// TLS failed, or is needed and not available.
    Tls,
    /// The host name has no address.
    Resolve,
    /// A proxy rejected the connection.
    Proxy,
    /// The opening handshake failed.
    Handshake,
    /// The peer broke a rule of the protocol.
    Protocol,
    /// A limit of the local side was exceeded; the message names the setting.
    Limit,
    /// A deadline passed; the message names the setting.
    Timeout,
    /// The connection is closed or closing.
    Closed,
    /// A message is not what the application asked for: it is not UTF-8, or not JSON of that type.
    InvalidData,
    /// The call was wrong, such as with an invalid URL or a close code that must not be sent.
    Misuse,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Io => "transport failure",
            Self::Tls => "TLS failure",
            Self::Resolve => "host not found",
            Self::Proxy => "rejected by a proxy",
            Self::Handshake => "opening handshake failed",
            Self::Protocol => "protocol error",
            Self::Limit => "limit exceeded",
            Self::Timeout => "timed out",
            Self::Closed => "connection closed",
            Self::InvalidData => "invalid data",
            Self::Misuse => "wrong call",
        })
    }
}
