//! The exit codes of the commands that connect.

use crate::base::signals::TerminationSignal;

/// How a connection ended, with the exit code as its number.
#[derive(Clone, Copy)]
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
    /// SIGHUP. As in a shell, the codes of signals are 128 and the signal's number.
    HungUp = 129,
    Terminated = 143,
}

impl From<TerminationSignal> for ConnectOutcome {
    fn from(signal: TerminationSignal) -> Self {
        match signal {
            TerminationSignal::Terminate => Self::Terminated,
            TerminationSignal::HangUp => Self::HungUp,
        }
    }
}
