//! The stream of a request.

mod content;
mod linger;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response};
use quinn::{RecvStream, SendStream};

use crate::connection::{ConnectionHandle, ConnectionShared, quic_code};
use crate::error::Error;
use crate::error_code::{ErrorCode, RuleViolation};
use crate::frame::{FrameEvent, FrameReader, StreamKind};
use crate::frame_header::{self, FrameType};
use crate::message;
use crate::qpack::{self, Field};
use crate::receive_error::ReceiveError;
use linger::{LingeringStream, linger};

/// The stream of a request and its response, which carries a WebSocket (RFC 9220 §3).
///
/// Reading and writing transfer the content, which is in DATA frames on the wire. Reading ends
/// when the peer ends its side, like a FIN of TCP. A reset is an error of the kind
/// [`ConnectionReset`](std::io::ErrorKind::ConnectionReset). Shutting down ends the sending side.
/// The fields after the content, if there are any, are the [`trailers`](Self::trailers).
///
/// Only the last chunk read and the last one written are buffered. If the content is not read, the
/// flow control of QUIC stops the peer.
///
/// A stream that is dropped before its end is reset with `H3_REQUEST_CANCELLED`. If it is dropped
/// after its end, data that was sent still arrives.
pub struct RequestStream {
    send: SendStream,
    recv: RecvStream,
    frames: FrameReader,
    /// Received bytes that are not parsed yet.
    chunk: Bytes,
    /// Content that was not read yet.
    content: Bytes,
    /// The number of bytes of content that `content-length` still announces.
    content_remaining: Option<u64>,
    /// Frames that are not passed to the connection yet.
    write_buffer: Bytes,
    /// Whether the head of the request or response was sent.
    head_sent: bool,
    /// Whether the peer has ended its side, or this end stopped it.
    receive_ended: bool,
    send_state: SendState,
    read_error: Option<Error>,
    /// The trailer section. It is boxed, as most messages have none.
    trailers: Option<Box<HeaderMap>>,
    handle: Arc<ConnectionHandle>,
    /// The code with which the stream is reset if it is dropped.
    pub(crate) reset_on_drop: ErrorCode,
}

/// The state of the sending side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SendState {
    Open,
    Finished,
    Reset,
}

impl RequestStream {
    pub(crate) fn new(
        handle: Arc<ConnectionHandle>,
        stream_kind: StreamKind,
        send: SendStream,
        recv: RecvStream,
    ) -> Self {
        let frames = FrameReader::new(stream_kind, &handle.shared.settings);
        Self {
            send,
            recv,
            frames,
            chunk: Bytes::new(),
            content: Bytes::new(),
            content_remaining: None,
            write_buffer: Bytes::new(),
            head_sent: false,
            receive_ended: false,
            send_state: SendState::Open,
            read_error: None,
            trailers: None,
            handle,
            reset_on_drop: ErrorCode::REQUEST_CANCELLED,
        }
    }

    /// Returns the QUIC connection, which has the addresses of its ends.
    pub fn quinn(&self) -> &quinn::Connection {
        &self.handle.shared.quinn
    }

    /// Returns the identifier of the stream.
    pub fn id(&self) -> u64 {
        self.send.id().into()
    }

    /// Sends the head of the response. Only a server may call this, once; interim responses (1xx)
    /// may be sent before.
    ///
    /// # Errors
    /// [`Error::Misuse`] at a client, after the response, or if the response is not valid.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the head is sent with what is written next.
    pub async fn send_response(&mut self, response: &Response<()>) -> Result<(), Error> {
        self.queue_response(response)?;
        std::future::poll_fn(|cx| self.poll_flush_buffer(cx)).await
    }

    /// Queues the head of the response, as [`send_response`](Self::send_response) does, but without
    /// waiting. It is sent with what is written next.
    ///
    /// # Errors
    /// The same as those of [`send_response`](Self::send_response).
    pub fn queue_response(&mut self, response: &Response<()>) -> Result<(), Error> {
        if self.shared().is_client || self.head_sent {
            return Err(Error::Misuse("a response can be sent once, and only by a server"));
        }
        let fields = message::response_fields(response)?;
        self.queue_head(&fields)?;
        self.head_sent = !response.status().is_informational();
        Ok(())
    }

