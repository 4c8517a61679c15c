//! Recorded talks again: what a side sends and when, and what differs from the recording.
//!
//! There is no I/O here. A program asks a [`Plan`] what to do next, does it, and compares what it
//! received by [`compare`].

mod compare;
mod plan;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use fullduplex_proto::{CloseCode, MessageKind, Role};

pub use self::compare::{Difference, DifferenceKind, Place, compare};
pub use self::plan::{Plan, PlanStep, Timing};
use crate::conversation::Conversation;
use crate::har::HarSocket;
use crate::limits::DecoderLimits;
use crate::recording::{Record, RecordKind, RecordedOpening};

/// What was said on a recorded connection: messages and Closes, without other frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Talk {
    /// The number of the connection within the recording.
    pub connection: u64,
    /// The opening handshake.
    pub opening: RecordedOpening,
    /// What was said, in the order in which it was seen.
    pub items: Vec<TalkItem>,
}

/// A message or Close of a [`Talk`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TalkItem {
    /// The side that sent it.
    pub sender: Role,
    /// The time since the connection was opened.
    pub at: Duration,
    /// What it is.
    pub what: Said,
}

/// What a side said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Said {
    /// A message.
    Message {
        /// Whether it is text or binary.
        kind: MessageKind,
        /// Its bytes.
        payload: Bytes,
        /// Whether it had more of them, which were not kept.
        is_cut: bool,
    },
    /// A Close with its code, if it has one, and its reason.
    Close {
        /// The code.
        code: Option<CloseCode>,
        /// The reason.
        reason: String,
    },
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message { kind, payload, is_cut } => {
                let kind = if *kind == MessageKind::Text { "text" } else { "binary" };
                let more = if *is_cut { ", cut" } else { "" };
                write!(f, "{kind} of {} B{more}", payload.len())?;
                match std::str::from_utf8(payload) {
                    Ok(text) => {
                        let begin: String = text.chars().take(60).collect();
                        let more = if begin.len() < text.len() { "…" } else { "" };
                        write!(f, " {begin:?}{more}")
                    }
                    Err(_) => Ok(()),
                }
            }
            Self::Close { code: None, .. } => f.write_str("Close without a code"),
            Self::Close { code: Some(code), reason } => {
                write!(f, "Close {} {reason:?}", code.get())
            }
        }
    }
}

impl Talk {
    /// Returns the talks of a recording, by the numbers of their connections. A connection whose
    /// opening is missing is left out. Messages are cut at [`DecoderLimits::max_payload`].
    pub fn of_recording<'a>(
        records: impl IntoIterator<Item = &'a Record>,
        limits: DecoderLimits,
    ) -> Vec<Self> {
        let mut builder = TalkBuilder::new(limits);
        for record in records {
            builder.push(record);
        }
        builder.finish()
    }

    /// Returns the talk of a WebSocket of a HAR file, which has no Closes.
    pub fn of_har(socket: &HarSocket) -> Self {
        let began = socket.opening.time;
        let items = socket.messages.iter().map(|message| TalkItem {
            sender: message.sender,
            at: message.time.saturating_sub(began),
            what: Said::Message {
                kind: message.kind,
                payload: Bytes::copy_from_slice(&message.data),
                is_cut: false,
            },
        });
        Self { connection: 1, opening: socket.opening.clone(), items: items.collect() }
    }

    /// Returns whether the Close of this side came before that of the other, if there was one.
    pub fn closes_first(&self, role: Role) -> bool {
        let mut closes = self.items.iter().filter(|item| matches!(item.what, Said::Close { .. }));
        closes.next().is_some_and(|item| item.sender == role)
    }

    /// Returns what one side said, in its order.
    pub fn items_of(&self, sender: Role) -> impl Iterator<Item = &TalkItem> {
        self.items.iter().filter(move |item| item.sender == sender)
    }
}

/// Makes the talks of a recording that is read bit by bit.
///
/// ```
/// use fullduplex_inspect::DecoderLimits;
/// use fullduplex_inspect::recording::Record;
/// use fullduplex_inspect::replay::TalkBuilder;
///
/// let mut builder = TalkBuilder::new(DecoderLimits::default());
/// for line in ["{\"fullduplex-recording\":1}"] {
///     if let Some(record) = Record::parse(line)? {
///         builder.push(&record);
///     }
/// }
/// assert!(builder.finish().is_empty());
/// # Ok::<(), fullduplex_inspect::recording::RecordError>(())
/// ```
#[derive(Debug)]
pub struct TalkBuilder {
    limits: DecoderLimits,
    open: BTreeMap<u64, (Talk, Conversation)>,
    memory: usize,
}

impl TalkBuilder {
    /// Creates a builder of talks whose messages are cut at [`DecoderLimits::max_payload`].
    pub fn new(limits: DecoderLimits) -> Self {
        Self { limits, open: BTreeMap::new(), memory: 0 }
    }

    /// Takes the next record. One of a connection whose opening is missing is skipped.
    pub fn push(&mut self, record: &Record) {
        let Record { connection, at, kind } = record;
        match kind {
            RecordKind::Open(opening) => {
                let conversation = Conversation::new().with_limits(self.limits);
                let conversation = conversation.with_deflate(opening.deflate());
                let (connection, opening) = (*connection, (**opening).clone());
                let talk = Talk { connection, opening, items: Vec::new() };
                self.open.insert(connection, (talk, conversation));
            }
            RecordKind::Bytes { sender, bytes } => {
                let Some((talk, conversation)) = self.open.get_mut(connection) else { return };
                let memory = &mut self.memory;
                conversation.push(*sender, bytes, *at, |shown| {
                    let Some(what) = Said::of_frame(&shown.frame) else { return };
                    let item = TalkItem { sender: *sender, at: *at, what };
                    *memory += item.memory();
                    talk.items.push(item);
                });
            }
            RecordKind::Lost { sender, .. } => {
                if let Some((_, conversation)) = self.open.get_mut(connection) {
                    conversation.skip(*sender);
                }
            }
            RecordKind::End { .. } => {}
        }
    }

    /// Returns the bytes that the items take.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Returns the talks, by the numbers of their connections.
    pub fn finish(self) -> Vec<Talk> {
        self.open.into_values().map(|(talk, _)| talk).collect()
    }
}

impl TalkItem {
    /// Returns the bytes that it takes, in a list that grows.
    pub fn memory(&self) -> usize {
        let content = match &self.what {
            Said::Message { payload, .. } => payload.len(),
            Said::Close { reason, .. } => reason.len(),
        };
        2 * size_of::<Self>() + content
    }
}

impl Said {
    /// Returns the message that is complete with a frame, or the Close that it is. A frame that a
    /// receiver ignores says nothing.
    pub fn of_frame(frame: &crate::Frame) -> Option<Self> {
        if frame.is_ignored {
            return None;
        }
        if frame.opcode() == Some(fullduplex_proto::frame::OpCode::Close) {
            let (code, reason) =
                frame.close().map_or((None, String::new()), |(code, reason)| (Some(code), reason));
            return Some(Self::Close { code, reason });
        }
        let message = frame.message.as_ref()?;
        let payload = message.payload.clone();
        let is_cut = message.len > payload.len() as u64;
        Some(Self::Message { kind: message.kind, payload, is_cut })
    }
}
