//! How `fdx connect` ended.

use crate::signals::Ending;

/// How it went, as the exit code says.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Outcome {
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

impl From<Ending> for Outcome {
    fn from(signal: Ending) -> Self {
        match signal {
            Ending::Terminate => Self::Terminated,
            Ending::HangUp => Self::HungUp,
        }
    }
}
