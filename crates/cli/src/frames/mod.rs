//! The frames of connections, as `--frames` and `/frames` show them: a tap of the library sees the
//! bytes, the decoder of `fullduplex-inspect` takes them apart, and each frame is a line on
//! standard error or on a screen.

mod line;
mod output;
mod reader;

use std::time::{Duration, Instant};

use fullduplex::Role;
use fullduplex::tap::{ConnectionTap, Direction, Opening, Tap, TransportEnd};
use fullduplex_inspect::{Conversation, DecoderLimits};

pub(crate) use self::line::{content, of_cut, of_frame};
pub(crate) use self::output::FrameOutput;
pub(crate) use self::reader::{CutEnd, FrameReader, Unfinished};

use crate::session::FrameSwitch;

/// The most bytes of a payload that are kept. A line shows fewer.
const MAX_PAYLOAD: usize = 256;

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
    frames: FrameReader,
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
            frames: FrameReader::new(
                Conversation::new().with_limits(limits).with_deflate(opening.deflate),
            ),
        }))
    }
}

impl ConnectionFrames {
    /// Decodes bytes, also while nothing is shown: later frames depend on them.
    fn push(&mut self, direction: Direction, bytes: &[u8], at: Instant) {
        let at = self.time(at);
        let sender = direction.sender(self.role);
        let Self { tap, label, frames, .. } = self;
        frames.push(sender, bytes, at, |shown, is_answer| {
            if tap.switch.is_on() {
                tap.output.line(label, direction, at, of_frame(shown, is_answer));
            }
        });
    }

    fn time(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.opened)
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
        let cut = self.frames.finish(direction.sender(self.role));
        if !self.tap.switch.is_on() {
            return;
        }
        if let Some(cut) = cut {
            self.tap.output.line(&self.label, direction, at, of_cut(&cut));
        }
        self.tap.output.line(&self.label, direction, at, format!("end of the transport: {end}"));
    }
}
