//! The lines of `--log` about clients of Socket.IO.

use std::fmt::Display;
use std::time::Instant;

use fullduplex::server::policy::PeerAddr;
use fullduplex_socketio::engine::TransportKind;
use fullduplex_socketio::{DisconnectReason, Socket};
use serde_json::{Value, json};

use super::connection_log::LogFormat;
use super::log;
use crate::base::escape::printable;

/// How lines are written, if at all.
pub(super) type Lines = Option<LogFormat>;

/// The lines of one socket.
pub(super) struct SocketLog {
    lines: Lines,
    since: Instant,
}

impl SocketLog {
    pub(super) fn new(lines: Lines) -> Self {
        Self { lines, since: Instant::now() }
    }

    /// Writes the line of a socket that has connected, and that of its upgrade when it comes.
    pub(super) fn connected<U: Send + Sync + 'static>(&self, socket: &Socket<U>) {
        let Some(format) = self.lines else { return };
        let transport = socket.transport();
        let recovered = socket.is_recovered();
        let fields = [("transport", json!(transport.as_str())), ("recovered", json!(recovered))];
        let suffix = if recovered { ", recovered" } else { "" };
        write(format, socket, "connect", fields, format_args!("connected by {transport}{suffix}"));
        if transport == TransportKind::Polling {
            let socket = socket.clone();
            tokio::spawn(async move {
                if socket.upgraded().await && socket.is_connected() {
                    let to = socket.transport();
                    let fields = [("transport", json!(to.as_str()))];
                    write(format, &socket, "upgrade", fields, format_args!("upgraded to {to}"));
                }
            });
        }
    }

    /// Writes the line of a socket that has disconnected.
    pub(super) fn disconnected<U: Send + Sync + 'static>(
        &self,
        socket: &Socket<U>,
        reason: DisconnectReason,
    ) {
        let Some(format) = self.lines else { return };
        let seconds = self.since.elapsed().as_secs_f64();
        let fields = [
            ("transport", json!(socket.transport().as_str())),
            ("seconds", json!((seconds * 1000.0).round() / 1000.0)),
            ("reason", json!(reason.as_str())),
        ];
        let text = format_args!("disconnected after {seconds:.1} s: {reason}");
        write(format, socket, "disconnect", fields, text);
    }
}

/// Writes a line, as text or with fields of JSON.
fn write<U: Send + Sync + 'static, const N: usize>(
    format: LogFormat,
    socket: &Socket<U>,
    event: &str,
    fields: [(&'static str, Value); N],
    text: impl Display,
) {
    let (peer, id) = (socket.peer(), socket.id().to_string());
    let namespace = socket.namespace().name().to_owned();
    if format.json {
        let port = match peer {
            PeerAddr::Inet(address) => Some(address.port()),
            _ => None,
        };
        let own = [
            ("socket", json!(id)),
            ("address", json!(peer.ip())),
            ("port", json!(port)),
            ("namespace", json!(namespace)),
        ];
        let all: Vec<_> = own.into_iter().chain(fields).collect();
        return log::json(&format!("socketio-{event}"), &all);
    }
    log::line(format_args!("Socket.IO {id} {peer} {}: {text}", printable(&namespace)));
}
