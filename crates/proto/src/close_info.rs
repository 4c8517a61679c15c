//! The record of how a connection ended.

use core::fmt;

use crate::close::CloseFrame;
use crate::close_code::CloseCode;
use crate::error::ProtocolError;

/// The party that started the end of the connection.
///
/// It is complete: no other party can start it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Initiator {
    /// The application of the local side.
    Local,
    /// The peer.
    Peer,
    /// This library, for a broken rule, an exceeded limit or a passed deadline.
    Library,
}

/// The cause of a connection's end.
///
/// ```
/// use fullduplex_proto::{CloseCause, CloseInfo};
///
/// /// Whether the network is the cause, rather than one of the programs.
/// fn is_network(info: &CloseInfo) -> bool {
///     matches!(
///         info.cause,
///         CloseCause::TransportEnd | CloseCause::TransportError | CloseCause::KeepaliveTimeout
///     )
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum CloseCause {
    /// The closing handshake (§7.1.2), which may still be in progress. Also if the peer sent its
    /// Close and left before it received our answer, or what was queued before that: then
    /// [`is_clean`](CloseInfo::is_clean) is false.
    Handshake,
    /// The peer broke a rule or exceeded a limit.
    Protocol(ProtocolError),
    /// The peer was silent for the keepalive interval and timeout.
    KeepaliveTimeout,
    /// No message was sent or received for the idle timeout, so the local side closed with 1001.
    IdleTimeout,
    /// The application did not ask for a message for the keepalive interval and timeout, while as
    /// many were unread as may be, so the local side closed with 1011.
    Unread,
    /// The closing made no progress for the close timeout: the peer accepted almost none of the
    /// bytes queued for it, or did not send its Close.
    CloseTimeout,
    /// The transport ended without the closing handshake.
    TransportEnd,
    /// The transport failed.
    TransportError,
    /// The local side dropped the connection without the closing handshake.
    Dropped,
    /// The application of the local side ended the transport at once, without a Close.
    Aborted,
    /// In a browser: received messages of more than `max_buffered` bytes waited for the
    /// application, so the local side closed.
    MaxBuffered,
    /// In a browser: the end was not clean, and a browser does not say why. The transport failed or
    /// ended, or the peer broke a rule.
    Undisclosed,
}

/// The record of how a connection ended, or how far its closing is.
///
/// ```
/// use fullduplex_proto::{CloseCause, CloseCode, CloseInfo};
///
/// fn report(info: &CloseInfo) -> String {
///     match (info.code(), info.cause) {
///         (CloseCode::NORMAL, _) if info.is_clean() => "all was received".into(),
///         (CloseCode::ABNORMAL, CloseCause::KeepaliveTimeout) => "the peer went silent".into(),
///         (code, _) => format!("{code}, {:?}", info.reason()),
///     }
/// }
/// # use std::time::Duration;
/// # use fullduplex_proto::{CloseFrame, Config, Event, Session};
/// # let mut session = Session::server(&Config::default());
/// # let frame = CloseFrame::new(CloseCode::GOING_AWAY, "restart").ok();
/// # session.handle_event(&Event::Close(frame), Duration::ZERO).unwrap();
/// # let shown = report(session.close_info().unwrap());
/// # assert_eq!(shown, "1001 (going away), \"restart\"");
/// ```
#[doc(alias("CloseEvent", "wasClean", "close_reason"))]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CloseInfo {
    /// The code and reason of the Close of the local side, once it is queued; `None` if it was
    /// empty or there was none. [`close_sent`](Self::close_sent) is whether it was written.
    pub sent: Option<CloseFrame>,
    /// The code and reason of the peer's Close; `None` if it was empty or none arrived, see
    /// [`close_received`](Self::close_received).
    pub received: Option<CloseFrame>,
    /// Whether the transport has accepted the Close frame of the local side, and so all that was
    /// queued before it.
    pub close_sent: bool,
    /// Whether a Close frame of the peer arrived.
    pub close_received: bool,
    /// The party that started it.
    pub initiator: Initiator,
    /// The cause.
    pub cause: CloseCause,
}

