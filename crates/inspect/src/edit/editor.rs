//! The editor of one direction.

mod decided;
mod routing;

use std::collections::VecDeque;
use std::time::Duration;

use fullduplex_proto::frame::OpCode;
use fullduplex_proto::mask::MaskSource;
use fullduplex_proto::{DeflateParams, Role};

use super::collected::Collected;
use super::new_frame::{FrameMaker, NewFrame};
use super::{Decision, EditHandler, HistoryError, InjectError};
use crate::conversation::{Conversation, ConversationFrame};
use crate::decoder::Decoder;
use crate::inflation::has_takeover;

/// The most frames that wait to be injected.
const MAX_INJECTED: usize = 64;

/// An editor of what one side of a connection sends, on its way to the other.
///
/// As long as nothing is changed, the bytes leave it as they came. A message that is watched leaves
/// it when it is complete, with the control frames between its fragments in their places. Once a
/// compressed message was dropped or replaced to which later ones may refer (context takeover,
/// RFC 7692 §7.1.1), each later compressed message is compressed anew, without reference to
/// another; one that is too long to be collected is sent without compression. Frames that break a
/// rule pass as they are.
///
/// Its memory is bounded by [`with_max_message`](Self::with_max_message), some frames, and what the
/// bytes of one [`push`](Self::push) are decompressed to.
///
/// ```
/// use std::time::Duration;
///
/// use fullduplex_inspect::edit::{Decision, EditHandler, Editor, NewFrame, Unchanged};
/// use fullduplex_inspect::proto::Role;
/// use fullduplex_inspect::proto::mask::MaskSource;
/// use fullduplex_inspect::store::Handling;
/// use fullduplex_inspect::{Conversation, ConversationFrame};
///
/// /// Replaces prices.
/// struct Prices;
///
/// impl EditHandler for Prices {
///     fn is_watching(&self) -> bool {
///         true
///     }
///     fn decide(&mut self, _: &ConversationFrame, payload: &[u8]) -> Decision {
///         match payload {
///             b"price: 1" => Decision::Replace(NewFrame::Text("price: 2".into())),
///             _ => Decision::Pass,
///         }
///     }
///     fn show(&mut self, _: ConversationFrame, _: Handling) {}
///     fn unchanged(&mut self, _: &ConversationFrame, _: Unchanged) {}
/// }
///
/// # #[derive(Debug)]
/// # struct Keys;
/// # impl MaskSource for Keys {
/// #     fn next_key(&mut self) -> [u8; 4] {
/// #         [1, 2, 3, 4]
/// #     }
/// # }
/// let mut conversation = Conversation::new();
/// let mut editor = Editor::new(Role::Server, None, Box::new(Keys));
/// let mut input = &b"\x81\x08price: 1"[..];
/// let mut out = Vec::new();
/// editor.push(&mut conversation, &mut input, Duration::ZERO, &mut Prices, &mut out)?;
/// assert_eq!(out, b"\x81\x08price: 2");
/// # Ok::<(), fullduplex_inspect::edit::HistoryError>(())
/// ```
#[derive(Debug)]
pub struct Editor {
    sender: Role,
    max_message: usize,
    maker: FrameMaker,
    has_deflate: bool,
    has_takeover: bool,
    /// Whether the receiver lacks a compressed message to which later ones may refer.
    is_history_changed: bool,
    /// The bytes of a header that is not complete.
    header: Vec<u8>,
    frame: FrameRoute,
    message: MessageRoute,
    /// The opcode of the current message, and whether it is compressed.
    kind: (OpCode, bool),
    collected: Collected,
    /// The bytes of a frame that is in no message.
    alone: Vec<u8>,
    held: Option<Held>,
    injected: VecDeque<NewFrame>,
    closing: Closing,
}

/// What became of the Close of the direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    None,
    /// The Close did not pass on.
    Dropped,
    Passed,
}

/// Where the bytes of the current frame go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FrameRoute {
    /// No header is complete.
    Between,
    /// On, as they come.
    Passing,
    /// Where those of its message go.
    OfMessage,
    /// Into the collected bytes of a frame that is in no message.
    Alone,
    /// Nowhere: a Close was injected.
    Discarded,
}

/// Where the bytes of the current message go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MessageRoute {
    /// There is none.
    None,
    /// On, as they come.
    Passing,
    Collecting,
    /// On, decompressed, in fragments.
    Plain,
    /// Nowhere, as a Close was injected.
    Discarded,
}

/// What waits for [`Editor::release`].
#[derive(Debug)]
enum Held {
    /// The message that is collected.
    Message,
    Alone(Box<ConversationFrame>),
}

impl Editor {
    /// Creates an editor of what `sender` sends, with what was negotiated about compression. The
    /// masking keys are for a client's frames.
    pub fn new(
        sender: Role,
        deflate: impl Into<Option<DeflateParams>>,
        masks: Box<dyn MaskSource>,
    ) -> Self {
        let deflate = deflate.into();
        Self {
            sender,
            max_message: 1 << 20,
            maker: FrameMaker::new(sender, deflate, masks),
            has_deflate: deflate.is_some(),
            has_takeover: deflate.is_some_and(|params| has_takeover(params, sender)),
            is_history_changed: false,
            header: Vec::new(),
            frame: FrameRoute::Between,
            message: MessageRoute::None,
            kind: (OpCode::Text, false),
            collected: Collected::default(),
            alone: Vec::new(),
            held: None,
            injected: VecDeque::new(),
            closing: Closing::None,
        }
    }

