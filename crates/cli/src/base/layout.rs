//! Messages as they are laid out at a terminal: text in lines, binary data in hexadecimal.

use std::fmt::Write as _;

use super::escape::printable;

/// The bytes of a row that is wide enough.
pub(crate) const HEX_ROW: usize = 16;

/// The column in front of each line after a text's first, by which it differs from a message of its
/// own.
pub(crate) const INDENT: &str = "  ";

/// Returns a text for a terminal: each of its lines escaped as [`printable`] does, and each after
/// the first behind [`INDENT`].
pub(crate) fn text_view(text: &str) -> String {
    let mut view = String::with_capacity(text.len());
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            view.push('\n');
            view.push_str(INDENT);
        }
        // Only one that begins a line end: any other would go back to the start of the line.
        let line = line.strip_suffix('\r').filter(|_| text.contains('\n')).unwrap_or(line);
        view.push_str(&printable(line));
    }
    view
}

/// A row of bytes as text.
pub(crate) struct HexRow {
    /// The offset of the first byte, with the spaces after it.
    pub(crate) offset: String,
    /// The bytes in hexadecimal digits, with a gap in the middle of a long row; as wide in each
    /// row.
    pub(crate) digits: String,
    /// The ASCII characters among the bytes, and a dot for each other one.
    pub(crate) characters: String,
}

/// Returns bytes in rows of this length.
pub(crate) fn hex_rows(bytes: &[u8], len: usize) -> impl Iterator<Item = HexRow> {
    let columns = 3 * len + usize::from(len > HEX_ROW / 2) + 1;
    bytes.chunks(len).enumerate().map(move |(index, row)| {
        let mut digits = String::with_capacity(columns);
        for (column, byte) in row.iter().enumerate() {
            let gap = if column == HEX_ROW / 2 { " " } else { "" };
            // Writing to a string does not fail.
            let _ = write!(digits, "{gap}{byte:02x} ");
        }
        let shown = |&byte: &u8| if matches!(byte, b' '..=b'~') { char::from(byte) } else { '.' };
        HexRow {
            offset: format!("{:08x}  ", index * len),
            digits: format!("{digits:columns$}"),
            characters: row.iter().map(shown).collect(),
        }
    })
}

/// Returns bytes for a terminal: their number, and rows of 16 with the offset, the bytes in
/// hexadecimal, and the ASCII characters among them, each behind [`INDENT`].
pub(crate) fn hex_view(bytes: &[u8]) -> String {
    let plural = if bytes.len() == 1 { "" } else { "s" };
    let mut view = format!("[binary, {} byte{plural}]", bytes.len());
    for HexRow { offset, digits, characters } in hex_rows(bytes, HEX_ROW) {
        // Writing to a string does not fail.
        let _ = write!(view, "\n{INDENT}{offset}{digits}|{characters}|");
    }
    view
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_view_indents_lines_and_escapes_the_rest() {
        for (text, view) in [
            ("one", "one"),
            ("", ""),
            ("{\n  \"a\": 1\r\n}\n", "{\n    \"a\": 1\n  }\n  "),
            ("a\rb", "a\\rb"),
            ("a\r", "a\\r"),
            ("\u{1b}[2J\nfdx connect: closed", "\\u{1b}[2J\n  fdx connect: closed"),
        ] {
            assert_eq!(text_view(text), view);
        }
    }

    #[test]
    fn hex_view_has_offsets_bytes_and_characters() {
        let bytes: Vec<u8> = (0x1b..0x1b + 17).chain([0xff]).collect();
        assert_eq!(
            hex_view(&bytes),
            "[binary, 18 bytes]\n  \
             00000000  1b 1c 1d 1e 1f 20 21 22  23 24 25 26 27 28 29 2a  |..... !\"#$%&'()*|\n  \
             00000010  2b ff                                             |+.|"
        );
        assert_eq!(hex_view(b""), "[binary, 0 bytes]");
        assert!(hex_view(b"a").starts_with("[binary, 1 byte]\n"));
    }
}
