//! The frames of a connection, and what is cut at its end.

use std::time::Duration;

use fullduplex::Role;
use fullduplex_inspect::{Conversation, ConversationFrame, Frame};

/// The longest header of a frame, in bytes.
const MAX_HEADER: usize = 14;

/// A reader of the frames of both sides of a connection.
pub(crate) struct FrameReader {
    conversation: Conversation,
    /// What the client sent, and what the server sent.
    unfinished: [Unfinished; 2],
}

/// The frame or the header within which a direction ended.
pub(crate) enum CutEnd {
    Frame(Frame),
    /// The bytes of a header.
    Header(Vec<u8>),
}

/// The bytes of a direction after its last complete frame.
#[derive(Default)]
pub(crate) struct Unfinished {
    len: u64,
    /// The last of them, as many as a header has.
    last: Vec<u8>,
}

impl FrameReader {
    pub(crate) fn new(conversation: Conversation) -> Self {
        Self { conversation, unfinished: Default::default() }
    }

    /// Takes bytes of `sender` that were seen at this time, and calls `show` with each frame that
    /// is complete, and whether there was a Close before it.
    pub(crate) fn push(
        &mut self,
        sender: Role,
        bytes: &[u8],
        at: Duration,
        mut show: impl FnMut(&ConversationFrame, bool),
    ) {
        let mut is_closing = self.conversation.first_close().is_some();
        let unfinished = &mut self.unfinished[usize::from(sender == Role::Server)];
        unfinished.push(bytes);
        self.conversation.push(sender, bytes, at, |shown| {
            unfinished.complete(&shown);
            show(&shown, is_closing);
            is_closing |= shown.frame.opcode_name() == "close";
        });
    }

    /// Goes on after bytes of `sender` that were not seen. See [`Conversation::skip`].
    pub(crate) fn skip(&mut self, sender: Role) {
        self.conversation.skip(sender);
        self.unfinished[usize::from(sender == Role::Server)] = Unfinished::default();
    }

    /// Returns the conversation, and what is unfinished of what `sender` sends. The caller gives
    /// the bytes to the conversation, and counts them there, too.
    pub(crate) fn parts(&mut self, sender: Role) -> (&mut Conversation, &mut Unfinished) {
        let unfinished = &mut self.unfinished[usize::from(sender == Role::Server)];
        (&mut self.conversation, unfinished)
    }

    /// Ends the direction of `sender`. Returns what was cut.
    pub(crate) fn finish(&mut self, sender: Role) -> Option<CutEnd> {
        if let Some(frame) = self.conversation.finish(sender) {
            return Some(CutEnd::Frame(frame));
        }
        let unfinished = &self.unfinished[usize::from(sender == Role::Server)];
        unfinished.header().map(|header| CutEnd::Header(header.to_vec()))
    }
}

impl Unfinished {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        self.last.extend_from_slice(&bytes[bytes.len().saturating_sub(MAX_HEADER)..]);
        self.last.drain(..self.last.len().saturating_sub(MAX_HEADER));
    }

    /// Takes a frame that is complete.
    pub(crate) fn complete(&mut self, shown: &ConversationFrame) {
        self.len = self.len.saturating_sub(shown.frame.wire_len());
    }

    /// Returns the beginning of a header, if no more is unfinished.
    fn header(&self) -> Option<&[u8]> {
        let len = usize::try_from(self.len).ok().filter(|len| *len > 0)?;
        self.last.get(self.last.len().checked_sub(len)?..)
    }
}
