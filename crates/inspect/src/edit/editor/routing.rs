//! Where the bytes of each frame go.

use fullduplex_proto::frame::{OpCode, RawFrameHeader};

use super::decided::show_all;
use super::{Closing, Editor, FrameRoute, Held, MessageRoute};
use crate::conversation::ConversationFrame;
use crate::decoder::Decoder;
use crate::edit::{Decision, EditHandler, HistoryError, Unchanged};
use crate::store::Handling;

/// The bit of a compressed message's first frame in [`RawFrameHeader::rsv`] (RFC 7692 §6).
const RSV1: u8 = 4;

impl Editor {
    /// Takes a byte of a header, or payload of one frame.
    pub(super) fn take_bytes(
        &mut self,
        bytes: &[u8],
        shown: Option<&ConversationFrame>,
        decoder: &Decoder,
        handler: &mut impl EditHandler,
        out: &mut Vec<u8>,
    ) {
        if self.frame != FrameRoute::Between {
            return self.route(bytes, out);
        }
        self.header.extend_from_slice(bytes);
        let begun = shown.map(|shown| &shown.frame).or(decoder.unfinished());
        if let Some(frame) = begun {
            let header = std::mem::take(&mut self.header);
            self.start(frame.header, frame.fragment.is_some(), handler, out);
            self.route(&header, out);
        }
    }

    /// Decides where a frame goes, whose header is complete.
    fn start(
        &mut self,
        header: RawFrameHeader,
        is_of_message: bool,
        handler: &mut impl EditHandler,
        out: &mut Vec<u8>,
    ) {
        let opcode = OpCode::from_bits(header.opcode_bits());
        let is_watching = handler.is_watching();
        if let Some(opcode @ (OpCode::Text | OpCode::Binary)) = opcode
            && self.message != MessageRoute::Discarded
        {
            // There is something if a message has no end (RFC 6455 §5.4).
            self.abandon(true, handler, out);
            let is_compressed = self.has_deflate && header.rsv() & RSV1 != 0;
            self.kind = (opcode, is_compressed);
            let is_remade = is_compressed && self.is_history_changed;
            self.message = if is_watching || is_remade {
                MessageRoute::Collecting
            } else {
                MessageRoute::Passing
            };
        }
        self.frame = match self.message {
            MessageRoute::Discarded => FrameRoute::Discarded,
            MessageRoute::Collecting | MessageRoute::Plain if is_of_message => {
                FrameRoute::OfMessage
            }
            MessageRoute::Collecting => FrameRoute::Alone,
            _ if is_watching && !is_of_message => FrameRoute::Alone,
            _ => FrameRoute::Passing,
        };
    }

    fn route(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match (self.frame, self.message) {
            (FrameRoute::Passing, _) => out.extend_from_slice(bytes),
            (FrameRoute::Alone, _) => self.alone.extend_from_slice(bytes),
            (FrameRoute::OfMessage, MessageRoute::Collecting) => {
                self.collected.bytes.extend_from_slice(bytes);
            }
            _ => {}
        }
    }

    /// Passes on what is longer than the editor may collect.
    pub(super) fn pass_what_is_too_long(
        &mut self,
        handler: &mut impl EditHandler,
        out: &mut Vec<u8>,
    ) {
        let is_alone_too_long = self.alone.len() > self.max_message;
        let is_collecting = self.message == MessageRoute::Collecting;
        if is_collecting && (is_alone_too_long || self.collected.is_over(self.max_message)) {
            let is_remade = self.kind.1 && self.is_history_changed;
            if is_remade {
                out.append(&mut self.collected.between);
                self.message = MessageRoute::Plain;
            } else {
                out.append(&mut self.collected.bytes);
                self.message = MessageRoute::Passing;
                if self.frame == FrameRoute::OfMessage {
                    self.frame = FrameRoute::Passing;
                }
            }
            show_all(&mut self.collected, Handling::Passed, handler);
            if is_remade {
                self.maker.frame(self.kind.0, false, &self.collected.plain, out);
            }
            self.collected.clear();
        }
        if is_alone_too_long {
            out.append(&mut self.alone);
            self.frame = FrameRoute::Passing;
        }
        if self.message == MessageRoute::Plain && !self.collected.plain.is_empty() {
            self.maker.frame(OpCode::Continuation, false, &self.collected.plain, out);
            self.collected.clear();
        }
    }

    /// Ends a frame, all of which was seen.
    pub(super) fn complete(
        &mut self,
        shown: ConversationFrame,
        decoder: &Decoder,
        handler: &mut impl EditHandler,
        out: &mut Vec<u8>,
    ) -> Result<(), HistoryError> {
        let route = std::mem::replace(&mut self.frame, FrameRoute::Between);
        let is_last = shown.frame.message.is_some();
        match route {
            FrameRoute::Between | FrameRoute::Discarded => {
                handler.show(shown, Handling::Dropped);
            }
            FrameRoute::Passing => self.passed(shown, decoder, handler),
            FrameRoute::Alone => {
                let decision = if handler.is_watching() {
                    handler.decide(&shown, &shown.frame.payload)
                } else {
                    Decision::Pass
                };
                if decision == Decision::Hold {
                    self.held = Some(Held::Alone(Box::new(shown)));
                } else {
                    self.decided_alone(shown, decision, handler, out);
                }
            }
            FrameRoute::OfMessage if self.message == MessageRoute::Plain => {
                if let Some(message) = &shown.frame.message {
                    self.message = MessageRoute::None;
                    if message.inflation_stop.is_some() {
                        return Err(HistoryError);
                    }
                    self.maker.frame(OpCode::Continuation, true, &[], out);
                }
                show_passed(shown, handler);
            }
            FrameRoute::OfMessage => {
                self.collected.add(shown);
                if is_last {
                    return self.message_complete(handler, out);
                }
            }
        }
        Ok(())
    }

    /// Takes a frame that has passed as it came.
    fn passed(
        &mut self,
        shown: ConversationFrame,
        decoder: &Decoder,
        handler: &mut impl EditHandler,
    ) {
        if shown.frame.opcode() == Some(OpCode::Close) {
            self.closing = Closing::Passed;
        }
        if matches!(self.message, MessageRoute::Passing | MessageRoute::None) {
            let is_within = decoder.is_within_message();
            self.message = if is_within { MessageRoute::Passing } else { MessageRoute::None };
        }
        show_passed(shown, handler);
    }
}

/// Shows a frame that has passed, and says so if its message was to be held or changed.
fn show_passed(shown: ConversationFrame, handler: &mut impl EditHandler) {
    if let Some(message) = &shown.frame.message
        && handler.is_watching()
        && handler.decide(&shown, &message.payload) != Decision::Pass
    {
        handler.unchanged(&shown, Unchanged::Passed);
    }
    handler.show(shown, Handling::Passed);
}
