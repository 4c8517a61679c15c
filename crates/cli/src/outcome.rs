//! How `fdx connect` ended.

use crate::signals::TerminationSignal;

/// How it went, as the exit code says.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum ConnectOutcome {
    Clean = 0,
    LocalIo = 1,
    Usage = 2,
    NoConnection = 3,
    Refused = 4,
    Broken = 5,
    OtherCode = 6,
    Protocol = 7,
    /// As a shell tells of a signal: 128 and its number.
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
