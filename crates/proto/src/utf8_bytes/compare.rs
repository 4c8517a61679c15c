//! Comparisons with strings, in both directions. They compare bytes, as `str` does, so nothing is
//! validated.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use core::cmp::Ordering;

use super::Utf8Bytes;

impl PartialEq for Utf8Bytes {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Utf8Bytes {}

impl PartialOrd for Utf8Bytes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Utf8Bytes {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

macro_rules! compare_with {
    ($($string:ty),+) => {$(
        impl PartialEq<$string> for Utf8Bytes {
            #[inline]
            fn eq(&self, other: &$string) -> bool {
                self.as_bytes() == other.as_bytes()
            }
        }

        impl PartialEq<Utf8Bytes> for $string {
            #[inline]
            fn eq(&self, other: &Utf8Bytes) -> bool {
                self.as_bytes() == other.as_bytes()
            }
        }

        impl PartialOrd<$string> for Utf8Bytes {
            fn partial_cmp(&self, other: &$string) -> Option<Ordering> {
                Some(self.as_bytes().cmp(other.as_bytes()))
            }
        }

        impl PartialOrd<Utf8Bytes> for $string {
            fn partial_cmp(&self, other: &Utf8Bytes) -> Option<Ordering> {
                Some(self.as_bytes().cmp(other.as_bytes()))
            }
        }
    )+};
}

compare_with!(str, &str, String, &String, Box<str>, Cow<'_, str>);
