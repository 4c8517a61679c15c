//! `fdx explain 1006` and `fdx explain "net::ERR_…"`: what the table knows of a close code, and of
//! what browsers and libraries say.

use std::fmt::Write as _;

use fullduplex::CloseCode;
use serde_json::{Value, json};

use crate::base::escape::printable;
use crate::base::redact::{redact_text, redact_url};
use crate::causes::observation::{Observation, Step};
use crate::causes::{self, Cause, Table};

/// What is known of a close code or a text.
#[derive(Debug, Default)]
pub(super) struct Known {
    lines: String,
    pub(super) json: Value,
    causes: Vec<&'static Cause>,
    seen: Observation,
}

impl Known {
    /// Returns what is known, as lines for people.
    pub(super) fn lines(&self) -> String {
        let mut lines = self.lines.clone();
        for cause in &self.causes {
            lines.push('\n');
            for line in causes::lines(cause, &self.seen) {
                lines.push_str(&line);
                lines.push('\n');
            }
        }
        lines
    }

    fn with_causes(mut self, causes: Vec<&'static Cause>, seen: Observation) -> Self {
        let all: Vec<Value> = causes.iter().map(|cause| causes::to_json(cause, &seen)).collect();
        self.json["causes"] = all.into();
        (self.causes, self.seen) = (causes, seen);
        self
    }
}

/// Returns what is known of a close code. That is at least its range.
pub(super) fn code(number: u16) -> Known {
    let mut lines = String::new();
    let Some(row) = Table::get().code(number) else {
        let range = range_of(number);
        let json = json!({ "code": number, "name": range });
        return Known { lines: format!("{number}: {range}\n"), json, ..Known::default() };
    };
    // Writing to a string does not fail.
    let _ = writeln!(lines, "{number} ({}): {}", row.name, row.meaning);
    let _ = writeln!(lines, "  sent by: {}", row.sender);
    for (words, texts) in [("usual cause", &row.causes), ("remedy", &row.remedies)] {
        for text in texts {
            let _ = writeln!(lines, "  {words}: {text}");
        }
    }
    let json = json!({
        "code": number,
        "name": row.name,
        "meaning": row.meaning,
        "sender": row.sender,
        "usual_causes": row.causes,
        "remedies": row.remedies,
    });
    Known { lines, json, ..Known::default() }
}

/// Returns what a number says that the table does not have.
fn range_of(number: u16) -> &'static str {
    match number {
        0..=999 => "not a close code, and not valid on the wire (RFC 6455 §7.4.2)",
        1000..=2999 => {
            "not defined; reserved for the protocol, its extensions and later versions, and not \
             valid on the wire (RFC 6455 §7.4.2)"
        }
        3000..=3999 => {
            "a code that a library or framework has registered with IANA; see its documentation"
        }
        4000..=4999 => {
            "a code of the application, which gives it its meaning; see the documentation or \
             the source of the server (Phoenix, Discord, graphql-ws and Pusher, for example, have \
             lists)"
        }
        _ => "not a close code: the highest is 4999, and higher ones are not valid on the wire",
    }
}

/// Returns what is known of a text of a browser or a library; `None` if nothing is.
pub(super) fn phrase(text: &str) -> Option<Known> {
    let table = Table::get();
    // Special texts stand before general ones.
    let row = table.phrases.iter().find(|row| row.matches(text));
    let numbers = numbers(text);
    let status = numbers.iter().copied().find(|number| (100..600).contains(number));
    let code = numbers.iter().copied().find(|number| {
        (1000..5000).contains(number) && (table.code(*number).is_some() || *number >= 3000)
    });
    let Some(row) = row else {
        return code.filter(|_| text.to_lowercase().contains("close")).map(self::code);
    };
    let mut lines = format!("{}\n  said by: {}\n", row.meaning, row.by);
    if !row.remedy.is_empty() {
        let _ = writeln!(lines, "  remedy: {}", row.remedy);
    }
    let mut seen = Observation::default();
    let mut causes: Vec<_> = row.causes.iter().filter_map(|id| table.cause(id)).collect();
    if let (true, Some(status)) = (causes.is_empty(), status) {
        (seen.status, seen.step) = (Some(status), Some(Step::Rules));
        causes = causes::likely(&seen).collect();
    }
    let json = json!({ "meaning": row.meaning, "said_by": row.by, "remedy": row.remedy });
    let mut known = Known { lines, json, ..Known::default() };
    if let Some(number) = code {
        let _ = write!(known.lines, "\n{}", self::code(number).lines);
        known.json["close_code"] = number.into();
    }
    Some(known.with_causes(causes, seen))
}

