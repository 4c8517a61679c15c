//! Conversions of texts from and to strings and bytes.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::Utf8Error;

use bytes::{Bytes, BytesMut};

use super::Utf8Bytes;
use crate::short_debug::ShortBytes;

impl From<&str> for Utf8Bytes {
    fn from(text: &str) -> Self {
        Self::checked(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Utf8Bytes {
    fn from(text: String) -> Self {
        Self::checked(text.into_bytes().into())
    }
}

impl From<&String> for Utf8Bytes {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<Box<str>> for Utf8Bytes {
    fn from(text: Box<str>) -> Self {
        Self::checked(text.into_boxed_bytes().into())
    }
}

impl From<Cow<'_, str>> for Utf8Bytes {
    fn from(text: Cow<'_, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

impl From<char> for Utf8Bytes {
    fn from(text: char) -> Self {
        text.encode_utf8(&mut [0; 4])[..].into()
    }
}

impl From<Utf8Bytes> for Bytes {
    fn from(text: Utf8Bytes) -> Self {
        text.into_bytes()
    }
}

impl From<Utf8Bytes> for Vec<u8> {
    fn from(text: Utf8Bytes) -> Self {
        text.into_bytes().into()
    }
}

impl From<Utf8Bytes> for String {
    fn from(text: Utf8Bytes) -> Self {
        text.into_string()
    }
}

impl From<Utf8Bytes> for Box<str> {
    fn from(text: Utf8Bytes) -> Self {
        text.into_string().into()
    }
}

impl From<Utf8Bytes> for Cow<'_, str> {
    fn from(text: Utf8Bytes) -> Self {
        Cow::Owned(text.into_string())
    }
}

/// Converts without copying. The error returns the bytes.
impl TryFrom<Bytes> for Utf8Bytes {
    type Error = FromUtf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, FromUtf8Error> {
        if simdutf8::basic::from_utf8(&bytes).is_ok() {
            return Ok(Self::checked(bytes));
        }
        match core::str::from_utf8(&bytes) {
            Err(error) => Err(FromUtf8Error { error, bytes }),
            Ok(_) => Ok(Self::checked(bytes)),
        }
    }
}

/// Converts without copying. The error returns the bytes.
impl TryFrom<BytesMut> for Utf8Bytes {
    type Error = FromUtf8Error;

    fn try_from(bytes: BytesMut) -> Result<Self, FromUtf8Error> {
        bytes.freeze().try_into()
    }
}

/// Converts without copying. The error returns the bytes.
impl TryFrom<Vec<u8>> for Utf8Bytes {
    type Error = FromUtf8Error;

    fn try_from(bytes: Vec<u8>) -> Result<Self, FromUtf8Error> {
        Bytes::from(bytes).try_into()
    }
}

/// The error of bytes that are not UTF-8. It has the bytes.
///
/// ```
/// use fullduplex_proto::Utf8Bytes;
///
/// let error = Utf8Bytes::try_from(b"caf\xe9".to_vec()).unwrap_err();
/// assert_eq!(error.utf8_error().valid_up_to(), 3);
/// assert_eq!(error.as_bytes(), b"caf\xe9");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct FromUtf8Error {
    error: Utf8Error,
    bytes: Bytes,
}

impl FromUtf8Error {
    /// Returns where the bytes stop to be UTF-8.
    pub fn utf8_error(&self) -> Utf8Error {
        self.error
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the bytes without copying them.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// Shows at most 64 of the bytes.
impl fmt::Debug for FromUtf8Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = ShortBytes(&self.bytes);
        f.debug_struct("FromUtf8Error").field("error", &self.error).field("bytes", &bytes).finish()
    }
}

impl fmt::Display for FromUtf8Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the bytes are not UTF-8 from byte {} on", self.error.valid_up_to())
    }
}

impl core::error::Error for FromUtf8Error {}
