//! Words of a POSIX shell (Shell Command Language §2.2), with `$'…'`.

use super::{Bytes, Shell, Words, until};

/// Splits a command. What the shell would replace or run is refused.
pub(super) fn split(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let shell = Shell { escape: b'\\', escape_name: "backslash", special };
    shell.split(text)
}

/// Takes what begins with a byte that means something in this shell; returns whether it does.
fn special(byte: u8, bytes: &mut Bytes<'_>, words: &mut Words) -> Result<bool, String> {
    match byte {
        b'\'' => {
            words.current();
            until(bytes, b'\'', |byte, _| words.push(byte))?;
        }
        b'"' => double_quoted(bytes, words.current())?,
        b'$' if bytes.next_if_eq(&&b'\'').is_some() => ansi_quoted(bytes, words.current())?,
        b'$' | b'`' | b'<' | b'>' | b'(' | b')' => {
            let what = char::from(byte);
            return Err(format!("it has a {what} without quotes, which only a shell can follow"));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn double_quoted(bytes: &mut Bytes<'_>, word: &mut Vec<u8>) -> Result<(), String> {
    let mut has_expansion = false;
    until(bytes, b'"', |byte, bytes| match byte {
        b'\\' => match bytes.next_if(|next| matches!(next, b'$' | b'`' | b'"' | b'\\' | b'\n')) {
            Some(b'\n') => {}
            Some(next) => word.push(*next),
            None => word.push(byte),
        },
        b'`' => has_expansion = true,
        b'$' => {
            let expands = |next: &&u8| next.is_ascii_alphanumeric() || b"_({".contains(*next);
            has_expansion |= bytes.peek().is_some_and(expands);
            word.push(byte);
        }
        byte => word.push(byte),
    })?;
    if has_expansion {
        return Err(
            "it has a variable or a command in double quotes, which only a shell can follow".into(),
        );
    }
    Ok(())
}

/// Reads what stands in `$'…'`.
fn ansi_quoted(bytes: &mut Bytes<'_>, word: &mut Vec<u8>) -> Result<(), String> {
    until(bytes, b'\'', |byte, bytes| {
        if byte == b'\\' {
            ansi_escape(bytes, word);
        } else {
            word.push(byte);
        }
    })
}

fn ansi_escape(bytes: &mut Bytes<'_>, word: &mut Vec<u8>) {
    let Some(escape) = bytes.next() else { return };
    match escape {
        b'n' => word.push(b'\n'),
        b'r' => word.push(b'\r'),
        b't' => word.push(b'\t'),
        b'a' => word.push(7),
        b'b' => word.push(8),
        b'e' | b'E' => word.push(0x1b),
        b'f' => word.push(0xc),
        b'v' => word.push(0xb),
        b'\\' | b'\'' | b'"' | b'?' => word.push(*escape),
        b'0'..=b'7' => {
            let first = u32::from(escape - b'0');
            let number = number(bytes, 8, 2, first);
            // As in a shell, higher bits are lost.
            word.push(number.to_le_bytes()[0]);
        }
        b'x' => word.push(number(bytes, 16, 2, 0).to_le_bytes()[0]),
        b'u' | b'U' => {
            let digits = if *escape == b'u' { 4 } else { 8 };
            let c = char::from_u32(number(bytes, 16, digits, 0));
            let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
            word.extend(c.encode_utf8(&mut [0; 4]).bytes());
        }
        other => word.extend([b'\\', *other]),
    }
}

/// Reads at most `digits` digits.
fn number(bytes: &mut Bytes<'_>, radix: u32, digits: u32, first: u32) -> u32 {
    let mut number = first;
    for _ in 0..digits {
        let digit = bytes.peek().and_then(|byte| char::from(**byte).to_digit(radix));
        let Some(digit) = digit else { break };
        bytes.next();
        number = number.wrapping_mul(radix).wrapping_add(digit);
    }
    number
}

#[cfg(test)]
mod tests {
    use super::super::tests::words;
    use super::super::{MORE_COMMANDS, UNCLOSED, split};

    #[test]
    fn words_of_a_posix_shell_are_split() {
        for (text, expected) in [
            (
                "curl 'a b' \\\n  -H \"c: \\\"d\\\" \\$e\\x\"",
                &["curl", "a b", "-H", "c: \"d\" $e\\x"][..],
            ),
            ("a '' \"\" b''c", &["a", "", "", "bc"]),
            (r"a\ b 'c'\''d'", &["a b", "c'd"]),
            (r"$'a\'b\n\u0021\x21\041\\\u00fc'", &["a'b\n!!!\\ü"]),
            (r"$'\U0001f600\q\101\1019'", &["😀\\qAA9"]),
            ("\"a $ b$\"", &["a $ b$"]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
        for (text, why) in [
            ("curl 'a", UNCLOSED),
            ("curl \"a", UNCLOSED),
            ("curl $'a\\'", UNCLOSED),
            ("curl a ;\ncurl b", MORE_COMMANDS),
            ("curl a\ncurl b", MORE_COMMANDS),
            ("curl a | cat", MORE_COMMANDS),
            (
                "curl \"$TOKEN\"",
                "it has a variable or a command in double quotes, which only a shell can follow",
            ),
            ("curl $TOKEN", "it has a $ without quotes, which only a shell can follow"),
        ] {
            assert_eq!(split(text.as_bytes()), Err(why.into()), "{text}");
        }
        assert!(split(b"fetch(\"ws://a/\")").unwrap_err().contains("cURL"));
        assert!(split(b"Invoke-WebRequest -Uri \"a\"").unwrap_err().contains("cURL"));
    }
}
