//! A request stream, and the transport that it is.

mod content;
mod linger;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response};
use quinn::{RecvStream, SendStream};

use crate::connection::{ConnectionHandle, ConnectionShared, code};
use crate::error::Error;
use crate::error_code::{ErrorCode, RuleViolation};
use crate::frame::{FrameEvent, FrameReader, StreamKind};
use crate::frame_header::{self, FrameType};
use crate::message;
use crate::qpack::{self, Field};
use crate::receive_error::ReceiveError;
use linger::{LingeringStream, linger};

/// The stream of a request and its response: what a WebSocket runs on (RFC 9220 §3).
///
/// What is read and written is the content, in DATA frames on the wire. The peer's end of
/// the stream is the end of what is read, as the FIN of TCP is; a reset is an error of the
/// kind [`ConnectionReset`](std::io::ErrorKind::ConnectionReset). Shutting down ends the sending
/// side. The fields behind the content, if there are any, are its [`trailers`](Self::trailers).
///
/// Nothing is buffered but the last chunk read and the last one written: whoever doesn't read
/// stops the peer, by the flow control of QUIC.
///
/// Dropped before its end, it is reset with `H3_REQUEST_CANCELLED`. Dropped after it, what is
/// on the way still arrives.
pub struct RequestStream {
    send: SendStream,
    recv: RecvStream,
    frames: FrameReader,
    /// Received, and not taken apart.
    chunk: Bytes,
    /// Content that was not asked for yet.
    content: Bytes,
    /// What `content-length` still promises.
    content_left: Option<u64>,
    /// Framed, and not taken by the connection.
    out: Bytes,
    /// Whether the head was sent: of the request, or of the response.
    is_open: bool,
    /// The peer has ended its side.
    is_ended: bool,
    sending: SendState,
    failed: Option<Error>,
    /// The trailer section, boxed as most messages have none.
    trailers: Option<Box<HeaderMap>>,
    handle: Arc<ConnectionHandle>,
    /// What the stream is reset with if it is dropped.
    pub(crate) dropped: ErrorCode,
}

/// This end's side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SendState {
    Open,
    Finished,
    Reset,
}

impl RequestStream {
    pub(crate) fn new(
        handle: Arc<ConnectionHandle>,
        place: StreamKind,
        send: SendStream,
        recv: RecvStream,
    ) -> Self {
        let frames = FrameReader::new(place, &handle.0.settings);
        Self {
            send,
            recv,
            frames,
            chunk: Bytes::new(),
            content: Bytes::new(),
            content_left: None,
            out: Bytes::new(),
            is_open: false,
            is_ended: false,
            sending: SendState::Open,
            failed: None,
            trailers: None,
            handle,
            dropped: ErrorCode::REQUEST_CANCELLED,
        }
    }

    /// The number of the stream.
    pub fn id(&self) -> u64 {
        self.send.id().into()
    }

    /// Sends the head of the response; for servers, once. Interim responses (1xx) may go
    /// before it.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the head leaves with what is written next.
    pub async fn send_response(&mut self, response: &Response<()>) -> Result<(), Error> {
        self.queue_response(response)?;
        std::future::poll_fn(|cx| self.poll_out(cx)).await
    }

    /// The same without waiting: the head leaves with what is written next.
    pub fn queue_response(&mut self, response: &Response<()>) -> Result<(), Error> {
        if self.shared().is_client || self.is_open {
            return Err(Error::Misuse("there is nothing to be answered here"));
        }
        let fields = message::response_fields(response)?;
        self.queue_head(&fields)?;
        self.is_open = !response.status().is_informational();
        Ok(())
    }