    /// Sets the most bytes of a message that can be held or changed, on the wire and decompressed.
    /// A longer one passes. Default: 1 MiB.
    #[must_use]
    pub fn with_max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// Returns whether bytes pass as they come. Unless decisions are wanted, they may then be given
    /// to the conversation without the editor.
    pub fn is_transparent(&self) -> bool {
        !self.is_history_changed && self.injected.is_empty() && self.is_neutral()
    }

    /// Returns whether nothing is collected.
    fn is_neutral(&self) -> bool {
        matches!(self.frame, FrameRoute::Between | FrameRoute::Passing)
            && matches!(self.message, MessageRoute::None | MessageRoute::Passing)
            && self.header.is_empty()
            && self.held.is_none()
    }

    /// Returns what is held, with its payload.
    pub fn held(&self) -> Option<(&ConversationFrame, &[u8])> {
        match self.held.as_ref()? {
            Held::Message => Some((self.collected.last()?, &self.collected.plain)),
            Held::Alone(shown) => Some((shown, &shown.frame.payload)),
        }
    }

    /// Takes bytes that were seen at this time from the beginning of the input, until all are taken
    /// or something is held, and appends what passes. The conversation has seen all before.
    ///
    /// # Errors
    /// If a message can't be passed on.
    pub fn push(
        &mut self,
        conversation: &mut Conversation,
        input: &mut &[u8],
        at: Duration,
        handler: &mut impl EditHandler,
        out: &mut Vec<u8>,
    ) -> Result<(), HistoryError> {
        self.follow(conversation.decoder(self.sender));
        self.pass_injected(at, handler, out);
        while !input.is_empty() && self.held.is_none() {
            let before = *input;
            let is_kept = matches!(self.message, MessageRoute::Collecting | MessageRoute::Plain);
            let plain = &mut self.collected.plain;
            let shown = conversation.push_some(self.sender, input, at, &mut |bytes| {
                if is_kept {
                    plain.extend_from_slice(bytes);
                }
            });
            let taken = &before[..before.len() - input.len()];
            let decoder = conversation.decoder(self.sender);
            self.take_bytes(taken, shown.as_ref(), decoder, handler, out);
            self.pass_what_is_too_long(handler, out);
            if let Some(shown) = shown {
                self.complete(shown, decoder, handler, out)?;
                self.pass_injected(at, handler, out);
            }
        }
        Ok(())
    }

    /// Decides about what is held, and appends what passes.
    ///
    /// # Errors
    /// If a message can't be passed on.
    pub fn release(
        &mut self,
        decision: Decision,
        at: Duration,
        handler: &mut impl EditHandler,
        out: &mut Vec<u8>,
    ) -> Result<(), HistoryError> {
        match self.held.take() {
            None => return Ok(()),
            held @ Some(_) if decision == Decision::Hold => {
                self.held = held;
                return Ok(());
            }
            Some(Held::Message) => self.decided(decision, handler, out)?,
            Some(Held::Alone(shown)) => self.decided_alone(*shown, decision, handler, out),
        }
        self.pass_injected(at, handler, out);
        Ok(())
    }

    /// Appends a frame: a control frame between two frames, a message between two messages. If that
    /// is not possible now, it waits. The conversation is that of all calls.
    ///
    /// # Errors
    /// If it is not possible at all.
    pub fn inject(
        &mut self,
        conversation: &Conversation,
        new: NewFrame,
        at: Duration,
        handler: &mut impl EditHandler,
        out: &mut Vec<u8>,
    ) -> Result<(), InjectError> {
        self.follow(conversation.decoder(self.sender));
        let closes = self.injected.iter().any(|new| matches!(new, NewFrame::Close(_)));
        if self.closing == Closing::Passed || closes {
            return Err(InjectError::Closed);
        }
        if !new.is_valid() {
            return Err(InjectError::ControlTooLong);
        }
        if self.injected.len() >= MAX_INJECTED {
            return Err(InjectError::Full);
        }
        self.injected.push_back(new);
        self.pass_injected(at, handler, out);
        Ok(())
    }

    /// Ends the direction: appends what is not complete, as it came. What was injected and waits is
    /// discarded; returns the number of those.
    pub fn finish(&mut self, handler: &mut impl EditHandler, out: &mut Vec<u8>) -> usize {
        match self.held.take() {
            // It can't be passed on if it would be an error.
            Some(Held::Message) => drop(self.decided(Decision::Pass, handler, out)),
            Some(Held::Alone(shown)) => {
                self.decided_alone(*shown, Decision::Pass, handler, out);
            }
            None => {}
        }
        self.abandon(true, handler, out);
        out.append(&mut self.alone);
        out.append(&mut self.header);
        std::mem::take(&mut self.injected).len()
    }

    /// Finds out where the direction is, if bytes passed without this editor.
    fn follow(&mut self, decoder: &Decoder) {
        if !self.is_neutral() {
            return;
        }
        let is_between = decoder.is_between_frames();
        self.frame = if is_between { FrameRoute::Between } else { FrameRoute::Passing };
        let is_within = decoder.is_within_message();
        self.message = if is_within { MessageRoute::Passing } else { MessageRoute::None };
        if self.closing == Closing::None && decoder.has_closed() {
            self.closing = Closing::Passed;
        }
    }
}
