//! The words of a pasted command line, by the quoting of the shell that it was copied for.

use std::ffi::OsString;
use std::iter::Peekable;
use std::slice::Iter;

/// The quoting of a copied command: that of the shell for which it was copied.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Quoting {
    /// sh, bash, zsh: `'…'`, `"…"`, `$'…'`, and `\` at the end of a line.
    Posix,
    /// cmd.exe of Windows: `^"…^"`, and `^` at the end of a line.
    Cmd,
    /// PowerShell: `'…'`, `"…"`, and a backtick at the end of a line.
    PowerShell,
}

const MORE_COMMANDS: &str = "there is more than one command; paste one";

/// Splits a command into its words.
///
/// # Errors
/// The command is not complete, or is not one of curl.
pub(super) fn split(text: &[u8]) -> Result<Vec<OsString>, String> {
    let text = without_carriage_returns(text);
    let text = text.trim_ascii();
    for (start, what) in [("fetch(", "JavaScript"), ("await fetch(", "JavaScript")] {
        if text.starts_with(start.as_bytes()) {
            return Err(format!("this is {what}; copy the request as cURL"));
        }
    }
    if find(text, b"Invoke-WebRequest").is_some() || text.starts_with(b"$session") {
        return Err("this is PowerShell's Invoke-WebRequest; copy the request as cURL".into());
    }
    let words = match quoting(text) {
        Quoting::Posix => posix(text)?,
        Quoting::Cmd => windows_arguments(&cmd(text)?)?,
        Quoting::PowerShell => power_shell(text)?,
    };
    Ok(words.into_iter().map(os_string).collect())
}

/// Returns whether the command goes on in another line.
pub(super) fn is_complete(text: &[u8]) -> bool {
    let text = without_carriage_returns(text);
    let line = text.strip_suffix(b"\n").unwrap_or(&text);
    !line.trim_ascii().is_empty()
        && !line.ends_with(b"\\")
        && !line.ends_with(b"^")
        && !line.ends_with(b"`")
        && !matches!(split(line), Err(why) if why == UNCLOSED)
}

const UNCLOSED: &str = "a quotation is not closed";

/// Returns a word of the operating system. On Unix it may have any bytes; elsewhere those that are
/// not UTF-8 are replaced.
pub(super) fn os_string(bytes: Vec<u8>) -> OsString {
    #[cfg(unix)]
    return std::os::unix::ffi::OsStringExt::from_vec(bytes);
    #[cfg(not(unix))]
    return String::from_utf8_lossy(&bytes).into_owned().into();
}

fn without_carriage_returns(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    for (at, byte) in text.iter().enumerate() {
        if *byte != b'\r' || text.get(at + 1) != Some(&b'\n') {
            plain.push(*byte);
        }
    }
    plain
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn quoting(text: &[u8]) -> Quoting {
    if find(text, b"^\"").is_some() || find(text, b"^\n").is_some() {
        Quoting::Cmd
    } else if find(text, b"`\n").is_some() {
        Quoting::PowerShell
    } else {
        Quoting::Posix
    }
}

/// The words that were read, and the one that is being read.
#[derive(Default)]
struct Words {
    all: Vec<Vec<u8>>,
    current: Option<Vec<u8>>,
}

impl Words {
    fn push(&mut self, byte: u8) {
        self.current().push(byte);
    }

    /// Begins a word, which may be empty, as `''` is.
    fn current(&mut self) -> &mut Vec<u8> {
        self.current.get_or_insert_default()
    }

    fn end(&mut self) {
        self.all.extend(self.current.take());
    }

    fn finish(mut self) -> Vec<Vec<u8>> {
        self.end();
        self.all
    }
}

type Bytes<'a> = Peekable<Iter<'a, u8>>;

/// Splits by the rules of POSIX (Shell Command Language §2.2), with `$'…'`. What the shell would
/// replace or run is refused.
fn posix(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Words::default();
    let mut bytes = text.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\n' if bytes.peek().is_some() => return Err(MORE_COMMANDS.into()),
            b' ' | b'\t' | b'\n' => words.end(),
            b'\'' => {
                words.current();
                until(&mut bytes, b'\'', |byte, _| words.push(byte))?;
            }
            b'"' => double_quoted(&mut bytes, words.current())?,
            b'$' if bytes.next_if_eq(&&b'\'').is_some() => {
                ansi_quoted(&mut bytes, words.current())?;
            }
            b'\\' => match bytes.next() {
                Some(b'\n') => {}
                Some(byte) => words.push(*byte),
                None => return Err("it ends in a backslash".into()),
            },
            b';' | b'&' | b'|' => return Err(MORE_COMMANDS.into()),
            b'$' | b'`' | b'<' | b'>' | b'(' | b')' => {
                let what = char::from(*byte);
                return Err(format!(
                    "it has a {what} without quotes, which only a shell can follow"
                ));
            }
            byte => words.push(*byte),
        }
    }
    Ok(words.finish())
}

