//! The grammar of header values: tokens, lists and extensions (RFC 6455 §9.1, RFC 9110 §5.6).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// The most extensions that are read from one handshake.
pub const MAX_EXTENSIONS: usize = 32;
/// The most parameters of one extension.
pub const MAX_PARAMS: usize = 32;

/// Whether this is a token: one or more visible ASCII characters but the separators.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| is_tchar(*b))
}

fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The elements of a comma-separated list without quoted strings, such as `Connection`.
/// Empty elements are skipped, as RFC 9110 §5.6.1.2 asks.
pub fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|e| !e.is_empty())
}

/// Whether a list has this token, compared without regard to case.
pub fn has_token<'a>(values: impl IntoIterator<Item = &'a [u8]>, token: &str) -> bool {
    values.into_iter().flat_map(elements).any(|e| e.eq_ignore_ascii_case(token.as_bytes()))
}

/// An extension, offered or accepted (§9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its registered name.
    pub name: String,
    /// Its parameters in their order.
    pub params: Vec<Param>,
}

/// A parameter of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its value, unquoted; `None` if it has none.
    pub value: Option<String>,
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for param in &self.params {
            write!(f, "; {}", param.name)?;
            if let Some(value) = &param.value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

/// A header value that does not follow its grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrammarError {
    /// What stands wrong.
    pub what: &'static str,
    /// Where, in bytes from the start of the value.
    pub at: usize,
}

impl fmt::Display for GrammarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

impl core::error::Error for GrammarError {}

/// Reads the extensions of all `Sec-WebSocket-Extensions` fields, which count as one list.
pub fn parse_extensions<'a>(
    values: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Extension>, GrammarError> {
    let mut all = Vec::new();
    for value in values {
        Parser { value, at: 0 }.extensions(&mut all)?;
    }
    Ok(all)
}

/// Reads one value from left to right, each byte once.
struct Parser<'a> {
    value: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn extensions(&mut self, all: &mut Vec<Extension>) -> Result<(), GrammarError> {
        loop {
            self.skip_space();
            match self.peek() {
                None => return Ok(()),
                Some(b',') => self.at += 1,
                Some(_) if all.len() == MAX_EXTENSIONS => return self.fail("too many extensions"),
                Some(_) => {
                    all.push(self.extension()?);
                    self.skip_space();
                    if !matches!(self.peek(), None | Some(b',')) {
                        return self.fail("a comma or semicolon is missing");
                    }
                }
            }
        }
    }

    fn extension(&mut self) -> Result<Extension, GrammarError> {
        let name = self.token("an extension's name is missing")?;
        let mut params = Vec::new();
        while self.eat(b';') {
            if params.len() == MAX_PARAMS {
                return self.fail("too many parameters");
            }
            self.skip_space();
            let name = self.token("a parameter's name is missing")?;
            let value = if self.eat(b'=') { Some(self.value()?) } else { None };
            params.push(Param { name, value });
        }
        Ok(Extension { name, params })
    }

    fn value(&mut self) -> Result<String, GrammarError> {
        self.skip_space();
        if self.peek() == Some(b'"') { self.quoted() } else { self.token("a value is missing") }
    }

    /// A quoted string, which must be a token once unescaped (§9.1).
    fn quoted(&mut self) -> Result<String, GrammarError> {
        let mut text = String::new();
        self.at += 1;
        loop {
            match self.peek() {
                None => return self.fail("a quoted string does not end"),
                Some(b'"') => break,
                Some(b'\\') => self.at += 1,
                Some(_) => {}
            }
            match self.peek() {
                Some(byte) if is_tchar(byte) => text.push(char::from(byte)),
                _ => return self.fail("a quoted value is not a token"),
            }
            self.at += 1;
        }
        if text.is_empty() {
            return self.fail("a quoted value is empty");
        }
        self.at += 1;
        Ok(text)
    }

    fn token(&mut self, missing: &'static str) -> Result<String, GrammarError> {
        let rest = &self.value[self.at..];
        let len = rest.iter().position(|b| !is_tchar(*b)).unwrap_or(rest.len());
        match core::str::from_utf8(&rest[..len]) {
            Ok(token) if len > 0 => {
                self.at += len;
                Ok(token.to_string())
            }
            _ => self.fail(missing),
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.skip_space();
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.value.get(self.at).copied()
    }

    fn fail<T>(&self, what: &'static str) -> Result<T, GrammarError> {
        Err(GrammarError { what, at: self.at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(value: &str) -> Result<Vec<Extension>, GrammarError> {
        parse_extensions([value.as_bytes()])
    }

    fn shown(value: &str) -> Vec<String> {
        parse(value).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn reads_what_browsers_send() {
        let chromium = "permessage-deflate; client_max_window_bits";
        assert_eq!(shown(chromium), [chromium]);
        assert_eq!(shown("permessage-deflate"), ["permessage-deflate"]);
        assert_eq!(shown("a ; b = \"1\\0\" ;c,, d;e=f , "), ["a; b=10; c", "d; e=f"]);
        assert_eq!(shown(""), [""; 0]);
    }

    #[test]
    fn names_what_is_wrong() {
        for (value, what, at) in [
            ("a b", "a comma or semicolon is missing", 2),
            ("a;", "a parameter's name is missing", 2),
            ("a;b=", "a value is missing", 4),
            ("a;b=\"c", "a quoted string does not end", 6),
            ("a;b=\"c d\"", "a quoted value is not a token", 6),
            ("a;b=\"\"", "a quoted value is empty", 5),
            (";", "an extension's name is missing", 0),
            ("a;b=\"\\", "a quoted value is not a token", 6),
        ] {
            assert_eq!(parse(value), Err(GrammarError { what, at }), "{value}");
        }
        assert_eq!(parse(&"a,".repeat(33)).unwrap_err().what, "too many extensions");
        assert_eq!(
            parse(&"a;b".replace(";b", &";b".repeat(33))).unwrap_err().what,
            "too many parameters"
        );
    }

    #[test]
    fn finds_tokens_in_lists() {
        assert!(has_token([&b"keep-alive, Upgrade"[..]], "upgrade"));
        assert!(has_token([&b"keep-alive"[..], b",, UPGRADE"], "upgrade"));
        assert!(!has_token([&b"upgraded, x-upgrade"[..]], "upgrade"));
    }

    proptest! {
        #[test]
        fn any_value_is_read_or_refused(value in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse_extensions([&value[..]]);
        }

        #[test]
        fn what_is_shown_is_read(value in "[a-c]{1,2}(; ?[a-c]{1,2}(=(\"[a-c]{1,2}\"|[a-c]))?){0,3}(, ?[a-c])?") {
            let read = parse(&value).unwrap();
            let again: Vec<String> = read.iter().map(ToString::to_string).collect();
            prop_assert_eq!(parse(&again.join(", ")).unwrap(), read);
        }
    }
}
