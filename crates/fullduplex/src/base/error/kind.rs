//! The categories of errors.

/// The category of an [`Error`](crate::Error).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// The call was wrong, such as with an invalid URL or a close code that must not be sent.
    Misuse,
}
