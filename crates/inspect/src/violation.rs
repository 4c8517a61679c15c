//! The rules that frames break.

use std::fmt;

use fullduplex_proto::ProtocolError;

/// A rule that a frame breaks. `Display` names it with its section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A rule for which a receiver fails the connection.
    Rule(ProtocolError),
    /// A frame after the Close of the same side (RFC 6455 §5.5.1).
    AfterClose,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(error) => error.fmt(f),
            Self::AfterClose => f.write_str("a frame follows a Close (RFC 6455 §5.5.1)"),
        }
    }
}
