//! What is drawn: records, and the prompt below them.

use std::mem;

use bytes::Bytes;
use fullduplex::{Message, tap};

use super::draw::style::Style;
use super::draw::{Content, Direction, View};
use super::edit::Editor;
use super::surface::Surface;
use super::terminal::{self, Output};
use super::{InputKind, prompt};

/// The records that wait to be written, and what is known of the terminal.
pub(super) struct Canvas {
    kind: InputKind,
    output: Output,
    view: View,
    /// The columns and rows of the terminal.
    size: (usize, usize),
    surface: Surface,
    records: String,
    is_dirty: bool,
    is_cleared: bool,
}

impl Canvas {
    pub(super) fn new(kind: InputKind, output: Output) -> Self {
        let style = Style::of_environment(output.is_terminal());
        let mut canvas = Self {
            kind,
            output,
            view: View { style, width: None, shows_all: false },
            size: terminal::size(output),
            surface: Surface::default(),
            records: String::new(),
            is_dirty: true,
            is_cleared: false,
        };
        canvas.measure();
        canvas
    }

    /// Adapts the width of records to the terminal's.
    fn measure(&mut self) {
        self.size = terminal::size(self.output);
        let is_wrapped = self.output.is_terminal() && self.kind != InputKind::Lines;
        self.view.width = is_wrapped.then(|| self.size.0.saturating_sub(1).max(10));
    }

    /// The terminal has another size, or the program was stopped and goes on.
    pub(super) fn terminal_changed(&mut self) {
        self.measure();
        self.surface.resize(self.size.0);
        self.is_dirty = true;
    }

    /// Whether something is to be drawn.
    pub(super) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Asks for a new frame.
    pub(super) fn touch(&mut self) {
        self.is_dirty = true;
    }

    /// Asks for a frame on an empty screen.
    pub(super) fn clear(&mut self) {
        self.is_cleared = true;
        self.is_dirty = true;
    }

    /// Returns the bytes that wait to be drawn.
    pub(super) fn waiting(&self) -> usize {
        self.records.len()
    }

    /// Returns what is to be written now: records, and the prompt with this status.
    pub(super) fn frame(&mut self, editor: &Editor, status: &str) -> String {
        self.is_dirty = false;
        let records = mem::take(&mut self.records);
        if self.kind != InputKind::Keys {
            return records;
        }
        let style = self.view.style;
        let prompt = prompt::view(editor, status, style, self.size);
        if mem::take(&mut self.is_cleared) {
            self.surface = Surface::default();
            return format!("\x1b[H\x1b[2J{}", self.surface.frame(&records, &prompt, style));
        }
        self.surface.frame(&records, &prompt, style)
    }

    /// Returns what is to be written at the end: without the prompt, and, if `has_records`, with
    /// what waits.
    pub(super) fn last_frame(&mut self, has_records: bool) -> String {
        let records = mem::take(&mut self.records);
        let mut frame = String::new();
        if self.kind == InputKind::Keys {
            frame = self.surface.erase();
        }
        if has_records {
            frame.push_str(&records);
        }
        frame
    }

    pub(super) fn note(&mut self, text: &str) {
        self.view.note(text, &mut self.records);
        self.is_dirty = true;
    }

    pub(super) fn error(&mut self, text: &str) {
        self.view.error(text, &mut self.records);
        self.is_dirty = true;
    }

    pub(super) fn message(&mut self, direction: Direction, time: &str, message: &Message) {
        let content = match message {
            Message::Text(text) => Content::Text(text.as_str()),
            Message::Binary(bytes) => Content::Binary(bytes),
        };
        self.view.message(direction, time, content, &mut self.records);
        self.is_dirty = true;
    }

    /// Draws a received message in full.
    pub(super) fn whole_message(&mut self, message: &Message) {
        self.view.shows_all = true;
        self.message(Direction::Received, "", message);
        self.view.shows_all = false;
    }

    /// Draws a frame as it was on the wire.
    pub(super) fn frame_line(&mut self, direction: tap::Direction, time: &str, words: &str) {
        let direction = match direction {
            tap::Direction::Received => Direction::Received,
            tap::Direction::Sent => Direction::Sent,
        };
        self.view.control(direction, time, words, &mut self.records);
        self.is_dirty = true;
    }

    /// Draws a Ping or a Pong; `more` follows its payload.
    pub(super) fn control(
        &mut self,
        direction: Direction,
        time: &str,
        name: &str,
        payload: &Bytes,
        more: &str,
    ) {
        let quoted = match payload.len() {
            0 => String::new(),
            _ => format!(" {:?}", String::from_utf8_lossy(payload)),
        };
        self.view.control(direction, time, &format!("{name}{quoted}{more}"), &mut self.records);
        self.is_dirty = true;
    }
}
