//! A description of a client, for `/whoami` and for the log.

use std::fmt::{self, Write as _};

use fullduplex::WebSocket;
use fullduplex::server::{ConnectInfo, Handshake, RejectedClient, RejectionReason};
use http::Version;

use crate::base::escape::printable;

/// The most characters of a path in the log.
const MAX_PATH: usize = 200;

/// A client, as its request describes it.
pub(super) struct ClientInfo {
    remote: Option<ConnectInfo>,
    /// The path without its query, which may contain secrets.
    path: String,
    version: Version,
}

impl ClientInfo {
    /// Describes the client of a handshake.
    pub(super) fn new(handshake: &Handshake) -> Self {
        let request = handshake.request();
        Self::from_parts(handshake.connect_info(), request.uri().path(), request.version())
    }

    fn from_parts(remote: Option<&ConnectInfo>, path: &str, version: Version) -> Self {
        let short: String = path.chars().take(MAX_PATH).collect();
        let more = if short.len() < path.len() { "…" } else { "" };
        Self { remote: remote.cloned(), path: printable(&short) + more, version }
    }

    fn tls(&self) -> Option<&'static str> {
        self.remote.as_ref()?.tls.as_ref().map(|tls| tls.version)
    }

    fn address(&self) -> Option<String> {
        let client = &self.remote.as_ref()?.client;
        let ip = client.ip.map(|ip| ip.to_string());
        ip.or_else(|| client.hidden.clone())
    }

    /// Returns the description with what was negotiated, as JSON.
    pub(super) fn to_json(&self, websocket: &WebSocket) -> String {
        let client = self.remote.as_ref().map(|remote| &remote.client);
        let known = client.map(|client| client.source.to_string());
        let port = client.and_then(|client| client.port);
        let deflate = websocket.deflate().map(|deflate| deflate.to_string());
        let fields = [
            ("address", json_string(self.address().as_deref())),
            ("port", port.map_or_else(|| "null".into(), |port| port.to_string())),
            ("known_by", json_string(known.as_deref())),
            ("http", json_string(Some(&format!("{:?}", self.version)))),
            ("tls", json_string(self.tls())),
            ("subprotocol", json_string(websocket.subprotocol())),
            ("compression", json_string(deflate.as_deref())),
        ];
        let fields = fields.map(|(name, value)| format!("\"{name}\": {value}"));
        format!("{{{}}}", fields.join(", "))
    }

    /// Returns the description with what was negotiated, for a log line.
    pub(super) fn log_line(&self, websocket: &WebSocket) -> String {
        let mut line = self.to_string();
        if let Some(subprotocol) = websocket.subprotocol() {
            let _ = write!(line, ", subprotocol {}", printable(subprotocol));
        }
        if let Some(deflate) = websocket.deflate() {
            let _ = write!(line, ", {deflate}");
        }
        line
    }
}

/// Returns the log line about a client that was rejected; `None` if another line reports it.
pub(super) fn rejection_line(rejected: &RejectedClient<'_>) -> Option<String> {
    // The handler of this program has logged it with more details.
    if matches!(rejected.reason(), RejectionReason::Application) {
        return None;
    }
    let client = match (rejected.path(), rejected.version()) {
        (Some(path), Some(version)) => {
            ClientInfo::from_parts(rejected.connect_info(), path, version).to_string()
        }
        _ => printable(&rejected.client().to_string()),
    };
    let status = rejected.status().map(|status| format!("{}: ", status.as_u16()));
    let why = printable(&rejected.reason().to_string());
    Some(format!("{client}: rejected: {}{why}", status.unwrap_or_default()))
}

/// Formats the client, such as
/// `192.0.2.1:5000 (reported by a trusted proxy) /echo HTTP/1.1 TLSv1.3`.
impl fmt::Display for ClientInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(remote) = &self.remote {
            write!(f, "{} ", printable(&remote.client.to_string()))?;
        }
        write!(f, "{} {:?}", self.path, self.version)?;
        self.tls().map_or(Ok(()), |tls| write!(f, " {tls}"))
    }
}

/// Returns a JSON string, or `null` (RFC 8259 §7).
fn json_string(text: Option<&str>) -> String {
    let Some(text) = text else { return "null".into() };
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => drop(write!(quoted, "\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_escaped() {
        assert_eq!(json_string(None), "null");
        assert_eq!(json_string(Some("a\"b\\c\n\u{1}ü")), r#""a\"b\\c\u000a\u0001ü""#);
    }
}
