//! The exit codes of the commands that connect.

use fullduplex::{Error, ErrorKind};

use crate::base::signals::EndSignal;

/// How a connection ended, with the exit code as its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ConnectOutcome {
    Clean = 0,
    LocalIo = 1,
    Usage = 2,
    NoConnection = 3,
    Rejected = 4,
    Lost = 5,
    OtherCloseCode = 6,
    ProtocolViolation = 7,
    /// Fewer messages came than were asked for, or the time was over.
    Incomplete = 8,
    /// What came differs from what was recorded.
    Different = 9,
    /// SIGHUP. As in a shell, the codes of signals are 128 and the signal's number.
    HungUp = 129,
    /// SIGINT.
    Interrupted = 130,
    /// The reader of standard output is gone, as other programs end by SIGPIPE.
    BrokenPipe = 141,
    /// SIGTERM.
    Terminated = 143,
}

impl ConnectOutcome {
    /// Returns the outcome of an attempt that opened no WebSocket.
    pub(crate) fn of_connect_error(error: &Error) -> Self {
        match error.kind() {
            kind if kind != ErrorKind::Proxy && error.response().is_some() => Self::Rejected,
            ErrorKind::Misuse => Self::Usage,
            ErrorKind::Handshake | ErrorKind::Limit => Self::Rejected,
            _ => Self::NoConnection,
        }
    }
}

impl From<EndSignal> for ConnectOutcome {
    fn from(signal: EndSignal) -> Self {
        match signal {
            EndSignal::Interrupt => Self::Interrupted,
            EndSignal::Terminate => Self::Terminated,
            EndSignal::HangUp => Self::HungUp,
        }
    }
}
