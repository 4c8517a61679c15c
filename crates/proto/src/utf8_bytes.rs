//! The payload of a text message.

mod compare;
mod convert;
mod long_text;

use alloc::string::String;
use core::borrow::Borrow;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;

use bytes::Bytes;

use crate::short_debug::ShortText;
use long_text::LongText;

pub use convert::FromUtf8Error;

/// Bytes that are UTF-8: the payload of a text message. Clones share the bytes.
///
/// It dereferences to `str`, so all methods of `str` are there, and it compares and hashes as a
/// `str`.
///
/// ```
/// use fullduplex_proto::Utf8Bytes;
///
/// let text = Utf8Bytes::from("12 apples");
/// let (count, what) = text.split_once(' ').unwrap();
/// assert_eq!((count.parse(), what), (Ok(12), "apples"));
/// assert_eq!(text, "12 apples");
/// assert_eq!(String::from(text), "12 apples");
/// ```
///
/// # Cost
///
/// A received text was validated on the way in. The view as a `str` validates again, as this
/// library has no unsafe code: a text of less than 2 KiB at each view, in some 200 ns at most and
/// 20 ns if it is ASCII, and a longer one at the first view of it or of any of its clones. One of
/// [`from_static`](Self::from_static) is validated at each view, however long.
/// [`as_bytes`](Self::as_bytes), [`len`](Self::len) and [`into_bytes`](Self::into_bytes),
/// comparing, sending and `Debug` do not validate.
#[doc(alias("ByteString", "FastStr", "Utf8Payload"))]
#[derive(Clone)]
pub struct Utf8Bytes(Text);

/// As large as `Bytes`, so that a view that is kept costs short texts nothing.
#[derive(Clone)]
enum Text {
    /// Validated at each view.
    Short(Bytes),
    Long(LongText),
}

/// The length from which on a validated view is kept. What is shorter is validated in less time
/// than the memory of a view takes, unless it is looked at often; and a loop over slices of it,
/// which each validate, stays cheap.
const MIN_KEPT_VIEW: usize = 2 << 10;

impl Utf8Bytes {
    /// Creates a text of a string that is never freed, without copying it.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Text::Short(Bytes::from_static(text.as_bytes())))
    }

    /// Wraps bytes that are valid UTF-8.
    #[inline]
    pub(crate) fn checked(bytes: Bytes) -> Self {
        let is_short = bytes.len() < MIN_KEPT_VIEW;
        Self(if is_short { Text::Short(bytes) } else { Text::Long(LongText::checked(bytes)) })
    }

    /// Returns the text.
    #[inline]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Short(bytes) => validated(bytes),
            Text::Long(text) => text.as_str(),
        }
    }

    #[inline]
    fn bytes(&self) -> &Bytes {
        match &self.0 {
            Text::Short(bytes) => bytes,
            Text::Long(text) => text.bytes(),
        }
    }

    /// Returns the bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes()
    }

    /// Returns the length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Returns whether the text is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Returns the bytes without copying them.
    #[inline]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Text::Short(bytes) => bytes,
            Text::Long(text) => text.into_bytes(),
        }
    }

    /// Returns the text as a `String`, without copying it if nothing else refers to its memory.
    #[allow(clippy::missing_panics_doc, reason = "every constructor checks the bytes")]
    pub fn into_string(self) -> String {
        String::from_utf8(self.into_bytes().into()).expect(WAS_CHECKED)
    }

    /// Returns whether this is the only reference to the bytes.
    pub(crate) fn is_unique(&self) -> bool {
        match &self.0 {
            Text::Short(bytes) => bytes.is_unique(),
            Text::Long(text) => text.is_unique(),
        }
    }
}

/// The reason why validating can't fail.
const WAS_CHECKED: &str = "checked when it was made";

#[inline]
fn validated(bytes: &[u8]) -> &str {
    simdutf8::basic::from_utf8(bytes).expect(WAS_CHECKED)
}

/// The empty text.
impl Default for Utf8Bytes {
    fn default() -> Self {
        Self::from_static("")
    }
}

impl Deref for Utf8Bytes {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Utf8Bytes {
    #[inline]
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<[u8]> for Utf8Bytes {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Borrow<str> for Utf8Bytes {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Hash for Utf8Bytes {
    /// Hashes as the `str`, which `Borrow` asks for.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// Shows the text, or its first 64 bytes and its length.
impl fmt::Debug for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ShortText(self.as_bytes()).fmt(f)
    }
}

impl fmt::Display for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Utf8Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Utf8Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::message::Message;

    #[test]
    fn utf8_bytes_keep_the_view_of_long_texts_only() {
        for (len, is_long) in [(0, false), (2047, false), (2048, true), (100_000, true)] {
            let text = Utf8Bytes::from("x".repeat(len));
            assert_eq!(matches!(text.0, Text::Long(_)), is_long, "{len}");
            assert_eq!((text.as_str().len(), text.clone().len()), (len, len));
        }
    }

    #[test]
    fn utf8_bytes_are_views_that_need_no_copy() {
        let memory = vec![b'x'; 10_000];
        let pointer = memory.as_ptr();
        let text = Utf8Bytes::try_from(memory).expect("it is ASCII");
        assert_eq!(text.as_str().as_ptr(), pointer);
        // The kept view is dropped first, so the memory has one owner again.
        let string = text.into_string();
        assert_eq!(string.as_ptr(), pointer);
    }

    #[test]
    fn utf8_bytes_take_no_more_than_bytes() {
        assert_eq!(size_of::<Utf8Bytes>(), size_of::<Bytes>());
        assert_eq!(size_of::<Option<Message>>(), size_of::<Bytes>() + size_of::<usize>());
    }
}
