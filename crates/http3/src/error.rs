//! The error of this crate.

use std::fmt;
use std::io;

use quinn::ConnectionError;

use crate::error_code::{ErrorCode, RuleViolation};
use crate::receive_error::ReceiveError;

/// Why a request, or a connection, came to nothing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The QUIC connection ended.
    Connection(ConnectionError),
    /// The peer closed the connection with a code of HTTP/3, and perhaps with words.
    Closed(ErrorCode, String),
    /// The peer broke a rule; the connection or stream was ended with its code.
    Fault(RuleViolation),
    /// A head exceeds a limit of this end, or of the peer.
    Limit {
        /// The name of the setting.
        setting: &'static str,
        /// Its value.
        most: u64,
    },
    /// The peer reset the stream, or asked this end to stop.
    Reset(ErrorCode),
    /// The peer is going away and did not look at the request, which may be sent again
    /// (RFC 9114 §5.2).
    GoingAway,
    /// The stream ended where a message should have come.
    Incomplete,
    /// A deadline passed; the name of the setting.
    Timeout(&'static str),
    /// What this end asked for can't be.
    Misuse(&'static str),
}

impl Error {
    /// The code that the peer gave, if it gave one.
    pub fn peer_code(&self) -> Option<ErrorCode> {
        match self {
            Self::Closed(code, _) | Self::Reset(code) => Some(*code),
            _ => None,
        }
    }

    /// Whether the server said that it did not look at the request.
    pub fn is_unprocessed(&self) -> bool {
        matches!(self, Self::GoingAway | Self::Reset(ErrorCode::REQUEST_REJECTED))
    }
}

impl From<RuleViolation> for Error {
    fn from(fault: RuleViolation) -> Self {
        Self::Fault(fault)
    }
}

impl From<ReceiveError> for Error {
    fn from(refused: ReceiveError) -> Self {
        match refused {
            ReceiveError::Fault(fault) => Self::Fault(fault),
            ReceiveError::Limit { setting, most } => Self::Limit { setting, most },
        }
    }
}

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => {
                let words = String::from_utf8_lossy(&close.reason).into_owned();
                Self::Closed(ErrorCode(close.error_code.into_inner()), words)
            }
            other => Self::Connection(other),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => fmt_connection(error, f),
            Self::Closed(code, words) if words.is_empty() => {
                write!(f, "the peer closed the connection with {code}")
            }
            Self::Closed(code, words) => {
                write!(f, "the peer closed the connection with {code}: {words}")
            }
            Self::Fault(fault) => fault.fmt(f),
            Self::Limit { setting, most } => write!(f, "a head exceeds {setting} ({most})"),
            Self::Reset(code) => write!(f, "the peer reset the stream with {code}"),
            Self::GoingAway => f.write_str("the peer is going away (GOAWAY, RFC 9114 §5.2)"),
            Self::Incomplete => f.write_str("the stream ended before the message"),
            Self::Timeout(setting) => write!(f, "timed out: {setting}"),
            Self::Misuse(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}

/// Why a QUIC connection ended, where the peer's HTTP/3 did not end it.
fn fmt_connection(error: &ConnectionError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (whose, code, reason) = match error {
        ConnectionError::VersionMismatch => {
            return f.write_str("the peer speaks no version of QUIC that this end does");
        }
        ConnectionError::Reset => {
            return f.write_str("the peer has lost the connection (reset, RFC 9000 §10.3)");
        }
        ConnectionError::TimedOut => {
            let why = "nothing came from the peer for QUIC's idle timeout (RFC 9000 §10.1)";
            return f.write_str(why);
        }
        ConnectionError::LocallyClosed => return f.write_str("this end closed the connection"),
        ConnectionError::CidsExhausted => return f.write_str("no connection IDs are left"),
        ConnectionError::ApplicationClosed(close) => {
            let reason = String::from_utf8_lossy(&close.reason);
            return write!(f, "the peer closed the connection with {}: {reason}", close.error_code);
        }
        ConnectionError::ConnectionClosed(close) => {
            ("the peer", close.error_code, String::from_utf8_lossy(&close.reason))
        }
        ConnectionError::TransportError(error) => {
            ("this end", error.code, error.reason.as_str().into())
        }
    };
    write!(f, "{whose} ended the QUIC connection with ")?;
    match u64::from(code) {
        // The alert of TLS (RFC 9001 §4.8).
        code @ 0x100..0x200 => write!(f, "the TLS alert {}", code - 0x100)?,
        0..=0x10 => write!(f, "{code:?} (RFC 9000 §20.1)")?,
        code => write!(f, "the error code {code:#x}")?,
    }
    if reason.is_empty() { Ok(()) } else { write!(f, ": {reason}") }
}

/// For the transport that a stream is.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Connection(ConnectionError::TimedOut) | Error::Timeout(_) => {
                io::ErrorKind::TimedOut
            }
            Error::Connection(_) | Error::Closed(..) | Error::Reset(_) | Error::GoingAway => {
                io::ErrorKind::ConnectionReset
            }
            Error::Fault(_) | Error::Limit { .. } => io::ErrorKind::InvalidData,
            Error::Incomplete => io::ErrorKind::UnexpectedEof,
            Error::Misuse(_) => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}
