//! Whole messages.

mod convert;
#[cfg(feature = "json")]
mod json;

use core::fmt;
use core::str::Utf8Error;

use bytes::Bytes;

use crate::receive::MessageKind;
use crate::short_debug::ShortBytes;
use crate::utf8_bytes::{FromUtf8Error, Utf8Bytes};

#[cfg(feature = "json")]
pub use json::JsonError;

/// A whole message (RFC 6455 §5.6).
///
/// It is complete: control frames are not messages, and there are no other kinds.
///
/// Strings convert to text messages, bytes to binary ones. Clones share the payload.
///
/// ```
/// use fullduplex_proto::Message;
///
/// let message = Message::from("hello");
/// assert!(message.is_text());
/// assert_eq!(message, "hello");
///
/// let reply = match &message {
///     Message::Text(text) => Message::from(text.to_uppercase()),
///     Message::Binary(bytes) => Message::from([&bytes[..], b"!"].concat()),
/// };
/// assert_eq!(reply.into_text()?, "HELLO");
/// # Ok::<(), fullduplex_proto::FromUtf8Error>(())
/// ```
#[doc(alias("WsMessage", "Payload", "Frame"))]
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Message {
    /// UTF-8 text.
    Text(Utf8Bytes),
    /// Any bytes.
    Binary(Bytes),
}

impl Message {
    /// Creates a text message.
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// Creates a binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Returns whether the message is text or binary.
    #[inline]
    pub fn kind(&self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Binary(_) => MessageKind::Binary,
        }
    }

    /// Returns whether this is a text message.
    #[inline]
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Returns whether this is a binary message.
    #[inline]
    pub fn is_binary(&self) -> bool {
        matches!(self, Self::Binary(_))
    }

    /// Returns the payload.
    #[doc(alias("as_payload", "data"))]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the payload without copying it.
    #[doc(alias("into_data", "into_payload"))]
    #[inline]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the text of a text message; `None` for a binary one.
    #[inline]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            Self::Binary(_) => None,
        }
    }

    /// Returns the payload as text, also of a binary message if it is UTF-8.
    /// [`as_text`](Self::as_text) has the text of a text message only.
    ///
    /// # Errors
    /// If the payload of a binary message is not UTF-8.
    pub fn to_text(&self) -> Result<&str, Utf8Error> {
        match self {
            Self::Text(text) => Ok(text.as_str()),
            Self::Binary(bytes) => core::str::from_utf8(bytes),
        }
    }

    /// Returns the payload as text without copying it, also that of a binary message if it is
    /// UTF-8.
    ///
    /// # Errors
    /// If the payload of a binary message is not UTF-8. The error has the payload.
    pub fn into_text(self) -> Result<Utf8Bytes, FromUtf8Error> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Binary(bytes) => bytes.try_into(),
        }
    }

    /// Returns whether this message is the only reference to the payload, and the payload has no
    /// custom owner ([`Bytes::from_owner`]): dropping it then frees the memory. `false` also
    /// after a text of 2 KiB or more was looked at as a `str`.
    pub fn is_unique(&self) -> bool {
        match self {
            Self::Text(text) => text.is_unique(),
            Self::Binary(bytes) => bytes.is_unique(),
        }
    }

    /// Returns the length of the payload in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns whether the payload is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Creates a message of a payload that the receiver has validated: text is UTF-8.
    #[inline]
    pub(crate) fn checked(kind: MessageKind, bytes: Bytes) -> Self {
        match kind {
            MessageKind::Text => Self::Text(Utf8Bytes::checked(bytes)),
            MessageKind::Binary => Self::Binary(bytes),
        }
    }
}

/// An empty text message.
impl Default for Message {
    fn default() -> Self {
        Self::Text(Utf8Bytes::default())
    }
}

/// Shows the kind and the payload: of a long one, the first 64 bytes and the length.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.debug_tuple("Text").field(text).finish(),
            Self::Binary(bytes) => f.debug_tuple("Binary").field(&ShortBytes(bytes)).finish(),
        }
    }
}

/// Shows a text message as its text, and a binary one as `<5 bytes>`.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => fmt::Display::fmt(text, f),
            Self::Binary(bytes) => write!(f, "<{} bytes>", bytes.len()),
        }
    }
}
