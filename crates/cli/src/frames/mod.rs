//! The frames of connections, as `--frames` and `/frames` show them: a tap of the library sees the
//! bytes, the decoder of `fullduplex-inspect` takes them apart, and each frame is a line on
//! standard error or on a screen.

mod line;
mod output;

use std::time::{Duration, Instant};

use fullduplex::Role;
use fullduplex::tap::{ConnectionTap, Direction, Opening, Tap, TransportEnd};
use fullduplex_inspect::{Conversation, DecoderLimits};

pub(crate) use self::output::FrameOutput;

use crate::session::FrameSwitch;

/// The most bytes of a payload that are kept. A line shows fewer.
const MAX_PAYLOAD: usize = 256;

/// The longest header of a frame, in bytes.
const MAX_HEADER: usize = 14;

/// The label of a connection among several, as an extension of its request.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionLabel(pub(crate) String);

/// The tap that shows frames.
#[derive(Clone, Debug)]
pub(crate) struct FrameTap {
    pub(crate) switch: FrameSwitch,
    pub(crate) output: FrameOutput,
}

/// The tap of one connection.
struct ConnectionFrames {
    tap: FrameTap,
    label: String,
    /// The role of this side.
    role: Role,
    opened: Instant,
    conversation: Conversation,
    /// What was sent, and what was received.
    unfinished: [Unfinished; 2],
}

/// The bytes of a direction after its last complete frame.
#[derive(Default)]
struct Unfinished {
    len: u64,
    /// The last of them, as many as a header has.
    last: Vec<u8>,
}

impl Tap for FrameTap {
    fn opened(&self, opening: &Opening<'_>) -> Option<Box<dyn ConnectionTap>> {
        let label = opening.request.extensions().get::<ConnectionLabel>();
        let limits = DecoderLimits::default().max_payload(MAX_PAYLOAD);
        Some(Box::new(ConnectionFrames {
            tap: self.clone(),
            label: label.map_or_else(String::new, |label| label.0.clone()),
            role: opening.role,
            opened: Instant::now(),
            conversation: Conversation::new().with_limits(limits).with_deflate(opening.deflate),
            unfinished: Default::default(),
        }))
    }
}

impl ConnectionFrames {
    /// Decodes bytes, also while nothing is shown: later frames depend on them.
    fn push(&mut self, direction: Direction, bytes: &[u8], at: Instant) {
        let at = self.time(at);
        let sender = self.sender(direction);
        let mut is_closing = self.conversation.first_close().is_some();
        let Self { tap, label, conversation, unfinished, .. } = self;
        let unfinished = &mut unfinished[usize::from(direction == Direction::Received)];
        unfinished.push(bytes);
        conversation.push(sender, bytes, at, |shown| {
            unfinished.len = unfinished.len.saturating_sub(shown.frame.wire_len());
            if tap.switch.is_on() {
                tap.output.line(label, direction, at, line::of_frame(&shown, is_closing));
            }
            is_closing |= shown.frame.opcode_name() == "close";
        });
    }

    fn sender(&self, direction: Direction) -> Role {
        match (direction, self.role) {
            (Direction::Sent, role) => role,
            (Direction::Received, Role::Client) => Role::Server,
            (Direction::Received, Role::Server) => Role::Client,
        }
    }

    fn time(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.opened)
    }
}

impl Unfinished {
    fn push(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        self.last.extend_from_slice(&bytes[bytes.len().saturating_sub(MAX_HEADER)..]);
        self.last.drain(..self.last.len().saturating_sub(MAX_HEADER));
    }

    /// Returns the beginning of a header, if no more is unfinished.
    fn header(&self) -> Option<&[u8]> {
        let len = usize::try_from(self.len).ok().filter(|len| *len > 0)?;
        self.last.get(self.last.len().checked_sub(len)?..)
    }
}

impl ConnectionTap for ConnectionFrames {
    fn received(&mut self, bytes: &[u8], at: Instant) {
        self.push(Direction::Received, bytes, at);
    }

    fn sent(&mut self, bytes: &[u8], at: Instant) {
        self.push(Direction::Sent, bytes, at);
    }

    fn ended(&mut self, direction: Direction, end: &TransportEnd, at: Instant) {
        let at = self.time(at);
        let cut = self.conversation.finish(self.sender(direction));
        if !self.tap.switch.is_on() {
            return;
        }
        let unfinished = &self.unfinished[usize::from(direction == Direction::Received)];
        let cut = match (cut, unfinished.header()) {
            (Some(frame), _) => Some(line::of_cut_frame(&frame)),
            (None, Some(header)) => Some(line::of_cut_header(header)),
            (None, None) => None,
        };
        if let Some(line) = cut {
            self.tap.output.line(&self.label, direction, at, line);
        }
        self.tap.output.line(&self.label, direction, at, format!("end of the transport: {end}"));
    }
}
