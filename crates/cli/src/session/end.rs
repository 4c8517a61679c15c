//! How a session ended.

use std::time::Duration;

use fullduplex::{CloseCause, CloseInfo, ConnectionStats, Error};

use crate::base::escape::printable;
use crate::client::{ConnectOutcome, option_names};

/// How a session ended.
#[derive(Debug)]
pub(crate) struct End {
    /// The exit code.
    pub(crate) outcome: ConnectOutcome,
    /// Whether a second signal asks to leave at once, whatever is yet to print.
    pub(crate) at_once: bool,
    /// Whether a signal asks not to print what is yet to print.
    pub(crate) is_discarded: bool,
    /// The reason in plain words, safe to print; empty if there is nothing to say.
    pub(crate) reason: String,
    /// Why there is no connection, of a session that connects again.
    pub(crate) connect_error: Option<Error>,
    /// How long the connection was open.
    pub(crate) open: Duration,
    /// How long before the end the last message was sent or received.
    pub(crate) idle: Duration,
    /// The messages and bytes of both directions.
    pub(crate) stats: ConnectionStats,
}

impl End {
    /// Returns the line that says how the connection ended, how long it was open and idle, and what
    /// it carried; `None` if there is nothing to say.
    pub(crate) fn line(&self) -> Option<String> {
        if self.reason.is_empty() {
            return None;
        }
        let (open, idle) = (seconds(self.open), seconds(self.idle));
        let sent = count(self.stats.sent.text + self.stats.sent.binary, self.stats.sent.payload);
        let received = &self.stats.received;
        let received = count(received.text + received.binary, received.payload);
        let reason = &self.reason;
        Some(format!(
            "{reason}; open for {open}, idle for {idle}; sent {sent}, received {received}"
        ))
    }
}

/// Returns a duration in words, such as `61.0 s`.
fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Returns a count in words, such as `3 messages (12 bytes)`.
fn count(messages: u64, bytes: u64) -> String {
    let plural = |number| if number == 1 { "" } else { "s" };
    format!("{messages} message{} ({bytes} byte{})", plural(messages), plural(bytes))
}

/// Returns why a connection ended, in plain words, and the exit code for it.
pub(super) fn describe(
    error: Option<&Error>,
    info: Option<&CloseInfo>,
) -> (String, ConnectOutcome) {
    let Some(info) = info else {
        return (String::new(), ConnectOutcome::Lost);
    };
    let text = error.map_or_else(|| info.to_string(), ToString::to_string);
    // The reason of the peer stays as the peer wrote it.
    let text = if info.cause == CloseCause::Handshake { text } else { option_names(&text) };
    let outcome = match info.cause {
        CloseCause::Protocol(_) => ConnectOutcome::ProtocolViolation,
        CloseCause::Handshake if info.close_received => {
            // With any other code the server may have had more to send.
            if info.is_normal() { ConnectOutcome::Clean } else { ConnectOutcome::OtherCloseCode }
        }
        _ => ConnectOutcome::Lost,
    };
    (printable(&text), outcome)
}