/// Reads up to the closing quotation mark.
fn until(
    bytes: &mut Bytes<'_>,
    mark: u8,
    mut push: impl FnMut(u8, &mut Bytes<'_>),
) -> Result<(), String> {
    while let Some(byte) = bytes.next() {
        if *byte == mark {
            return Ok(());
        }
        push(*byte, bytes);
    }
    Err(UNCLOSED.into())
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

/// Returns the command line that cmd.exe passes on: without the carets, which outside of quotes
/// make the next character ordinary.
fn cmd(text: &[u8]) -> Result<Vec<u8>, String> {
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
fn windows_arguments(line: &[u8]) -> Result<Vec<Vec<u8>>, String> {
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

/// Splits by the rules of PowerShell. Variables are refused.
fn power_shell(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Words::default();
    let mut bytes = text.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\n' if bytes.peek().is_some() => return Err(MORE_COMMANDS.into()),
            b' ' | b'\t' | b'\n' => words.end(),
            b'`' => match bytes.next() {
                Some(b'\n') => {}
                Some(byte) => words.push(*byte),
                None => return Err("it ends in a backtick".into()),
            },
            b'\'' | b'"' => loop {
                words.current();
                let mut has_variable = false;
                until(&mut bytes, *byte, |inner, bytes| match inner {
                    b'`' if *byte == b'"' => match bytes.next() {
                        Some(b'n') => words.push(b'\n'),
                        Some(b'r') => words.push(b'\r'),
                        Some(b't') => words.push(b'\t'),
                        Some(next) => words.push(*next),
                        None => {}
                    },
                    b'$' if *byte == b'"' => has_variable = true,
                    inner => words.push(inner),
                })?;
                if has_variable {
                    return Err(
                        "it has a variable in double quotes, which only PowerShell can follow"
                            .into(),
                    );
                }
                // A doubled mark is one of the text.
                if bytes.next_if_eq(&byte).is_none() {
                    break;
                }
                words.push(*byte);
            },
            b';' | b'|' | b'&' => return Err(MORE_COMMANDS.into()),
            byte => words.push(*byte),
        }
    }
    Ok(words.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let words = split(text.as_bytes()).unwrap_or_else(|why| panic!("{text}: {why}"));
        words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect()
    }

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

    #[test]
    fn words_of_power_shell_are_split() {
        let text = "curl.exe 'a''b' `\n  -H \"c: `\"d`\" \"\"e\"\" `$f\" `\r\n -k";
        assert_eq!(words(text), ["curl.exe", "a'b", "-H", "c: \"d\" \"e\" $f", "-k"]);
        assert!(split(b"curl `\n \"$a\"").unwrap_err().contains("variable"));
    }

    #[test]
    fn words_are_complete_at_the_last_line() {
        for text in ["", "\n", "curl 'a' \\\n", "curl ^\"a^\" ^\r\n", "curl `\n", "curl 'a\n"] {
            assert!(!is_complete(text.as_bytes()), "{text:?}");
        }
        for text in ["curl a\n", "curl 'a' \\\n -k\n", "curl ^\"a^\" ^\r\n -k\r\n"] {
            assert!(is_complete(text.as_bytes()), "{text:?}");
        }
    }
}
