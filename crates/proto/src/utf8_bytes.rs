//! The payload of a text message.

use alloc::string::String;
use core::fmt;

use bytes::Bytes;

/// Bytes that are UTF-8: the payload of a text message. Clones share the bytes.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Utf8Bytes(Bytes);

impl Utf8Bytes {
    /// Wraps bytes that the receiver has validated.
    #[inline]
    pub(crate) fn checked(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Returns the bytes as they are stored.
    pub(crate) fn as_inner(&self) -> &Bytes {
        &self.0
    }

    /// Returns the text.
    ///
    /// This library has no unsafe code, so the bytes are validated again by each call, at some 25
    /// GB/s: keep the `&str` rather than calling this in a loop.
    #[allow(clippy::missing_panics_doc, reason = "every constructor checks the bytes")]
    pub fn as_str(&self) -> &str {
        simdutf8::basic::from_utf8(&self.0).expect("checked when it was made")
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the bytes without copying them.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl fmt::Debug for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&str> for Utf8Bytes {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Utf8Bytes {
    fn from(text: String) -> Self {
        Self(text.into_bytes().into())
    }
}

impl TryFrom<Bytes> for Utf8Bytes {
    type Error = Bytes;

    /// Converts the bytes if they are UTF-8.
    ///
    /// # Errors
    /// Returns the bytes unchanged if they are not.
    fn try_from(bytes: Bytes) -> Result<Self, Bytes> {
        if simdutf8::basic::from_utf8(&bytes).is_ok() { Ok(Self(bytes)) } else { Err(bytes) }
    }
}

impl AsRef<[u8]> for Utf8Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<str> for Utf8Bytes {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Utf8Bytes {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}
