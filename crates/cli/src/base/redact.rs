//! Secrets, which no report shows. `fullduplex-inspect` finds them.

use fullduplex_inspect::redaction::{self, HIDDEN};
pub(crate) use fullduplex_inspect::redaction::{is_secret_parameter, redact_text};

use super::escape::printable;

/// Returns the value of a field to show.
pub(crate) fn shown_value(name: &str, value: &[u8], is_sensitive: bool) -> String {
    if is_sensitive {
        return HIDDEN.to_owned();
    }
    let text = match std::str::from_utf8(value) {
        Ok(text) => printable(text),
        Err(_) => value.escape_ascii().to_string(),
    };
    redaction::redact_field_value(name, &text)
}

/// Returns a URL without its user and password, and without the values of parameters that look
/// like secrets, to print.
pub(crate) fn redact_url(url: &str) -> String {
    printable(&redaction::redact_url(url))
}

/// Returns a path, query and fragment without the values of parameters that look like secrets, to
/// print.
pub(crate) fn redact_target(target: &str) -> String {
    printable(&redaction::redact_target(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_value_hides_secrets() {
        let token = "x".repeat(60);
        let offered = format!("chat, {token}");
        for (name, value, is_sensitive, expected) in [
            ("X-Key", "secret", true, "***"),
            ("Server", "nginx\u{1b}", false, "nginx\\u{1b}"),
            ("Sec-WebSocket-Protocol", &offered, false, "chat, ***"),
            ("Location", "/login?token=s", false, "/login?token=***"),
        ] {
            assert_eq!(shown_value(name, value.as_bytes(), is_sensitive), expected);
        }
    }
}
