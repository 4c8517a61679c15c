//! What the screen knows, and what events do to it.

use std::mem;
use std::time::Instant;

use fullduplex::Message;
use tokio::sync::mpsc;

use super::background::Background;
use super::canvas::Canvas;
use super::clock::{Clock, short_time};
use super::draw::Direction;
use super::edit::{Editor, History, KeyDecoder};
use super::filter::Filter;
use super::held::Held;
use super::info::{ConnectionFacts, ControlCounts};
use super::input::Typed;
use super::terminal::Output;
use super::{InputKind, LabelledEvent, ScreenSettings, history_file};
use crate::base::escape::printable;
use crate::base::signals::Interrupter;
use crate::config::SavedMessages;
use crate::session::{Action, Event, FrameSwitch};

/// The state of a screen. What the user does to it is in [`super::user`].
pub(super) struct State {
    pub(super) canvas: Canvas,
    /// Whether events are drawn; otherwise only what the user types.
    pub(super) draws_events: bool,
    pub(super) clock: Clock,
    pub(super) opened: Instant,
    pub(super) editor: Editor,
    pub(super) decoder: KeyDecoder,
    /// What is held back while the screen is paused, and afterwards until it is drawn.
    pub(super) held: Held,
    pub(super) filter: Option<Filter>,
    /// The last received message.
    pub(super) last: Option<Message>,
    pub(super) counts: ControlCounts,
    pub(super) facts: ConnectionFacts,
    pub(super) saved: SavedMessages,
    /// Whether lines are sent as binary messages.
    pub(super) sends_binary: bool,
    /// Whether the input has ended.
    pub(super) has_ended: bool,
    pub(super) interrupter: Interrupter,
    /// Whether frames are shown; `None` if they can't be.
    pub(super) frames: Option<FrameSwitch>,
    pub(super) actions: mpsc::Sender<Action>,
    pub(super) background: mpsc::Sender<Background>,
}

impl State {
    pub(super) fn new(
        settings: ScreenSettings,
        (kind, output): (InputKind, Output),
        draws_events: bool,
        actions: mpsc::Sender<Action>,
        background: mpsc::Sender<Background>,
    ) -> Self {
        let ScreenSettings { args, profile, greeting, facts, sends_binary, interrupter, frames } =
            settings;
        let mut state = Self {
            canvas: Canvas::new(kind, output),
            draws_events,
            clock: Clock::new(args.time),
            opened: Instant::now(),
            editor: Editor::default(),
            decoder: KeyDecoder::default(),
            held: Held::default(),
            filter: None,
            last: None,
            counts: ControlCounts::default(),
            facts,
            saved: SavedMessages::default(),
            sends_binary,
            has_ended: false,
            interrupter,
            frames,
            actions,
            background,
        };
        if !greeting.is_empty() {
            state.canvas.note(&greeting);
        }
        if kind == InputKind::Keys {
            state.load_history();
        }
        if kind != InputKind::None {
            match SavedMessages::load(profile.as_deref()) {
                Ok(saved) => state.saved = saved,
                Err(why) => state.canvas.error(&why),
            }
        }
        state
    }

    fn load_history(&mut self) {
        let Some(file) = history_file() else { return };
        match History::load(file.clone()) {
            Ok(history) => self.editor = Editor::new(history),
            Err(error) => {
                self.canvas.error(&format!("the history {}: {error}", file.display()));
            }
        }
    }

    /// Returns what is to be written now.
    pub(super) fn frame(&mut self) -> String {
        let status = self.status();
        self.canvas.frame(&self.editor, &status)
    }

    /// Returns what is to be written at the end; without records if they are to be dropped.
    pub(super) fn last_frame(&mut self, has_records: bool) -> String {
        self.held.is_paused = false;
        if has_records {
            self.draw_resumed(usize::MAX);
        }
        self.canvas.last_frame(has_records)
    }

    fn status(&self) -> String {
        let mut parts = Vec::new();
        if self.held.is_paused {
            parts.push(format!("paused, {} held back", self.held.count()));
        }
        if let Some(filter) = &self.filter {
            let (pattern, hidden) = (printable(filter.pattern()), filter.hidden);
            parts.push(format!("grep {pattern}, {hidden} hidden"));
        }
        if self.has_ended {
            parts.push("closing".into());
        }
        parts.join("; ")
    }

    /// Returns the time and the label that stand before a record.
    pub(super) fn time(&self, label: &str) -> String {
        let time = self.clock.now();
        if time.is_empty() || label.is_empty() { time + label } else { format!("{time} {label}") }
    }

    /// Handles what was typed. Returns whether an Escape waits for what follows it.
    pub(super) fn typed(&mut self, typed: Typed) -> bool {
        match typed {
            Typed::Keys(bytes) => {
                for key in self.decoder.push(&bytes) {
                    self.key(key);
                }
            }
            Typed::Line(line) => self.entered(&line),
            Typed::CutLine => self.canvas.error(
                "this terminal cuts lines of more than 4,095 bytes, and the line was not sent; \
                 /file PATH sends a file",
            ),
            Typed::End => self.end_of_input(),
        }
        self.decoder.has_lone_escape()
    }

    /// An Escape was a key of its own.
    pub(super) fn flush_escape(&mut self) {
        if let Some(key) = self.decoder.flush() {
            self.key(key);
        }
    }

    /// Draws an event, or holds it back.
    pub(super) fn event(&mut self, event: LabelledEvent) {
        let time = self.time(&event.label);
        match &event.event {
            Event::Message(_) | Event::Frame { .. } if self.held.is_paused => {
                self.held.push(time, event);
                self.canvas.touch();
            }
            _ => self.draw(&time, event.event),
        }
    }

    /// Draws what was held back, up to a number of bytes that wait, once it is to be shown.
    pub(super) fn draw_resumed(&mut self, max: usize) {
        while !self.held.is_paused && self.canvas.waiting() < max {
            let Some((time, event)) = self.held.pop() else { return };
            self.draw(&time, event.event);
        }
    }

    /// Whether something that was held back is yet to be drawn.
    pub(super) fn is_resuming(&self) -> bool {
        !self.held.is_paused && !self.held.is_empty()
    }

    /// Shows again what is held back.
    pub(super) fn resume(&mut self) {
        self.held.is_paused = false;
        let dropped = mem::take(&mut self.held.dropped);
        if dropped > 0 {
            self.canvas.note(&format!("the first {dropped} messages of the pause were dropped"));
        }
    }

    fn draw(&mut self, time: &str, event: Event) {
        match event {
            Event::Message(message) => {
                if self.filter.as_mut().is_none_or(|filter| filter.check(&message)) {
                    self.canvas.message(Direction::Received, time, &message);
                }
                self.canvas.touch();
                self.last = Some(message);
            }
            Event::Sent(message) => self.canvas.message(Direction::Sent, time, &message),
            Event::Ping(_) => self.counts.pings += 1,
            Event::Pong { payload, round_trip: Some(round_trip) } => {
                self.counts.round_trips.add(round_trip);
                let more = format!(" after {}", short_time(round_trip));
                self.canvas.control(Direction::Received, time, "Pong", &payload, &more);
            }
            Event::Frame { direction, words } => {
                self.canvas.frame_line(direction, time, &words);
            }
            // It answers a Ping of the library.
            Event::Pong { round_trip: None, .. } => {}
            Event::Note(note) => self.canvas.note(&note),
        }
    }
}
