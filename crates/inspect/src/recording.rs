//! Recordings of connections: JSON lines, one for each thing that was seen.
//!
//! The page `reference/recording.md` of the book describes the format.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fullduplex_proto::deflate::DeflateConfig;
use fullduplex_proto::frame::{EncodedFrameHeader, OpCode};
use fullduplex_proto::handshake::parse_extensions;
use fullduplex_proto::{DeflateParams, Role};
use serde_json::{Map, Value, json};

/// The first line of a recording.
pub const HEADER: &str = "{\"fullduplex-recording\":1}";

/// The first line of a recording without secrets, whose frames are made of the messages and control
/// frames that were seen. None is fragmented or compressed.
pub const REDACTED_HEADER: &str = "{\"fullduplex-recording\":1,\"redacted\":true}";

/// The first line of a recording whose frames are made of the messages and control frames that were
/// kept. None is fragmented or compressed.
pub const MADE_HEADER: &str = "{\"fullduplex-recording\":1,\"made\":true}";

/// A thing that was seen on a connection, as a line of a recording.
///
/// ```
/// use std::time::Duration;
///
/// use fullduplex_inspect::proto::Role;
/// use fullduplex_inspect::recording::{Record, RecordKind};
///
/// let bytes = RecordKind::Bytes { sender: Role::Server, bytes: b"\x81\x02hi".to_vec() };
/// let record = Record { connection: 1, at: Duration::from_millis(5), kind: bytes };
/// let line = record.to_line();
/// assert!(line.contains(r#""bytes":"gQJoaQ==""#));
/// assert_eq!(Record::parse(&line), Ok(Some(record)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The number of the connection within the recording.
    pub connection: u64,
    /// The time since the connection was opened, in whole microseconds.
    pub at: Duration,
    /// What was seen.
    pub kind: RecordKind,
}

/// What a [`Record`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordKind {
    /// The opening handshake.
    Open(Box<RecordedOpening>),
    /// Bytes of frames, as they were on the wire.
    Bytes {
        /// The side that sent them.
        sender: Role,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Bytes that are missing, as the program that recorded could not keep up. What follows begins
    /// with a frame that is not within a message.
    Lost {
        /// The side that sent them.
        sender: Role,
        /// The number of the bytes.
        bytes: u64,
    },
    /// The end of a direction.
    End {
        /// The side whose direction ended.
        sender: Role,
        /// How it ended, in words.
        how: String,
    },
}

/// The opening handshake of a recorded connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordedOpening {
    /// The URL, with the scheme `ws` or `wss`.
    pub url: String,
    /// The time of the opening since the Unix epoch, in whole microseconds.
    pub time: Duration,
    /// The HTTP version: `HTTP/1.1`, `HTTP/2.0` or `HTTP/3.0`.
    pub version: String,
    /// The method of the request: `GET`, or `CONNECT` on HTTP/2 and HTTP/3.
    pub method: String,
    /// The fields of the request, in their order.
    pub request: Vec<(String, String)>,
    /// The status of the response.
    pub status: u16,
    /// The fields of the response, in their order.
    pub response: Vec<(String, String)>,
}

/// Why a line is not one of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError(String);

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RecordError {}

impl Record {
    /// Returns the line, without a newline.
    pub fn to_line(&self) -> String {
        let at = micros(self.at);
        let value = match &self.kind {
            RecordKind::Open(opening) => {
                json!({"connection": self.connection, "at": at, "open": opening.to_json()})
            }
            RecordKind::Bytes { sender, bytes } => json!({
                "connection": self.connection,
                "at": at,
                "from": side(*sender),
                "bytes": BASE64_STANDARD.encode(bytes),
            }),
            RecordKind::Lost { sender, bytes } => json!({
                "connection": self.connection, "at": at, "from": side(*sender), "lost": bytes,
            }),
            RecordKind::End { sender, how } => json!({
                "connection": self.connection, "at": at, "from": side(*sender), "end": how,
            }),
        };
        value.to_string()
    }

