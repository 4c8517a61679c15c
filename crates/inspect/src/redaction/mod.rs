//! Secrets, found by the names of header fields, of parameters of URLs, and of keys of JSON.

mod json;
mod url;

use bytes::Bytes;

pub use self::url::{is_secret_parameter, redact_target, redact_text, redact_url};
use crate::frame::Frame;
use crate::recording::RecordedOpening;
use crate::store::Retention;

/// What stands in place of a secret.
pub const HIDDEN: &str = "***";

/// Subprotocols longer than this are likely tokens in the place of one.
const MAX_SUBPROTOCOL: usize = 40;

/// Header fields whose values are secrets, in small letters.
const FIELDS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// Parts of keys whose values are likely secrets, in small letters without `-` and `_`.
const KEY_PARTS: [&str; 13] = [
    "password",
    "passwd",
    "passcode",
    "passphrase",
    "secret",
    "token",
    "authorization",
    "apikey",
    "cookie",
    "jwt",
    "credential",
    "privatekey",
    "accesskey",
];

/// Whole keys whose values are likely secrets.
const KEYS: [&str; 6] = ["auth", "otp", "pin", "session", "sessionid", "sid"];

/// What is hidden of the openings and payloads of WebSockets.
///
/// Hidden are the values of
/// * the header fields `Authorization`, `Proxy-Authorization`, `Cookie`, `Set-Cookie`, and those
///   whose name says that it is a token, a key, a password or the like;
/// * such parameters of URLs, and the users of URLs;
/// * such keys of JSON, also of JSON that is part of a text, or within a text of JSON.
///
/// Names are compared without regard to case, `-` and `_`. A secret under another name, or without
/// a name, is not found. A payload that is not UTF-8 is not kept at all, nor are the wire bytes of
/// frames whose message is compressed or fragmented.
///
/// ```
/// use fullduplex_inspect::redaction::Redaction;
///
/// let redaction = Redaction::default().name("iban");
/// let text = br#"{"type":"login","access_token":"abc","IBAN":["DE"]}"#;
/// let shown = redaction.payload(text).unwrap().unwrap();
/// assert_eq!(shown, br#"{"type":"login","access_token":"***","IBAN":"***"}"#);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    /// More names, as [`normal`] writes them.
    names: Vec<String>,
}