/// Returns the numbers of three and four digits in a text.
fn numbers(text: &str) -> Vec<u16> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| matches!(word.len(), 3 | 4)).filter_map(|word| word.parse().ok()).collect()
}

/// Returns the error for a text of which nothing is known.
pub(super) fn unknown(text: &str) -> String {
    let begins_with_scheme =
        text.split_once("://").is_some_and(|(before, _)| !before.contains(char::is_whitespace));
    let shown = if begins_with_scheme { redact_url(text) } else { redact_text(text) };
    format!(
        "nothing is known of \"{}\"; a URL begins with ws:, wss:, http: or https:, a close code is \
         a number such as {}",
        printable(&shown),
        CloseCode::ABNORMAL.get()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_explained_even_if_they_are_not_registered() {
        for (number, words) in [
            (1006, "sent by: nobody: it is only reported"),
            (1011, "usual cause: an exception"),
            (1016, "not defined"),
            (3000, "registered with IANA"),
            (4001, "a code of the application"),
            (5000, "the highest is 4999"),
            (7, "not a close code"),
        ] {
            let lines = code(number).lines();
            assert!(lines.contains(words) && lines.starts_with(&number.to_string()), "{lines}");
        }
        assert_eq!(code(1006).json["name"], "abnormal closure");
        // Our own names are those of the table.
        for row in &Table::get().codes {
            let name = CloseCode::new(row.number).meaning();
            assert!(row.name == name || row.number == 1004, "{}: {name}", row.number);
        }
    }

    #[test]
    fn phrases_of_browsers_and_libraries_are_known() {
        for (text, words) in [
            (
                "WebSocket connection to 'ws://a:1/' failed: \
                 Error in connection establishment: net::ERR_CONNECTION_REFUSED",
                "nothing listens on this port",
            ),
            ("net::ERR_BLOCKED_BY_LOCAL_NETWORK_ACCESS_CHECKS", "without the user's permission"),
            ("Error during WebSocket handshake: Unexpected response code: 403", "not allowed"),
            ("Error: Unexpected server response: 200", "a page in place of a WebSocket"),
            (
                "websockets.exceptions.InvalidStatus: \
                 server rejected WebSocket connection: HTTP 502",
                "can't reach the server behind it",
            ),
            ("Error: Invalid Sec-WebSocket-Accept header", "a cache has stored"),
            ("WebSocket protocol error: Connection reset without closing handshake", "1006"),
            ("HTTP error: 401 Unauthorized", "no token or cookie"),
            ("websocket: close 1006 (abnormal closure): unexpected EOF", "only reported"),
            (
                "sent 1011 (internal error) keepalive ping timeout; no close frame received",
                "ping_timeout",
            ),
            (
                "Sent non-empty 'Sec-WebSocket-Protocol' header but no response was received",
                "chose none of them",
            ),
            (
                "Refused to connect to 'ws://a/' because it violates \
                 the following Content Security Policy directive: \"default-src 'self'\".",
                "connect-src",
            ),
            ("Close code 4003", "a code of the application"),
        ] {
            let known = phrase(text).unwrap_or_else(|| panic!("{text} is not known"));
            assert!(known.lines().contains(words), "{text}: {}", known.lines());
        }
        assert!(phrase("it does not work").is_none());
        for text in ["ws://a b/?token=SECRET", "ws://u:SE CRET@a/", "it says ws://u:SECRET@a/"] {
            assert!(!unknown(text).contains("CRET"), "{}", unknown(text));
        }
        assert!(unknown("\u{1b}[2J").contains("\\u{1b}[2J"));
    }
}
