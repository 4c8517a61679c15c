//! Frames (RFC 9114 §7), as they flow.
//!
//! ```text
//!  control stream    SETTINGS ─▶ GOAWAY, MAX_PUSH_ID …              unknown frames: anywhere,
//!  request stream    HEADERS (interim) … HEADERS ─▶ DATA … ─▶ HEADERS (trailers)      skipped
//!  after a CONNECT   HEADERS ─▶ DATA …
//! ```

use bytes::{Buf as _, Bytes, BytesMut};

use crate::error_code::{ErrorCode, RuleViolation};
use crate::frame_header::decode_header;
use crate::receive_error::ReceiveError;
use crate::settings::LocalSettings;
use crate::varint;

pub use crate::frame_header::{FrameType, encode_header};

/// The most bytes of SETTINGS: some hundreds of them.
const MAX_SETTINGS: u64 = 4096;

/// A kind of stream, as its receiver sees it.
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

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameEvent {
    /// A piece of the content. Pieces of one frame, or several, are the same to the reader.
    Data(Bytes),
    /// A whole field section.
    Headers(Bytes),
    /// The payload of SETTINGS.
    Settings(Bytes),
    /// The identifier of a GOAWAY.
    GoAway(u64),
    /// How many pushes a client allows.
    MaxPushId(u64),
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExpectedFrame {
    /// SETTINGS, or HEADERS.
    First,
    /// On a control stream anything but SETTINGS; on a request stream content.
    Body,
    /// Content of a tunnel: trailers can't follow (RFC 9114 §4.4).
    Tunnel,
    /// Nothing that is known.
    Trailers,
}

/// Where in a frame the reader is.
#[derive(Debug)]
enum FramePosition {
    /// In its type or length: what there is of them.
    Header { bytes: [u8; 16], filled: usize },
    /// In DATA: so many bytes are to come.
    Data(u64),
    /// In a frame of no matter.
    Skipped(u64),
    /// In one that is wanted whole.
    Gathered { kind: FrameType, left: usize, payload: BytesMut },
}

const HEADER: FramePosition = FramePosition::Header { bytes: [0; 16], filled: 0 };

/// Takes the frames of one stream apart.
///
/// Give it what comes by [`read`](Self::read), which hands out events until it has used up
/// its input, and say by [`finish`](Self::finish) when the stream has ended. DATA is handed
/// on in pieces and unknown frames are skipped as they flow; what is gathered is bounded by
/// the settings, and grows with what has come, not with what was announced.
#[derive(Debug)]
pub struct FrameReader {
    place: StreamKind,
    phase: ExpectedFrame,
    inside: FramePosition,
    max_headers: u64,
}

impl FrameReader {
    /// A reader at the beginning of a stream, behind the stream's type where it has one.
    pub fn new(place: StreamKind, limits: &LocalSettings) -> Self {
        let max_headers = limits.max_field_section_size;
        Self { place, phase: ExpectedFrame::First, inside: HEADER, max_headers }
    }

    /// The head is complete: no interim response, but the real one. Content follows, or the
    /// bytes of a tunnel, which have no trailers.
    pub fn head_is_done(&mut self, is_tunnel: bool) {
        self.phase = if is_tunnel { ExpectedFrame::Tunnel } else { ExpectedFrame::Body };
    }

    /// How many bytes of the current DATA frame are still to come.
    pub fn data_left(&self) -> u64 {
        match self.inside {
            FramePosition::Data(left) => left,
            _ => 0,
        }
    }

    /// So many of them, at most [`data_left`](Self::data_left), were read elsewhere.
    pub fn skip_data(&mut self, length: u64) {
        if let FramePosition::Data(left) = &mut self.inside {
            *left = left.saturating_sub(length);
            if *left == 0 {
                self.inside = HEADER;
            }
        }
    }

    /// The next event, or `None` where more input is needed; then all of it is used up.
    pub fn read(&mut self, input: &mut Bytes) -> Result<Option<FrameEvent>, ReceiveError> {
        while !input.is_empty() {
            match &mut self.inside {
                FramePosition::Header { bytes, filled } => {
                    bytes[*filled] = input.get_u8();
                    *filled += 1;
                    if let Some((kind, length)) = decode_header(&bytes[..*filled]) {
                        self.inside = self.begin(kind, length)?;
                        if let Some(event) = self.gathered()? {
                            return Ok(Some(event));
                        }
                    }
                }
                FramePosition::Data(left) => {
                    let data = split(input, *left);
                    self.skip_data(data.len() as u64);
                    return Ok(Some(FrameEvent::Data(data)));
                }
                FramePosition::Skipped(left) => {
                    *left -= split(input, *left).len() as u64;
                    if *left == 0 {
                        self.inside = HEADER;
                    }
                }
                FramePosition::Gathered { left, payload, .. } => {
                    let piece = split(input, *left as u64);
                    *left -= piece.len();
                    payload.extend_from_slice(&piece);
                    if let Some(event) = self.gathered()? {
                        return Ok(Some(event));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The stream has ended: whether it may, here (RFC 9114 §7.1).
    pub fn finish(&self) -> Result<(), RuleViolation> {
        if matches!(self.inside, FramePosition::Header { filled: 0, .. }) {
            return Ok(());
        }
        Err(RuleViolation::connection(
            ErrorCode::FRAME_ERROR,
            "the stream ends within a frame (RFC 9114 §7.1)",
        ))
    }

    /// What to do with a frame of this type.
    fn begin(&mut self, kind: FrameType, length: u64) -> Result<FramePosition, ReceiveError> {
        let unexpected =
            |why| Err(RuleViolation::connection(ErrorCode::FRAME_UNEXPECTED, why).into());
        let (place, phase) = (self.place, self.phase);
        if place.is_control() && phase == ExpectedFrame::First {
            if kind != FrameType::SETTINGS {
                let why = "a control stream begins with SETTINGS (RFC 9114 §6.2.1)";
                return Err(RuleViolation::connection(ErrorCode::MISSING_SETTINGS, why).into());
            }
            self.phase = ExpectedFrame::Body;
            return gather(kind, length, MAX_SETTINGS);
        }
        match kind {
            FrameType(0x02 | 0x06 | 0x08 | 0x09) => {
                unexpected("a type of frame of HTTP/2 (RFC 9114 §7.2.8)")
            }
            FrameType::SETTINGS => unexpected("SETTINGS once more (RFC 9114 §7.2.4)"),
            FrameType::DATA | FrameType::HEADERS | FrameType::PUSH_PROMISE
                if place.is_control() =>
            {
                unexpected("a frame of requests on a control stream (RFC 9114 §7.2)")
            }
            FrameType::CANCEL_PUSH | FrameType::GOAWAY | FrameType::MAX_PUSH_ID
                if !place.is_control() =>
            {
                unexpected("a frame of control streams on a request stream (RFC 9114 §7.2)")
            }
            FrameType::DATA => match phase {
                ExpectedFrame::First => unexpected("DATA before HEADERS (RFC 9114 §4.1)"),
                ExpectedFrame::Trailers => unexpected("DATA behind trailers (RFC 9114 §4.1)"),
                ExpectedFrame::Body | ExpectedFrame::Tunnel if length == 0 => Ok(HEADER),
                ExpectedFrame::Body | ExpectedFrame::Tunnel => Ok(FramePosition::Data(length)),
            },
            FrameType::HEADERS => match phase {
                ExpectedFrame::First => gather(kind, length, self.max_headers),
                ExpectedFrame::Body => {
                    self.phase = ExpectedFrame::Trailers;
                    gather(kind, length, self.max_headers)
                }
                ExpectedFrame::Tunnel => unexpected("HEADERS within a tunnel (RFC 9114 §4.4)"),
                ExpectedFrame::Trailers => unexpected("HEADERS behind trailers (RFC 9114 §4.1)"),
            },
            // No push was ever allowed, so none has an identifier.
            FrameType::PUSH_PROMISE if place == StreamKind::Response => {
                let why = "a push that was not allowed (RFC 9114 §7.2.5)";
                Err(RuleViolation::connection(ErrorCode::ID_ERROR, why).into())
            }
            FrameType::PUSH_PROMISE => unexpected("a push by a client (RFC 9114 §7.2.5)"),
            FrameType::CANCEL_PUSH => {
                let why = "CANCEL_PUSH of a push that there is not (RFC 9114 §7.2.3)";
                Err(RuleViolation::connection(ErrorCode::ID_ERROR, why).into())
            }
            FrameType::MAX_PUSH_ID if place == StreamKind::ServerControl => {
                unexpected("MAX_PUSH_ID of a server (RFC 9114 §7.2.7)")
            }
            FrameType::GOAWAY | FrameType::MAX_PUSH_ID => gather(kind, length, 8),
            // §9: the unknown is ignored.
            FrameType(_) => Ok(skip(length)),
        }
    }

    /// The event of a gathered frame, if it is whole.
    fn gathered(&mut self) -> Result<Option<FrameEvent>, ReceiveError> {
        let FramePosition::Gathered { kind, left: 0, payload } = &mut self.inside else {
            return Ok(None);
        };
        let (kind, payload) = (*kind, payload.split().freeze());
        self.inside = HEADER;
        let identifier = || match varint::decode(&payload) {
            Some((value, length)) if length == payload.len() => Ok(value),
            _ => {
                let why = "the frame is not as long as its content (RFC 9114 §7.1)";
                Err(RuleViolation::connection(ErrorCode::FRAME_ERROR, why))
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

fn skip(length: u64) -> FramePosition {
    if length == 0 { HEADER } else { FramePosition::Skipped(length) }
}

fn gather(kind: FrameType, length: u64, most: u64) -> Result<FramePosition, ReceiveError> {
    if length > most {
        return Err(match kind {
            FrameType::HEADERS => ReceiveError::Limit { setting: "max_field_section_size", most },
            FrameType::SETTINGS => RuleViolation::connection(
                ErrorCode::EXCESSIVE_LOAD,
                "SETTINGS of more than 4096 bytes",
            )
            .into(),
            _ => {
                let why = "the frame is longer than its content (RFC 9114 §7.1)";
                RuleViolation::connection(ErrorCode::FRAME_ERROR, why).into()
            }
        });
    }
    // What doesn't fit in the address space could not be read either.
    let left = usize::try_from(length).unwrap_or(usize::MAX);
    Ok(FramePosition::Gathered { kind, left, payload: BytesMut::new() })
}

/// Up to so many bytes of the input.
fn split(input: &mut Bytes, most: u64) -> Bytes {
    let length = usize::try_from(most).map_or(input.len(), |most| most.min(input.len()));
    input.split_to(length)
}

#[cfg(test)]
mod tests;
