//! HAR files with the messages of WebSockets, as Chromium writes them (`_webSocketMessages`).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fullduplex_proto::frame::OpCode;
use fullduplex_proto::{MessageKind, Role};
use serde_json::{Value, json};

use crate::conversation::Conversation;
use crate::date;
use crate::limits::DecoderLimits;
use crate::recording::{Record, RecordKind, RecordedOpening, frame_bytes};

/// A WebSocket of a HAR file.
///
/// ```
/// use fullduplex_inspect::har;
///
/// let text = r#"{"log": {"entries": [{
///     "_resourceType": "websocket",
///     "startedDateTime": "2026-01-02T03:04:05.000Z",
///     "request": {"method": "GET", "url": "wss://example.com/", "headers": []},
///     "response": {"status": 101, "headers": []},
///     "_webSocketMessages": [{"type": "send", "time": 1767323046.5, "opcode": 1, "data": "hi"}]
/// }]}}"#;
/// let sockets = har::read(text)?;
/// assert_eq!(sockets[0].messages[0].data, b"hi");
/// assert_eq!(har::read(&har::write(&sockets))?, sockets);
/// # Ok::<(), har::HarError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HarSocket {
    /// The opening handshake.
    pub opening: RecordedOpening,
    /// The messages in the order in which they were seen.
    pub messages: Vec<HarMessage>,
}

/// A message of a HAR file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HarMessage {
    /// The side that sent it.
    pub sender: Role,
    /// The time since the Unix epoch, in whole microseconds.
    pub time: Duration,
    /// Whether it is text or binary.
    pub kind: MessageKind,
    /// The content. That of a text is UTF-8.
    pub data: Vec<u8>,
}

impl HarSocket {
    /// Returns records of its opening and its messages, each in a frame that is not compressed, as
    /// a connection of this number of a recording.
    pub fn to_records(&self, connection: u64) -> impl Iterator<Item = Record> {
        let began = self.opening.time;
        let open = RecordKind::Open(Box::new(self.opening.clone()));
        let open = Record { connection, at: Duration::ZERO, kind: open };
        std::iter::once(open).chain(self.messages.iter().map(move |message| {
            let opcode = match message.kind {
                MessageKind::Text => OpCode::Text,
                MessageKind::Binary => OpCode::Binary,
            };
            let bytes = frame_bytes(message.sender, opcode, &message.data);
            let kind = RecordKind::Bytes { sender: message.sender, bytes };
            Record { connection, at: message.time.saturating_sub(began), kind }
        }))
    }
}

/// Why a file is not a HAR file with WebSockets that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HarError(String);

impl fmt::Display for HarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HarError {}

/// Returns the WebSockets of a recording, with the messages that their frames make.
///
/// A message is cut at [`DecoderLimits::max_payload`]. A connection whose opening is missing is
/// left out.
pub fn of_recording<'a>(
    records: impl IntoIterator<Item = &'a Record>,
    limits: DecoderLimits,
) -> Vec<HarSocket> {
    let mut open: BTreeMap<u64, (HarSocket, Conversation)> = BTreeMap::new();
    for Record { connection, at, kind } in records {
        match kind {
            RecordKind::Open(opening) => {
                let conversation = Conversation::new().with_limits(limits);
                let conversation = conversation.with_deflate(opening.deflate());
                let socket = HarSocket { opening: (**opening).clone(), messages: Vec::new() };
                open.insert(*connection, (socket, conversation));
            }
            RecordKind::Bytes { sender, bytes } => {
                let Some((socket, conversation)) = open.get_mut(connection) else { continue };
                let time = socket.opening.time.saturating_add(*at);
                conversation.push(*sender, bytes, *at, |shown| {
                    socket.messages.extend(shown.frame.message.map(|message| HarMessage {
                        sender: *sender,
                        time,
                        kind: message.kind,
                        data: message.payload.into(),
                    }));
                });
            }
            RecordKind::Lost { sender, .. } => {
                if let Some((_, conversation)) = open.get_mut(connection) {
                    conversation.skip(*sender);
                }
            }
            RecordKind::End { .. } => {}
        }
    }
    open.into_values().map(|(socket, _)| socket).collect()
}

/// Returns a HAR file (version 1.2) with these WebSockets.
pub fn write(sockets: &[HarSocket]) -> String {
    let entries: Vec<Value> = sockets.iter().map(entry).collect();
    json!({"log": {
        "version": "1.2",
        "creator": {"name": "fullduplex-inspect", "version": env!("CARGO_PKG_VERSION")},
        "entries": entries,
    }})
    .to_string()
}

