//! The reader of frames (RFC 9114 §7).
//!
//! ```text
//!  control stream    SETTINGS ─▶ GOAWAY, MAX_PUSH_ID …
//!  request stream    HEADERS (interim) … HEADERS ─▶ DATA … ─▶ HEADERS (trailers)
//!  after a CONNECT   HEADERS ─▶ DATA …
//! ```
//!
//! Unknown frames may be anywhere, and are skipped.

use bytes::{Buf as _, Bytes, BytesMut};

use crate::error_code::{ErrorCode, RuleViolation};
use crate::frame_header::decode_header;
use crate::receive_error::ReceiveError;
use crate::settings::LocalSettings;
use crate::varint;

pub use crate::frame_header::{FrameType, encode_header};

/// The maximum length of SETTINGS in bytes, which is enough for hundreds of settings.
const MAX_SETTINGS: u64 = 4096;

/// The position before a frame. A header has two integers of at most 8 bytes each.
const HEADER: FramePosition = FramePosition::Header { bytes: [0; 16], filled: 0 };

/// The kind of a stream, from the view of its receiver.
///
/// It is complete: WebSockets need no other kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// The server's control stream, at a client.
    ServerControl,
    /// The client's control stream, at a server.
    ClientControl,
    /// A request stream at a server: the request.
    Request,
    /// A request stream at a client: the response.
    Response,
}

impl StreamKind {
    fn is_control(self) -> bool {
        matches!(self, Self::ServerControl | Self::ClientControl)
    }
}

/// A frame, or a part of one, that was received.
///
/// It is complete: frames of other types are ignored, or break a rule (RFC 9114 §9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameEvent {
    /// A piece of the content. Its limits do not depend on those of frames.
    Data(Bytes),
    /// A complete field section.
    Headers(Bytes),
    /// The payload of SETTINGS.
    Settings(Bytes),
    /// The identifier of a GOAWAY.
    GoAway(u64),
    /// The maximum push identifier that a client allows.
    MaxPushId(u64),
}

/// The frame that may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExpectedFrame {
    /// SETTINGS, or HEADERS.
    First,
    /// On a control stream any frame except SETTINGS; on a request stream content or trailers.
    Body,
    /// Content of a tunnel, without trailers (RFC 9114 §4.4).
    Tunnel,
    /// Only frames of unknown types.
    AfterTrailers,
}

/// The position of the reader in a frame.
#[derive(Debug)]
enum FramePosition {
    /// In the type or length, of which these bytes have arrived.
    Header { bytes: [u8; 16], filled: usize },
    /// In DATA, of which this many bytes remain.
    Data(u64),
    /// In a frame that is ignored, of which this many bytes remain.
    Skipped(u64),
    /// In a frame whose payload is collected.
    Buffered { kind: FrameType, remaining: usize, payload: BytesMut },
}

/// A reader of the frames of one stream.
///
/// Pass received bytes to [`read`](Self::read), which returns events until it has consumed its
/// input, and call [`finish`](Self::finish) when the stream has ended. DATA is returned in pieces,
/// and unknown frames are skipped. The payload of other frames is buffered. The settings bound its
/// length, and memory grows with the bytes received, not with the length announced.
#[derive(Debug)]
pub struct FrameReader {
    stream_kind: StreamKind,
    expected: ExpectedFrame,
    position: FramePosition,
    max_field_section_size: u64,
}

impl FrameReader {
    /// Creates a reader for a stream. The type of a unidirectional stream must be read before.
    pub fn new(stream_kind: StreamKind, limits: &LocalSettings) -> Self {
        let max_field_section_size = limits.max_field_section_size;
        Self {
            stream_kind,
            expected: ExpectedFrame::First,
            position: HEADER,
            max_field_section_size,
        }
    }

    /// Records that the head is complete and not that of an interim response. Content follows, or
    /// the bytes of a tunnel, which has no trailers.
    pub fn begin_content(&mut self, is_tunnel: bool) {
        self.expected = if is_tunnel { ExpectedFrame::Tunnel } else { ExpectedFrame::Body };
    }

    /// Returns the number of bytes that remain of the current DATA frame.
    pub fn data_remaining(&self) -> u64 {
        match self.position {
            FramePosition::Data(remaining) => remaining,
            _ => 0,
        }
    }

