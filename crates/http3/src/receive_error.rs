//! What this end doesn't take.

use std::fmt;

use crate::error_code::{ErrorCode, RuleViolation};

/// Why something received was not taken: it breaks a rule, or a limit of this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// The peer broke a rule.
    Fault(RuleViolation),
    /// A head is larger than this end allows. That is the message's fault alone.
    Limit {
        /// The name of the setting, of [`LocalSettings`](crate::LocalSettings).
        setting: &'static str,
        /// Its value.
        most: u64,
    },
}

impl ReceiveError {
    /// The code to end the stream or connection with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Fault(fault) => fault.code,
            Self::Limit { .. } => ErrorCode::EXCESSIVE_LOAD,
        }
    }
}

impl From<RuleViolation> for ReceiveError {
    fn from(fault: RuleViolation) -> Self {
        Self::Fault(fault)
    }
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => fault.fmt(f),
            Self::Limit { setting, most } => write!(f, "a head exceeds {setting} ({most})"),
        }
    }
}

impl std::error::Error for ReceiveError {}
