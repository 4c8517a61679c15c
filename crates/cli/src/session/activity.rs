//! When the messages of a session came and went.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The silence that ends a session after a message, unless it is set.
const SILENCE: Duration = Duration::from_secs(1);

/// The time for the first message after the last one sent, unless it is set.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// When messages came and went.
pub(super) struct Activity {
    opened: Instant,
    last_received: Cell<Instant>,
    last_sent: Cell<Instant>,
    pub(super) received: Cell<u64>,
    /// Whether a message has come after the last one sent, or none was sent.
    is_answered: Cell<bool>,
    answered: Notify,
    /// Whether a received message waits for the output side.
    pub(super) is_delivering: Cell<bool>,
}

impl Activity {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            opened: now,
            last_received: Cell::new(now),
            last_sent: Cell::new(now),
            received: Cell::new(0),
            is_answered: Cell::new(true),
            answered: Notify::new(),
            is_delivering: Cell::new(false),
        }
    }

    pub(super) fn record_sent(&self) {
        self.last_sent.set(Instant::now());
        self.is_answered.set(false);
    }

    /// Returns how many messages have been received.
    pub(super) fn record_received(&self) -> u64 {
        self.last_received.set(Instant::now());
        if !self.is_answered.replace(true) {
            self.answered.notify_one();
        }
        self.received.set(self.received.get() + 1);
        self.received.get()
    }

    /// Waits for the answer to the last message sent, and then until no message has come for a
    /// while. Returns that while.
    pub(super) async fn silence(&self, linger: Option<Duration>) -> Duration {
        let begun = Instant::now();
        loop {
            let last = begun.max(self.last_received.get());
            let last = if self.is_delivering.get() { Instant::now() } else { last };
            let wait = if self.is_answered.get() { SILENCE } else { ANSWER_TIMEOUT };
            let wait = linger.unwrap_or(wait);
            let due = last + wait;
            if due <= Instant::now() {
                return wait;
            }
            tokio::select! {
                () = sleep_until(due) => {}
                () = self.answered.notified() => {}
            }
        }
    }

    /// Returns how long the connection has been open, and how long no message has come or gone.
    pub(super) fn times(&self) -> (Duration, Duration) {
        let last = self.last_received.get().max(self.last_sent.get());
        (self.opened.elapsed(), last.elapsed())
    }
}
