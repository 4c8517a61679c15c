//! Bytes as offset, hexadecimal digits and ASCII.

use std::fmt::Write as _;

use super::style::{StyledLine, Tone, span};

/// The bytes of a line.
const LINE: usize = 16;

/// Returns the lines of a hex view; `width` is that of the terminal, in columns.
pub(crate) fn dump(bytes: &[u8], width: usize) -> Vec<StyledLine> {
    // Offset, two spaces, three columns for each byte and one for its character, and four more.
    let fits = |line: &usize| 8 + 2 + 4 * line + 4 <= width;
    let len = [LINE, LINE / 2].into_iter().find(fits).unwrap_or(LINE / 4);
    let lines = bytes.chunks(len).enumerate();
    lines.map(|(index, chunk)| line(index * len, chunk, len)).collect()
}

fn line(offset: usize, bytes: &[u8], len: usize) -> StyledLine {
    let mut digits = String::new();
    let mut characters = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = write!(digits, "{}{byte:02x} ", if index == LINE / 2 { " " } else { "" });
        let is_shown = matches!(byte, b' '..=b'~');
        characters.push(if is_shown { char::from(*byte) } else { '.' });
    }
    let columns = 3 * len + usize::from(len > LINE / 2);
    vec![
        span(Tone::Dim, format!("{offset:08x}  ")),
        span(Tone::Plain, format!("{digits:columns$} ")),
        span(Tone::Dim, "|"),
        span(Tone::Plain, characters),
        span(Tone::Dim, "|"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], width: usize) -> Vec<String> {
        let join = |line: &StyledLine| line.iter().map(|span| span.text.as_str()).collect();
        dump(bytes, width).iter().map(join).collect()
    }

    #[test]
    fn hex_shows_offset_digits_and_characters() {
        let bytes: Vec<u8> = (0x3a..=0x4c).chain([0, 0xff, 0x1b]).collect();
        assert_eq!(
            text(&bytes, 80),
            [
                "00000000  3a 3b 3c 3d 3e 3f 40 41  42 43 44 45 46 47 48 49  |:;<=>?@ABCDEFGHI|",
                "00000010  4a 4b 4c 00 ff 1b                                 |JKL...|",
            ]
        );
        assert_eq!(text(b"", 80), [""; 0]);
    }

    #[test]
    fn hex_is_narrow_on_a_narrow_terminal() {
        assert_eq!(text(b"abcdefgh", 60), ["00000000  61 62 63 64 65 66 67 68  |abcdefgh|"]);
        assert_eq!(text(b"abcdefgh", 30)[1], "00000004  65 66 67 68  |efgh|");
    }
}
