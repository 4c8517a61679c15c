//! What becomes of what was collected, once that is decided, and what is made in its place.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use fullduplex_proto::frame::OpCode;

use super::{Closing, Editor, FrameRoute, Held, MessageRoute};
use crate::conversation::ConversationFrame;
use crate::edit::collected::Collected;
use crate::edit::new_frame::NewFrame;
use crate::edit::{Decision, EditHandler, HistoryError, Unchanged};
use crate::store::Handling;

impl Editor {
    pub(super) fn message_complete(
        &mut self,
        handler: &mut impl EditHandler,
        out: &mut Vec<u8>,
    ) -> Result<(), HistoryError> {
        let decision = match self.collected.last() {
            Some(shown) if handler.is_watching() => handler.decide(shown, &self.collected.plain),
            _ => Decision::Pass,
        };
        if decision == Decision::Hold {
            self.held = Some(Held::Message);
            return Ok(());
        }
        self.decided(decision, handler, out)
    }

    /// Does what was decided about the message that is collected.
    pub(super) fn decided(
        &mut self,
        mut decision: Decision,
        handler: &mut impl EditHandler,
        out: &mut Vec<u8>,
    ) -> Result<(), HistoryError> {
        let (opcode, is_compressed) = self.kind;
        self.message = MessageRoute::None;
        let Some(shown) = self.collected.last().cloned() else { return Ok(()) };
        let stop = shown.frame.message.as_ref().and_then(|message| message.inflation_stop);
        let others_refer = is_compressed && self.has_takeover;
        if decision != Decision::Pass && others_refer && stop.is_some() {
            handler.unchanged(&shown, Unchanged::NotDecompressed);
            decision = Decision::Pass;
        }
        let is_remade = is_compressed && self.is_history_changed;
        let result = match decision {
            Decision::Pass | Decision::Hold => {
                let is_whole = stop.is_none() || !is_remade;
                if is_remade && is_whole && !self.collected.breaks_header_rule() {
                    out.append(&mut self.collected.between);
                    let plain = Bytes::from(std::mem::take(&mut self.collected.plain));
                    self.maker.compressed(opcode, &plain, out);
                } else if is_whole {
                    out.append(&mut self.collected.bytes);
                }
                let handling = if is_whole { Handling::Passed } else { Handling::Dropped };
                show_all(&mut self.collected, handling, handler);
                if is_whole { Ok(()) } else { Err(HistoryError) }
            }
            Decision::Drop => {
                self.is_history_changed |= others_refer;
                out.append(&mut self.collected.between);
                show_all(&mut self.collected, Handling::Dropped, handler);
                Ok(())
            }
            Decision::Replace(new) => {
                self.is_history_changed |= others_refer;
                out.append(&mut self.collected.between);
                show_all(&mut self.collected, Handling::Replaced, handler);
                self.make(new, is_compressed, shown.frame.ended, handler, out);
                Ok(())
            }
        };
        self.collected.clear();
        result
    }

    /// Does what was decided about a frame that is in no message.
    pub(super) fn decided_alone(
        &mut self,
        shown: ConversationFrame,
        decision: Decision,
        handler: &mut impl EditHandler,
        out: &mut Vec<u8>,
    ) {
        let bytes = std::mem::take(&mut self.alone);
        let is_close = shown.frame.opcode() == Some(OpCode::Close);
        let (at, mut made) = (shown.frame.ended, None);
        let handling = match decision {
            Decision::Pass | Decision::Hold => Handling::Passed,
            Decision::Drop => Handling::Dropped,
            Decision::Replace(new) => {
                made = Some(new);
                Handling::Replaced
            }
        };
        let passes = handling == Handling::Passed;
        if is_close && passes {
            // The message, if there is one, has no end: none may follow a Close.
            self.abandon(false, handler, out);
            self.closing = Closing::Passed;
        } else if is_close && self.closing == Closing::None {
            self.closing = Closing::Dropped;
        }
        if self.message == MessageRoute::Collecting {
            self.collected.add_between(shown, handling);
            if passes {
                self.collected.add_bytes_between(&bytes);
            }
        } else {
            if passes {
                out.extend_from_slice(&bytes);
            }
            handler.show(shown, handling);
        }
        match made {
            Some(new) if self.message == MessageRoute::Collecting && new.opcode().is_control() => {
                self.make_between(new, at, handler, out);
            }
            Some(new) => self.injected.push_front(new),
            None => {}
        }
    }

