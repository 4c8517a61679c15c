//! Words of PowerShell.

use super::{Bytes, Shell, Words, until};

/// Splits a command. Variables are refused.
pub(super) fn split(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let shell = Shell { escape: b'`', escape_name: "backtick", special };
    shell.split(text)
}

/// Takes what begins with a quotation mark; returns whether it does.
fn special(mark: u8, bytes: &mut Bytes<'_>, words: &mut Words) -> Result<bool, String> {
    if !matches!(mark, b'\'' | b'"') {
        return Ok(false);
    }
    words.current();
    loop {
        let mut has_variable = false;
        until(bytes, mark, |byte, bytes| match byte {
            b'`' if mark == b'"' => match bytes.next() {
                Some(b'n') => words.push(b'\n'),
                Some(b'r') => words.push(b'\r'),
                Some(b't') => words.push(b'\t'),
                Some(next) => words.push(*next),
                None => {}
            },
            b'$' if mark == b'"' => has_variable = true,
            byte => words.push(byte),
        })?;
        if has_variable {
            let why = "it has a variable in double quotes, which only PowerShell can follow";
            return Err(why.into());
        }
        // A doubled mark is one of the text.
        if bytes.next_if_eq(&&mark).is_none() {
            return Ok(true);
        }
        words.push(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::super::split;
    use super::super::tests::words;

    #[test]
    fn words_of_power_shell_are_split() {
        let text = "curl.exe 'a''b' `\n  -H \"c: `\"d`\" \"\"e\"\" `$f\" `\r\n -k";
        assert_eq!(words(text), ["curl.exe", "a'b", "-H", "c: \"d\" \"e\" $f", "-k"]);
        assert!(split(b"curl `\n \"$a\"").unwrap_err().contains("variable"));
    }
}
