//! The categories of errors.

/// What went wrong, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The transport failed or ended too early.
    Io,
    /// TLS failed, or is asked for and not there.
    Tls,
    /// The host name has no address.
    Resolve,
    /// A proxy refused.
    Proxy,
    /// The opening handshake failed.
    Handshake,
    /// The peer broke a rule of the protocol.
    Protocol,
    /// A limit of this end was hit; the message names the setting.
    Limit,
    /// A deadline passed; the message names the setting.
    Timeout,
    /// The connection is closed or closing.
    Closed,
    /// The call was wrong, such as a URL that is none or a Close code that may not be sent.
    Misuse,
}
