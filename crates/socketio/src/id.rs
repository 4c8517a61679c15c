//! Identifiers of sockets, and the secrets with which clients come back.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngExt;

/// The length of an identifier as text.
const LEN: usize = 20;

/// The identifier of a socket, 120 random bits as 20 characters of URL-safe base64.
///
/// Each socket is in a room of this name, so that `to(id)` reaches it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId([u8; LEN]);

impl SocketId {
    /// Returns a fresh identifier.
    pub(crate) fn random() -> Self {
        let mut text = [0; LEN];
        let random: [u8; 15] = rand::rng().random();
        // 15 bytes are 20 characters exactly.
        let written = URL_SAFE_NO_PAD.encode_slice(random, &mut text);
        debug_assert_eq!(written.ok(), Some(LEN));
        Self(text)
    }

    /// Returns the identifier that this text is, if it has the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_';
        let bytes: [u8; LEN] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(is_base64).then_some(Self(bytes))
    }

    /// Returns the identifier as text.
    pub fn as_str(&self) -> &str {
        // It is ASCII by construction.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_id_is_twenty_characters_that_parse() {
        let id = SocketId::random();
        assert_eq!(id.as_str().len(), 20);
        assert_eq!(SocketId::parse(id.as_str()), Some(id));
        assert_ne!(SocketId::random(), id);
        assert_eq!(SocketId::parse("lobby"), None);
        assert_eq!(SocketId::parse("twenty characters, no"), None);
    }
}