    /// Makes a control frame between those of the message that is collected.
    fn make_between(
        &mut self,
        new: NewFrame,
        at: Duration,
        handler: &mut impl EditHandler,
        out: &mut Vec<u8>,
    ) {
        if matches!(new, NewFrame::Close(_)) {
            self.abandon(false, handler, out);
            return self.make(new, false, at, handler, out);
        }
        let mut bytes = Vec::new();
        if let Some(shown) = self.maker.new_frame(new, false, at, &mut bytes) {
            self.collected.add_between(shown, Handling::Injected);
        }
        self.collected.add_bytes_between(&bytes);
    }

    /// Passes on the frames of a message whose end will not come. `is_illegal` says that this
    /// breaks a rule, which the receiver is to see.
    pub(super) fn abandon(
        &mut self,
        is_illegal: bool,
        handler: &mut impl EditHandler,
        out: &mut Vec<u8>,
    ) {
        if self.message == MessageRoute::Collecting && !self.collected.is_empty() {
            let is_remade = self.kind.1 && self.is_history_changed;
            let handling = if is_remade && !is_illegal {
                // A receiver can't decompress the beginning of it.
                out.append(&mut self.collected.between);
                Handling::Dropped
            } else {
                out.append(&mut self.collected.bytes);
                Handling::Passed
            };
            show_all(&mut self.collected, handling, handler);
            self.collected.clear();
        }
        if self.message != MessageRoute::Discarded {
            self.message = MessageRoute::None;
        }
        self.held = None;
    }

    /// Passes on what is injected, as far as that is possible here.
    pub(super) fn pass_injected(
        &mut self,
        at: Duration,
        handler: &mut impl EditHandler,
        out: &mut Vec<u8>,
    ) {
        if self.injected.is_empty() || self.frame == FrameRoute::Passing {
            return;
        }
        let mut waiting = VecDeque::new();
        while let Some(new) = self.injected.pop_front() {
            let is_within = matches!(self.message, MessageRoute::Passing | MessageRoute::Plain);
            let is_possible = match &new {
                _ if self.closing == Closing::Passed => continue,
                NewFrame::Ping(_) | NewFrame::Pong(_) => true,
                NewFrame::Close(_) => waiting.is_empty(),
                NewFrame::Text(_) | NewFrame::Binary(_) => waiting.is_empty() && !is_within,
            };
            if is_possible {
                self.make(new, false, at, handler, out);
            } else {
                waiting.push_back(new);
            }
        }
        self.injected = waiting;
    }

    fn make(
        &mut self,
        new: NewFrame,
        compresses: bool,
        at: Duration,
        handler: &mut impl EditHandler,
        out: &mut Vec<u8>,
    ) {
        let is_close = matches!(new, NewFrame::Close(_));
        if is_close {
            self.discard(handler);
        }
        if let Some(shown) = self.maker.new_frame(new, compresses, at, out) {
            handler.show(shown, Handling::Injected);
        }
    }

    /// Discards what there is and what comes, as a Close takes its place.
    fn discard(&mut self, handler: &mut impl EditHandler) {
        self.closing = Closing::Passed;
        show_all(&mut self.collected, Handling::Dropped, handler);
        if let Some(Held::Alone(shown)) = self.held.take() {
            handler.show(*shown, Handling::Dropped);
        }
        self.collected.clear();
        self.alone.clear();
        self.message = MessageRoute::Discarded;
        if self.frame != FrameRoute::Between {
            self.frame = FrameRoute::Discarded;
        }
    }
}

pub(super) fn show_all(
    collected: &mut Collected,
    handling: Handling,
    handler: &mut impl EditHandler,
) {
    for (shown, handling) in collected.take_frames(handling) {
        handler.show(shown, handling);
    }
}
