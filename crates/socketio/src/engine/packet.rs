//! Packets of Engine.IO, and their encoding on a WebSocket and in a payload of HTTP long-polling.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use fullduplex::{Message, Utf8Bytes};

/// Base64 as clients write it: with padding; one that leaves the padding out is understood, too.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Texts up to this length are copied out of a payload, so that a short message does not keep the
/// memory of all others.
const MAX_COPIED: usize = 2 << 10;

/// The data of a message: what one side sends and the other receives.
///
/// ```
/// use fullduplex_socketio::engine::Data;
///
/// let data = Data::from("hello");
/// assert_eq!(data, Data::Text("hello".into()));
/// assert_eq!(data.len(), 5);
/// ```
///
/// It is complete: the protocol has no other kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Text, without the type of its packet.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(Bytes),
}

impl Data {
    /// Returns the length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Returns whether the message has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<&str> for Data {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Data {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Bytes> for Data {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

/// A packet: the unit that the protocol exchanges.
///
/// ```
/// use fullduplex_socketio::engine::{Data, Packet};
///
/// assert_eq!(Packet::decode_text("4hello".into()), Ok(Packet::Message("hello".into())));
/// assert_eq!(Packet::decode_text("2probe".into()), Ok(Packet::Ping("probe".into())));
/// assert!(Packet::decode_text("x".into()).is_err());
/// ```
///
/// It is complete: version 4 of the protocol has no other types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// The handshake: the session's id and settings as JSON.
    Open(Utf8Bytes),
    /// The end of the transport.
    Close,
    /// A heartbeat of the server, or with `probe` the test of a new transport by the client.
    Ping(Utf8Bytes),
    /// The answer to a ping, with its text.
    Pong(Utf8Bytes),
    /// A message of the application.
    Message(Data),
    /// The end of an upgrade: what follows is on the new transport.
    Upgrade,
    /// Nothing: it ends a poll.
    Noop,
}

