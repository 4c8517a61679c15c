//! How a connection ended.

use core::fmt;

use crate::close::CloseFrame;
use crate::close_code::CloseCode;
use crate::error::ProtocolError;

/// Who began the end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Initiator {
    /// The application at this end.
    Local,
    /// The other end.
    Peer,
    /// This library: a rule was broken, a limit hit, or a deadline passed.
    Library,
}

/// Why the connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseCause {
    /// By the closing handshake (§7.1.2), or it is still under way. Also where the peer sent its
    /// Close and left before it took our answer, or what was queued before that: then
    /// [`is_clean`](CloseInfo::is_clean) is false.
    Handshake,
    /// The peer broke a rule or hit a limit.
    Protocol(ProtocolError),
    /// The peer was silent for the keepalive interval and timeout.
    KeepaliveTimeout,
    /// No message came or went for the idle timeout, so this end closed with 1001.
    IdleTimeout,
    /// The application at this end asked for no message for the keepalive interval and timeout,
    /// while as many waited for it as may, so this end closed with 1011.
    Unread,
    /// The closing made no progress for the close timeout: the peer took nothing of what
    /// waited for it, or did not send its Close.
    CloseTimeout,
    /// The transport ended without the closing handshake.
    TransportEnd,
    /// The transport failed.
    TransportError,
    /// This end dropped the connection without the closing handshake.
    Dropped,
}

/// How a connection ended, or how far its closing is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseInfo {
    /// The code and reason of this end's Close, from when it is queued; `None` if it was empty
    /// or there was none. Whether it has left is [`close_sent`](Self::close_sent).
    pub sent: Option<CloseFrame>,
    /// The code and reason that the peer sent; `None` if its Close was empty or none came,
    /// see [`close_received`](Self::close_received).
    pub received: Option<CloseFrame>,
    /// Whether the transport has taken this end's Close frame, and so all that was queued
    /// before it.
    pub close_sent: bool,
    /// Whether a Close frame of the peer arrived.
    pub close_received: bool,
    /// Who began it.
    pub initiator: Initiator,
    /// Why.
    pub cause: CloseCause,
}

impl CloseInfo {
    pub(crate) fn new(initiator: Initiator, cause: CloseCause) -> Self {
        let (sent, received) = (None, None);
        Self { sent, received, close_sent: false, close_received: false, initiator, cause }
    }

    /// Whether the closing handshake was completed (§7.1.4): the peer's Close arrived, and
    /// this end's has left, with all that was queued before it. The peer's alone is no error, as it
    /// has said how it ended, but it may not have had what was sent.
    pub fn is_clean(&self) -> bool {
        self.close_sent && self.close_received
    }

    /// Whether the peer's Close says that all was sent that was to be: it came with 1000 or
    /// without a code, and the connection had not failed or been idle for too long. Of a clean
    /// end with 1001 or 1011 that can't be said: it is also that of a program that is restarted,
    /// or failed, in the middle of something.
    pub fn is_normal(&self) -> bool {
        self.close_received
            && matches!(self.code(), CloseCode::NORMAL | CloseCode::NO_STATUS)
            && !matches!(self.cause, CloseCause::Protocol(_) | CloseCause::IdleTimeout)
    }

    /// The connection's close code (§7.1.5): the peer's, 1005 if it gave none, or 1006 if
    /// no Close frame arrived.
    pub fn code(&self) -> CloseCode {
        match (&self.received, self.close_received) {
            (Some(frame), _) => frame.code,
            (None, true) => CloseCode::NO_STATUS,
            (None, false) => CloseCode::ABNORMAL,
        }
    }

    /// The peer's reason, or an empty string (§7.1.6).
    pub fn reason(&self) -> &str {
        self.received.as_ref().map_or("", |frame| &frame.reason)
    }
}

impl fmt::Display for CloseInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            CloseCause::Protocol(error) => {
                write!(f, "failed with {}: {error}", error.close_code())
            }
            CloseCause::KeepaliveTimeout => {
                f.write_str("the peer stopped answering (keepalive_timeout)")
            }
            CloseCause::IdleTimeout => {
                f.write_str("no message either way for too long (idle_timeout)")
            }
            CloseCause::Unread => {
                f.write_str("the messages that waited were not read for too long (keepalive)")
            }
            CloseCause::CloseTimeout => {
                f.write_str("the peer did not end the closing (close_timeout)")
            }
            CloseCause::TransportEnd => {
                f.write_str("the peer ended the transport without a Close frame")
            }
            CloseCause::TransportError => f.write_str("the transport failed"),
            CloseCause::Dropped => f.write_str("dropped without the closing handshake"),
            CloseCause::Handshake => {
                let by = match self.initiator {
                    Initiator::Local => "this end",
                    Initiator::Peer => "the peer",
                    Initiator::Library => "the library",
                };
                let frame =
                    if self.initiator == Initiator::Peer { &self.received } else { &self.sent };
                match frame {
                    Some(frame) => write!(f, "closed by {by} with {frame}"),
                    None => write!(f, "closed by {by} without a code"),
                }
            }
        }
    }
}

/// The code that tells the WebSocket API how the connection ended (§7.1.5).
impl From<&CloseInfo> for CloseCode {
    fn from(info: &CloseInfo) -> Self {
        info.code()
    }
}
