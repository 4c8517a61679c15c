//! What the server knows of who connects: for `/whoami`, and for the log.

use std::fmt::{self, Write as _};

use fullduplex::WebSocket;
use fullduplex::server::{ConnectInfo, Handshake, RejectedClient, RejectionReason};
use http::Version;

use crate::escape::printable;

/// The most of a path that is shown.
const PATH: usize = 200;

/// A client, by its request.
pub(super) struct ClientInfo {
    remote: Option<ConnectInfo>,
    /// Without its query, which may hold secrets.
    path: String,
    version: Version,
}

impl ClientInfo {
    pub(super) fn of(handshake: &Handshake) -> Self {
        let request = handshake.request();
        Self::new(handshake.remote(), request.uri().path(), request.version())
    }

    fn new(remote: Option<&ConnectInfo>, path: &str, version: Version) -> Self {
        let short: String = path.chars().take(PATH).collect();
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

    /// As JSON, with what was agreed on.
    pub(super) fn to_json(&self, websocket: &WebSocket) -> String {
        let client = self.remote.as_ref().map(|remote| &remote.client);
        let known = client.map(|client| client.source.to_string());
        let port = client.and_then(|client| client.port);
        let deflate = websocket.deflate().map(|deflate| deflate.to_string());
        let fields = [
            ("address", text(self.address().as_deref())),
            ("port", port.map_or_else(|| "null".into(), |port| port.to_string())),
            ("known_by", text(known.as_deref())),
            ("http", text(Some(&format!("{:?}", self.version)))),
            ("tls", text(self.tls())),
            ("subprotocol", text(websocket.subprotocol())),
            ("compression", text(deflate.as_deref())),
        ];
        let fields = fields.map(|(name, value)| format!("\"{name}\": {value}"));
        format!("{{{}}}", fields.join(", "))
    }

    /// For a line of the log, with what was agreed on.
    pub(super) fn line(&self, websocket: &WebSocket) -> String {
        let mut line = self.to_string();
        if let Some(protocol) = websocket.subprotocol() {
            let _ = write!(line, ", subprotocol {}", printable(protocol));
        }
        if let Some(deflate) = websocket.deflate() {
            let _ = write!(line, ", {deflate}");
        }
        line
    }
}

/// A line of the log about somebody who was not let in, unless it is told elsewhere.
pub(super) fn refused(refused: &RejectedClient<'_>) -> Option<String> {
    // By this program itself, which says more of it.
    if matches!(refused.reason(), RejectionReason::Application) {
        return None;
    }
    let who = match (refused.path(), refused.version()) {
        (Some(path), Some(version)) => ClientInfo::new(refused.remote(), path, version).to_string(),
        _ => printable(&refused.client().to_string()),
    };
    let status = refused.status().map(|status| format!("{}: ", status.as_u16()));
    let why = printable(&refused.reason().to_string());
    Some(format!("{who}: refused: {}{why}", status.unwrap_or_default()))
}

/// `192.0.2.1:5000 (reported by a trusted proxy) /echo HTTP/1.1 TLSv1.3`
impl fmt::Display for ClientInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(remote) = &self.remote {
            write!(f, "{} ", printable(&remote.client.to_string()))?;
        }
        write!(f, "{} {:?}", self.path, self.version)?;
        self.tls().map_or(Ok(()), |tls| write!(f, " {tls}"))
    }
}

/// A string of JSON, or null (RFC 8259 §7).
fn text(text: Option<&str>) -> String {
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
        assert_eq!(text(None), "null");
        assert_eq!(text(Some("a\"b\\c\n\u{1}ü")), r#""a\"b\\c\u000a\u0001ü""#);
    }
}
