//! The sending half: messages and control frames in, bytes for the transport out.
//!
//! ```text
//!              ┌ urgent: pings and pongs, one slot each; sent at the next frame boundary
//! outgoing() ──┼ queue:  sealed segments: long payloads, referenced, not copied
//!              └ tail:   the frames of small messages, gathered for one write
//! ```

mod batch;
mod buffer;
mod config;
mod control;
mod frame_start;
mod frames;
mod messages;
mod outgoing;

use alloc::boxed::Box;

use bytes::BytesMut;

use crate::close::CloseFrame;
use crate::close_info::CloseInfo;
#[cfg(feature = "deflate")]
use crate::deflate::PerMessageDeflate;
use crate::deflate::{Compression, Compressor};
#[cfg(feature = "deflate")]
use crate::frame::Role;
use crate::frame::{MAX_CONTROL_PAYLOAD, OpCode};
use crate::mask::MaskSource;

pub use batch::FrameBatch;
pub use buffer::SendBuffer;
pub use config::{SendConfig, SendError};
pub(crate) use control::ControlKind;
use control::ControlQueue;
use frame_start::FrameStart;
use frames::FragmentState;
pub use outgoing::Outgoing;

/// Encodes messages and control frames into bytes for the transport. It is the part of a
/// [`Session`](crate::Session) that knows frames, but neither states nor times.
#[derive(Debug)]
pub(crate) struct Sender {
    masks: Option<Box<dyn MaskSource>>,
    /// A `u32`, as is the next one: each connection has these fields.
    high_water: u32,
    fragment_size: u32,
    /// The queued messages; `None` for an idle connection. It is lent by the caller, or allocated
    /// here.
    buffer: Option<Box<SendBuffer>>,
    /// Queued pings and pongs: seldom present, and mostly for a moment.
    controls: Option<Box<ControlQueue>>,
    buffered: usize,
    /// Whether the front of `queue` continues a frame, so that no other frame may be inserted
    /// before it.
    in_frame: bool,
    /// The unfinished message that was started by `send_fragment`.
    fragmenting: Option<FragmentState>,
    close_queued: bool,
    /// The number of bytes written since this was last asked for; it saturates.
    progress: u16,
    deflate: Option<Box<Compressor>>,
    /// The session's record of the closing. It is here because only the sender knows whether the
    /// Close was written.
    pub(crate) info: Option<Box<CloseInfo>>,
}

impl Sender {
    /// Creates a client's sender, which masks each frame with a fresh key (§5.1, §5.3).
    pub(crate) fn client(masks: Box<dyn MaskSource>, config: SendConfig) -> Self {
        Self::new(Some(masks), config)
    }

    /// Creates a server's sender, which masks nothing (§5.1).
    pub(crate) fn server(config: SendConfig) -> Self {
        Self::new(None, config)
    }

    fn new(masks: Option<Box<dyn MaskSource>>, config: SendConfig) -> Self {
        Self {
            masks,
            high_water: u32::try_from(config.high_water).unwrap_or(u32::MAX).max(1),
            fragment_size: u32::try_from(config.fragment_size).unwrap_or(u32::MAX).max(1),
            buffer: None,
            controls: None,
            buffered: 0,
            in_frame: false,
            fragmenting: None,
            close_queued: false,
            progress: 0,
            deflate: None,
            info: None,
        }
    }

