//! A session from its start to its end.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use fullduplex::{CloseCode, ControlFrame, Error, Message};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::end::{End, describe};
use super::link::{Link, LinkReceiver, LinkSender};
use super::queue::{Gone, QueueReceiver, QueueSender};
use super::{Action, AtEndOfInput, Event, SessionSettings};
use crate::base::escape::printable;
use crate::base::signals::{EndSignal, EndSignals};
use crate::client::ConnectOutcome;

/// The time for the server to end the transport after both ends have sent a Close: Chromium's. The
/// library itself waits for `close_timeout`.
const TRANSPORT_END_TIMEOUT: Duration = Duration::from_secs(2);

/// The time for the closing handshake after a signal, and whenever nothing more is to be received.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(600);

/// The silence that ends a session after a message, unless it is set.
const SILENCE: Duration = Duration::from_secs(1);

/// The time for the first message after the last one sent, unless it is set.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The most Pings whose Pongs are awaited.
const MAX_PINGS: usize = 64;

/// Why the exchange of messages stops.
enum Stop {
    /// The connection has ended.
    Ended(Option<Error>),
    Signal(EndSignal),
    /// As many messages as wanted were received.
    Received,
    Deadline,
    /// Nothing can be printed any more.
    OutputGone,
}

struct Exchange<'a> {
    settings: &'a SessionSettings,
    sender: LinkSender,
    events: QueueSender<Event>,
    activity: Activity,
    input_ended: Notify,
    input_failure: RefCell<Option<String>>,
    /// The Pings that were sent, and when.
    pings: RefCell<VecDeque<(Bytes, Instant)>>,
}

/// When messages came and went.
struct Activity {
    opened: Instant,
    last_received: Cell<Instant>,
    last_sent: Cell<Instant>,
    received: Cell<u64>,
    /// Whether a message has come after the last one sent.
    is_answered: Cell<bool>,
    answered: Notify,
    /// Whether a received message waits for the output side.
    is_delivering: Cell<bool>,
}

/// Exchanges messages until the connection ends, a signal comes, or the settings say so.
///
/// It does not wait for the output side: the caller does, unless [`End::at_once`] is set.
pub(crate) async fn run(
    settings: &SessionSettings,
    link: Link,
    actions: QueueReceiver<Action>,
    events: QueueSender<Event>,
    signals: &mut EndSignals,
) -> End {
    let Link { sender, mut receiver } = link;
    let exchange = Exchange {
        settings,
        sender,
        events,
        activity: Activity::new(),
        input_ended: Notify::new(),
        input_failure: RefCell::default(),
        pings: RefCell::default(),
    };
    let stop = exchange.until_stop(&mut receiver, actions, signals).await;
    exchange.end(stop, receiver, signals).await
}

