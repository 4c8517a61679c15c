//! Bytes as offset, hexadecimal digits and ASCII.

use super::style::{StyledLine, Tone, span};
use crate::base::layout::{HEX_ROW, HexRow, hex_rows};

/// Returns the lines of a hex view; `width` is that of the terminal, in columns.
pub(crate) fn dump(bytes: &[u8], width: usize) -> Vec<StyledLine> {
    // Offset, two spaces, three columns for each byte and one for its character, and four more.
    let fits = |len: &usize| 8 + 2 + 4 * len + 4 <= width;
    let len = [HEX_ROW, HEX_ROW / 2].into_iter().find(fits).unwrap_or(HEX_ROW / 4);
    hex_rows(bytes, len).map(line).collect()
}

fn line(row: HexRow) -> StyledLine {
    vec![
        span(Tone::Dim, row.offset),
        span(Tone::Plain, row.digits),
        span(Tone::Dim, "|"),
        span(Tone::Plain, row.characters),
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
