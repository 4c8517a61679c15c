//! The `Sec-WebSocket-Extensions` header field (RFC 6455 §9.1).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::grammar::{is_tchar, is_token};

/// How many extensions one handshake may list: 16. Real peers list at most a few.
pub const MAX_EXTENSIONS: usize = 16;

/// How many parameters one extension may have: 16. The four of RFC 7692 are the most in use.
pub const MAX_PARAMS: usize = 16;

/// One extension with its parameters, all of them tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    name: String,
    params: Vec<Param>,
}

impl Extension {
    /// An extension without parameters.
    pub fn new(name: impl Into<String>) -> Result<Self, NotToken> {
        Ok(Self { name: token(name.into())?, params: Vec::new() })
    }

    /// Adds a parameter, with a value or bare.
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Result<Self, NotToken> {
        let name = token(name.into())?;
        let value = value.map(|value| token(value.into())).transpose()?;
        self.params.push(Param { name, value });
        Ok(self)
    }

    /// The name, such as `permessage-deflate`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The parameters in order; the same name may stand twice, which is for the extension to judge.
    pub fn params(&self) -> &[Param] {
        &self.params
    }
}

/// Writes the extension as it stands in a header: `name; flag; key=value`.
impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for Param { name, value } in &self.params {
            write!(f, "; {name}")?;
            if let Some(value) = value {
                // A token needs no quotes (§9.1).
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

/// A parameter of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    name: String,
    value: Option<String>,
}

impl Param {
    /// The name, a token.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value with quotes and escapes removed; `None` where no `=` stood.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

/// Reads the values of all `Sec-WebSocket-Extensions` fields of a head, in order.
///
/// No value at all gives an empty list. Values that are present must list something
/// (`1#extension`, RFC 6455 §9.1): they fail with [`ExtensionFault::Empty`] otherwise.
pub fn parse_extensions<'h>(
    values: impl Iterator<Item = &'h [u8]>,
) -> Result<Vec<Extension>, ExtensionError> {
    let mut extensions = Vec::new();
    let mut seen = None;
    for (field, value) in values.enumerate() {
        seen = Some(field);
        let mut parser = Parser { value, at: 0 };
        parser.list(&mut extensions).map_err(|fault| ExtensionError {
            fault,
            field,
            offset: parser.at,
        })?;
    }
    match seen {
        Some(field) if extensions.is_empty() => {
            Err(ExtensionError { fault: ExtensionFault::Empty, field, offset: 0 })
        }
        _ => Ok(extensions),
    }
}

/// Writes a list of extensions as one header value.
pub(super) fn join(extensions: &[Extension]) -> String {
    use fmt::Write;

    let mut value = String::new();
    for (position, extension) in extensions.iter().enumerate() {
        let separator = if position == 0 { "" } else { ", " };
        // Writing into a string cannot fail.
        let _ = write!(value, "{separator}{extension}");
    }
    value
}

/// What is wrong in a `Sec-WebSocket-Extensions` field, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionError {
    /// What is wrong.
    pub fault: ExtensionFault,
    /// Which of the fields of this name, from 0.
    pub field: usize,
    /// The byte within that field's value, from 0.
    pub offset: usize,
}

/// The ways to break the grammar of RFC 6455 §9.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtensionFault {
    /// The field is present but lists nothing.
    Empty,
    /// Something else stands where a name or value must be a token.
    ExpectedToken,
    /// Something else than `,` or `;` or the end follows a name or value.
    UnexpectedByte,
    /// A quoted string has no end.
    UnclosedQuote,
    /// A quoted value is not a token once its quotes and escapes are gone.
    QuotedValueNotToken,
    /// More than [`MAX_EXTENSIONS`].
    TooManyExtensions,
    /// More than [`MAX_PARAMS`] in one extension.
    TooManyParams,
}

impl fmt::Display for ExtensionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fault {
            ExtensionFault::Empty => "lists no extension",
            ExtensionFault::ExpectedToken => "has no token where one must stand",
            ExtensionFault::UnexpectedByte => "has a stray byte behind a token",
            ExtensionFault::UnclosedQuote => "has a quoted string without end",
            ExtensionFault::QuotedValueNotToken => "has a quoted value that is no token",
            ExtensionFault::TooManyExtensions => "lists more than 16 extensions",
            ExtensionFault::TooManyParams => "has more than 16 parameters in one extension",
        };
        let Self { field, offset, .. } = self;
        write!(
            f,
            "Sec-WebSocket-Extensions {what}, in field {field} at byte {offset} (RFC 6455 §9.1)"
        )
    }
}

impl core::error::Error for ExtensionError {}

/// The text is not a token, so no header may carry it as one (RFC 9110 §5.6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotToken(
    /// The text in question.
    pub String,
);

