//! What payloads say, in the formats that are usual on WebSockets.
//!
//! The page `reference/payloads.md` of the book lists the formats.

mod cbor;
mod detect;
mod json_based;
mod message_pack;
mod mqtt;
mod protobuf;
mod signalr;
mod socketio;
mod stomp;

use std::fmt;

use fullduplex_proto::MessageKind;

use crate::tree::{Problem, Tree};

/// The longest summary, in bytes.
const MAX_SUMMARY: usize = 160;

/// The payload of a message, with what helps to find its format.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Content<'a> {
    /// Whether the message is text or binary.
    pub kind: MessageKind,
    /// The payload.
    pub payload: &'a [u8],
    /// Whether more of it was not kept.
    pub is_cut: bool,
    /// The subprotocol of the connection.
    pub subprotocol: Option<&'a str>,
    /// The path and query of the URL; empty if they are not known.
    pub path: &'a str,
}

impl<'a> Content<'a> {
    /// Creates a content of which nothing else is known.
    pub fn new(kind: MessageKind, payload: &'a [u8]) -> Self {
        Self { kind, payload, is_cut: false, subprotocol: None, path: "" }
    }

    /// Sets whether more of it was not kept. Default: `false`.
    #[must_use]
    pub fn is_cut(mut self, is_cut: bool) -> Self {
        self.is_cut = is_cut;
        self
    }

    /// Sets the subprotocol. Default: `None`.
    #[must_use]
    pub fn subprotocol(mut self, subprotocol: impl Into<Option<&'a str>>) -> Self {
        self.subprotocol = subprotocol.into();
        self
    }

    /// Sets the path and query of the URL. Default: none.
    #[must_use]
    pub fn path(mut self, path: &'a str) -> Self {
        self.path = path;
        self
    }
}

/// A format of payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// JSON (RFC 8259).
    Json,
    /// JSON-RPC 2.0.
    JsonRpc,
    /// GraphQL, by the subprotocols `graphql-transport-ws` and `graphql-ws`.
    GraphQl,
    /// Channels of Phoenix.
    Phoenix,
    /// Engine.IO, and Socket.IO within.
    SocketIo,
    /// The JSON and the `MessagePack` protocol of `SignalR`.
    SignalR,
    /// STOMP.
    Stomp,
    /// MQTT 3.1, 3.1.1 and 5.
    Mqtt,
    /// `MessagePack`.
    MessagePack,
    /// CBOR (RFC 8949).
    Cbor,
    /// Protocol buffers, without their schema.
    Protobuf,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 11] = [
        Self::Json,
        Self::JsonRpc,
        Self::GraphQl,
        Self::Phoenix,
        Self::SocketIo,
        Self::SignalR,
        Self::Stomp,
        Self::Mqtt,
        Self::MessagePack,
        Self::Cbor,
        Self::Protobuf,
    ];

    /// Returns the name, such as `socket.io`, which [`from_name`](Self::from_name) knows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::JsonRpc => "json-rpc",
            Self::GraphQl => "graphql",
            Self::Phoenix => "phoenix",
            Self::SocketIo => "socket.io",
            Self::SignalR => "signalr",
            Self::Stomp => "stomp",
            Self::Mqtt => "mqtt",
            Self::MessagePack => "msgpack",
            Self::Cbor => "cbor",
            Self::Protobuf => "protobuf",
        }
    }

    /// Returns the format of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Returns the format of a message: by the subprotocol, by the path of the URL, or by its
    /// shape. `None` if it has none of them, such as plain text.
    pub fn detect(content: &Content<'_>) -> Option<Self> {
        detect::detect(content)
    }

    /// Decodes a payload as this format, whatever it is.
    pub fn decode(self, payload: &[u8]) -> Decoded {
        let parts = match self {
            Self::Json => json_based::json(payload),
            Self::JsonRpc => json_based::json_rpc(payload),
            Self::GraphQl => json_based::graphql(payload),
            Self::Phoenix => json_based::phoenix(payload),
            Self::SocketIo => socketio::decode(payload),
            Self::SignalR => signalr::decode(payload),
            Self::Stomp => stomp::decode(payload),
            Self::Mqtt => mqtt::decode(payload),
            Self::MessagePack => message_pack::decode(payload),
            Self::Cbor => cbor::decode(payload),
            Self::Protobuf => protobuf::decode(payload),
        };
        let Parts { summary, tree, problem } = parts;
        let problem = problem.map(|Problem { at, what }| DecodeProblem { at, what });
        Decoded { format: self, summary: short(&summary), tree, problem }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a payload says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Decoded {
    /// The format.
    pub format: Format,
    /// What it says in one line, of at most 160 bytes and without control characters.
    pub summary: String,
    /// Its values, up to the problem if there is one.
    pub tree: Option<Tree>,
    /// Why it was not decoded to its end.
    pub problem: Option<DecodeProblem>,
}

/// Why a payload was not decoded to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodeProblem {
    /// Where: the number of bytes before.
    pub at: usize,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for DecodeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.at, self.what)
    }
}

/// Decodes the payload of a message in the format that is found; `None` if none is.
///
/// It never fails, and its memory and time are bounded by the length of the payload. What can't be
/// decoded is a problem of the [`Decoded`], beside the values before it.
///
/// ```
/// use fullduplex_inspect::payload::{Content, Format, decode};
/// use fullduplex_inspect::proto::MessageKind;
///
/// let text = br#"42/chat,7["message",{"text":"hi"}]"#;
/// let decoded = decode(&Content::new(MessageKind::Text, text)).unwrap();
/// assert_eq!(decoded.format, Format::SocketIo);
/// assert_eq!(decoded.summary, r#"event /chat 7 "message" {"text":"hi"}"#);
/// ```
pub fn decode(content: &Content<'_>) -> Option<Decoded> {
    Format::detect(content).map(|format| format.decode(content.payload))
}

/// What a decoder returns.
#[derive(Debug, Default)]
struct Parts {
    summary: String,
    tree: Option<Tree>,
    problem: Option<Problem>,
}

impl Parts {
    /// Returns a tree of which the summary is the beginning.
    fn of_tree(tree: Option<Tree>, problem: Option<Problem>) -> Self {
        let summary = tree.as_ref().map(|tree| tree.to_line(MAX_SUMMARY)).unwrap_or_default();
        Self { summary, tree, problem }
    }
}

/// Returns a text without control characters, cut.
fn short(text: &str) -> String {
    let mut line = String::new();
    for char in text.chars() {
        if line.len() + char.len_utf8() + '…'.len_utf8() > MAX_SUMMARY {
            line.push('…');
            break;
        }
        line.push(if char.is_control() { ' ' } else { char });
    }
    line
}
