//! The error of received data.

use std::fmt;

use crate::error_code::{ErrorCode, RuleViolation};

/// The error of received data that breaks a rule, or exceeds a limit of this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The peer broke a rule.
    Protocol(RuleViolation),
    /// A head exceeds a limit of this end. Other messages on the connection are not affected.
    Limit {
        /// The name of the setting in [`LocalSettings`](crate::LocalSettings).
        setting: &'static str,
        /// Its value.
        max: u64,
    },
}

impl ReceiveError {
    /// Returns the code with which to close the stream or connection.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Protocol(violation) => violation.code,
            Self::Limit { .. } => ErrorCode::EXCESSIVE_LOAD,
        }
    }
}

impl From<RuleViolation> for ReceiveError {
    fn from(violation: RuleViolation) -> Self {
        Self::Protocol(violation)
    }
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(violation) => violation.fmt(f),
            Self::Limit { setting, max } => write!(f, "a head exceeds {setting} ({max})"),
        }
    }
}

impl std::error::Error for ReceiveError {}
