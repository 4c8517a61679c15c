//! How payloads are shown by `Debug`: a prefix and the length, as a log line must not become as
//! long as a message.

use core::fmt;

/// The most bytes of a payload that `Debug` shows.
const MAX_SHOWN: usize = 64;

/// Bytes whose `Debug` is `b"…"`, cut after 64 bytes.
pub(crate) struct ShortBytes<'a>(pub(crate) &'a [u8]);

impl fmt::Debug for ShortBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(MAX_SHOWN)];
        write!(f, "b\"{}\"", shown.escape_ascii())?;
        show_length(self.0.len(), shown.len(), f)
    }
}

/// UTF-8 whose `Debug` is `"…"`, cut at the last character that ends within 64 bytes.
pub(crate) struct ShortText<'a>(pub(crate) &'a [u8]);

impl fmt::Debug for ShortText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only the prefix is checked, however long the text is.
        let prefix = &self.0[..self.0.len().min(MAX_SHOWN)];
        let shown = match core::str::from_utf8(prefix) {
            Ok(shown) => shown,
            Err(cut) => core::str::from_utf8(&prefix[..cut.valid_up_to()]).unwrap_or_default(),
        };
        write!(f, "{shown:?}")?;
        show_length(self.0.len(), shown.len(), f)
    }
}

/// Adds the length of a payload of which only a prefix is shown.
fn show_length(len: usize, shown: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if shown < len { write!(f, "… ({len} bytes)") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;

    #[test]
    fn debug_of_a_short_payload_is_the_payload() {
        assert_eq!(format!("{:?}", ShortBytes(b"a\"\xff")), r#"b"a\"\xff""#);
        assert_eq!(format!("{:?}", ShortText("a\"é".as_bytes())), r#""a\"é""#);
        let just = [b'x'; MAX_SHOWN];
        assert!(format!("{:?}", ShortBytes(&just)).ends_with("x\""));
        assert!(format!("{:?}", ShortText(&just)).ends_with("x\""));
    }

    #[test]
    fn debug_of_a_long_payload_is_a_prefix_and_the_length() {
        let text: String = "é".repeat(1 << 20);
        let shown = format!("{:?}", ShortText(text.as_bytes()));
        assert_eq!(shown, format!("\"{}\"… (2097152 bytes)", "é".repeat(32)));
        // A character of which the limit shows only a part is left out.
        let text = format!("x{}", "é".repeat(32));
        let shown = format!("{:?}", ShortText(text.as_bytes()));
        assert_eq!(shown, format!("\"x{}\"… (65 bytes)", "é".repeat(31)));
        let shown = format!("{:?}", ShortBytes(&[0; 65]));
        assert_eq!(shown, format!("b\"{}\"… (65 bytes)", "\\x00".repeat(64)));
    }
}
