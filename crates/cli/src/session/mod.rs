//! The exchange of messages on an open connection, between two sides that are plugged in: an input
//! side, from which [`Action`]s come, and an output side, to which [`Event`]s go.
//!
//! [`crate::pipes`] are the two sides for standard input and output; a screen is another pair. To
//! plug in a second implementation:
//!
//! 1. Create two queues with [`queue()`]: one of actions, one of events.
//! 2. Give the sender of actions to what reads the user's input, in a task (`send`) or a thread
//!    (`blocking_send`). If the input ends, it sends [`Action::EndOfInput`]; if it is dropped
//!    without that, the input has ended all the same. `send` fails once the session is over: then
//!    the input side stops.
//! 3. Give the receiver of events to what prints, in a task (`recv`) or a thread
//!    (`blocking_recv`). `None` is the end: everything is printed, or, after a signal, what is left
//!    must not be printed. A screen restores the terminal then. Dropping the receiver tells
//!    the session that nothing can be printed any more, and ends it.
//! 4. If Ctrl-C is a key of the input side, call
//!    [`Interrupter::interrupt`](crate::base::signals::Interrupter::interrupt) for it.
//! 5. Call [`run`] with the WebSocket, of a client or of a server, and print
//!    [`End::line`] when the output side has ended.

mod activity;
mod end;
mod exchange;
mod frame_switch;
mod link;
mod queue;

use std::time::Duration;

use bytes::Bytes;
use fullduplex::tap::Direction;
use fullduplex::{CloseCode, Message};
use tokio::time::Instant;

pub(crate) use self::end::End;
pub(crate) use self::exchange::run;
pub(crate) use self::frame_switch::FrameSwitch;
pub(crate) use self::link::{Link, StatsSource};
pub(crate) use self::queue::{QueueReceiver, QueueSender, Weigh, queue};

/// What the input side asks for.
#[derive(Debug)]
#[allow(dead_code, reason = "pipes use a part")]
pub(crate) enum Action {
    /// Sends a message.
    Send(Message),
    /// Sends a Ping of at most 125 bytes; its answer is an [`Event::Pong`].
    Ping(Bytes),
    /// Sends an unsolicited Pong of at most 125 bytes.
    Pong(Bytes),
    /// Sends a Close. Messages are printed until the peer's Close.
    Close(CloseCode, String),
    /// Says that there is no more input. What follows is up to [`AtEndOfInput`].
    EndOfInput,
    /// Says that the input failed, and why. The connection is closed.
    Fail(String),
}

/// What has happened, for the output side.
#[derive(Debug)]
#[allow(dead_code, reason = "pipes use a part")]
pub(crate) enum Event {
    /// A message was received.
    Message(Message),
    /// A message was handed to the connection, if [`SessionSettings::details`] is set.
    Sent(Message),
    /// A Ping was received and is answered, if [`SessionSettings::details`] is set.
    Ping(Bytes),
    /// A Pong was received, if [`SessionSettings::details`] is set.
    Pong {
        /// What it carries.
        payload: Bytes,
        /// The time since the Ping of [`Action::Ping`] that it answers, if it answers one.
        round_trip: Option<Duration>,
    },
    /// A frame was seen on the wire, or the end of the transport.
    Frame {
        /// The direction that it went.
        direction: Direction,
        /// What it is, safe to print.
        words: String,
    },
    /// Something that the user should know, in plain words, safe to print.
    Note(String),
}

/// What the session does at the end of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtEndOfInput {
    /// Waits until no message has come for this time, then closes. With `None`: 30 s for the first
    /// message after the last one sent, then 1 s.
    Wait(Option<Duration>),
    /// Closes at once.
    Close,
    /// Goes on receiving until the peer closes.
    Ignore,
}

/// The settings of a session.
#[derive(Clone, Debug)]
pub(crate) struct SessionSettings {
    /// The messages that are sent first, also after connecting again.
    pub(crate) opening: Vec<Message>,
    /// What the session does at the end of the input.
    pub(crate) at_end_of_input: AtEndOfInput,
    /// The number of received messages after which the session closes.
    pub(crate) messages: Option<u64>,
    /// The time at which the session closes.
    pub(crate) deadline: Option<Instant>,
    /// Whether the output side wants [`Event::Sent`], [`Event::Ping`] and [`Event::Pong`].
    pub(crate) details: bool,
}

impl Weigh for Action {
    fn weight(&self) -> usize {
        match self {
            Self::Send(message) => message.len(),
            _ => 0,
        }
    }
}

impl Weigh for Event {
    fn weight(&self) -> usize {
        match self {
            Self::Message(message) | Self::Sent(message) => message.len(),
            Self::Frame { words, .. } => words.len(),
            _ => 0,
        }
    }
}
