//! The `Sec-WebSocket-Extensions` header field (RFC 6455 §9.1).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::grammar::{is_tchar, is_token};

/// The maximum number of extensions that one handshake may list: 16. Real peers list a few.
pub const MAX_EXTENSIONS: usize = 16;

/// The maximum number of parameters that one extension may have: 16. RFC 7692 defines four.
pub const MAX_PARAMS: usize = 16;

/// An extension with its parameters, all of which are tokens (RFC 6455 §9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    name: String,
    params: Vec<Param>,
}

impl Extension {
    /// Creates an extension without parameters.
    ///
    /// # Errors
    /// [`NotToken`] if the name is not a token.
    pub fn new(name: impl Into<String>) -> Result<Self, NotToken> {
        Ok(Self { name: token(name.into())?, params: Vec::new() })
    }

    /// Adds a parameter, with or without a value.
    ///
    /// # Errors
    /// [`NotToken`] if the name or the value is not a token.
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Result<Self, NotToken> {
        let name = token(name.into())?;
        let value = value.map(|value| token(value.into())).transpose()?;
        self.params.push(Param { name, value });
        Ok(self)
    }

    /// Returns the name, such as `permessage-deflate`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the parameters in order. A name may occur twice: whether that is valid is for the
    /// extension to check.
    pub fn params(&self) -> &[Param] {
        &self.params
    }
}

/// Writes the extension as in a header field: `name; flag; key=value`.
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
    /// Returns the name, a token.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the value, with quotes and escapes removed. `None` if there is no `=`.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

/// Parses the values of all `Sec-WebSocket-Extensions` fields of a head, in order.
///
/// Returns an empty list if there are no values.
///
/// # Errors
/// If the values break the grammar, or exceed [`MAX_EXTENSIONS`] or [`MAX_PARAMS`]. Values that
/// are present must list an extension (`1#extension`, RFC 6455 §9.1): the error is
/// [`ExtensionFault::Empty`] otherwise.
///
/// ```
/// use fullduplex_proto::handshake::parse_extensions;
///
/// let value = b"permessage-deflate; client_max_window_bits";
/// let extensions = parse_extensions([&value[..]].into_iter()).unwrap();
/// assert_eq!(extensions[0].name(), "permessage-deflate");
/// assert_eq!(extensions[0].params()[0].value(), None);
/// ```
pub fn parse_extensions<'h>(
    values: impl Iterator<Item = &'h [u8]>,
) -> Result<Vec<Extension>, ExtensionError> {
    let mut extensions = Vec::new();
    let mut last_field = None;
    for (field, value) in values.enumerate() {
        last_field = Some(field);
        let mut parser = Parser { value, at: 0 };
        parser.list(&mut extensions).map_err(|fault| ExtensionError {
            fault,
            field,
            offset: parser.at,
        })?;
    }
    match last_field {
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
    for (index, extension) in extensions.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        // Writing into a string cannot fail.
        let _ = write!(value, "{separator}{extension}");
    }
    value
}

/// An error in a `Sec-WebSocket-Extensions` field, and its position.
///
/// It is complete: a new kind of error is an [`ExtensionFault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionError {
    /// What is wrong.
    pub fault: ExtensionFault,
    /// The index of the field among those of this name, from 0.
    pub field: usize,
    /// The byte offset within the value of that field, from 0.
    pub offset: usize,
}

/// The ways in which `Sec-WebSocket-Extensions` can be invalid (RFC 6455 §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtensionFault {
    /// The field is present but lists no extension.
    Empty,
    /// A name or value is not a token.
    ExpectedToken,
    /// A byte other than `,` or `;` follows a name or value.
    UnexpectedByte,
    /// A quoted string has no end.
    UnclosedQuote,
    /// A quoted value is not a token after its quotes and escapes are removed.
    QuotedValueNotToken,
    /// More than [`MAX_EXTENSIONS`] extensions.
    TooManyExtensions,
    /// More than [`MAX_PARAMS`] parameters in one extension.
    TooManyParams,
}

impl fmt::Display for ExtensionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fault {
            ExtensionFault::Empty => "lists no extension",
            ExtensionFault::ExpectedToken => "has no token where one is required",
            ExtensionFault::UnexpectedByte => "has an unexpected byte after a token",
            ExtensionFault::UnclosedQuote => "has a quoted string without an end",
            ExtensionFault::QuotedValueNotToken => "has a quoted value that is not a token",
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

/// The error of a text that is not a token (RFC 9110 §5.6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotToken(
    /// The text.
    pub String,
);

impl fmt::Display for NotToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a token (RFC 9110 §5.6.2)", self.0)
    }
}

impl core::error::Error for NotToken {}

fn token(text: String) -> Result<String, NotToken> {
    if is_token(text.as_bytes()) { Ok(text) } else { Err(NotToken(text)) }
}

/// A parser of one field value. Its position only moves forward.
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

    /// Parses a quoted string. After unescaping it MUST be a token (§9.1).
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
mod tests;