    /// Enables permessage-deflate with the negotiated parameters.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub(crate) fn with_deflate(mut self, deflate: &PerMessageDeflate) -> Self {
        let role = if self.masks.is_some() { Role::Client } else { Role::Server };
        self.deflate = Some(Box::new(Compressor::new(deflate, role)));
        self
    }

    /// Whether messages may be compressed.
    pub(crate) fn compresses(&self) -> bool {
        self.deflate.is_some()
    }

    /// Whether a message of this length would be compressed now, or compression attempted.
    pub(crate) fn would_compress(&self, len: usize, compression: Compression) -> bool {
        self.deflate.as_ref().is_some_and(|deflate| deflate.would_compress(len, compression))
    }

    /// Returns the window (as a number of bits) for which prepared messages are compressed, and the
    /// length in bytes from which on they are; `None` if messages are not compressed.
    pub(crate) fn prepared_window(&self) -> Option<(u8, usize)> {
        self.deflate.as_ref().map(|deflate| (deflate.window_bits(), deflate.min_size()))
    }

    /// Returns the number of queued bytes from which on no more messages are taken; at least 1.
    #[inline]
    pub(crate) fn high_water(&self) -> usize {
        self.high_water as usize
    }

    /// Returns whether a message would be taken now, or the reason why not.
    #[inline]
    pub(crate) fn check_ready(&self) -> Result<(), SendError> {
        if self.close_queued {
            Err(SendError::Closing)
        } else if self.buffered >= self.high_water() {
            Err(SendError::Full)
        } else {
            Ok(())
        }
    }

    /// Frees memory of compression; with `history`, also the history that later messages could
    /// refer to.
    pub(crate) fn release_memory(&mut self, history: bool) {
        if let Some(deflate) = &mut self.deflate {
            if history {
                deflate.clear_history();
            } else {
                deflate.release_workspace();
            }
        }
    }

    /// Frees memory of compression if nothing was compressed since the last call.
    pub(crate) fn on_idle(&mut self) {
        if let Some(deflate) = &mut self.deflate {
            deflate.on_idle();
        }
    }

    /// Queues a Ping or Pong in the slot of its kind. It overtakes messages of which nothing was
    /// written yet.
    pub(crate) fn send_control(
        &mut self,
        kind: ControlKind,
        payload: &[u8],
    ) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL_PAYLOAD {
            return Err(SendError::ControlTooLong);
        }
        self.controls.get_or_insert_default().put(kind, payload)
    }

    /// Queues the Close frame, after the queued messages. No message is taken from now on, and a
    /// second Close is ignored. What [`CloseFrame::new`] would reject is left out.
    pub(crate) fn send_close(&mut self, close: Option<&CloseFrame>) {
        if self.close_queued {
            return;
        }
        // Pings and pongs that were queued before the Close must be sent before it.
        self.encode_controls();
        let mut payload = BytesMut::new();
        if let Some(close) = close.cloned().and_then(CloseFrame::sendable) {
            payload.extend_from_slice(&close.code.get().to_be_bytes());
            payload.extend_from_slice(close.reason.as_bytes());
        }
        let close = FrameStart { opcode: OpCode::Close, compressed: false };
        self.push_inline(close, true, &payload);
        self.close_queued = true;
    }

    /// Whether a Close was queued.
    pub(crate) fn is_closing(&self) -> bool {
        self.close_queued
    }

    /// Whether the Close was written, and so everything queued before it.
    pub(crate) fn has_sent_close(&self) -> bool {
        // Nothing but pings and pongs is queued after a Close.
        self.close_queued && self.buffer.as_ref().is_none_or(|buffer| buffer.is_empty())
    }

    /// Discards the queued pings and pongs: none has to be sent after the peer's Close (§5.5.2).
    pub(crate) fn drop_controls(&mut self) {
        if let Some(controls) = &mut self.controls {
            controls.drop_payloads();
        }
    }

    /// Takes what is queued and will not be written any more. [`buffered`](Self::buffered) still
    /// counts it.
    pub(crate) fn take_unsent(&mut self) -> Option<Box<SendBuffer>> {
        self.buffer.take()
    }

    /// Returns the number of bytes that are queued and not written yet, headers included.
    #[inline]
    pub(crate) fn buffered(&self) -> usize {
        self.buffered
    }

    /// Whether bytes are queued and none was written since this was last asked.
    pub(crate) fn is_stuck(&mut self) -> bool {
        self.take_progress() == 0 && self.wants_write()
    }

    /// Returns the number of bytes written (at most `u16::MAX`) since this, or whether it is stuck,
    /// was last asked.
    pub(crate) fn take_progress(&mut self) -> u16 {
        core::mem::take(&mut self.progress)
    }

    /// Whether there are bytes for the transport.
    #[inline]
    pub(crate) fn wants_write(&self) -> bool {
        self.buffered > 0 || self.controls.as_ref().is_some_and(|controls| controls.has_payloads())
    }

    /// Returns a view of the bytes for the transport, in order.
    #[inline]
    pub(crate) fn outgoing(&mut self) -> Outgoing<'_> {
        if self.controls.as_ref().is_some_and(|controls| controls.urgent.is_empty()) {
            self.encode_controls();
        }
        Outgoing { sender: self }
    }

    /// Returns the encoded frames of pings and pongs.
    #[inline]
    fn urgent(&self) -> &[u8] {
        self.controls.as_ref().map_or(&[], |controls| &controls.urgent)
    }

    /// Encodes the queued pings and pongs.
    fn encode_controls(&mut self) {
        if let Some(controls) = &mut self.controls
            && controls.has_payloads()
        {
            self.buffered += controls.encode(self.masks.as_deref_mut());
        }
    }

    /// Lends an empty buffer to queue messages in, unless there is one.
    #[inline]
    pub(crate) fn lend_buffer(&mut self, buffer: Box<SendBuffer>) {
        self.buffer.get_or_insert(buffer);
    }

    /// Whether a buffer lent now would be used.
    #[inline]
    pub(crate) fn wants_buffer(&self) -> bool {
        self.buffer.is_none()
    }

    /// Takes the buffer back once all is written; `None` before.
    #[inline]
    pub(crate) fn take_buffer(&mut self) -> Option<Box<SendBuffer>> {
        if self.buffered > 0 { None } else { self.buffer.take() }
    }
}
