//! The id of a session.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngExt as _;

/// The length of an id as text.
const TEXT_LEN: usize = 22;

/// The id of a session: 128 random bits, written as 22 characters of base64url.
///
/// Who knows it can use the session, so it is as secret as a password: it does not belong in logs.
/// `Debug` shows its first characters only.
///
/// ```
/// use fullduplex_socketio::engine::SessionId;
///
/// let id = SessionId::random();
/// assert_eq!(id.to_string().len(), 22);
/// assert_eq!(SessionId::parse(&id.to_string()), Some(id));
/// assert_eq!(SessionId::parse("__proto__"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// Creates an id that can't be guessed.
    pub fn random() -> Self {
        Self(rand::rng().random())
    }

    /// Parses an id; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != TEXT_LEN {
            return None;
        }
        let id = URL_SAFE_NO_PAD.decode(text).ok()?;
        id.try_into().ok().map(Self)
    }

    fn text(self) -> [u8; TEXT_LEN] {
        let mut text = [0; TEXT_LEN];
        let written = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text);
        debug_assert_eq!(written, Ok(TEXT_LEN));
        text
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        write!(f, "SessionId({}…)", std::str::from_utf8(&text[..4]).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_id_parses_only_what_it_writes() {
        let id = SessionId([0xff; 16]);
        let text = id.to_string();
        assert_eq!(SessionId::parse(&text), Some(id));
        assert!(!format!("{id:?}").contains(&text));
        // The last character has four unused bits, which must be zero: one id has one text.
        let other = format!("{}x", &text[..21]);
        assert_eq!(SessionId::parse(&other), None);
        for wrong in ["", "constructor", &text[1..], &format!("{text}A"), "!_____________________"]
        {
            assert_eq!(SessionId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn session_ids_differ() {
        assert_ne!(SessionId::random(), SessionId::random());
    }
}
