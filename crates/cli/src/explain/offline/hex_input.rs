//! Bytes in the notations in which people have them.

/// The most bytes that are read.
const MAX_BYTES: usize = 1 << 20;

/// Parses bytes in hexadecimal: `81 85`, `8185`, `0x81, 0x85`, `\x81\x85`, `81:85`, and lines of
/// `xxd` and `hexdump -C`.
pub(super) fn parse(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for line in text.lines() {
        for word in dump_columns(line).split(is_separator) {
            let word =
                word.strip_prefix('0').filter(|rest| rest.starts_with(['x', 'X'])).unwrap_or(word);
            let word = word.strip_prefix(['x', 'X']).unwrap_or(word);
            push_word(word, &mut bytes)?;
        }
        if bytes.len() > MAX_BYTES {
            return Err(format!("more than {MAX_BYTES} bytes"));
        }
    }
    if bytes.is_empty() { Err("there are no bytes".into()) } else { Ok(bytes) }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | ':' | ';' | '-' | '\\' | '"' | '\'' | '[' | ']')
}

/// Returns the bytes of a line of `xxd` or `hexdump -C`, without its offset and its text; any
/// other line as it is.
fn dump_columns(line: &str) -> &str {
    let line = line.trim();
    let digits = line.bytes().take_while(u8::is_ascii_hexdigit).count();
    let rest = line.get(digits..).unwrap_or_default();
    if digits < 7 || !(rest.starts_with(": ") || rest.starts_with("  ")) {
        return line;
    }
    let is_xxd = rest.starts_with(':');
    let columns = rest[1..].trim_start();
    // After the bytes, xxd has two spaces; hexdump has two in the middle of the bytes as well.
    let end = if is_xxd { columns.find("  ") } else { columns.find('|') };
    &columns[..end.unwrap_or(columns.len())]
}

fn push_word(word: &str, bytes: &mut Vec<u8>) -> Result<(), String> {
    if let Some(c) = word.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Err(format!("{c:?} is not a hexadecimal digit"));
    }
    // A single digit between spaces is a byte.
    if word.len() > 1 && word.len() % 2 == 1 {
        return Err(format!("{word:?} has an odd number of digits"));
    }
    for pair in word.as_bytes().chunks(2) {
        // Digits are ASCII, so this is text.
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        bytes.extend(u8::from_str_radix(pair, 16));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_in_all_notations() {
        for text in [
            "81 85 37 fa",
            "818537FA",
            "0x81, 0x85,0x37, 0xfa",
            "\\x81\\x85\\x37\\xfa",
            "[0x81,0x85]\n[0x37,0xfa]",
            "81:85:37:fa",
            "8185 37fa",
            "00000000: 8185 37fa                                ..7.",
            "00000000  81 85 37 fa                                       |..7.|\n00000004",
        ] {
            let expected: &[u8] = &[0x81, 0x85, 0x37, 0xfa];
            let bytes = parse(text.trim_end_matches("\n00000004")).unwrap();
            assert_eq!(bytes, expected, "{text}");
        }
        assert_eq!(parse("8 0").unwrap(), [8, 0]);
    }

    #[test]
    fn hex_faults_are_named() {
        for (text, words) in [
            ("", "no bytes"),
            ("hello", "'h' is not"),
            ("818", "odd number"),
            ("81 ü5", "'ü' is not"),
        ] {
            let why = parse(text).err().unwrap_or_else(|| "no fault".into());
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}
