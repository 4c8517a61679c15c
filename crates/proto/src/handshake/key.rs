//! The challenge and its response: `Sec-WebSocket-Key` and `Sec-WebSocket-Accept`.
//!
//! The pair proves that the server understood a WebSocket handshake and did not merely echo an
//! HTTP request (RFC 6455 §1.3). Neither value is a secret, so they need not be compared in
//! constant time.

use core::fmt;
use core::str;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::grammar::trim_ows;

const KEY_LEN: usize = 24;
const ACCEPT_LEN: usize = 28;

/// The GUID that is appended to the key. No other protocol would append it (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A `Sec-WebSocket-Key`: 16 bytes in base64, always 24 characters (RFC 6455 §4.1 item 7).
///
/// ```
/// use fullduplex_proto::handshake::SecKey;
///
/// // The sample of RFC 6455 §1.3.
/// let key = SecKey::from_nonce(*b"the sample nonce");
/// assert_eq!(key.as_str(), "dGhlIHNhbXBsZSBub25jZQ==");
/// assert!(key.accept().matches(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecKey([u8; KEY_LEN]);

impl SecKey {
    /// Creates a key from 16 bytes of entropy.
    ///
    /// The bytes must be random and fresh for each connection (RFC 6455 §4.1 item 7).
    #[must_use]
    pub fn from_nonce(nonce: [u8; 16]) -> Self {
        Self(encode(&nonce))
    }

    /// Parses a received value. Whitespace around it is ignored.
    ///
    /// Unused bits in the last character may be set, as in the RFC's own example
    /// `AQIDBAUGBwgJCgsMDQ4PEC==`.
    ///
    /// # Errors
    /// [`InvalidKey`] if the value is not base64 of 16 bytes (RFC 6455 §4.2.1 item 5).
    pub fn parse(value: &[u8]) -> Result<Self, InvalidKey> {
        let text: [u8; KEY_LEN] = trim_ows(value).try_into().map_err(|_| InvalidKey)?;
        // The decoded bytes are not needed: 22 digits and the padding are always 16 bytes.
        let (digits, padding) = text.split_at(KEY_LEN - 2);
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        if padding == b"==" && digits.iter().all(is_digit) {
            Ok(Self(text))
        } else {
            Err(InvalidKey)
        }
    }

    /// Returns the value of the header field.
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }

    /// Computes the value with which a server responds to this key (RFC 6455 §4.2.2 item 5.4).
    ///
    /// The hash covers the received text. Decoding and encoding it again would clear unused bits,
    /// and the client would not get the value that it expects.
    #[must_use]
    pub fn accept(&self) -> AcceptValue {
        let mut sha1 = sha1_smol::Sha1::new();
        sha1.update(&self.0);
        sha1.update(GUID);
        AcceptValue(encode(&sha1.digest().bytes()))
    }
}

impl fmt::Debug for SecKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecKey").field(&self.as_str()).finish()
    }
}

/// A `Sec-WebSocket-Accept`: the SHA-1 of key and GUID in base64, always 28 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AcceptValue([u8; ACCEPT_LEN]);

impl AcceptValue {
    /// Returns the value of the header field.
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }

    /// Returns whether a received value equals this one.
    ///
    /// Whitespace around it is ignored; letter case matters (RFC 6455 §4.1, response item 4).
    pub fn matches(&self, value: &[u8]) -> bool {
        trim_ows(value) == self.0
    }
}

impl fmt::Debug for AcceptValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AcceptValue").field(&self.as_str()).finish()
    }
}

/// The error of a key that is not base64 of 16 bytes (RFC 6455 §4.2.1 item 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKey;

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sec-WebSocket-Key is not base64 of 16 bytes (RFC 6455 §4.2.1 item 5)")
    }
}

impl core::error::Error for InvalidKey {}

/// Encodes `bytes` as base64 with padding. `N` must be the length of the result.
fn encode<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut text = [0; N];
    let written = STANDARD.encode_slice(bytes, &mut text);
    debug_assert_eq!(written, Ok(N));
    text
}

/// Returns base64 as text. It is always ASCII; the fallback only avoids a panic.
fn ascii(text: &[u8]) -> &str {
    str::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_value_of_the_rfc_example() {
        // RFC 6455 §4.2.2, the note after item 5.4.
        let key = SecKey::parse(b"dGhlIHNhbXBsZSBub25jZQ==").unwrap();
        assert_eq!(key.accept().as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(SecKey::from_nonce(*b"the sample nonce"), key);
    }

    #[test]
    fn key_with_trailing_bits_is_accepted_unchanged() {
        // RFC 6455 §4.1 item 7.
        let key = SecKey::parse(b" AQIDBAUGBwgJCgsMDQ4PEC==\t").unwrap();
        assert_eq!(key.as_str(), "AQIDBAUGBwgJCgsMDQ4PEC==");
        let canonical: [u8; 16] = core::array::from_fn(|i| u8::try_from(i + 1).unwrap());
        assert_ne!(key.accept(), SecKey::from_nonce(canonical).accept());
    }

    #[test]
    fn key_of_another_shape_is_rejected() {
        let invalid: [&[u8]; 9] = [
            b"",
            b"dGhlIHNhbXBsZSBub25jZQ",
            b"dGhlIHNhbXBsZSBub25jZQ=",
            b"dGhlIHNhbXBsZSBub25jZQ===",
            b"dGhlIHNhbXBsZSBub25jZQ== x",
            b"dGhlIHNhbXBsZSBub25jZWU=",
            b"dGhlIHNhbXBsZSBub25jZWVl",
            b"dGhlIHNhbXBsZSBub25j_Q==",
            b"dGhlIHNhbXBsZSBub25j\xff\xff==",
        ];
        for value in invalid {
            assert_eq!(SecKey::parse(value), Err(InvalidKey), "{value:?}");
        }
    }

    #[test]
    fn accept_value_is_compared_exactly_but_for_whitespace() {
        let accept = SecKey::from_nonce(*b"the sample nonce").accept();
        assert!(accept.matches(b"\t s3pPLMBiTxaQ9kYGzzhZRbK+xOo= "));
        assert!(!accept.matches(b"S3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert!(!accept.matches(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo"));
        assert!(!accept.matches(b""));
    }

    /// Neither is a secret (§10.3), and a log without them explains nothing.
    #[test]
    fn key_and_accept_value_are_shown() {
        let key = SecKey::from_nonce(*b"the sample nonce");
        let shown = alloc::format!("{key:?} {:?}", key.accept());
        assert!(shown.contains("dGhlIHNhbXBsZSBub25jZQ=="), "{shown}");
        assert!(shown.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{shown}");
    }
}
