//! Words of cmd.exe, and of the programs that it starts.

use super::{MORE_COMMANDS, UNCLOSED, Words};

/// Splits a command of cmd.exe.
pub(super) fn split(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    arguments(&without_carets(text)?)
}

/// Returns the command line that cmd.exe passes on: without the carets, which outside of quotes
/// make the next character ordinary.
fn without_carets(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut line = Vec::with_capacity(text.len());
    let mut bytes = text.iter().peekable();
    let mut is_quoted = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'^' if !is_quoted => match bytes.next() {
                // The end of the line is left out, and the character after it is ordinary.
                Some(b'\n') => line.extend(bytes.next()),
                Some(next) => line.push(*next),
                None => return Err("it ends in a caret".into()),
            },
            b'\n' if bytes.peek().is_some() => return Err(MORE_COMMANDS.into()),
            b'&' | b'|' | b'<' | b'>' if !is_quoted => return Err(MORE_COMMANDS.into()),
            b'"' => {
                is_quoted = !is_quoted;
                line.push(*byte);
            }
            byte => line.push(*byte),
        }
    }
    Ok(line)
}

/// Splits a command line as programs of Windows do (the rules of the C runtime): backslashes count
/// only before a quotation mark, and `""` within quotes is one mark.
fn arguments(line: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Words::default();
    let mut bytes = line.iter().peekable();
    let mut is_quoted = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' if !is_quoted => words.end(),
            b'\\' => {
                let mut count = 1;
                while bytes.next_if_eq(&&b'\\').is_some() {
                    count += 1;
                }
                let is_before_mark = bytes.peek() == Some(&&b'"');
                let kept = if is_before_mark { count / 2 } else { count };
                words.current().extend(std::iter::repeat_n(b'\\', kept));
                if is_before_mark && count % 2 == 1 {
                    bytes.next();
                    words.push(b'"');
                }
            }
            b'"' if is_quoted && bytes.next_if_eq(&&b'"').is_some() => words.push(b'"'),
            b'"' => {
                is_quoted = !is_quoted;
                words.current();
            }
            byte => words.push(*byte),
        }
    }
    if is_quoted { Err(UNCLOSED.into()) } else { Ok(words.finish()) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::words;
    use super::super::{MORE_COMMANDS, UNCLOSED, split};

    #[test]
    fn words_of_cmd_are_split() {
        for (text, expected) in [
            ("curl ^\"a^%^20b^&c^\" ^\n  -H ^\"d: e^\"", &["curl", "a%20b&c", "-H", "d: e"][..]),
            (
                "curl.exe ^\"a^\" ^\r\n  -H ^\"b: ^\\^\"c^\\^\"^\"",
                &["curl.exe", "a", "-H", "b: \"c\""],
            ),
            ("a ^\"b^\n\nc^\"", &["a", "b\nc"]),
            ("a \"b^c & d\" ^\"e\"\"f^\"", &["a", "b^c & d", "e\"f"]),
            (r#"a ^"b\\^" c\d"#, &["a", "b\\", r"c\d"]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
        for text in ["curl ^\"a^\" &\r\ncurl ^\"b^\"", "curl ^\"a^\"\ncurl ^\"b^\""] {
            assert_eq!(split(text.as_bytes()), Err(MORE_COMMANDS.into()));
        }
        assert_eq!(split(b"curl ^\"a"), Err(UNCLOSED.into()));
    }
}
