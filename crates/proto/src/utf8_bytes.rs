//! The payload of a text message.

mod compare;
mod convert;

use alloc::boxed::Box;
use alloc::string::String;
use core::borrow::Borrow;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;

use bytes::Bytes;
use once_cell::race::OnceBox;
use yoke::Yoke;

use crate::short_debug::ShortText;

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
/// library has no unsafe code: a text of less than 512 bytes at each view, in some 40 ns at most,
/// and a longer one at the first view, which notes the result. [`as_bytes`](Self::as_bytes),
/// [`len`](Self::len) and [`into_bytes`](Self::into_bytes), comparing, sending and `Debug` do not
/// validate.
///
/// As a key of a map it is sound: hashing and comparing do not depend on whether the view is noted.
/// `clippy::mutable_key_type` can't know that.
#[doc(alias("ByteString", "FastStr", "Utf8Payload"))]
#[derive(Default)]
pub struct Utf8Bytes {
    bytes: Bytes,
    /// The view of a long text, once it was asked for.
    view: OnceBox<View>,
}

/// A text that was validated, with the reference to its bytes that keeps it alive.
type View = Yoke<&'static str, Box<Bytes>>;

/// The length from which on a validated view is kept. Validating what is shorter is about as quick
/// as looking the view up.
const MIN_KEPT_VIEW: usize = 512;

impl Utf8Bytes {
    /// Creates a text of a string that is never freed, without copying it.
    pub const fn from_static(text: &'static str) -> Self {
        Self { bytes: Bytes::from_static(text.as_bytes()), view: OnceBox::new() }
    }

    /// Wraps bytes that are valid UTF-8.
    #[inline]
    pub(crate) const fn checked(bytes: Bytes) -> Self {
        Self { bytes, view: OnceBox::new() }
    }

    /// Returns the text.
    #[inline]
    pub fn as_str(&self) -> &str {
        if self.bytes.len() < MIN_KEPT_VIEW { validated(&self.bytes) } else { self.kept_view() }
    }

    fn kept_view(&self) -> &str {
        let view = || {
            let bytes = Box::new(self.bytes.clone());
            Box::new(Yoke::attach_to_cart(bytes, |bytes| validated(bytes)))
        };
        self.view.get_or_init(view).get()
    }

    /// Returns the bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns whether the text is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the bytes without copying them.
    #[inline]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Returns the text as a `String`, without copying it if nothing else refers to its memory.
    #[allow(clippy::missing_panics_doc, reason = "every constructor checks the bytes")]
    pub fn into_string(self) -> String {
        String::from_utf8(self.into_bytes().into()).expect(WAS_CHECKED)
    }

    /// Returns whether this is the only reference to the bytes.
    pub(crate) fn is_unique(&self) -> bool {
        self.bytes.is_unique()
    }
}

/// The reason why validating can't fail.
const WAS_CHECKED: &str = "checked when it was made";

#[inline]
fn validated(bytes: &[u8]) -> &str {
    simdutf8::basic::from_utf8(bytes).expect(WAS_CHECKED)
}

impl Clone for Utf8Bytes {
    #[inline]
    fn clone(&self) -> Self {
        Self::checked(self.bytes.clone())
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
    fn utf8_bytes_validate_a_long_text_once() {
        let long = Utf8Bytes::from("é".repeat(1000));
        assert!(long.view.get().is_none());
        let first = long.as_str().as_ptr();
        let kept: *const View = long.view.get().expect("it is long");
        assert_eq!((long.as_str().as_ptr(), long.as_bytes().as_ptr()), (first, first));
        assert_eq!(kept, core::ptr::from_ref(long.view.get().expect("it is kept")));
        // A view is of its own value; it does not outlive the bytes that are taken.
        assert!(long.clone().view.get().is_none());
        assert_eq!(long.as_str().len(), 2000);
        let short = Utf8Bytes::from("short");
        assert_eq!(short.as_str(), "short");
        assert!(short.view.get().is_none(), "it is validated more quickly than looked up");
    }

    #[test]
    fn utf8_bytes_are_views_that_need_no_copy() {
        let memory = vec![b'x'; 1000];
        let pointer = memory.as_ptr();
        let text = Utf8Bytes::try_from(memory).expect("it is ASCII");
        assert_eq!(text.as_str().as_ptr(), pointer);
        // The kept view is dropped first, so the memory has one owner again.
        let string = text.into_string();
        assert_eq!(string.as_ptr(), pointer);
    }

    #[test]
    fn utf8_bytes_take_five_words_and_a_message_no_more() {
        assert_eq!(size_of::<Utf8Bytes>(), 5 * size_of::<usize>());
        assert_eq!(size_of::<Message>(), size_of::<Utf8Bytes>());
    }
}