impl CloseInfo {
    /// Creates a record without Close frames, for the tests of code that uses one. The fields can
    /// be assigned.
    pub fn new(initiator: Initiator, cause: CloseCause) -> Self {
        let (sent, received) = (None, None);
        Self { sent, received, close_sent: false, close_received: false, initiator, cause }
    }

    /// Returns whether the closing handshake was completed (§7.1.4): the peer's Close arrived, and
    /// that of the local side was written to the transport, with everything queued before it.
    ///
    /// If only the peer's arrived, that is not an error, as the peer has said how it ended, but it
    /// may not have received what was sent.
    pub fn is_clean(&self) -> bool {
        self.close_sent && self.close_received
    }

    /// Returns whether the peer's Close says that it has sent everything it intended to: it had
    /// code 1000 or none, and the connection had not failed or been idle for too long.
    ///
    /// A clean end with 1001 or 1011 does not say that: it can also be that of a program that was
    /// restarted, or failed, in the middle of something.
    pub fn is_normal(&self) -> bool {
        self.close_received
            && matches!(self.code(), CloseCode::NORMAL | CloseCode::NO_STATUS)
            && !matches!(self.cause, CloseCause::Protocol(_) | CloseCause::IdleTimeout)
    }

    /// Returns the connection's close code (§7.1.5): the peer's, 1005 if its Close has none, or
    /// 1006 if no Close frame arrived.
    pub fn code(&self) -> CloseCode {
        match (&self.received, self.close_received) {
            (Some(frame), _) => frame.code,
            (None, true) => CloseCode::NO_STATUS,
            (None, false) => CloseCode::ABNORMAL,
        }
    }

    /// Returns the second Close, which answered the first one, if there are both and it has a code.
    fn answer(&self) -> Option<&CloseFrame> {
        match self.initiator {
            _ if !self.close_received => None,
            Initiator::Peer => self.sent.as_ref(),
            Initiator::Local | Initiator::Library => self.received.as_ref(),
        }
    }

    /// Returns the peer's reason, or an empty string (§7.1.6).
    pub fn reason(&self) -> &str {
        self.received.as_ref().map_or("", |frame| &frame.reason)
    }
}

impl CloseCause {
    /// Returns the cause in a line, without the rule or limit of [`Protocol`](Self::Protocol), and
    /// without the Close frame of [`Handshake`](Self::Handshake). The wording may change between
    /// versions.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Handshake => "closed by the closing handshake",
            Self::Protocol(_) => "the peer broke a rule or exceeded a limit",
            Self::KeepaliveTimeout => "the peer stopped answering (keepalive_timeout)",
            Self::IdleTimeout => "no message either way for too long (idle_timeout)",
            Self::Unread => "the unread messages were not read for too long (keepalive)",
            Self::CloseTimeout => "the peer did not complete the closing handshake (close_timeout)",
            Self::TransportEnd => "the peer ended the transport without a Close frame",
            Self::TransportError => "the transport failed",
            Self::Dropped => "dropped without the closing handshake",
            Self::Aborted => "aborted by this end",
            Self::MaxBuffered => {
                "received messages of more than max_buffered bytes waited for the application"
            }
            Self::Undisclosed => {
                "the connection failed; a browser does not say why, its console does"
            }
        }
    }
}

impl fmt::Display for CloseInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            CloseCause::Handshake => {}
            CloseCause::Protocol(error) => {
                return write!(f, "failed with {}: {error}", error.close_code());
            }
            cause => return f.write_str(cause.description()),
        }
        let (by, frame) = match self.initiator {
            Initiator::Local => ("this end", &self.sent),
            Initiator::Peer => ("the peer", &self.received),
            Initiator::Library => ("the library", &self.sent),
        };
        match frame {
            Some(frame) => write!(f, "closed by {by} with {frame}")?,
            None => write!(f, "closed by {by} without a code")?,
        }
        let code = |frame: &CloseFrame| frame.code;
        match self.answer() {
            // The usual answer has the same code (§5.5.1).
            Some(answer) if answer.code != frame.as_ref().map_or(CloseCode::NORMAL, code) => {
                write!(f, ", answered with {answer}")
            }
            _ => Ok(()),
        }
    }
}

/// Converts to the code that the WebSocket API reports (§7.1.5).
impl From<&CloseInfo> for CloseCode {
    fn from(info: &CloseInfo) -> Self {
        info.code()
    }
}
