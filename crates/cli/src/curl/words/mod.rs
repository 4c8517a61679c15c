//! The words of a pasted command line, by the quoting of the shell that it was copied for.

mod posix;
mod power_shell;
mod windows;

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
        Quoting::Posix => posix::split(text)?,
        Quoting::Cmd => windows::split(text)?,
        Quoting::PowerShell => power_shell::split(text)?,
    };
    Ok(words.into_iter().map(os_string).collect())
}

/// Returns whether a text is a command of curl rather than one of its words.
pub(super) fn is_command(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let rest = text.strip_prefix(b"curl").map(|rest| rest.strip_prefix(b".exe").unwrap_or(rest));
    rest.is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_whitespace))
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

/// A shell whose words are split at spaces, and which has a character that makes the next one
/// ordinary, and leaves out the end of a line.
struct Shell {
    escape: u8,
    escape_name: &'static str,
    /// Takes what else means something, if it begins with this byte; returns whether it does.
    special: fn(u8, &mut Bytes<'_>, &mut Words) -> Result<bool, String>,
}

impl Shell {
    fn split(&self, text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let mut words = Words::default();
        let mut bytes = text.iter().peekable();
        while let Some(byte) = bytes.next() {
            if (self.special)(*byte, &mut bytes, &mut words)? {
                continue;
            }
            match byte {
                b'\n' if bytes.peek().is_some() => return Err(MORE_COMMANDS.into()),
                b' ' | b'\t' | b'\n' => words.end(),
                b';' | b'&' | b'|' => return Err(MORE_COMMANDS.into()),
                byte if *byte == self.escape => match bytes.next() {
                    Some(b'\n') => {}
                    Some(byte) => words.push(*byte),
                    None => return Err(format!("it ends in a {}", self.escape_name)),
                },
                byte => words.push(*byte),
            }
        }
        Ok(words.finish())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn words(text: &str) -> Vec<String> {
        let words = split(text.as_bytes()).unwrap_or_else(|why| panic!("{text}: {why}"));
        words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn words_that_are_a_command_are_recognized() {
        for text in ["curl a", " curl.exe 'a'", "curl\ta"] {
            assert!(is_command(text.as_bytes()), "{text}");
        }
        for text in ["curl", "curly a", "ws://a/ b", ""] {
            assert!(!is_command(text.as_bytes()), "{text}");
        }
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
