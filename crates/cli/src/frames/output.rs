//! Where the lines of frames go.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fullduplex::tap::Direction;

use crate::base::stderr;
use crate::screen::LabelledEvent;
use crate::session::{Event, QueueSender};

/// The most lines that wait for a session to begin.
const MAX_WAITING: usize = 1000;

/// Where the lines of frames go: to standard error, or, once there is one, to a screen.
#[derive(Clone)]
pub(crate) struct FrameOutput(Arc<Mutex<State>>);

struct State {
    target: Target,
    /// How many lines found the screen too slow.
    missed: u64,
}

enum Target {
    Stderr,
    /// A screen that is yet to begin, and what came before.
    Waiting(VecDeque<LabelledEvent>),
    Session(QueueSender<Event>),
    Sessions(QueueSender<LabelledEvent>),
    /// A screen that has ended.
    Gone,
}

impl fmt::Debug for FrameOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameOutput")
    }
}

impl FrameOutput {
    pub(crate) fn stderr() -> Self {
        Self::new(Target::Stderr)
    }

    /// Returns an output to a screen that is yet to begin.
    pub(crate) fn screen() -> Self {
        Self::new(Target::Waiting(VecDeque::new()))
    }

    fn new(target: Target) -> Self {
        Self(Arc::new(Mutex::new(State { target, missed: 0 })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the lines to the screen of a session, if there is one.
    pub(crate) fn begin(&self, events: &QueueSender<Event>) {
        self.start(Target::Session(events.clone()));
    }

    /// Sends the lines to the screen of several sessions.
    pub(crate) fn begin_many(&self, events: &QueueSender<LabelledEvent>) {
        self.start(Target::Sessions(events.clone()));
    }

    fn start(&self, target: Target) {
        let mut state = self.lock();
        if let Target::Waiting(waiting) = &mut state.target {
            let waiting = std::mem::take(waiting);
            state.target = target;
            for event in waiting {
                state.send(event);
            }
        }
    }

    /// Ends the lines to a screen, which ends when nothing can send to it any more.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        if !matches!(state.target, Target::Stderr) {
            state.target = Target::Gone;
        }
    }

    /// Writes a line. It never waits for a screen, and for standard error a short time only: what
    /// these can't take is counted.
    pub(super) fn line(&self, label: &str, direction: Direction, at: Duration, words: String) {
        let mut state = self.lock();
        if let Target::Stderr = state.target {
            let mark = if direction == Direction::Received { '<' } else { '>' };
            stderr::push_line(&format!("{mark} {:.3} s {words}", at.as_secs_f64()));
            return;
        }
        let event = Event::Frame { direction, words };
        state.send(LabelledEvent { label: label.to_owned(), event });
    }
}

impl State {
    fn send(&mut self, event: LabelledEvent) {
        if self.missed > 0 {
            let note = Event::Note(format!("{} frames were too fast to be shown", self.missed));
            if self.try_send(LabelledEvent { label: String::new(), event: note }) {
                self.missed = 0;
            }
        }
        if !self.try_send(event) {
            self.missed += 1;
        }
    }

    fn try_send(&mut self, event: LabelledEvent) -> bool {
        match &mut self.target {
            Target::Waiting(waiting) if waiting.len() < MAX_WAITING => {
                waiting.push_back(event);
                true
            }
            Target::Waiting(_) => false,
            Target::Session(events) => events.try_send(event.event).is_ok(),
            Target::Sessions(events) => events.try_send(event).is_ok(),
            Target::Stderr | Target::Gone => true,
        }
    }
}