    /// Parses a line. Returns `None` for an empty line, the first line of a recording, and one of a
    /// kind that this version does not know.
    ///
    /// # Errors
    /// If it is not a JSON object, or a member has the wrong type or is missing.
    pub fn parse(line: &str) -> Result<Option<Self>, RecordError> {
        if line.trim().is_empty() {
            return Ok(None);
        }
        let value: Value = serde_json::from_str(line).map_err(|error| fault(error.to_string()))?;
        let Value::Object(object) = value else { return Err(fault("not a JSON object")) };
        if let Some(version) = object.get("fullduplex-recording") {
            return match version.as_u64() {
                Some(1) => Ok(None),
                _ => Err(fault(format!("a recording of version {version}, not 1"))),
            };
        }
        let kind = if let Some(open) = object.get("open") {
            RecordKind::Open(Box::new(RecordedOpening::from_json(open)?))
        } else if object.contains_key("bytes") {
            let bytes = BASE64_STANDARD.decode(text(&object, "bytes")?);
            let bytes = bytes.map_err(|error| fault(format!("bytes: {error}")))?;
            RecordKind::Bytes { sender: sender(&object)?, bytes }
        } else if object.contains_key("lost") {
            RecordKind::Lost { sender: sender(&object)?, bytes: number(&object, "lost")? }
        } else if object.contains_key("end") {
            let how = text(&object, "end")?.to_owned();
            RecordKind::End { sender: sender(&object)?, how }
        } else {
            return Ok(None);
        };
        let at = Duration::from_micros(number(&object, "at")?);
        Ok(Some(Self { connection: number(&object, "connection")?, at, kind }))
    }
}

impl RecordedOpening {
    fn to_json(&self) -> Value {
        json!({
            "url": self.url,
            "time": micros(self.time),
            "version": self.version,
            "method": self.method,
            "request": fields_to_json(&self.request),
            "status": self.status,
            "response": fields_to_json(&self.response),
        })
    }

    fn from_json(value: &Value) -> Result<Self, RecordError> {
        let object = value.as_object().ok_or_else(|| fault("open is not an object"))?;
        let status = number(object, "status")?;
        Ok(Self {
            url: text(object, "url")?.to_owned(),
            time: Duration::from_micros(number(object, "time")?),
            version: text(object, "version")?.to_owned(),
            method: text(object, "method")?.to_owned(),
            request: fields(object, "request")?,
            status: u16::try_from(status).map_err(|_| fault("status is not one of HTTP"))?,
            response: fields(object, "response")?,
        })
    }

    /// Returns the value of a field of the request, the first if there are several.
    pub fn request_field(&self, name: &str) -> Option<&str> {
        field(&self.request, name)
    }

    /// Returns the value of a field of the response, the first if there are several.
    pub fn response_field(&self, name: &str) -> Option<&str> {
        field(&self.response, name)
    }

    /// Returns the negotiated compression, by the `Sec-WebSocket-Extensions` of the response.
    ///
    /// `None` if there is none, or if the response is not valid.
    pub fn deflate(&self) -> Option<DeflateParams> {
        let name = "sec-websocket-extensions";
        let named = self.response.iter().filter(|(each, _)| each.eq_ignore_ascii_case(name));
        let extensions = parse_extensions(named.map(|(_, value)| value.as_bytes())).ok()?;
        let any = DeflateConfig::default().receive_window_bits(15).send_window_bits(15);
        Some(any.check(&extensions).ok()??.params())
    }
}

/// Returns the bytes of a whole frame as this side sends it. That of a client is masked with a key
/// of zeros, which changes no byte of its payload.
pub fn frame_bytes(sender: Role, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let key = (sender == Role::Client).then_some([0; 4]);
    let header = EncodedFrameHeader::new(opcode, true, key, payload.len() as u64);
    [header.as_bytes(), payload].concat()
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = fields.iter().find(|(each, _)| each.eq_ignore_ascii_case(name));
    found.map(|(_, value)| &**value)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn side(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}

fn sender(object: &Map<String, Value>) -> Result<Role, RecordError> {
    match text(object, "from")? {
        "client" => Ok(Role::Client),
        "server" => Ok(Role::Server),
        other => Err(fault(format!("from is {other:?}, not client or server"))),
    }
}

fn fields_to_json(fields: &[(String, String)]) -> Value {
    fields.iter().map(|(name, value)| json!([name, value])).collect()
}

fn fields(object: &Map<String, Value>, name: &str) -> Result<Vec<(String, String)>, RecordError> {
    let list = object.get(name).and_then(Value::as_array);
    let list = list.ok_or_else(|| fault(format!("{name} is not a list")))?;
    let field =
        |value: &Value| Some((value[0].as_str()?.to_owned(), value[1].as_str()?.to_owned()));
    let fields: Option<Vec<_>> = list.iter().map(field).collect();
    fields.ok_or_else(|| fault(format!("{name} is not a list of names and values")))
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a str, RecordError> {
    object.get(name).and_then(Value::as_str).ok_or_else(|| fault(format!("{name} is not a text")))
}

fn number(object: &Map<String, Value>, name: &str) -> Result<u64, RecordError> {
    let number = object.get(name).and_then(Value::as_u64);
    number.ok_or_else(|| fault(format!("{name} is not a number of at least 0")))
}

fn fault(what: impl Into<String>) -> RecordError {
    RecordError(what.into())
}
