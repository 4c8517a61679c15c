//! Long texts, which keep their view as a `str`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::panic::{RefUnwindSafe, UnwindSafe};

use bytes::Bytes;
use once_cell::race::OnceBox;
use yoke::Yoke;

use super::validated;

/// A long text, and its view as a `str`, which is validated once. Clones share both.
#[derive(Clone)]
pub(super) struct LongText(Option<Arc<dyn Kept>>);

impl LongText {
    /// Creates a long text of bytes that are valid UTF-8.
    #[cold]
    #[inline(never)]
    pub(super) fn checked(bytes: Bytes) -> Self {
        Self(Some(Arc::new(WithView { bytes, view: OnceBox::new() })))
    }

    fn kept(&self) -> &Arc<dyn Kept> {
        self.0.as_ref().expect(IN_USE)
    }

    pub(super) fn bytes(&self) -> &Bytes {
        self.kept().bytes()
    }

    /// Returns the text. The first call validates it.
    pub(super) fn as_str(&self) -> &str {
        self.kept().as_str()
    }

    /// Returns the bytes, without another reference to them if there is none to the text.
    pub(super) fn into_bytes(mut self) -> Bytes {
        self.0.take().expect(IN_USE).into_bytes()
    }

    pub(super) fn is_unique(&self) -> bool {
        Arc::strong_count(self.kept()) == 1 && self.bytes().is_unique()
    }
}

/// Why there is a text: only `into_bytes` and `drop`, after which there is no use, take it.
const IN_USE: &str = "it is in use";

/// Drops in a function of its own, so that code that drops short texts stays short.
impl Drop for LongText {
    #[inline]
    fn drop(&mut self) {
        drop_kept(self.0.take());
    }
}

#[cold]
#[inline(never)]
fn drop_kept(_: Option<Arc<dyn Kept>>) {}

/// What the clones of a long text share.
///
/// It is a trait because of `clippy::mutable_key_type`, which warns of maps whose keys can change
/// behind a shared reference. This one can, but not in what is hashed and compared; the lint does
/// not look behind a trait object.
trait Kept: Send + Sync + UnwindSafe + RefUnwindSafe {
    fn bytes(&self) -> &Bytes;
    fn as_str(&self) -> &str;
    fn into_bytes(self: Arc<Self>) -> Bytes;
}

struct WithView {
    bytes: Bytes,
    /// The view, once it was asked for.
    view: OnceBox<View>,
}

/// A text that was validated, with the reference to its bytes that keeps it alive.
type View = Yoke<&'static str, Box<Bytes>>;

impl Kept for WithView {
    fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn as_str(&self) -> &str {
        let view = || {
            let bytes = Box::new(self.bytes.clone());
            Box::new(Yoke::attach_to_cart(bytes, |bytes| validated(bytes)))
        };
        self.view.get_or_init(view).get()
    }

    fn into_bytes(self: Arc<Self>) -> Bytes {
        Arc::try_unwrap(self).map_or_else(|shared| shared.bytes.clone(), |text| text.bytes)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn long_texts_validate_once() {
        let text = WithView { bytes: "é".repeat(1000).into(), view: OnceBox::new() };
        assert!(text.view.get().is_none());
        let first = text.as_str().as_ptr();
        let kept: *const View = text.view.get().expect("it was asked for");
        assert_eq!((text.as_str().as_ptr(), text.bytes().as_ptr()), (first, first));
        assert_eq!(kept, core::ptr::from_ref(text.view.get().expect("it is kept")));
    }

    #[test]
    fn long_texts_return_bytes_without_the_view() {
        let text = LongText::checked(String::from("text").into());
        assert_eq!(text.as_str(), "text");
        let other = text.clone();
        assert!(!text.into_bytes().is_unique());
        assert!(other.into_bytes().is_unique());
    }
}
