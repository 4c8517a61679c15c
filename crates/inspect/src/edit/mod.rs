//! Changes of what one side sends, on its way to the other.
//!
//! An [`Editor`] passes the bytes of a direction as they came, until a message or a control frame
//! is held, dropped, replaced or injected. Only then it makes frames of its own, at a boundary of
//! messages.

mod collected;
mod deflation;
mod editor;
mod new_frame;
mod substitution;

use std::fmt;

pub use self::editor::Editor;
pub use self::new_frame::NewFrame;
pub use self::substitution::{Substitution, SubstitutionError};

use crate::conversation::ConversationFrame;
use crate::store::Handling;

/// What is to become of a message or a control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Passes it on.
    Pass,
    /// Does not pass it on.
    Drop,
    /// Puts another in its place.
    Replace(NewFrame),
    /// Lets it wait, and with it what follows it, until [`Editor::release`].
    Hold,
}

/// Why a message was neither held nor changed, although it was to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unchanged {
    /// A message that has passed on: one that is longer than the editor collects, or that began to
    /// pass before decisions were wanted.
    Passed,
    /// A message that was not decompressed, and to which later ones may refer. It passes on.
    NotDecompressed,
}

/// `Display` says why.
impl fmt::Display for Unchanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "it had passed when it was complete",
            Self::NotDecompressed => "it was not decompressed, and later ones may refer to it",
        })
    }
}

/// Decides about what an [`Editor`] passes, and takes what became of it.
pub trait EditHandler {
    /// Returns whether decisions are wanted. Without any, frames pass while they come.
    fn is_watching(&self) -> bool;

    /// Decides about a control frame or a message. A message is complete with this frame, and has
    /// this payload, decompressed.
    fn decide(&mut self, shown: &ConversationFrame, payload: &[u8]) -> Decision;

    /// Takes a frame, with what became of it. Frames come in the order in which they were sent;
    /// one that is [injected](Handling::Injected) follows that whose place it takes.
    fn show(&mut self, shown: ConversationFrame, handling: Handling);

    /// Takes a frame whose message was to be held or changed, and was not.
    fn unchanged(&mut self, shown: &ConversationFrame, why: Unchanged);
}

/// A compressed message that can't be passed on: it was not decompressed, and it may refer to an
/// earlier one that was changed. The connection can only be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryError;

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message that can't be decompressed follows one that was changed")
    }
}

impl std::error::Error for HistoryError {}

/// Why a frame was not injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InjectError {
    /// A Close has passed in this direction, and nothing may follow it (RFC 6455 §5.5.1).
    Closed,
    /// The payload of the control frame is longer than 125 bytes (RFC 6455 §5.5).
    ControlTooLong,
    /// Too many wait for the end of a message.
    Full,
}

impl fmt::Display for InjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "a Close has passed, and nothing may follow it (RFC 6455 §5.5.1)",
            Self::ControlTooLong => "a control frame has at most 125 bytes (RFC 6455 §5.5)",
            Self::Full => "too many wait for the end of a message",
        })
    }
}

impl std::error::Error for InjectError {}
