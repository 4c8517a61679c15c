//! Conversions of messages from and to strings and bytes. A string becomes a text message, bytes
//! become a binary one.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use super::Message;
use crate::utf8_bytes::{FromUtf8Error, Utf8Bytes};

macro_rules! text_from {
    ($($string:ty),+) => {$(
        /// Creates a text message.
        impl From<$string> for Message {
            fn from(text: $string) -> Self {
                Self::text(text)
            }
        }
    )+};
}

text_from!(&str, String, &String, Box<str>, Cow<'_, str>, char, Utf8Bytes);

macro_rules! binary_from {
    ($($bytes:ty),+) => {$(
        /// Creates a binary message.
        impl From<$bytes> for Message {
            fn from(bytes: $bytes) -> Self {
                Self::binary(bytes)
            }
        }
    )+};
}

binary_from!(Vec<u8>, Box<[u8]>, Bytes, BytesMut);

/// Creates a binary message of a copy.
impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Self {
        Self::Binary(Bytes::copy_from_slice(bytes))
    }
}

/// Creates a binary message of a copy.
impl<const N: usize> From<[u8; N]> for Message {
    fn from(bytes: [u8; N]) -> Self {
        Self::from(&bytes[..])
    }
}

/// Creates a binary message of a copy.
impl<const N: usize> From<&[u8; N]> for Message {
    fn from(bytes: &[u8; N]) -> Self {
        Self::from(&bytes[..])
    }
}

/// Returns the payload without copying it.
impl From<Message> for Bytes {
    fn from(message: Message) -> Self {
        message.into_bytes()
    }
}

/// Returns the payload, without copying it if nothing else refers to its memory.
impl From<Message> for Vec<u8> {
    fn from(message: Message) -> Self {
        message.into_bytes().into()
    }
}

/// As [`Message::into_text`]: a binary message that is UTF-8 converts, too.
impl TryFrom<Message> for Utf8Bytes {
    type Error = FromUtf8Error;

    fn try_from(message: Message) -> Result<Self, FromUtf8Error> {
        message.into_text()
    }
}

/// As [`Message::into_text`]: a binary message that is UTF-8 converts, too.
impl TryFrom<Message> for String {
    type Error = FromUtf8Error;

    fn try_from(message: Message) -> Result<Self, FromUtf8Error> {
        message.into_text().map(Self::from)
    }
}

macro_rules! compare_with {
    ($($string:ty),+) => {$(
        /// Compares with a text; a binary message equals none.
        impl PartialEq<$string> for Message {
            fn eq(&self, other: &$string) -> bool {
                matches!(self, Self::Text(text) if text == other)
            }
        }

        /// Compares with a message; a binary one equals no text.
        impl PartialEq<Message> for $string {
            fn eq(&self, other: &Message) -> bool {
                other == self
            }
        }
    )+};
}

compare_with!(str, &str, String);