    /// Takes the trailer section of the message (RFC 9114 §4.1). It is there once the end of the
    /// content was read.
    pub fn trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take().map(|trailers| *trailers)
    }

    /// Adds a trailer section behind the content that was written. It leaves with the end of the
    /// sending side; nothing can be written behind it.
    pub fn queue_trailers(&mut self, trailers: &HeaderMap) -> Result<(), Error> {
        if self.sending != SendState::Open || !self.is_open {
            return Err(Error::Misuse("a trailer section goes behind a head and its content"));
        }
        self.queue_head(&message::trailer_fields(trailers)?)
    }

    fn read_trailers(&mut self, section: &[u8]) -> Result<(), Error> {
        let fields = qpack::decode(section, &self.shared().settings);
        let trailers = fields.and_then(|fields| Ok(message::read_trailers(&fields)?));
        let trailers = trailers.map_err(|refused| self.refuse(refused))?;
        self.trailers = Some(Box::new(trailers));
        Ok(())
    }

    /// Ends both directions at once with this code, whatever is on the way.
    pub fn reset(&mut self, why: ErrorCode) {
        self.sending = SendState::Reset;
        let _ = self.send.reset(code(why));
        if !self.is_ended {
            let _ = self.recv.stop(code(why));
        }
        self.failed.get_or_insert(Error::Misuse("this end reset the stream"));
    }

    /// Asks the peer to send nothing more, as nobody reads it. What is written goes on.
    pub fn stop_receiving(&mut self) {
        if !std::mem::replace(&mut self.is_ended, true) {
            let _ = self.recv.stop(code(ErrorCode::NO_ERROR));
        }
        (self.chunk, self.content) = (Bytes::new(), Bytes::new());
    }

    pub(crate) fn shared(&self) -> &Arc<ConnectionShared> {
        &self.handle.0
    }

    /// Puts a head behind what is to be written.
    pub(crate) fn queue_head(&mut self, fields: &[Field<'_>]) -> Result<(), Error> {
        let most = self.shared().peer.borrow().and_then(|peer| peer.max_field_section_size);
        if let Some(most) = most.filter(|most| qpack::size(fields) > *most) {
            return Err(Error::Limit { setting: "the peer's MAX_FIELD_SECTION_SIZE", most });
        }
        let mut section = Vec::new();
        qpack::encode(fields, &mut section);
        let mut out = BytesMut::with_capacity(self.out.len() + section.len() + 8);
        out.extend_from_slice(&self.out);
        frame_header::encode_header(FrameType::HEADERS, section.len() as u64, &mut out);
        out.extend_from_slice(&section);
        self.out = out.freeze();
        Ok(())
    }

    /// The head of a request was queued: content may follow.
    pub(crate) fn open(&mut self) {
        self.is_open = true;
    }

    /// The next head; `None` if the stream has ended. What waits to be written is.
    pub(crate) async fn next_head(&mut self) -> Result<Option<Vec<Field<'static>>>, Error> {
        let event = std::future::poll_fn(|cx| {
            // The peer may answer before it has read all, or anything.
            let _ = self.poll_out(cx);
            self.poll_event(cx)
        });
        let Some(FrameEvent::Headers(section)) = event.await? else { return Ok(None) };
        let fields = qpack::decode(&section, &self.shared().settings);
        fields.map(Some).map_err(|refused| self.refuse(refused))
    }

    /// The head was the message's own: its content follows.
    pub(crate) fn begin_content(
        &mut self,
        headers: &HeaderMap,
        is_tunnel: bool,
        may_be_empty: bool,
    ) -> Result<(), Error> {
        self.frames.head_is_done(is_tunnel);
        if is_tunnel || may_be_empty {
            return Ok(());
        }
        let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
        let Some(first) = lengths.next() else { return Ok(()) };
        let digits = first.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        let length = digits.and_then(|text| text.parse().ok());
        if length.is_none() || lengths.any(|other| other != first) {
            let why = "content-length is no length (RFC 9114 §4.1.2)";
            return Err(self.refuse(RuleViolation::stream(ErrorCode::MESSAGE_ERROR, why).into()));
        }
        self.content_left = length;
        Ok(())
    }

    /// Ends the stream, or the connection, over what came.
    pub(crate) fn refuse(&mut self, refused: ReceiveError) -> Error {
        let error = match refused {
            ReceiveError::Fault(fault) if fault.is_of_connection => self.shared().fail(fault),
            // Which a server answers.
            ReceiveError::Limit { .. } if !self.shared().is_client => refused.into(),
            other => {
                self.reset(other.code());
                other.into()
            }
        };
        self.failed = Some(error.clone());
        error
    }
}

impl Drop for RequestStream {
    fn drop(&mut self) {
        if self.sending == SendState::Open {
            let _ = self.send.reset(code(self.dropped));
        }
        if !self.is_ended {
            // RFC 9114 §4.1: a response that is whole needs no more of the request.
            let done = self.sending == SendState::Finished && !self.shared().is_client;
            let why = if done { ErrorCode::NO_ERROR } else { self.dropped };
            let _ = self.recv.stop(code(why));
        }
        if self.sending == SendState::Finished
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (stopped, lingering) =
                (self.send.stopped(), LingeringStream::new(self.handle.clone()));
            runtime.spawn(async move { linger(stopped, &lingering.0).await });
        }
    }
}

impl std::fmt::Debug for RequestStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("id", &self.id()).finish_non_exhaustive()
    }
}