/// The error of a packet or a payload that breaks the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The packet is empty.
    Empty,
    /// The first byte of the packet is not a type.
    UnknownType(u8),
    /// The text is not UTF-8.
    NotUtf8,
    /// The binary message is not base64.
    NotBase64,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a packet is empty"),
            Self::UnknownType(byte) => {
                write!(f, "{:?} is not the type of a packet", char::from(*byte))
            }
            Self::NotUtf8 => f.write_str("a text is not UTF-8"),
            Self::NotBase64 => f.write_str("a binary message is not base64"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl Packet {
    /// Decodes a text message of a WebSocket.
    ///
    /// # Errors
    /// The text is empty, its first byte is not the type of a packet, or what follows `b` is not
    /// base64.
    pub fn decode_text(text: Utf8Bytes) -> Result<Self, DecodeError> {
        let kind = *text.as_bytes().first().ok_or(DecodeError::Empty)?;
        // A client that was told to use base64 does so on a WebSocket as well.
        if kind == b'b' {
            return decode_base64(&text.as_bytes()[1..]);
        }
        // The bytes after an ASCII character are UTF-8 again.
        let rest = || Utf8Bytes::try_from(text.into_bytes().slice(1..));
        decode(kind, || rest().map_err(|_| DecodeError::NotUtf8))
    }

    /// Decodes a message of a WebSocket. A binary one is a message of the application.
    ///
    /// # Errors
    /// As [`decode_text`](Self::decode_text).
    pub fn decode(message: Message) -> Result<Self, DecodeError> {
        match message {
            Message::Text(text) => Self::decode_text(text),
            Message::Binary(bytes) => Ok(Self::Message(Data::Binary(bytes))),
        }
    }

    /// Decodes a packet of a payload, whose bytes are `encoded`.
    pub(crate) fn decode_in_payload(encoded: &Bytes) -> Result<Self, DecodeError> {
        let kind = *encoded.first().ok_or(DecodeError::Empty)?;
        if kind == b'b' {
            return decode_base64(&encoded[1..]);
        }
        decode(kind, || {
            let rest = encoded.slice(1..);
            let rest = if rest.len() > MAX_COPIED { rest } else { Bytes::copy_from_slice(&rest) };
            Utf8Bytes::try_from(rest).map_err(|_| DecodeError::NotUtf8)
        })
    }

    /// Encodes the packet as a message of a WebSocket.
    pub fn encode(self) -> Message {
        let (kind, rest) = match self {
            Self::Message(Data::Binary(bytes)) => return Message::Binary(bytes),
            Self::Open(text) => ('0', text),
            Self::Close => ('1', Utf8Bytes::from_static("")),
            Self::Ping(text) => ('2', text),
            Self::Pong(text) => ('3', text),
            Self::Message(Data::Text(text)) => ('4', text),
            Self::Upgrade => ('5', Utf8Bytes::from_static("")),
            Self::Noop => ('6', Utf8Bytes::from_static("")),
        };
        Message::text(format!("{kind}{rest}"))
    }
}

/// Decodes a binary message from its base64.
fn decode_base64(encoded: &[u8]) -> Result<Packet, DecodeError> {
    let bytes = BASE64.decode(encoded).map_err(|_| DecodeError::NotBase64)?;
    Ok(Packet::Message(Data::Binary(bytes.into())))
}

/// Decodes a packet of text; `rest` returns what follows its type.
fn decode(
    kind: u8,
    rest: impl FnOnce() -> Result<Utf8Bytes, DecodeError>,
) -> Result<Packet, DecodeError> {
    Ok(match kind {
        b'0' => Packet::Open(rest()?),
        b'1' => Packet::Close,
        b'2' => Packet::Ping(rest()?),
        b'3' => Packet::Pong(rest()?),
        b'4' => Packet::Message(Data::Text(rest()?)),
        b'5' => Packet::Upgrade,
        b'6' => Packet::Noop,
        other => return Err(DecodeError::UnknownType(other)),
    })
}

/// Returns the text of a binary message in a payload.
pub(crate) fn base64_packet(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(1 + bytes.len().div_ceil(3) * 4);
    text.push('b');
    BASE64.encode_string(bytes, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_a_websocket_are_decoded_by_their_first_byte() {
        let decode = |text: &str| Packet::decode_text(text.into());
        assert_eq!(decode("0{}"), Ok(Packet::Open("{}".into())));
        assert_eq!(decode("1"), Ok(Packet::Close));
        assert_eq!(decode("3probe"), Ok(Packet::Pong("probe".into())));
        assert_eq!(decode("4"), Ok(Packet::Message("".into())));
        assert_eq!(decode("5"), Ok(Packet::Upgrade));
        assert_eq!(decode("6"), Ok(Packet::Noop));
        assert_eq!(decode(""), Err(DecodeError::Empty));
        assert_eq!(decode("7"), Err(DecodeError::UnknownType(b'7')));
        // The official client sends base64 here too if it has the option `forceBase64`.
        let binary = Packet::Message(Data::Binary(Bytes::from_static(&[1, 2, 3])));
        assert_eq!(decode("bAQID"), Ok(binary));
        assert_eq!(decode("b*"), Err(DecodeError::NotBase64));
    }

    #[test]
    fn packets_of_a_payload_are_base64_if_they_are_binary() {
        let decode = |text: &'static [u8]| Packet::decode_in_payload(&Bytes::from_static(text));
        let binary = Ok(Packet::Message(Data::Binary(Bytes::from_static(&[1, 2, 3, 4]))));
        assert_eq!(decode(b"bAQIDBA=="), binary);
        assert_eq!(decode(b"bAQIDBA"), binary);
        assert_eq!(decode(b"bAQID*"), Err(DecodeError::NotBase64));
        assert_eq!(decode(b"4caf\xe9"), Err(DecodeError::NotUtf8));
        assert_eq!(base64_packet(&[1, 2, 3, 4]), "bAQIDBA==");
    }
}
