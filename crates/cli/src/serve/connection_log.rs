//! The lines of `--log`: of connections that open and end, their messages, and rejections.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fullduplex::{CloseCause, CloseInfo, Message, WebSocket};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::log;
use crate::base::escape::printable;
use crate::client::option_names;
use crate::relay::Cut;

/// The most characters of a text message, and twice the most bytes of a binary one.
const MAX_CONTENT: usize = 200;

/// The most characters of the reason of a rejection.
const MAX_REASON: usize = 500;

/// What `--log` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct LogFormat {
    /// Each line is a JSON object.
    pub(crate) json: bool,
    /// Received messages have lines too.
    pub(crate) messages: bool,
}

impl LogFormat {
    /// Parses `json`, `messages`, both with a comma between them, or `text`, the default.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut format = Self::default();
        for word in text.split(',') {
            match word {
                "text" => format.json = false,
                "json" => format.json = true,
                "messages" => format.messages = true,
                _ => return Err("json, messages, or json,messages".into()),
            }
        }
        Ok(format)
    }

    /// Writes a line about a client that is not connected. The client is described by text and by
    /// fields of JSON.
    pub(crate) fn rejected(
        self,
        client: &str,
        mut fields: Vec<(&'static str, Value)>,
        status: Option<u16>,
        reason: &str,
    ) {
        let reason = printable(reason);
        let reason = cut(&reason, MAX_REASON).0;
        if self.json {
            fields.extend([("status", json!(status)), ("reason", json!(reason))]);
            return log::json("rejected", &fields);
        }
        let status = status.map(|status| format!("{status}: ")).unwrap_or_default();
        log::line(format_args!("{client}: rejected: {status}{reason}"));
    }
}

/// The lines of one connection.
pub(crate) struct ConnectionLog {
    format: LogFormat,
    /// The number of the connection, by which its lines are found.
    id: u64,
    client: String,
    since: Instant,
    /// Dropped when the last line is queued.
    _until_written: mpsc::Sender<()>,
}

impl ConnectionLog {
    /// Writes the line of a connection that is open. The client is described by text and by fields
    /// of JSON.
    pub(crate) fn open(
        format: LogFormat,
        client: String,
        fields: Vec<(&'static str, Value)>,
        until_written: mpsc::Sender<()>,
    ) -> Self {
        static LAST_ID: AtomicU64 = AtomicU64::new(0);
        let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
        if format.json {
            let all: Vec<_> = std::iter::once(("id", json!(id))).chain(fields).collect();
            log::json("open", &all);
        } else {
            log::line(format_args!("#{id} {client}: open"));
        }
        let since = Instant::now();
        Self { format, id, client, since, _until_written: until_written }
    }

    /// Writes the line of a message that was received, if messages have lines.
    pub(super) fn message(&self, message: &Message) {
        if !self.format.messages {
            return;
        }
        let (kind, content, is_cut) = match message {
            Message::Text(text) => {
                // What is cut off need not be escaped.
                let (text, is_cut) = cut(text, MAX_CONTENT);
                let escaped = printable(text);
                let (escaped, is_longer) = cut(&escaped, MAX_CONTENT);
                ("text", escaped.to_owned(), is_cut || is_longer)
            }
            Message::Binary(bytes) => {
                let shown = &bytes[..bytes.len().min(MAX_CONTENT / 2)];
                ("binary", hex(shown), shown.len() < bytes.len())
            }
        };
        let (id, len) = (self.id, message.len());
        if self.format.json {
            let name = if kind == "text" { "text" } else { "hex" };
            let fields = [
                ("id", json!(id)),
                ("kind", json!(kind)),
                ("bytes", json!(len)),
                (name, json!(content)),
                ("cut", if is_cut { json!(true) } else { Value::Null }),
            ];
            return log::json("message", &fields);
        }
        let more = if is_cut { "…" } else { "" };
        log::line(format_args!("#{id} received {kind}, {len} bytes: {content}{more}"));
    }

    /// Writes the line of a connection that has ended. `cut` is for one that is
    /// forwarded, if its last bytes may be missing at one end.
    pub(crate) fn close(self, websocket: &WebSocket, cut: Option<&Cut>) {
        let info = websocket.close_info();
        let mut end = info.as_ref().map_or("still open".into(), described);
        if let Some(cut) = cut {
            let why = printable(&cut.to_string());
            let separator = if why.is_empty() { "" } else { "; " };
            end = format!("cut: {why}{separator}{end}");
        }
        let stats = websocket.stats();
        let (received, sent) = (stats.received, stats.sent);
        let (received_count, sent_count) =
            (received.text + received.binary, sent.text + sent.binary);
        let elapsed = self.since.elapsed();
        if self.format.json {
            let fields = [
                ("id", json!(self.id)),
                ("seconds", json!(milliseconds(elapsed))),
                ("received", json!({"messages": received_count, "bytes": received.payload})),
                ("sent", json!({"messages": sent_count, "bytes": sent.payload})),
                ("clean", json!(cut.is_none() && info.as_ref().is_some_and(CloseInfo::is_clean))),
                ("end", json!(end)),
            ];
            return log::json("close", &fields);
        }
        log::line(format_args!(
            "#{} {}: closed after {:.1} s, received {received_count} message{} ({} bytes), sent \
             {sent_count} ({} bytes): {end}",
            self.id,
            self.client,
            elapsed.as_secs_f64(),
            if received_count == 1 { "" } else { "s" },
            received.payload,
            sent.payload
        ));
    }
}

/// Returns how a connection ended, in a line that is safe to print.
fn described(info: &CloseInfo) -> String {
    let text = info.to_string();
    // The reason of a Close stays as it is.
    let is_of_library = info.cause != CloseCause::Handshake;
    printable(&if is_of_library { option_names(&text) } else { text })
}

/// Returns seconds, with three digits after the point.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Returns at most `max` characters, and whether there are more.
fn cut(text: &str, max: usize) -> (&str, bool) {
    match text.char_indices().nth(max) {
        Some((end, _)) => (&text[..end], true),
        None => (text, false),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_format_is_parsed() {
        let format = |json, messages| Ok(LogFormat { json, messages });
        assert_eq!(LogFormat::parse("text"), format(false, false));
        assert_eq!(LogFormat::parse("json"), format(true, false));
        assert_eq!(LogFormat::parse("messages"), format(false, true));
        assert_eq!(LogFormat::parse("json,messages"), format(true, true));
        assert!(LogFormat::parse("xml").is_err());
    }

    #[test]
    fn log_content_is_cut_between_characters() {
        assert_eq!(cut("äöü", 3), ("äöü", false));
        assert_eq!(cut("äöü", 2), ("äö", true));
        assert_eq!(hex(&[0, 0xff]), "00ff");
    }
}
