//! Close codes (RFC 6455 §7.4).

use core::fmt;

/// A close code (§7.4). It converts from and to `u16`, and compares with it.
///
/// A code that is not defined is a value, too, as an application may have to report it. Whether it
/// may be sent is [`is_sendable`](Self::is_sendable), which all that sends a Close checks.
///
/// ```
/// use fullduplex_proto::CloseCode;
///
/// const KICKED: CloseCode = CloseCode::new(4001);
///
/// let code = CloseCode::from(4001);
/// let why = match code {
///     CloseCode::NORMAL => "done",
///     KICKED => "kicked",
///     _ => code.meaning(),
/// };
/// assert_eq!(why, "kicked");
/// assert_eq!(u16::from(code), 4001);
/// assert!(code == 4001 && code.is_sendable());
/// assert!(!CloseCode::ABNORMAL.is_sendable());
/// ```
#[doc(alias("CloseStatus", "status_code"))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the connection has served its purpose.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server shuts down, or the page was left.
    #[doc(alias = "Away")]
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    #[doc(alias = "Protocol")]
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: this end can't accept this type of data.
    #[doc(alias = "Unsupported")]
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: no code was received. Never on the wire.
    #[doc(alias = "Status")]
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the connection ended without a Close frame. Never on the wire.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: the data of a message is not valid for its type, such as text that is not UTF-8.
    #[doc(alias = "Invalid")]
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: the message breaks a policy of this end.
    #[doc(alias = "Policy")]
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: the message is too big.
    #[doc(alias = "Size")]
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the server's response lacks an extension that the client needs.
    #[doc(alias = "Extension")]
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the server met an unexpected condition.
    #[doc(alias = "Error")]
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts (IANA registry).
    #[doc(alias = "Restart")]
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: try again later (IANA registry).
    #[doc(alias = "Again")]
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway received an invalid response from its upstream (IANA registry).
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Never on the wire.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// Creates a code of this number, whether or not it may be sent.
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// Returns the number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Returns whether an endpoint may send this code (§7.4.1, §7.4.2).
    ///
    /// It may not send 1004, 1005, 1006 and 1015, which are only for reporting, or undefined codes:
    /// below 1000, 1016–2999 and above 4999.
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// Returns the meaning of the code in a few words.
    pub const fn meaning(self) -> &'static str {
        match self.0 {
            1000 => "normal closure",
            1001 => "going away",
            1002 => "protocol error",
            1003 => "unsupported data",
            1005 => "no status received",
            1006 => "abnormal closure",
            1007 => "invalid payload data",
            1008 => "policy violation",
            1009 => "message too big",
            1010 => "mandatory extension missing",
            1011 => "internal error",
            1012 => "service restart",
            1013 => "try again later",
            1014 => "bad gateway",
            1015 => "TLS handshake failure",
            3000..=3999 => "registered code",
            4000..=4999 => "private code",
            _ => "undefined code",
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, self.meaning())
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<u16> for CloseCode {
    /// Creates a code of this number, whether or not it may be sent.
    fn from(code: u16) -> Self {
        Self::new(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> u16 {
        code.0
    }
}

impl PartialEq<u16> for CloseCode {
    fn eq(&self, other: &u16) -> bool {
        self.0 == *other
    }
}

impl PartialEq<CloseCode> for u16 {
    fn eq(&self, other: &CloseCode) -> bool {
        *self == other.0
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn close_codes_that_are_legal_on_the_wire() {
        let sendable: Vec<u16> =
            (0..=u16::MAX).filter(|c| CloseCode::new(*c).is_sendable()).collect();
        let expected: Vec<u16> =
            [1000, 1001, 1002, 1003].into_iter().chain(1007..=1014).chain(3000..=4999).collect();
        assert_eq!(sendable, expected);
    }
}
