//! What is to become of frames, as the options say.

use std::time::Duration;

use fullduplex::MessageKind;
use fullduplex_inspect::ConversationFrame;
use fullduplex_inspect::edit::{Decision, NewFrame, Substitution};
use fullduplex_inspect::filter::Filter;
use fullduplex_inspect::store::{Row, Socket};

use super::cut::CutAfter;

/// The rules of the options.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(super) drops: Vec<Filter>,
    pub(super) replacements: Vec<Replacement>,
    /// The breakpoint with which the page begins.
    pub(super) breakpoint: Option<Filter>,
    /// Whether the page begins with all WebSockets paused.
    pub(super) is_paused: bool,
    pub(super) delay: Option<Duration>,
    pub(super) rate: Option<u64>,
    pub(super) cut_after: Option<CutAfter>,
}

/// A substitution in the messages that match.
#[derive(Debug)]
pub(super) struct Replacement {
    pub(super) filter: Filter,
    pub(super) substitution: Substitution,
}

impl Rules {
    /// Returns whether there are none.
    pub(in crate::inspect) fn is_empty(&self) -> bool {
        !self.is_watching()
            && self.breakpoint.is_none()
            && !self.is_paused
            && self.delay.is_none()
            && self.rate.is_none()
            && self.cut_after.is_none()
    }

    /// Returns whether a rule looks at frames.
    pub(super) fn is_watching(&self) -> bool {
        !self.drops.is_empty() || !self.replacements.is_empty()
    }

    /// Returns whether a frame or message is to be dropped.
    pub(super) fn drops(&self, row: &Row, socket: Option<&Socket>) -> bool {
        self.drops.iter().any(|filter| filter.matches(row, socket))
    }

    /// Returns what the replacements make of a message: each sees what those before it have made.
    pub(super) fn replace(
        &self,
        row: &Row,
        socket: Option<&Socket>,
        shown: &ConversationFrame,
        payload: &[u8],
    ) -> Decision {
        let Some(message) = &shown.frame.message else { return Decision::Pass };
        let mut made: Option<Vec<u8>> = None;
        for Replacement { filter, substitution } in &self.replacements {
            if filter.matches(row, socket)
                && let Some(changed) = substitution.apply(made.as_deref().unwrap_or(payload))
            {
                made = Some(changed);
            }
        }
        let Some(made) = made else { return Decision::Pass };
        match (message.kind, String::from_utf8(made)) {
            (MessageKind::Text, Ok(text)) => Decision::Replace(NewFrame::Text(text)),
            // A text that is not UTF-8 is not made.
            (MessageKind::Text, Err(_)) => Decision::Pass,
            (MessageKind::Binary, Ok(text)) => Decision::Replace(NewFrame::Binary(text.into())),
            (MessageKind::Binary, Err(error)) => {
                Decision::Replace(NewFrame::Binary(error.into_bytes().into()))
            }
        }
    }
}
