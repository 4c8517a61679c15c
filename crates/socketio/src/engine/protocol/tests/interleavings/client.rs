//! A client that keeps to the protocol, as the official one does.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fullduplex::Message;

use crate::engine::packet::{Data, Packet};

/// What a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Message(u32),
    Pong,
}

impl Item {
    /// Whether this message is bytes.
    fn is_binary(number: u32) -> bool {
        number % 3 == 2
    }

    fn packet(self) -> String {
        match self {
            Self::Message(number) if Self::is_binary(number) => {
                format!("b{}", STANDARD.encode(number.to_string()))
            }
            Self::Message(number) => format!("4{number}"),
            Self::Pong => "3".into(),
        }
    }

    fn frame(self) -> Message {
        match self {
            Self::Message(number) if Self::is_binary(number) => Message::binary(number.to_string()),
            other => Message::text(other.packet()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// Not begun, or failed.
    None,
    /// The WebSocket sends something wrong.
    Failing,
    Probing,
    /// The client waits for its last requests.
    Pausing,
    Done,
}

/// What a client knows of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knowledge {
    Open,
    /// The client closes it once everything is sent.
    Closing,
    /// The client has closed it.
    Closed,
    /// The server has closed it.
    Told,
    /// The connection is lost.
    Lost,
}

pub(super) struct Client {
    pub(super) knows: Knowledge,
    pub(super) upgrade: Upgrade,
    pub(super) received: Vec<u32>,
    /// How many messages the application has sent.
    pub(super) sent: u32,
    buffer: VecDeque<Item>,
}

impl Client {
    pub(super) fn new() -> Self {
        Self {
            knows: Knowledge::Open,
            upgrade: Upgrade::None,
            received: Vec::new(),
            sent: 0,
            buffer: VecDeque::new(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.knows, Knowledge::Open | Knowledge::Closing)
    }

    /// Whether it may begin a request.
    pub(super) fn polls(&self) -> bool {
        self.is_open() && !matches!(self.upgrade, Upgrade::Pausing | Upgrade::Done)
    }

    pub(super) fn send(&mut self) {
        if self.knows == Knowledge::Open {
            self.buffer.push_back(Item::Message(self.sent));
            self.sent += 1;
        }
    }

    pub(super) fn close(&mut self) {
        if self.knows == Knowledge::Open {
            self.knows = Knowledge::Closing;
        }
    }

    /// Whether it closes, and has sent everything else.
    pub(super) fn is_about_to_close(&self) -> bool {
        self.knows == Knowledge::Closing && self.buffer.is_empty()
    }

    pub(super) fn lose(&mut self) {
        if self.is_open() {
            self.knows = Knowledge::Lost;
        }
    }

    pub(super) fn hear_the_end(&mut self) {
        if self.is_open() {
            self.knows = Knowledge::Told;
        }
    }

    pub(super) fn receive(&mut self, packet: Packet) {
        if !self.is_open() {
            return;
        }
        match packet {
            Packet::Message(data) => self.received.push(number(&data, is_attachment)),
            Packet::Ping(_) => self.buffer.push_back(Item::Pong),
            Packet::Close => self.hear_the_end(),
            Packet::Noop => {}
            other => panic!("a client can't receive {other:?}"),
        }
    }

    /// Returns the content of the next POST.
    pub(super) fn take_content(&mut self) -> Option<String> {
        let packets: Vec<_> = self.buffer.drain(..).map(Item::packet).collect();
        (!packets.is_empty()).then(|| packets.join("\u{1e}"))
    }

    /// Returns the next frames.
    pub(super) fn take_frames(&mut self) -> impl Iterator<Item = Option<Message>> {
        self.buffer.drain(..).map(|item| Some(item.frame()))
    }
}

/// Whether the server's message of this number is an attachment of the one before.
pub(super) fn is_attachment(number: u32) -> bool {
    number > 0 && number.is_multiple_of(4)
}

/// Returns the number of a message that a server has received.
pub(super) fn number_at_server(data: &Data) -> u32 {
    number(data, Item::is_binary)
}

/// Returns the number of a message, which has to be bytes or a text as was sent.
fn number(data: &Data, is_binary: fn(u32) -> bool) -> u32 {
    let (text, binary) = match data {
        Data::Text(text) => (text.as_str(), false),
        Data::Binary(bytes) => (std::str::from_utf8(bytes).expect("digits"), true),
    };
    let number = text.parse().expect("a number");
    assert_eq!(is_binary(number), binary, "{number}");
    number
}
