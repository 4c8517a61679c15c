//! The error of requests and connections.

use std::fmt;
use std::io;

use quinn::ConnectionError;

use crate::error_code::{ErrorCode, RuleViolation};
use crate::receive_error::ReceiveError;

/// The error of a request or a connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The QUIC connection ended.
    Connection(ConnectionError),
    /// The peer closed the connection with a code of HTTP/3, and a reason, which may be empty.
    Closed(ErrorCode, String),
    /// The peer broke a rule. The connection or stream was closed with the code of the violation.
    Protocol(RuleViolation),
    /// A head exceeds a limit of this end, or of the peer.
    Limit {
        /// The name of the setting.
        setting: &'static str,
        /// Its value.
        max: u64,
    },
    /// The peer reset the stream, or asked this end to stop.
    Reset(ErrorCode),
    /// The peer sent GOAWAY and did not process the request, which may be sent again
    /// (RFC 9114 §5.2).
    GoingAway,
    /// The stream ended before a message.
    Incomplete,
    /// A deadline passed. The value is the name of the setting.
    Timeout(&'static str),
    /// The caller used this library incorrectly.
    Misuse(&'static str),
}

impl Error {
    /// Returns the code with which the peer closed the stream or connection, if it did.
    pub fn peer_code(&self) -> Option<ErrorCode> {
        match self {
            Self::Closed(code, _) | Self::Reset(code) => Some(*code),
            _ => None,
        }
    }

    /// Returns whether the server reported that it did not process the request.
    pub fn is_unprocessed(&self) -> bool {
        matches!(self, Self::GoingAway | Self::Reset(ErrorCode::REQUEST_REJECTED))
    }
}

impl From<RuleViolation> for Error {
    fn from(violation: RuleViolation) -> Self {
        Self::Protocol(violation)
    }
}

impl From<ReceiveError> for Error {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Protocol(violation) => Self::Protocol(violation),
            ReceiveError::Limit { setting, max } => Self::Limit { setting, max },
        }
    }
}

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => {
                let reason = String::from_utf8_lossy(&close.reason).into_owned();
                Self::Closed(ErrorCode(close.error_code.into_inner()), reason)
            }
            other => Self::Connection(other),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => fmt_connection(error, f),
            Self::Closed(code, reason) if reason.is_empty() => {
                write!(f, "the peer closed the connection with {code}")
            }
            Self::Closed(code, reason) => {
                write!(f, "the peer closed the connection with {code}: {reason}")
            }
            Self::Protocol(violation) => violation.fmt(f),
            Self::Limit { setting, max } => write!(f, "a head exceeds {setting} ({max})"),
            Self::Reset(code) => write!(f, "the peer reset the stream with {code}"),
            Self::GoingAway => f.write_str("the peer is shutting down (GOAWAY, RFC 9114 §5.2)"),
            Self::Incomplete => f.write_str("the stream ended before the message"),
            Self::Timeout(setting) => write!(f, "timed out: {setting}"),
            Self::Misuse(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Error {}

/// Writes why a QUIC connection ended, if the peer did not close it with a code of HTTP/3.
fn fmt_connection(error: &ConnectionError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (whose, code, reason) = match error {
        ConnectionError::VersionMismatch => {
            return f.write_str("the peer supports no version of QUIC that this end supports");
        }
        ConnectionError::Reset => {
            return f.write_str("the peer has lost the connection (reset, RFC 9000 §10.3)");
        }
        ConnectionError::TimedOut => {
            return f.write_str("the peer sent nothing for QUIC's idle timeout (RFC 9000 §10.1)");
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

// A stream implements tokio's I/O traits, which report `io::Error`.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Connection(ConnectionError::TimedOut) | Error::Timeout(_) => {
                io::ErrorKind::TimedOut
            }
            Error::Connection(_) | Error::Closed(..) | Error::Reset(_) | Error::GoingAway => {
                io::ErrorKind::ConnectionReset
            }
            Error::Protocol(_) | Error::Limit { .. } => io::ErrorKind::InvalidData,
            Error::Incomplete => io::ErrorKind::UnexpectedEof,
            Error::Misuse(_) => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}