    /// Records that `length` bytes of the current DATA frame, at most
    /// [`data_remaining`](Self::data_remaining), were read without this reader.
    pub fn skip_data(&mut self, length: u64) {
        if let FramePosition::Data(remaining) = &mut self.position {
            *remaining = remaining.saturating_sub(length);
            if *remaining == 0 {
                self.position = HEADER;
            }
        }
    }

    /// Returns the next event. Returns `None` if more input is needed; all of it is then consumed.
    ///
    /// # Errors
    /// If a frame breaks a rule, or exceeds a limit.
    pub fn read(&mut self, input: &mut Bytes) -> Result<Option<FrameEvent>, ReceiveError> {
        while !input.is_empty() {
            match &mut self.position {
                FramePosition::Header { bytes, filled } => {
                    bytes[*filled] = input.get_u8();
                    *filled += 1;
                    if let Some((kind, length)) = decode_header(&bytes[..*filled]) {
                        self.position = self.start_frame(kind, length)?;
                        if let Some(event) = self.finish_frame()? {
                            return Ok(Some(event));
                        }
                    }
                }
                FramePosition::Data(remaining) => {
                    let data = split_up_to(input, *remaining);
                    self.skip_data(data.len() as u64);
                    return Ok(Some(FrameEvent::Data(data)));
                }
                FramePosition::Skipped(remaining) => {
                    *remaining -= split_up_to(input, *remaining).len() as u64;
                    if *remaining == 0 {
                        self.position = HEADER;
                    }
                }
                FramePosition::Buffered { remaining, payload, .. } => {
                    let piece = split_up_to(input, *remaining as u64);
                    *remaining -= piece.len();
                    payload.extend_from_slice(&piece);
                    if let Some(event) = self.finish_frame()? {
                        return Ok(Some(event));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Checks that the stream may end at this position (RFC 9114 §7.1).
    ///
    /// # Errors
    /// If the stream ends within a frame.
    pub fn finish(&self) -> Result<(), RuleViolation> {
        if matches!(self.position, FramePosition::Header { filled: 0, .. }) {
            return Ok(());
        }
        Err(RuleViolation::connection_error(
            ErrorCode::FRAME_ERROR,
            "the stream ends within a frame (RFC 9114 §7.1)",
        ))
    }

    /// Returns how to read the payload of a frame of this type, if it is allowed here.
    fn start_frame(&mut self, kind: FrameType, length: u64) -> Result<FramePosition, ReceiveError> {
        let unexpected = |reason| {
            Err(RuleViolation::connection_error(ErrorCode::FRAME_UNEXPECTED, reason).into())
        };
        let (stream_kind, expected) = (self.stream_kind, self.expected);
        if stream_kind.is_control() && expected == ExpectedFrame::First {
            if kind != FrameType::SETTINGS {
                let reason = "a control stream does not begin with SETTINGS (RFC 9114 §6.2.1)";
                return Err(
                    RuleViolation::connection_error(ErrorCode::MISSING_SETTINGS, reason).into()
                );
            }
            self.expected = ExpectedFrame::Body;
            return buffer_frame(kind, length, MAX_SETTINGS);
        }
        match kind {
            FrameType(0x02 | 0x06 | 0x08 | 0x09) => {
                unexpected("a frame type of HTTP/2 (RFC 9114 §7.2.8)")
            }
            FrameType::SETTINGS => unexpected("a second SETTINGS frame (RFC 9114 §7.2.4)"),
            FrameType::DATA | FrameType::HEADERS | FrameType::PUSH_PROMISE
                if stream_kind.is_control() =>
            {
                unexpected("a frame of requests on a control stream (RFC 9114 §7.2)")
            }
            FrameType::CANCEL_PUSH | FrameType::GOAWAY | FrameType::MAX_PUSH_ID
                if !stream_kind.is_control() =>
            {
                unexpected("a frame of control streams on a request stream (RFC 9114 §7.2)")
            }
            FrameType::DATA => match expected {
                ExpectedFrame::First => unexpected("DATA before HEADERS (RFC 9114 §4.1)"),
                ExpectedFrame::AfterTrailers => unexpected("DATA after trailers (RFC 9114 §4.1)"),
                ExpectedFrame::Body | ExpectedFrame::Tunnel if length == 0 => Ok(HEADER),
                ExpectedFrame::Body | ExpectedFrame::Tunnel => Ok(FramePosition::Data(length)),
            },
            FrameType::HEADERS => match expected {
                ExpectedFrame::First => buffer_frame(kind, length, self.max_field_section_size),
                ExpectedFrame::Body => {
                    self.expected = ExpectedFrame::AfterTrailers;
                    buffer_frame(kind, length, self.max_field_section_size)
                }
                ExpectedFrame::Tunnel => unexpected("HEADERS within a tunnel (RFC 9114 §4.4)"),
                ExpectedFrame::AfterTrailers => {
                    unexpected("HEADERS after trailers (RFC 9114 §4.1)")
                }
            },
            // This end never allows a push, so no push identifier is valid.
            FrameType::PUSH_PROMISE if stream_kind == StreamKind::Response => {
                let reason = "a push that was not allowed (RFC 9114 §7.2.5)";
                Err(RuleViolation::connection_error(ErrorCode::ID_ERROR, reason).into())
            }
            FrameType::PUSH_PROMISE => unexpected("a push by a client (RFC 9114 §7.2.5)"),
            FrameType::CANCEL_PUSH => {
                let reason = "CANCEL_PUSH of a push that does not exist (RFC 9114 §7.2.3)";
                Err(RuleViolation::connection_error(ErrorCode::ID_ERROR, reason).into())
            }
            FrameType::MAX_PUSH_ID if stream_kind == StreamKind::ServerControl => {
                unexpected("MAX_PUSH_ID from a server (RFC 9114 §7.2.7)")
            }
            FrameType::GOAWAY | FrameType::MAX_PUSH_ID => buffer_frame(kind, length, 8),
            // §9: unknown frames are ignored.
            FrameType(_) => Ok(skip_frame(length)),
        }
    }

    /// Returns the event of a buffered frame, if it is complete.
    fn finish_frame(&mut self) -> Result<Option<FrameEvent>, ReceiveError> {
        let FramePosition::Buffered { kind, remaining: 0, payload } = &mut self.position else {
            return Ok(None);
        };
        let (kind, payload) = (*kind, payload.split().freeze());
        self.position = HEADER;
        let identifier = || match varint::decode(&payload) {
            Some((value, length)) if length == payload.len() => Ok(value),
            _ => {
                let reason = "the length of the frame does not match its content (RFC 9114 §7.1)";
                Err(RuleViolation::connection_error(ErrorCode::FRAME_ERROR, reason))
            }
        };
        Ok(Some(match kind {
            FrameType::HEADERS => FrameEvent::Headers(payload),
            FrameType::SETTINGS => FrameEvent::Settings(payload),
            FrameType::GOAWAY => FrameEvent::GoAway(identifier()?),
            _ => FrameEvent::MaxPushId(identifier()?),
        }))
    }
}

fn skip_frame(length: u64) -> FramePosition {
    if length == 0 { HEADER } else { FramePosition::Skipped(length) }
}

fn buffer_frame(kind: FrameType, length: u64, max: u64) -> Result<FramePosition, ReceiveError> {
    if length > max {
        return Err(match kind {
            FrameType::HEADERS => ReceiveError::Limit { setting: "max_field_section_size", max },
            FrameType::SETTINGS => RuleViolation::connection_error(
                ErrorCode::EXCESSIVE_LOAD,
                "SETTINGS of more than 4096 bytes",
            )
            .into(),
            _ => {
                let reason = "the frame is longer than its content (RFC 9114 §7.1)";
                RuleViolation::connection_error(ErrorCode::FRAME_ERROR, reason).into()
            }
        });
    }
    // A payload that does not fit in the address space could not be received either.
    let remaining = usize::try_from(length).unwrap_or(usize::MAX);
    Ok(FramePosition::Buffered { kind, remaining, payload: BytesMut::new() })
}

/// Splits up to `max` bytes off the input.
fn split_up_to(input: &mut Bytes, max: u64) -> Bytes {
    let length = usize::try_from(max).map_or(input.len(), |max| max.min(input.len()));
    input.split_to(length)
}

#[cfg(test)]
mod tests;