impl Redaction {
    /// Hides the value of header fields, parameters and keys of one more name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.names.push(normal(name));
        self
    }

    /// Returns whether the value of a key of JSON is hidden.
    pub fn is_secret_key(&self, key: &str) -> bool {
        // A longer one is not a name.
        if key.len() > 200 {
            return false;
        }
        let key = normal(key);
        KEY_PARTS.iter().any(|part| key.contains(part))
            || KEYS.contains(&&*key)
            || self.names.contains(&key)
    }

    /// Returns the value of a header field without secrets.
    pub fn field(&self, name: &str, value: &str) -> String {
        let lower = name.to_ascii_lowercase();
        let is_own = self.names.contains(&normal(name));
        if is_own || FIELDS.contains(&&*lower) {
            HIDDEN.to_owned()
        } else if is_url_field(&lower) {
            self.url(value)
        } else if lower.starts_with(':') || lower.starts_with("sec-websocket-") {
            redact_field_value(name, value)
        } else if is_secret_parameter(&lower) {
            HIDDEN.to_owned()
        } else {
            value.to_owned()
        }
    }

    /// Hides the secrets of an opening.
    pub fn apply_to_opening(&self, opening: &mut RecordedOpening) {
        opening.url = self.url(&opening.url);
        for (name, value) in opening.request.iter_mut().chain(&mut opening.response) {
            *value = self.field(name, value);
        }
    }

    /// Hides the secrets of a frame, also of a control frame, and of the message that is complete
    /// with it. Returns what is left of them.
    ///
    /// What has no secret is [`Kept`](Retention::Kept). Payloads that are not UTF-8, and those of
    /// frames whose message is compressed or fragmented, are [`Withheld`](Retention::Withheld).
    pub fn apply_to_frame(&self, frame: &mut Frame) -> Retention {
        let mut retention = Retention::Kept;
        let is_whole = frame
            .message
            .as_ref()
            .is_some_and(|message| message.fragments == 1 && !message.is_compressed);
        if !is_whole && !frame.is_control() {
            retention = if frame.payload.is_empty() { retention } else { Retention::Withheld };
            frame.payload = Bytes::new();
        }
        let is_close = frame.message.is_none() && frame.header.opcode_bits() == 8;
        let payload = match &mut frame.message {
            Some(message) => &mut message.payload,
            None => &mut frame.payload,
        };
        if payload.is_empty() {
            return retention;
        }
        // Its code need not be UTF-8, and the reason is.
        if is_close && let Some((code, reason)) = payload.split_first_chunk::<2>() {
            if let Some(Some(redacted)) = self.payload(reason) {
                *payload = Bytes::from([&code[..], &redacted].concat().into_boxed_slice());
                retention = Retention::Redacted;
            }
            return retention;
        }
        match self.payload(payload) {
            None => (retention, *payload) = (Retention::Withheld, Bytes::new()),
            Some(None) => retention = Retention::Kept,
            Some(Some(redacted)) => {
                *payload = Bytes::from(redacted.into_boxed_slice());
                retention = Retention::Redacted;
            }
        }
        if is_whole && let Some(message) = &frame.message {
            frame.payload = message.payload.clone();
        }
        retention
    }

    /// Returns a URL, or a path and query, without its user and the values of parameters that look
    /// like secrets.
    pub fn url(&self, url: &str) -> String {
        url::redact_url_of(url, &|name| {
            is_secret_parameter(name) || self.names.contains(&normal(name))
        })
    }

    /// Returns a payload without secrets: `Some(None)` if it has none that can be found, and `None`
    /// if it is not UTF-8, so that none can be found. One that was cut within a character is UTF-8.
    // Two questions, two answers.
    #[allow(clippy::option_option)]
    pub fn payload(&self, payload: &[u8]) -> Option<Option<Vec<u8>>> {
        let text = match std::str::from_utf8(payload) {
            Ok(text) => text,
            Err(error) if error.error_len().is_none() => {
                std::str::from_utf8(&payload[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(_) => return None,
        };
        Some(json::redact(text, &|key| self.is_secret_key(key)).map(String::into_bytes))
    }
}

/// Returns the value of a header field, which as a whole is not a secret, without those in it: of a
/// URL, and tokens in the place of a subprotocol.
pub fn redact_field_value(name: &str, value: &str) -> String {
    if is_url_field(&name.to_ascii_lowercase()) {
        return redact_url(value);
    }
    if !name.eq_ignore_ascii_case("sec-websocket-protocol") {
        return value.to_owned();
    }
    let offered = value.split(',').map(|name| match name.trim().len() {
        0..=MAX_SUBPROTOCOL => name.to_owned(),
        _ => format!("{}{HIDDEN}", if name.starts_with(' ') { " " } else { "" }),
    });
    offered.collect::<Vec<_>>().join(",")
}

/// Returns whether the value of a header field, whose name is in small letters, is a URL.
fn is_url_field(lower: &str) -> bool {
    matches!(lower, "location" | "referer" | ":path" | "origin")
}

/// Returns a name in small letters, without `-` and `_`.
fn normal(name: &str) -> String {
    let letters = name.chars().filter(|char| !matches!(char, '-' | '_'));
    letters.map(|char| char.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redaction_hides_values_of_header_fields() {
        let redaction = Redaction::default().name("X-Mine");
        let token = "x".repeat(60);
        for (name, value, expected) in [
            ("Authorization", "Bearer a", "***"),
            ("cookie", "a=b", "***"),
            ("X-Api-Key", "a", "***"),
            ("x-mine", "a", "***"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Protocol", &format!("chat, {token}"), "chat, ***"),
            (":path", "/a?token=b&x=1", "/a?token=***&x=1"),
            ("Host", "example.com", "example.com"),
            (":authority", "example.com", "example.com"),
            ("Location", "/a?xmine=b", "/a?xmine=***"),
        ] {
            assert_eq!(redaction.field(name, value), expected, "{name}");
        }
        let mut opening = RecordedOpening {
            url: "wss://me:pw@h/x?ticket=1&xmine=2&y=3".into(),
            response: vec![("Set-Cookie".into(), "s=1".into())],
            ..RecordedOpening::default()
        };
        redaction.apply_to_opening(&mut opening);
        assert_eq!(opening.url, "wss://h/x?ticket=***&xmine=***&y=3");
        assert_eq!(opening.response[0].1, "***");
    }
}
