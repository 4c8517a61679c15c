//! The WebSockets of a store.

use std::time::Duration;

use fullduplex_proto::frame::OpCode;
use fullduplex_proto::{CloseCode, Role};

use super::row::{Handling, Row, RowKind, allocation};
use crate::recording::RecordedOpening;

/// A WebSocket of a store, with the sums of its frames. They also count what is no longer kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Socket {
    /// The number of the WebSocket, from 1 on. It is not used again.
    pub id: u64,
    /// The opening handshake. Its status is 0 until there is a response.
    pub opening: RecordedOpening,
    /// What the client sent.
    pub client: SocketSide,
    /// What the server sent.
    pub server: SocketSide,
    /// The first Close: its side, its code, and its reason. The code is 1005 if it has none
    /// (RFC 6455 §7.1.5).
    pub close: Option<(Role, CloseCode, String)>,
    /// The last round trip of a Ping.
    pub round_trip: Option<Duration>,
    /// The number of its rows, also of those that were dropped.
    pub rows: u64,
    /// When it last changed, by [`Store::revision`](super::Store::revision).
    pub revision: u64,
    /// Whether its header fields were dropped, as newer ones need the memory.
    pub is_opening_dropped: bool,
}

/// What one side of a [`Socket`] sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketSide {
    /// The frames.
    pub frames: u64,
    /// The bytes of the frames on the wire, headers included.
    pub wire_bytes: u64,
    /// The messages.
    pub messages: u64,
    /// The bytes of the messages, decompressed.
    pub message_bytes: u64,
    /// The payload bytes of compressed messages, as they were on the wire.
    pub compressed_wire_bytes: u64,
    /// The bytes of compressed messages, decompressed.
    pub compressed_message_bytes: u64,
    /// The frames that break a rule.
    pub violations: u64,
    /// When the last frame was seen, since the WebSocket was opened.
    pub last: Option<Duration>,
    /// When its direction ended, since the WebSocket was opened, and how.
    pub end: Option<(Duration, String)>,
}

impl Socket {
    pub(super) fn new(id: u64, opening: RecordedOpening) -> Self {
        Self {
            id,
            opening,
            client: SocketSide::default(),
            server: SocketSide::default(),
            close: None,
            round_trip: None,
            rows: 0,
            revision: 0,
            is_opening_dropped: false,
        }
    }

    /// Returns what a side sent.
    pub fn side(&self, sender: Role) -> &SocketSide {
        match sender {
            Role::Client => &self.client,
            Role::Server => &self.server,
        }
    }

    /// Returns whether both directions have ended.
    pub fn is_ended(&self) -> bool {
        self.client.end.is_some() && self.server.end.is_some()
    }

    /// Returns the subprotocol that the server selected.
    pub fn subprotocol(&self) -> Option<&str> {
        self.opening.response_field("sec-websocket-protocol")
    }

    /// Returns the host of the URL, with its port if it has one.
    pub fn host(&self) -> &str {
        let url = &self.opening.url;
        let rest = url.split_once("://").map_or(&**url, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.rsplit_once('@').map_or(authority, |(_, host)| host)
    }

    /// Returns the path of the URL, with its query.
    pub fn path(&self) -> &str {
        let url = &self.opening.url;
        let rest = url.split_once("://").map_or(&**url, |(_, rest)| rest);
        rest.find(['/', '?', '#']).map_or("/", |start| &rest[start..])
    }

    /// Adds a row to the sums.
    pub(super) fn add(&mut self, row: &Row) {
        self.rows += 1;
        let mut close = None;
        match &row.kind {
            RowKind::Frame { shown, handling, .. } => {
                let side = match shown.sender {
                    Role::Client => &mut self.client,
                    Role::Server => &mut self.server,
                };
                let frame = &shown.frame;
                side.last = Some(row.at);
                // What was made here did not come from that side.
                if *handling != Handling::Injected {
                    side.add(frame);
                }
                if frame.opcode() == Some(OpCode::Close) {
                    let (code, reason) =
                        frame.close().unwrap_or((CloseCode::new(1005), String::new()));
                    close = Some((shown.sender, code, reason));
                }
                self.round_trip = shown.round_trip.or(self.round_trip);
            }
            RowKind::End { sender, how } => {
                let side = match sender {
                    Role::Client => &mut self.client,
                    Role::Server => &mut self.server,
                };
                side.end.get_or_insert_with(|| (row.at, how.clone()));
            }
            RowKind::Note { .. } => {}
        }
        if self.close.is_none() {
            self.close = close;
        }
    }

    /// Returns the bytes that it takes, with its place in a map.
    pub(super) fn memory(&self) -> usize {
        let fields = |fields: &[(String, String)]| -> usize {
            let texts = fields
                .iter()
                .map(|(name, value)| allocation(name.capacity()) + allocation(value.capacity()));
            texts.sum::<usize>() + allocation(size_of_val(fields))
        };
        let opening = &self.opening;
        let texts = [&opening.url, &opening.version, &opening.method];
        let ends = [&self.client.end, &self.server.end].into_iter().flatten();
        allocation(size_of::<Self>())
            + 48
            + texts.iter().map(|text| allocation(text.capacity())).sum::<usize>()
            + ends.map(|(_, how)| allocation(how.capacity())).sum::<usize>()
            + self.close.as_ref().map_or(0, |(_, _, reason)| allocation(reason.capacity()))
            + fields(&opening.request)
            + fields(&opening.response)
    }
}

impl SocketSide {
    fn add(&mut self, frame: &crate::Frame) {
        self.frames += 1;
        self.wire_bytes += frame.wire_len();
        self.violations += u64::from(frame.violation.is_some());
        if let Some(message) = &frame.message {
            self.messages += 1;
            self.message_bytes += message.len;
            if message.is_compressed {
                self.compressed_wire_bytes += message.wire_len;
                self.compressed_message_bytes += message.len;
            }
        }
    }
}