impl fmt::Display for NotToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a token (RFC 9110 §5.6.2)", self.0)
    }
}

impl core::error::Error for NotToken {}

pub(super) fn token(text: String) -> Result<String, NotToken> {
    if is_token(text.as_bytes()) { Ok(text) } else { Err(NotToken(text)) }
}

/// A cursor that only moves on, over one field value.
struct Parser<'h> {
    value: &'h [u8],
    at: usize,
}

impl Parser<'_> {
    fn list(&mut self, extensions: &mut Vec<Extension>) -> Result<(), ExtensionFault> {
        loop {
            // Empty elements are skipped (RFC 9110 §5.6.1.2).
            self.skip(|byte| matches!(byte, b' ' | b'\t' | b','));
            if self.peek().is_none() {
                return Ok(());
            }
            if extensions.len() == MAX_EXTENSIONS {
                return Err(ExtensionFault::TooManyExtensions);
            }
            extensions.push(self.extension()?);
        }
    }

    fn extension(&mut self) -> Result<Extension, ExtensionFault> {
        let name = self.token()?;
        let mut params = Vec::new();
        loop {
            self.skip_ows();
            match self.peek() {
                None | Some(b',') => return Ok(Extension { name, params }),
                Some(b';') if params.len() == MAX_PARAMS => {
                    return Err(ExtensionFault::TooManyParams);
                }
                Some(b';') => {
                    self.at += 1;
                    params.push(self.param()?);
                }
                Some(_) => return Err(ExtensionFault::UnexpectedByte),
            }
        }
    }

    fn param(&mut self) -> Result<Param, ExtensionFault> {
        self.skip_ows();
        let name = self.token()?;
        self.skip_ows();
        if self.peek() != Some(b'=') {
            return Ok(Param { name, value: None });
        }
        self.at += 1;
        // RFC 2616's implied whitespace is allowed on both sides of `=` (§9.1).
        self.skip_ows();
        let value = if self.peek() == Some(b'"') { self.quoted()? } else { self.token()? };
        Ok(Param { name, value: Some(value) })
    }

    fn token(&mut self) -> Result<String, ExtensionFault> {
        let start = self.at;
        self.skip(is_tchar);
        if self.at == start {
            return Err(ExtensionFault::ExpectedToken);
        }
        Ok(self.value[start..self.at].iter().copied().map(char::from).collect())
    }

    /// A quoted string; unescaped, it MUST be a token (§9.1).
    fn quoted(&mut self) -> Result<String, ExtensionFault> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let mut byte = self.next_quoted()?;
            if byte == b'"' {
                break;
            }
            if byte == b'\\' {
                byte = self.next_quoted()?;
            }
            if !is_tchar(byte) {
                self.at -= 1;
                return Err(ExtensionFault::QuotedValueNotToken);
            }
            text.push(char::from(byte));
        }
        if text.is_empty() { Err(ExtensionFault::QuotedValueNotToken) } else { Ok(text) }
    }

    fn next_quoted(&mut self) -> Result<u8, ExtensionFault> {
        let byte = self.peek().ok_or(ExtensionFault::UnclosedQuote)?;
        self.at += 1;
        Ok(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.value.get(self.at).copied()
    }

    fn skip_ows(&mut self) {
        self.skip(|byte| matches!(byte, b' ' | b'\t'));
    }

    fn skip(&mut self, accept: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&accept) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    fn parse(values: &[&str]) -> Result<Vec<Extension>, ExtensionError> {
        parse_extensions(values.iter().map(|value| value.as_bytes()))
    }

    fn canonical(value: &str) -> String {
        join(&parse(&[value]).unwrap())
    }

    #[test]
    fn extensions_of_browsers_are_parsed() {
        // Chromium, then Firefox.
        let chromium = parse(&["permessage-deflate; client_max_window_bits"]).unwrap();
        assert_eq!(chromium[0].name(), "permessage-deflate");
        assert_eq!(chromium[0].params()[0].name(), "client_max_window_bits");
        assert_eq!(chromium[0].params()[0].value(), None);
        assert_eq!(parse(&["permessage-deflate"]).unwrap()[0].params(), []);
    }

    #[test]
    fn extensions_of_the_rfc_are_parsed() {
        assert_eq!(canonical("deflate-stream"), "deflate-stream");
        let mux = parse(&["mux; max-channels=4; flow-control,\t deflate-stream"]).unwrap();
        assert_eq!(join(&mux), "mux; max-channels=4; flow-control, deflate-stream");
        // "is exactly equivalent to" of §9.1.
        assert_eq!(parse(&["foo", "bar; baz=2"]), parse(&["foo, bar; baz=2"]));
    }

    #[test]
    fn extensions_allow_whitespace_quotes_and_empty_elements() {
        assert_eq!(canonical(" ,, a ;\tb = c ,"), "a; b=c");
        assert_eq!(canonical(r#"a; b="c"; d=" e""#.replace(' ', "").as_str()), "a; b=c; d=e");
        assert_eq!(canonical(r#"a; b="1\5""#), "a; b=15");
        assert_eq!(parse(&[]).unwrap(), []);
    }

    #[test]
    fn extensions_faults_are_named_and_located() {
        use ExtensionFault::*;

        let table: &[(&[&str], ExtensionFault, usize, usize)] = &[
            (&[""], Empty, 0, 0),
            (&[" , ", ","], Empty, 1, 0),
            (&[";a"], ExpectedToken, 0, 0),
            (&["a;"], ExpectedToken, 0, 2),
            (&["a;;b"], ExpectedToken, 0, 2),
            (&["a; b="], ExpectedToken, 0, 5),
            (&["a; =b"], ExpectedToken, 0, 3),
            (&["a", "b/c"], UnexpectedByte, 1, 1),
            (&["a b"], UnexpectedByte, 0, 2),
            (&["a; b=c d"], UnexpectedByte, 0, 7),
            (&["a=b"], UnexpectedByte, 0, 1),
            (&["a; b=\"c\"d"], UnexpectedByte, 0, 8),
            (&["caf\u{e9}"], UnexpectedByte, 0, 3),
            (&["a; b=\"c"], UnclosedQuote, 0, 7),
            (&["a; b=\"c\\"], UnclosedQuote, 0, 8),
            (&["a; b=\"\""], QuotedValueNotToken, 0, 7),
            (&["a; b=\"c d\""], QuotedValueNotToken, 0, 7),
            (&["a; b=\"c,d\""], QuotedValueNotToken, 0, 7),
            (&["a; b=\"\\\"\""], QuotedValueNotToken, 0, 7),
        ];
        for &(values, fault, field, offset) in table {
            assert_eq!(parse(values), Err(ExtensionError { fault, field, offset }), "{values:?}");
        }
    }

    #[test]
    fn extensions_are_limited_over_all_fields() {
        let full = vec!["a"; MAX_EXTENSIONS];
        assert_eq!(parse(&full).unwrap().len(), MAX_EXTENSIONS);
        let over = parse(&[&full.join(","), "b"]).unwrap_err();
        assert_eq!((over.fault, over.field), (ExtensionFault::TooManyExtensions, 1));

        let full = "a".to_string() + &";b".repeat(MAX_PARAMS);
        assert_eq!(parse(&[&full]).unwrap()[0].params().len(), MAX_PARAMS);
        let over = parse(&[&(full + ";b")]).unwrap_err();
        assert_eq!(over.fault, ExtensionFault::TooManyParams);
    }

    #[test]
    fn extensions_of_a_megabyte_of_nothing_are_cheap() {
        for filler in [",", " ", ", ", "\"", "a;", "\\"] {
            assert!(parse(&[&filler.repeat(1 << 20)]).is_err());
        }
        let quote = "a; b=\"".to_string() + &"\\x".repeat(1 << 20);
        assert_eq!(parse(&[&quote]).unwrap_err().fault, ExtensionFault::UnclosedQuote);
    }

    #[test]
    fn extensions_that_are_built_hold_tokens_only() {
        assert_eq!(Extension::new("a, b").unwrap_err(), NotToken("a, b".into()));
        let extension = Extension::new("a").unwrap();
        assert!(extension.clone().with_param("", None).is_err());
        assert!(extension.with_param("b", Some("\r\n")).is_err());
    }

    fn extensions() -> impl Strategy<Value = Vec<Extension>> {
        let token = "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}";
        let param = (token, proptest::option::of(token));
        let extension = (token, proptest::collection::vec(param, 0..=MAX_PARAMS));
        let extension = extension.prop_map(|(name, params)| Extension {
            name,
            params: params.into_iter().map(|(name, value)| Param { name, value }).collect(),
        });
        proptest::collection::vec(extension, 1..=MAX_EXTENSIONS)
    }

    proptest! {
        #[test]
        fn extensions_are_read_back(extensions in extensions()) {
            prop_assert_eq!(parse(&[&join(&extensions)]), Ok(extensions));
        }

        #[test]
        fn extensions_survive_any_bytes(value in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse_extensions([value.as_slice()].into_iter());
        }

        #[test]
        fn extensions_survive_nearly_valid_text(value in "[ab;,=\"\\\\ \t]{0,40}") {
            if let Ok(extensions) = parse(&[&value]) {
                prop_assert_eq!(parse(&[&join(&extensions)]), Ok(extensions));
            }
        }
    }
}
