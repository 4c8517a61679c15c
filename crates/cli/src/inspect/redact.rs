//! What `--redact` hides: credentials in heads, and parameters of URLs that look like secrets.

use crate::base::redact::{redact_target, redact_url, shown_value};

/// The fields whose values are secrets.
const SECRET_FIELDS: [&str; 5] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"];

/// Whether secrets are hidden.
#[derive(Clone, Copy, Debug)]
pub(super) struct Redaction(pub(super) bool);

impl Redaction {
    /// Returns the value of a field as it is shown.
    pub(super) fn value(self, name: &str, value: &str) -> String {
        if !self.0 {
            return value.to_owned();
        }
        let is_secret = SECRET_FIELDS.iter().any(|secret| secret.eq_ignore_ascii_case(name));
        shown_value(name, value.as_bytes(), is_secret)
    }

    pub(super) fn fields(self, fields: &[(String, String)]) -> Vec<(String, String)> {
        let shown = |(name, value): &(String, String)| (name.clone(), self.value(name, value));
        fields.iter().map(shown).collect()
    }

    /// Returns a request line as it is shown.
    pub(super) fn start_line(self, line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(|word| self.target(word)).collect();
        words.join(" ")
    }

    fn target(self, text: &str) -> String {
        if self.0 { redact_target(text) } else { text.to_owned() }
    }

    pub(super) fn url(self, url: &str) -> String {
        if self.0 { redact_url(url) } else { url.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redaction_hides_credentials() {
        for (is_on, cookie, line, url) in [
            (true, "***", "GET /?token=*** HTTP/1.1", "ws://a/?token=***"),
            (false, "a=b", "GET /?token=x HTTP/1.1", "ws://a/?token=x"),
        ] {
            let redaction = Redaction(is_on);
            assert_eq!(redaction.value("Cookie", "a=b"), cookie);
            assert_eq!(redaction.value("Accept", "a"), "a");
            assert_eq!(redaction.start_line("GET /?token=x HTTP/1.1"), line);
            assert_eq!(redaction.url("ws://a/?token=x"), url);
        }
    }
}
