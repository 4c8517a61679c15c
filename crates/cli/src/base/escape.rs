//! Escapes for text of peers that is printed on a terminal or in the log.

/// Escapes control, invisible and bidirectional characters, such as `\u{202e}`, so that a
/// peer's text neither controls the terminal nor looks like other text or a line of this program.
pub(crate) fn printable(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (c, is_deceptive) in chars(text) {
        match c {
            '\n' | '\r' => escaped.extend(c.escape_default()),
            c if is_deceptive => escaped.extend(c.escape_unicode()),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Returns the characters of a text, each with whether it is to be escaped. A tab is not, and
/// neither is the joiner between two emoji, which makes one of them.
pub(crate) fn chars(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut chars = text.chars().peekable();
    // The last character but a selector of its form.
    let mut before = None;
    std::iter::from_fn(move || {
        let c = chars.next()?;
        let joins = c == JOINER
            && before.is_some_and(is_emoji)
            && chars.peek().is_some_and(|next| is_emoji(*next));
        if c != EMOJI_FORM {
            before = Some(c);
        }
        Some((c, c != '\t' && is_deceptive(c) && !joins))
    })
}

/// Joins what stands before and after it (ZWJ).
const JOINER: char = '\u{200d}';

/// Asks for the coloured form of the character before it.
const EMOJI_FORM: char = '\u{fe0f}';

/// Whether a character can be a part of an emoji that is joined: pictographs, and the symbols that
/// Unicode's emoji-zwj-sequences.txt has.
fn is_emoji(c: char) -> bool {
    matches!(c,
        '\u{1f300}'..='\u{1faff}'
        | '\u{2600}'..='\u{27bf}'
        // Arrows, and the black square.
        | '\u{2194}' | '\u{2195}' | '\u{2b1b}')
}

/// Whether a character controls the terminal, changes the direction or position of other
/// characters, or is invisible.
pub(crate) fn is_deceptive(c: char) -> bool {
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
        for (text, expected) in [
            ("Grüße, 世界\t🎉 e\u{301}", "Grüße, 世界\t🎉 e\u{301}"),
            ("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"),
            ("a\r\nb\u{9b}c\u{7f}", "a\\r\\nb\\u{9b}c\\u{7f}"),
            ("user\u{202e}txt.exe", "user\\u{202e}txt.exe"),
            ("a\u{2066}b\u{2069}", "a\\u{2066}b\\u{2069}"),
            ("a\u{200b}b\u{200d}c\u{feff}", "a\\u{200b}b\\u{200d}c\\u{feff}"),
            ("a\u{2028}b", "a\\u{2028}b"),
            // A family, a heart on fire, a pilot with a tone of skin.
            ("👩\u{200d}👩\u{200d}👧", "👩\u{200d}👩\u{200d}👧"),
            ("\u{2764}\u{fe0f}\u{200d}\u{1f525}", "\u{2764}\u{fe0f}\u{200d}\u{1f525}"),
            ("👩\u{1f3fd}\u{200d}\u{2708}\u{fe0f}", "👩\u{1f3fd}\u{200d}\u{2708}\u{fe0f}"),
            ("👩\u{200d}a\u{200d}👩\u{200d}", "👩\\u{200d}a\\u{200d}👩\\u{200d}"),
            ("👩\u{200d}\u{200d}👩", "👩\\u{200d}\\u{200d}👩"),
            ("a\u{fe0f}\u{200d}👩", "a\u{fe0f}\\u{200d}👩"),
            ("a\u{e0041}b\u{e0100}", "a\\u{e0041}b\\u{e0100}"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }
}
