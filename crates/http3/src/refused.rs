//! What this end doesn't take.

use std::fmt;

use crate::code::{Code, Fault};

/// Why something received was not taken: it breaks a rule, or a limit of this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The peer broke a rule.
    Fault(Fault),
    /// A head is larger than this end allows. That is the message's fault alone.
    Limit {
        /// The name of the setting, of [`Settings`](crate::Settings).
        setting: &'static str,
        /// Its value.
        most: u64,
    },
}

impl Refused {
    /// The code to end the stream or connection with.
    pub fn code(&self) -> Code {
        match self {
            Self::Fault(fault) => fault.code,
            Self::Limit { .. } => Code::EXCESSIVE_LOAD,
        }
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => fault.fmt(f),
            Self::Limit { setting, most } => write!(f, "a head exceeds {setting} ({most})"),
        }
    }
}

impl std::error::Error for Refused {}
