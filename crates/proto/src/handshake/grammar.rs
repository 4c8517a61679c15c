//! Tokens and comma-separated lists (RFC 9110 §5.6).
//!
//! All functions here are total and linear: each byte of a value is read a fixed number of times,
//! whatever quotes and commas the value contains.

/// A table of the bytes that are a `tchar` (RFC 9110 §5.6.2).
const TCHARS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    // Tokens are ASCII.
    while byte < 128 {
        table[byte as usize] = matches!(byte,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9'
            | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+'
            | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
        byte += 1;
    }
    table
};

/// Returns whether `text` is a token: one or more characters that are not separators
/// (RFC 9110 §5.6.2).
///
/// RFC 6455 refers to RFC 2616, which allows the same characters.
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_tchar)
}

/// Returns whether one of the elements of a `#list` is `token`, without regard to case.
///
/// `values` are the values of all fields of one name: `Connection: keep-alive, Upgrade` and two
/// `Connection` fields mean the same (RFC 9110 §5.3).
pub fn list_contains<'h>(values: impl Iterator<Item = &'h [u8]>, token: &str) -> bool {
    list(values).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// Returns the elements of a `#list` that may be spread over several field values.
///
/// Whitespace around elements is removed, and empty elements are skipped (RFC 9110 §5.6.1.2). A
/// comma within a quoted string is not a separator. A quoted string without an end reaches to the
/// end of its value.
pub fn list<'h>(values: impl Iterator<Item = &'h [u8]>) -> impl Iterator<Item = &'h [u8]> {
    values.flat_map(|value| ListElements { rest: value })
}

/// Returns the value without optional whitespace at its ends (RFC 9110 §5.6.3).
pub(super) fn trim_ows(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

pub(super) const fn is_tchar(byte: u8) -> bool {
    TCHARS[byte as usize]
}

/// An iterator over the elements of one field value.
struct ListElements<'h> {
    rest: &'h [u8],
}

impl<'h> Iterator for ListElements<'h> {
    type Item = &'h [u8];

    fn next(&mut self) -> Option<&'h [u8]> {
        while !self.rest.is_empty() {
            let (element, rest) = split_at_comma(self.rest);
            self.rest = rest;
            let element = trim_ows(element);
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    }
}

/// Splits at the first comma outside of quotes. The comma itself is dropped.
fn split_at_comma(value: &[u8]) -> (&[u8], &[u8]) {
    let mut quoted = false;
    let mut escaped = false;
    for (at, &byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return (&value[..at], &value[at + 1..]),
            _ => {}
        }
    }
    (value, &[])
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn elements<'h>(values: &[&'h str]) -> Vec<&'h str> {
        list(values.iter().map(|value| value.as_bytes()))
            .map(|element| core::str::from_utf8(element).unwrap())
            .collect()
    }

    #[test]
    fn tokens_are_recognized() {
        assert!(is_token(b"permessage-deflate"));
        assert!(is_token(b"!#$%&'*+-.^_`|~09azAZ"));
        for bad in ["", " ", "a b", "a,b", "a;b", "a=b", "\"a\"", "a/b", "\u{e9}", "a\0", "{}"] {
            assert!(!is_token(bad.as_bytes()), "{bad:?}");
        }
    }

    #[test]
    fn list_elements_are_split() {
        assert_eq!(elements(&["keep-alive, Upgrade"]), ["keep-alive", "Upgrade"]);
        assert_eq!(elements(&["a", "b,c"]), ["a", "b", "c"]);
        assert_eq!(elements(&["", ",", " , ,\t", ",,a,,"]), ["a"]);
        assert_eq!(elements(&["a;x=\"1,2\", b"]), ["a;x=\"1,2\"", "b"]);
        assert_eq!(elements(&[r#"a="\",", b"#]), [r#"a="\",""#, "b"]);
        assert_eq!(elements(&["a=\"b, c", "d"]), ["a=\"b, c", "d"]);
        // A backslash escapes within quotes only (RFC 9110 §5.6.4).
        assert_eq!(elements(&[r"a\, b", r#"c\"d, e""#]), [r"a\", "b", r#"c\"d, e""#]);
        assert_eq!(elements(&[]), [""; 0]);
    }

    #[test]
    fn list_membership_ignores_case_but_not_quotes() {
        let contains =
            |values: &[&str]| list_contains(values.iter().map(|value| value.as_bytes()), "upgrade");
        assert!(contains(&["keep-alive, Upgrade"]));
        assert!(contains(&["keep-alive", "UPGRADE"]));
        assert!(!contains(&["Upgraded", "up grade", "\"x, upgrade\""]));
        assert!(!contains(&[]));
    }

    #[test]
    fn list_of_a_megabyte_of_commas_or_quotes_is_cheap() {
        for filler in [",", "\"", "\\", "\",", " ,"] {
            let value = filler.repeat(1 << 20);
            assert!(list([value.as_bytes()].into_iter()).count() <= value.len());
        }
    }

    proptest! {
        #[test]
        fn list_elements_hold_no_more_than_the_field(
            value in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let total: usize = list([value.as_slice()].into_iter()).map(<[u8]>::len).sum();
            prop_assert!(total <= value.len());
        }

        #[test]
        fn list_of_joined_tokens_is_read_back(
            tokens in proptest::collection::vec("[a-z!~]{1,8}", 0..9),
        ) {
            let joined = tokens.join(" ,, ");
            let elements: Vec<&[u8]> = list([joined.as_bytes()].into_iter()).collect();
            let tokens: Vec<&[u8]> = tokens.iter().map(String::as_bytes).collect();
            prop_assert_eq!(elements, tokens);
        }
    }
}