fn entry(socket: &HarSocket) -> Value {
    let HarSocket { opening, messages } = socket;
    let fields = |fields: &[(String, String)]| -> Value {
        fields.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
    };
    let last = messages.iter().map(|message| message.time).max();
    let open_for = last.unwrap_or(opening.time).saturating_sub(opening.time);
    json!({
        "startedDateTime": date::to_text(opening.time),
        "time": open_for.as_secs_f64() * 1000.0,
        "request": {
            "method": opening.method,
            "url": opening.url,
            "httpVersion": opening.version,
            "headers": fields(&opening.request),
            "queryString": [],
            "cookies": [],
            "headersSize": -1,
            "bodySize": 0,
        },
        "response": {
            "status": opening.status,
            "statusText": "",
            "httpVersion": opening.version,
            "headers": fields(&opening.response),
            "cookies": [],
            "content": {"size": 0, "mimeType": "x-unknown"},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
        },
        "cache": {},
        "timings": {"send": 0, "wait": 0, "receive": 0},
        "_resourceType": "websocket",
        "_webSocketMessages": messages.iter().map(message).collect::<Vec<_>>(),
    })
}

fn message(message: &HarMessage) -> Value {
    let (opcode, data) = match message.kind {
        MessageKind::Text => (1, String::from_utf8_lossy(&message.data).into_owned()),
        MessageKind::Binary => (2, BASE64_STANDARD.encode(&message.data)),
    };
    json!({
        // As the browser, which is the client, sees it.
        "type": if message.sender == Role::Client { "send" } else { "receive" },
        "time": message.time.as_secs_f64(),
        "opcode": opcode,
        "data": data,
    })
}

/// Returns the WebSockets of a HAR file: the entries with `_webSocketMessages`. What is of another
/// kind than a message, such as an error, is left out.
///
/// # Errors
/// If it is not JSON, has no list of entries, or a message is not valid.
pub fn read(text: &str) -> Result<Vec<HarSocket>, HarError> {
    let file: Value = serde_json::from_str(text).map_err(|error| fault(error.to_string()))?;
    let entries = file["log"]["entries"].as_array();
    let entries = entries.ok_or_else(|| fault("there is no list log.entries"))?;
    let with_messages = entries.iter().filter(|entry| entry["_webSocketMessages"].is_array());
    with_messages.map(socket).collect()
}

fn socket(entry: &Value) -> Result<HarSocket, HarError> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let fields = |value: &Value| -> Vec<(String, String)> {
        let list = value.as_array().into_iter().flatten();
        list.map(|field| (text(&field["name"]), text(&field["value"]))).collect()
    };
    let (request, response) = (&entry["request"], &entry["response"]);
    let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let time = entry["startedDateTime"].as_str().and_then(date::parse);
    let opening = RecordedOpening {
        url: text(&request["url"]),
        time: time.unwrap_or_default(),
        version: text(&request["httpVersion"]),
        method: text(&request["method"]),
        request: fields(&request["headers"]),
        status: status.unwrap_or_default(),
        response: fields(&response["headers"]),
    };
    let messages = entry["_webSocketMessages"].as_array().into_iter().flatten();
    let messages = messages.filter_map(|message| read_message(message).transpose());
    Ok(HarSocket { opening, messages: messages.collect::<Result<_, _>>()? })
}

fn read_message(message: &Value) -> Result<Option<HarMessage>, HarError> {
    let sender = match message["type"].as_str() {
        Some("send") => Role::Client,
        Some("receive") => Role::Server,
        _ => return Ok(None),
    };
    let data = message["data"].as_str().ok_or_else(|| fault("a message has no data"))?;
    let (kind, data) = match message["opcode"].as_u64() {
        Some(1) => (MessageKind::Text, data.as_bytes().to_vec()),
        Some(2) => {
            let bytes = BASE64_STANDARD.decode(data);
            let bytes = bytes.map_err(|error| fault(format!("a binary message: {error}")))?;
            (MessageKind::Binary, bytes)
        }
        // Control frames, which some programs write too.
        _ => return Ok(None),
    };
    let seconds = message["time"].as_f64().filter(|time| time.is_finite() && *time >= 0.0);
    let seconds = seconds.ok_or_else(|| fault("a message has no time"))?;
    let time = Duration::try_from_secs_f64((seconds * 1e6).round() / 1e6);
    let time = time.map_err(|error| fault(format!("the time of a message: {error}")))?;
    // A number of JSON has some 16 digits: microseconds, and noise.
    let micros = (time.as_nanos() + 500) / 1000;
    let time = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
    Ok(Some(HarMessage { sender, time, kind, data }))
}

fn fault(what: impl Into<String>) -> HarError {
    HarError(what.into())
}
