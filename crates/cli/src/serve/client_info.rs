//! A description of a client, for `/whoami` and for the log.

use std::fmt::{self, Write as _};

use fullduplex::WebSocket;
use fullduplex::server::policy::ClientAddr;
use fullduplex::server::{ConnectInfo, Handshake, RejectedClient, RejectionReason};
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderName, HeaderValue, Version};
use serde_json::{Map, Value, json};

use super::connection_log::LogFormat;
use crate::base::escape::printable;

/// The most characters of a path in the log.
const MAX_PATH: usize = 200;

/// A client, as its request describes it.
pub(super) struct ClientInfo {
    client: Option<ClientAddr>,
    /// The version of TLS.
    tls: Option<&'static str>,
    /// The path without its query, which may contain secrets. `None` if no request was read, as
    /// `version`.
    path: Option<String>,
    version: Option<Version>,
}

impl ClientInfo {
    /// Describes the client of a handshake.
    pub(super) fn new(handshake: &Handshake) -> Self {
        let request = handshake.request();
        let remote = handshake.connect_info();
        Self {
            client: remote.map(|remote| remote.client.clone()),
            tls: remote.and_then(tls_version),
            path: Some(shortened(request.uri().path())),
            version: Some(request.version()),
        }
    }

    /// Describes a client that was rejected.
    fn of_rejected(rejected: &RejectedClient<'_>) -> Self {
        Self {
            client: Some(rejected.client()),
            tls: rejected.connect_info().and_then(tls_version),
            path: rejected.path().map(shortened),
            version: rejected.version(),
        }
    }

    fn address(&self) -> Option<String> {
        let client = self.client.as_ref()?;
        let ip = client.ip.map(|ip| ip.to_string());
        ip.or_else(|| client.hidden.clone())
    }

    /// Returns the description as fields of JSON.
    pub(super) fn json_fields(&self) -> Vec<(&'static str, Value)> {
        let client = self.client.as_ref();
        vec![
            ("address", json!(self.address())),
            ("port", json!(client.and_then(|client| client.port))),
            ("known_by", json!(client.map(|client| client.source.to_string()))),
            ("path", json!(self.path)),
            ("http", json!(self.version.map(|version| format!("{version:?}")))),
            ("tls", json!(self.tls)),
        ]
    }

    /// Returns the description with what was negotiated, as fields of JSON.
    pub(super) fn open_json_fields(&self, websocket: &WebSocket) -> Vec<(&'static str, Value)> {
        let mut fields = self.json_fields();
        fields.extend([
            ("subprotocol", json!(websocket.subprotocol())),
            ("compression", json!(websocket.deflate().map(|deflate| deflate.to_string()))),
        ]);
        fields
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

fn tls_version(remote: &ConnectInfo) -> Option<&'static str> {
    remote.tls.as_ref().map(|tls| tls.version)
}

/// Returns a path for the log.
fn shortened(path: &str) -> String {
    let short: String = path.chars().take(MAX_PATH).collect();
    let more = if short.len() < path.len() { "…" } else { "" };
    printable(&short) + more
}

/// The request of a client, for `/whoami`.
pub(super) struct RequestInfo {
    query: Option<String>,
    headers: Map<String, Value>,
}

impl RequestInfo {
    /// Describes the request of a handshake. Credentials and the values of cookies are left out, as
    /// a script of a page may read the answer, but not the cookies.
    pub(super) fn new(handshake: &Handshake) -> Self {
        let request = handshake.request();
        let mut headers = Map::new();
        for name in request.headers().keys() {
            let values: Vec<_> =
                request.headers().get_all(name).iter().map(|value| shown(name, value)).collect();
            headers.insert(name.as_str().to_owned(), json!(values.join(", ")));
        }
        Self { query: request.uri().query().map(str::to_owned), headers }
    }

    /// Returns what is known about the client, as JSON.
    pub(super) fn to_json(&self, client: &ClientInfo, websocket: &WebSocket) -> String {
        let mut fields = client.open_json_fields(websocket);
        fields.extend([
            ("query", json!(self.query)),
            ("origin", self.headers.get("origin").cloned().unwrap_or_default()),
            ("headers", Value::Object(self.headers.clone())),
        ]);
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!("{{{}}}", fields.join(", "))
    }
}

/// Returns the value of a field, without what may be a secret.
fn shown(name: &HeaderName, value: &HeaderValue) -> String {
    let value = String::from_utf8_lossy(value.as_bytes());
    match *name {
        AUTHORIZATION | PROXY_AUTHORIZATION => {
            let scheme = value.split_once(' ').map(|(scheme, _)| format!("{scheme} "));
            scheme.unwrap_or_default() + "***"
        }
        COOKIE => {
            let pairs = value.split(';').map(str::trim);
            let names = pairs.map(|pair| match pair.split_once('=') {
                Some((name, _)) => format!("{name}=***"),
                None => "***".into(),
            });
            names.collect::<Vec<_>>().join("; ")
        }
        _ => value.into_owned(),
    }
}

/// Logs a client that was rejected, unless another line reports it.
pub(super) fn log_rejection(format: LogFormat, rejected: &RejectedClient<'_>) {
    // The handler of this program has logged it with more details.
    if matches!(rejected.reason(), RejectionReason::Application) {
        return;
    }
    let client = ClientInfo::of_rejected(rejected);
    let status = rejected.status().map(|status| status.as_u16());
    let reason = rejected.reason().to_string();
    format.rejected(&client.to_string(), client.json_fields(), status, &reason);
}

/// Formats the client, such as
/// `192.0.2.1:5000 (reported by a trusted proxy) /echo HTTP/1.1 TLSv1.3`.
impl fmt::Display for ClientInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = self.client.as_ref().map(|client| printable(&client.to_string()));
        let version = self.version.map(|version| format!("{version:?}"));
        let words = [client, self.path.clone(), version, self.tls.map(Into::into)];
        f.write_str(&words.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_info_has_no_secrets() {
        for (name, value, expected) in [
            (AUTHORIZATION, "Bearer SECRET", "Bearer ***"),
            (AUTHORIZATION, "SECRET", "***"),
            (COOKIE, "a=SECRET; b=SECRET=;SECRET", "a=***; b=***; ***"),
            (http::header::USER_AGENT, "me", "me"),
        ] {
            assert_eq!(shown(&name, &HeaderValue::from_static(value)), expected);
        }
    }
}