impl Exchange<'_> {
    async fn until_stop(
        &self,
        receiver: &mut LinkReceiver,
        actions: QueueReceiver<Action>,
        signals: &mut EndSignals,
    ) -> Stop {
        let deadline = async {
            match self.settings.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => pending().await,
            }
        };
        let closed_both_ways = async {
            self.sender.closed_both_ways().await;
            sleep(TRANSPORT_END_TIMEOUT).await;
        };
        let working = async {
            tokio::join!(self.send_input(actions), self.close_after_input(), self.report_control());
        };
        tokio::select! {
            biased;
            signal = signals.next() => Stop::Signal(signal),
            () = deadline => Stop::Deadline,
            () = self.events.gone() => Stop::OutputGone,
            stop = self.receive(receiver) => stop,
            () = closed_both_ways => Stop::Ended(None),
            () = working => Stop::OutputGone,
        }
    }

    /// Hands received messages to the output side until the connection ends, or enough have come.
    async fn receive(&self, receiver: &mut LinkReceiver) -> Stop {
        while let Some(message) = receiver.next().await {
            let message = match message {
                Ok(message) => message,
                Err(error) => return Stop::Ended(Some(error)),
            };
            let count = self.activity.record_received();
            self.activity.is_delivering.set(true);
            if self.events.send(Event::Message(message)).await == Err(Gone) {
                return Stop::OutputGone;
            }
            self.activity.is_delivering.set(false);
            if self.settings.messages == Some(count) {
                return Stop::Received;
            }
        }
        Stop::Ended(None)
    }

    /// Does what the input side asks for. Does not end before the session.
    async fn send_input(&self, mut actions: QueueReceiver<Action>) {
        while let Some(action) = actions.recv().await {
            // If sending fails, the receiving side reports why.
            let result = match action {
                Action::Send(message) => self.send(message).await,
                Action::Ping(payload) => self.ping(payload).await,
                Action::Pong(payload) => self.sender.pong(&payload).await,
                Action::Close(code, reason) => self.sender.start_close(code, &reason),
                Action::EndOfInput => {
                    self.input_ended.notify_one();
                    continue;
                }
                Action::Fail(why) => {
                    *self.input_failure.borrow_mut() = Some(why);
                    self.sender.start_close(CloseCode::NORMAL, "")
                }
            };
            if let Err(error) = result
                && self.sender.close_info().is_none()
            {
                self.note(printable(&error.to_string())).await;
            }
        }
        self.input_ended.notify_one();
        pending::<()>().await;
    }

    async fn send(&self, message: Message) -> Result<(), Error> {
        let sent = self.settings.details.then(|| message.clone());
        self.sender.send(message).await?;
        self.activity.record_sent();
        if let Some(sent) = sent {
            // `until_stop` sees that the output side is gone.
            let _ = self.events.send(Event::Sent(sent)).await;
        }
        Ok(())
    }

    async fn ping(&self, payload: Bytes) -> Result<(), Error> {
        let mut pings = self.pings.take();
        pings.truncate(MAX_PINGS);
        pings.push_front((payload.clone(), Instant::now()));
        self.pings.replace(pings);
        self.sender.ping(&payload).await
    }

    /// Closes at the end of the input, as the settings say. Does not end before the session.
    async fn close_after_input(&self) {
        self.input_ended.notified().await;
        match self.settings.at_end_of_input {
            AtEndOfInput::Ignore => return pending().await,
            AtEndOfInput::Close => {}
            AtEndOfInput::Wait(linger) => {
                // The server can't answer what has not left.
                let _ = self.sender.flush().await;
                self.activity.silence(linger).await;
            }
        }
        let _ = self.sender.start_close(CloseCode::NORMAL, "");
        pending::<()>().await;
    }

    /// Reports Pings and Pongs, if the output side wants them.
    async fn report_control(&self) {
        if !self.settings.details {
            return pending().await;
        }
        let mut frames = self.sender.control_frames();
        while let Some(frame) = frames.next().await {
            let event = match frame {
                ControlFrame::Ping(payload) => Event::Ping(payload),
                ControlFrame::Pong(payload) => {
                    Event::Pong { round_trip: self.round_trip(&payload), payload }
                }
                _ => continue,
            };
            let _ = self.events.send(event).await;
        }
        pending::<()>().await;
    }

    /// Returns the time since the Ping with this payload, which is answered, and those before it.
    fn round_trip(&self, payload: &Bytes) -> Option<Duration> {
        let mut pings = self.pings.borrow_mut();
        let index = pings.iter().position(|(sent, _)| sent == payload)?;
        let (_, sent_at) = pings[index];
        pings.truncate(index);
        Some(sent_at.elapsed())
    }

    async fn note(&self, text: String) {
        let _ = self.events.send(Event::Note(text)).await;
    }

    /// Closes if the connection is open, and returns how the session ended.
    async fn end(&self, stop: Stop, receiver: LinkReceiver, signals: &mut EndSignals) -> End {
        let (open, idle) = self.activity.times();
        let (mut at_once, mut error, mut left) = (false, None, None);
        match stop {
            Stop::Ended(why) => error = why,
            Stop::Signal(signal) => {
                self.events.discard();
                left = Some(signal.into());
                at_once = self.leave(signal.close_code(), receiver, signals).await;
            }
            Stop::Received => at_once = self.leave(CloseCode::NORMAL, receiver, signals).await,
            Stop::Deadline => {
                left = Some(ConnectOutcome::Incomplete);
                at_once = self.leave(CloseCode::NORMAL, receiver, signals).await;
            }
            Stop::OutputGone => {
                left = Some(ConnectOutcome::LocalIo);
                at_once = self.leave(CloseCode::NORMAL, receiver, signals).await;
            }
        }
        let (reason, outcome) = describe(error.as_ref(), self.sender.close_info().as_ref());
        let stats = self.sender.stats();
        let (reason, outcome) = match (self.input_failure.take(), left) {
            (Some(failure), _) => (failure, ConnectOutcome::LocalIo),
            (None, Some(outcome)) => (String::new(), outcome),
            (None, None) => (reason, outcome),
        };
        End { outcome, at_once, reason, open, idle, stats }
    }

    /// Closes without receiving anything more. Returns whether a signal asks not to wait.
    async fn leave(
        &self,
        code: CloseCode,
        receiver: LinkReceiver,
        signals: &mut EndSignals,
    ) -> bool {
        // A task of the library reads up to the peer's Close.
        drop(receiver);
        let _ = self.sender.start_close(code, "");
        let closed = timeout(LEAVE_TIMEOUT, self.sender.closed());
        let at_once = tokio::select! {
            biased;
            _ = signals.next() => true,
            _ = closed => false,
        };
        self.sender.abort();
        at_once
    }
}

impl Activity {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            opened: now,
            last_received: Cell::new(now),
            last_sent: Cell::new(now),
            received: Cell::new(0),
            is_answered: Cell::new(false),
            answered: Notify::new(),
            is_delivering: Cell::new(false),
        }
    }

    fn record_sent(&self) {
        self.last_sent.set(Instant::now());
        self.is_answered.set(false);
    }

    /// Returns how many messages have been received.
    fn record_received(&self) -> u64 {
        self.last_received.set(Instant::now());
        if !self.is_answered.replace(true) {
            self.answered.notify_one();
        }
        self.received.set(self.received.get() + 1);
        self.received.get()
    }

    /// Waits for the answer to the last message sent, and then until no message has come for a
    /// while.
    async fn silence(&self, linger: Option<Duration>) {
        let begun = Instant::now();
        loop {
            let last = begun.max(self.last_received.get());
            let last = if self.is_delivering.get() { Instant::now() } else { last };
            let wait = if self.is_answered.get() { SILENCE } else { ANSWER_TIMEOUT };
            let due = last + linger.unwrap_or(wait);
            if due <= Instant::now() {
                return;
            }
            tokio::select! {
                () = sleep_until(due) => {}
                () = self.answered.notified() => {}
            }
        }
    }

    /// Returns how long the connection has been open, and how long no message has come or gone.
    fn times(&self) -> (Duration, Duration) {
        let last = self.last_received.get().max(self.last_sent.get());
        (self.opened.elapsed(), last.elapsed())
    }
}