    /// Takes the trailer section of the received message (RFC 9114 §4.1). It is available once the
    /// content was read to its end.
    pub fn trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take().map(|trailers| *trailers)
    }

    /// Queues a trailer section after the content that was written. It is sent when the sending
    /// side is shut down; nothing may be written after it.
    ///
    /// # Errors
    /// [`Error::Misuse`] before the head or after the end, or if a field is not valid.
    pub fn queue_trailers(&mut self, trailers: &HeaderMap) -> Result<(), Error> {
        if self.send_state != SendState::Open || !self.head_sent {
            return Err(Error::Misuse(
                "trailers can be sent only after the head and before the end",
            ));
        }
        self.queue_head(&message::trailer_fields(trailers)?)
    }

    fn read_trailers(&mut self, section: &[u8]) -> Result<(), Error> {
        let fields = qpack::decode(section, &self.shared().settings);
        let trailers = fields.and_then(|fields| Ok(message::read_trailers(&fields)?));
        let trailers = trailers.map_err(|error| self.fail(error))?;
        self.trailers = Some(Box::new(trailers));
        Ok(())
    }

    /// Resets both directions at once with this code. Data that is in transit may be lost.
    pub fn reset(&mut self, code: ErrorCode) {
        self.send_state = SendState::Reset;
        let _ = self.send.reset(quic_code(code));
        if !self.receive_ended {
            let _ = self.recv.stop(quic_code(code));
        }
        self.read_error.get_or_insert(Error::Misuse("this end reset the stream"));
    }

    /// Asks the peer to stop sending, as the content is not read any more. Writing is not affected.
    pub fn stop_receiving(&mut self) {
        if !std::mem::replace(&mut self.receive_ended, true) {
            let _ = self.recv.stop(quic_code(ErrorCode::NO_ERROR));
        }
        (self.chunk, self.content) = (Bytes::new(), Bytes::new());
    }

    /// Waits until the peer asks to stop sending, has received everything, or has left.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let stopped = self.send.stopped();
        async move { drop(stopped.await) }
    }

    pub(crate) fn shared(&self) -> &Arc<ConnectionShared> {
        &self.handle.shared
    }

    /// Appends a field section to the buffered frames.
    pub(crate) fn queue_head(&mut self, fields: &[Field<'_>]) -> Result<(), Error> {
        let max = self.shared().peer_settings.borrow().and_then(|peer| peer.max_field_section_size);
        if let Some(max) = max.filter(|max| qpack::section_size(fields) > *max) {
            return Err(Error::Limit { setting: "the peer's MAX_FIELD_SECTION_SIZE", max });
        }
        let mut section = Vec::new();
        qpack::encode(fields, &mut section);
        let mut out = BytesMut::with_capacity(self.write_buffer.len() + section.len() + 8);
        out.extend_from_slice(&self.write_buffer);
        frame_header::encode_header(FrameType::HEADERS, section.len() as u64, &mut out);
        out.extend_from_slice(&section);
        self.write_buffer = out.freeze();
        Ok(())
    }

    /// Records that the head of the request was queued, so that content may be written.
    pub(crate) fn mark_head_sent(&mut self) {
        self.head_sent = true;
    }

    /// Waits for the next head. Returns `None` if the stream has ended. Buffered frames are written
    /// meanwhile.
    pub(crate) async fn next_head(&mut self) -> Result<Option<Vec<Field<'static>>>, Error> {
        let event = std::future::poll_fn(|cx| {
            // An error of writing does not matter: the peer may respond before it has read the
            // content.
            let _ = self.poll_flush_buffer(cx);
            self.poll_event(cx)
        });
        let Some(FrameEvent::Headers(section)) = event.await? else { return Ok(None) };
        let fields = qpack::decode(&section, &self.shared().settings);
        fields.map(Some).map_err(|error| self.fail(error))
    }

    /// Records that the head was that of the message itself, whose content follows.
    pub(crate) fn begin_content(
        &mut self,
        headers: &HeaderMap,
        is_tunnel: bool,
        may_be_empty: bool,
    ) -> Result<(), Error> {
        self.frames.begin_content(is_tunnel);
        if is_tunnel || may_be_empty {
            return Ok(());
        }
        let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
        let Some(first) = lengths.next() else { return Ok(()) };
        let digits = first.to_str().ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        let length = digits.and_then(|text| text.parse().ok());
        if length.is_none() || lengths.any(|other| other != first) {
            let reason = "content-length is not a valid length (RFC 9114 §4.1.2)";
            return Err(
                self.fail(RuleViolation::stream_error(ErrorCode::MESSAGE_ERROR, reason).into())
            );
        }
        self.content_remaining = length;
        Ok(())
    }

    /// Closes the stream, or the connection, because of an error in received data.
    pub(crate) fn fail(&mut self, error: ReceiveError) -> Error {
        let error = match error {
            ReceiveError::Protocol(violation) if violation.is_connection_error => {
                self.shared().fail(violation)
            }
            // A server responds to this error with 431, so the stream stays open.
            ReceiveError::Limit { .. } if !self.shared().is_client => error.into(),
            other => {
                self.reset(other.code());
                other.into()
            }
        };
        self.read_error = Some(error.clone());
        error
    }
}

impl Drop for RequestStream {
    fn drop(&mut self) {
        if self.send_state == SendState::Open {
            let _ = self.send.reset(quic_code(self.reset_on_drop));
        }
        if !self.receive_ended {
            // RFC 9114 §4.1: after a complete response a server may stop reading the request with
            // H3_NO_ERROR.
            let has_responded = self.send_state == SendState::Finished && !self.shared().is_client;
            let reason = if has_responded { ErrorCode::NO_ERROR } else { self.reset_on_drop };
            let _ = self.recv.stop(quic_code(reason));
        }
        if self.send_state == SendState::Finished
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
        f.debug_struct("RequestStream").field("id", &self.id()).finish_non_exhaustive()
    }
}
