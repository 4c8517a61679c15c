//! Strangers' words for a terminal.

use std::fmt::Write as _;

/// Shows what would steer a terminal or a reader's eye as an escape, such as `\u{202e}`, so that
/// nothing that others say looks like something else, or like a line of this program.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => shown.push(c),
            '\n' | '\r' => shown.extend(c.escape_default()),
            c if steers(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// Bytes for a terminal: what of them is text as [`printable`], the others as `\xff`.
pub(crate) fn printable_bytes(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        shown.push_str(&printable(chunk.valid()));
        for byte in chunk.invalid() {
            // A string takes whatever it is given.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// Whether a character has no glyph of its own: it controls the terminal, changes the direction
/// or the place of others, or can't be seen.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Soft hyphen; Arabic letter mark; Mongolian vowel separator.
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            // Letters without a glyph (Hangul fillers).
            | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
            // Zero-width characters and marks of direction.
            | '\u{200b}'..='\u{200f}'
            // Separators of lines and paragraphs; embeddings and overrides of direction.
            | '\u{2028}'..='\u{202e}'
            // Invisible operators; isolates.
            | '\u{2060}'..='\u{206f}'
            // Byte order mark; annotations.
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            // Controls of musical notation.
            | '\u{1d173}'..='\u{1d17a}'
            // Tags, and selectors in which text can hide.
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_escapes_what_steers_a_terminal() {
        for (text, shown) in [
            ("Grüße, 世界\t🎉 e\u{301}", "Grüße, 世界\t🎉 e\u{301}"),
            ("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"),
            ("a\r\nb\u{9b}c\u{7f}", "a\\r\\nb\\u{9b}c\\u{7f}"),
            ("user\u{202e}txt.exe", "user\\u{202e}txt.exe"),
            ("a\u{2066}b\u{2069}", "a\\u{2066}b\\u{2069}"),
            ("a\u{200b}b\u{200d}c\u{feff}", "a\\u{200b}b\\u{200d}c\\u{feff}"),
            ("a\u{2028}b", "a\\u{2028}b"),
            ("a\u{e0041}b\u{e0100}", "a\\u{e0041}b\\u{e0100}"),
        ] {
            assert_eq!(printable(text), shown);
        }
        assert_eq!(
            printable_bytes(b"a\xff\x1b]0;x\x07\xc3\xbc\xc3"),
            "a\\xff\\u{1b}]0;x\\u{7}ü\\xc3"
        );
    }
}
