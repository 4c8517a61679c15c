//! A session from its start to its end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use fullduplex::{CloseCode, ControlFrame, Error, Message};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::activity::Activity;
use super::end::{End, describe};
use super::link::{ControlReceiver, Incoming, Link, LinkReceiver, LinkSender};
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

/// The most Pings whose Pongs are awaited.
const MAX_PINGS: usize = 64;

/// The bytes and messages after which a batch is handed to the output side.
const BATCH_BYTES: usize = 256 << 10;
const BATCH_MESSAGES: usize = 64;

/// The time between two looks at whether a batch is delivered.
const DELIVERY_CHECK: Duration = Duration::from_millis(20);

/// Why the exchange of messages stops.
enum Stop {
    /// The connection has ended.
    Ended(Option<Error>),
    /// There is no connection, and no further attempt.
    NoConnection(Error),
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
    let Link { sender, mut receiver, control } = link;
    let exchange = Exchange {
        settings,
        sender,
        events,
        activity: Activity::new(),
        input_ended: Notify::new(),
        input_failure: RefCell::default(),
        pings: RefCell::default(),
    };
    let stop = exchange.until_stop(&mut receiver, control, actions, signals).await;
    exchange.end(stop, receiver, signals).await
}

impl Exchange<'_> {
    async fn until_stop(
        &self,
        receiver: &mut LinkReceiver,
        control: ControlReceiver,
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
            // The Close may have come with messages that the output side has yet to take.
            while self.activity.is_delivering.get() {
                sleep(DELIVERY_CHECK).await;
            }
        };
        let working = async {
            let control = self.report_control(control);
            tokio::join!(self.send_input(actions), self.close_after_input(), control);
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
        let mut messages = Vec::new();
        loop {
            let next = self.receive_batch(receiver, &mut messages).await;
            self.activity.is_delivering.set(true);
            for message in messages.drain(..) {
                if self.events.send(Event::Message(message)).await == Err(Gone) {
                    return Stop::OutputGone;
                }
            }
            self.activity.is_delivering.set(false);
            match next {
                // A batch ends with the last message that is wanted.
                None if self.settings.messages == Some(self.activity.received.get()) => {
                    return Stop::Received;
                }
                None | Some(Incoming::Message(_)) => {}
                Some(Incoming::Note(text)) => self.note(text).await,
                Some(Incoming::End(error)) => return Stop::Ended(error),
                Some(Incoming::NoConnection(error)) => return Stop::NoConnection(error),
            }
        }
    }

    /// Waits for a message, and receives those that have come with it: each delivery may wake the
    /// thread of the output, which takes as long as a long message. Returns what is not a message,
    /// if it came.
    async fn receive_batch(
        &self,
        receiver: &mut LinkReceiver,
        messages: &mut Vec<Message>,
    ) -> Option<Incoming> {
        let mut bytes = 0;
        let mut incoming = receiver.next().await;
        loop {
            match incoming {
                Incoming::Message(message) => {
                    bytes += message.len();
                    messages.push(message);
                }
                other => return Some(other),
            }
            let is_last = self.settings.messages == Some(self.activity.record_received());
            if is_last || bytes >= BATCH_BYTES || messages.len() >= BATCH_MESSAGES {
                return None;
            }
            incoming = ready_now(receiver.next()).await?;
        }
    }

    /// Does what the input side asks for. Does not end before the session.
    async fn send_input(&self, mut actions: QueueReceiver<Action>) {
        self.send_opening().await;
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
                && self.sender.is_open()
            {
                self.note(printable(&error.to_string())).await;
            }
        }
        self.input_ended.notify_one();
        pending::<()>().await;
    }

    /// Sends the first messages, which a connection that connects again sends itself.
    async fn send_opening(&self) {
        for message in &self.settings.opening {
            if self.sender.sends_opening() {
                self.activity.record_sent();
            } else if self.send(message.clone()).await.is_err() {
                return;
            }
        }
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
                let waited = self.activity.silence(linger).await;
                if self.activity.received.get() == 0 && self.sender.is_open() {
                    self.note(nothing_came(waited)).await;
                }
            }
        }
        let _ = self.sender.start_close(CloseCode::NORMAL, "");
        pending::<()>().await;
    }

    /// Reports Pings and Pongs, if the output side wants them.
    async fn report_control(&self, mut frames: ControlReceiver) {
        if !self.settings.details {
            return pending().await;
        }
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
        let is_discarded = matches!(stop, Stop::Signal(_));
        let (mut error, mut connect_error, mut left) = (None, None, None);
        let code = match stop {
            Stop::Ended(why) => {
                error = why;
                None
            }
            Stop::NoConnection(why) => {
                connect_error = Some(why);
                None
            }
            Stop::Signal(signal) => {
                self.events.discard();
                left = Some((String::new(), signal.into()));
                Some(signal.close_code())
            }
            Stop::Received => Some(CloseCode::NORMAL),
            Stop::Deadline => {
                left = Some(("the time of --timeout is over".into(), ConnectOutcome::Incomplete));
                Some(CloseCode::NORMAL)
            }
            Stop::OutputGone => {
                left = Some((String::new(), ConnectOutcome::LocalIo));
                Some(CloseCode::NORMAL)
            }
        };
        let is_left = code.is_some();
        let at_once = match code {
            Some(code) => self.leave(code, receiver, signals).await,
            None => false,
        };
        let (reason, outcome) = match (self.input_failure.take(), left) {
            (Some(failure), _) => (failure, ConnectOutcome::LocalIo),
            (None, Some(left)) => left,
            // All that was wanted has come, however long the server takes to close.
            (None, None) if is_left => (String::new(), ConnectOutcome::Clean),
            (None, None) => {
                let end = describe(error.as_ref(), self.sender.close_info().as_ref());
                self.missing().filter(|_| end.1 == ConnectOutcome::Clean).unwrap_or(end)
            }
        };
        let stats = self.sender.stats();
        End { outcome, at_once, is_discarded, reason, connect_error, open, idle, stats }
    }

    /// Returns the end of a session in which fewer messages came than were wanted.
    fn missing(&self) -> Option<(String, ConnectOutcome)> {
        let (wanted, came) = (self.settings.messages?, self.activity.received.get());
        let text = format!("the connection was closed after {came} of {wanted} messages");
        Some((text, ConnectOutcome::Incomplete))
    }

    /// Closes without receiving anything more. Returns whether a signal asks not to wait.
    async fn leave(
        &self,
        code: CloseCode,
        receiver: LinkReceiver,
        signals: &mut EndSignals,
    ) -> bool {
        let _ = self.sender.start_close(code, "");
        let closed = async {
            tokio::select! {
                () = receiver.drain(&self.sender) => {}
                () = self.sender.closing_completed() => {}
            }
        };
        let closed = timeout(LEAVE_TIMEOUT, closed);
        let at_once = tokio::select! {
            biased;
            _ = signals.next() => true,
            _ = closed => false,
        };
        self.sender.abort();
        at_once
    }
}

/// Returns what a future gives if it is ready now.
async fn ready_now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Returns the warning that no message at all has come.
fn nothing_came(waited: Duration) -> String {
    let waited = waited.as_secs_f64();
    format!(
        "nothing was received in {waited} s after the end of the input (see --linger and --eof)"
    )
}
