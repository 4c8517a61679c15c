//! `Sec-WebSocket-Key` and the answer to it (RFC 6455 §1.3).

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A client's `Sec-WebSocket-Key`: 16 bytes in base64 (§4.1, item 7).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecKey([u8; 24]);

/// A `Sec-WebSocket-Key` that is not 16 bytes in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKey;

impl SecKey {
    /// The key of 16 random bytes, fresh for each connection.
    pub fn from_nonce(nonce: [u8; 16]) -> Self {
        let mut key = [0; 24];
        let written = STANDARD.encode_slice(nonce, &mut key);
        debug_assert_eq!(written, Ok(24));
        Self(key)
    }

    /// Reads a received key (§4.2.1, item 5).
    pub fn parse(value: &[u8]) -> Result<Self, InvalidKey> {
        let key: [u8; 24] = value.try_into().map_err(|_| InvalidKey)?;
        let mut nonce = [0; 18];
        match STANDARD.decode_slice(key, &mut nonce) {
            Ok(16) => Ok(Self(key)),
            _ => Err(InvalidKey),
        }
    }

    /// The value of the header field.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The `Sec-WebSocket-Accept` that answers it (§4.2.2, item 5.4).
    pub fn accept(&self) -> Accept {
        let mut sha = sha1_smol::Sha1::new();
        sha.update(&self.0);
        sha.update(GUID);
        let mut accept = [0; 28];
        let written = STANDARD.encode_slice(sha.digest().bytes(), &mut accept);
        debug_assert_eq!(written, Ok(28));
        Accept(accept)
    }
}

impl fmt::Debug for SecKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecKey({})", self.as_str())
    }
}

/// A `Sec-WebSocket-Accept`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Accept([u8; 28]);

impl Accept {
    /// The value of the header field.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_section_1_3() {
        let key = SecKey::parse(b"dGhlIHNhbXBsZSBub25jZQ==").unwrap();
        assert_eq!(key.accept().as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(SecKey::from_nonce(*b"the sample nonce"), key);
    }

    #[test]
    fn refuses_what_is_not_16_bytes() {
        for bad in [
            &b""[..],
            b"dGhlIHNhbXBsZSBub25jZQ",
            b"dGhlIHNhbXBsZSBub25jZQ=",
            b"AAAAAAAAAAAAAAAAAAAAAAAA",
            b"dGhlIHNhbXBsZSBub25jZ!==",
            b"AQIDBAUGBwgJCgsMDQ4PEBES",
        ] {
            assert_eq!(SecKey::parse(bad), Err(InvalidKey), "{bad:?}");
        }
    }
}
