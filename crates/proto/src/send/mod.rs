//! The sending half: messages and control frames in, bytes for the transport out.
//!
//! ```text
//!              ┌ urgent: pings and pongs, one slot each; cut in at a frame boundary
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

/// Turns messages and control frames into bytes for the transport: what of a
/// [`Session`](crate::Session) knows frames, but neither states nor times.
#[derive(Debug)]
pub(crate) struct Sender {
    masks: Option<Box<dyn MaskSource>>,
    high_water: usize,
    fragment_size: usize,
    /// Lent, or its own; an idle connection has none.
    buffer: Option<Box<SendBuffer>>,
    /// Seldom there, and mostly for a moment.
    controls: Option<Box<ControlQueue>>,
    buffered: usize,
    /// The front of `queue` is inside a frame, so nothing may cut in.
    in_frame: bool,
    /// A message was begun by `send_fragment` and not finished.
    fragmenting: Option<FragmentState>,
    close_queued: bool,
    /// So many bytes, at its largest or more, have left since it was asked whether it is stuck.
    moved: u16,
    deflate: Option<Box<Compressor>>,
    /// How the connection's closing goes: the session's, but for whether the Close has left.
    pub(crate) info: Option<Box<CloseInfo>>,
}

impl Sender {
    /// A client's sender: masks each frame with a fresh key (§5.1, §5.3).
    pub(crate) fn client(masks: Box<dyn MaskSource>, config: SendConfig) -> Self {
        Self::new(Some(masks), config)
    }

    /// A server's sender: masks nothing (§5.1).
    pub(crate) fn server(config: SendConfig) -> Self {
        Self::new(None, config)
    }

    fn new(masks: Option<Box<dyn MaskSource>>, config: SendConfig) -> Self {
        Self {
            masks,
            high_water: config.high_water.max(1),
            fragment_size: config.fragment_size.max(1),
            buffer: None,
            controls: None,
            buffered: 0,
            in_frame: false,
            fragmenting: None,
            close_queued: false,
            moved: 0,
            deflate: None,
            info: None,
        }
    }

    /// The same with permessage-deflate as it was agreed on.
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

    /// Whether a message of this length would be compressed now, or tried to.
    pub(crate) fn would_compress(&self, len: usize, compression: Compression) -> bool {
        self.deflate.as_ref().is_some_and(|deflate| deflate.would_compress(len, compression))
    }

    /// The window for which prepared messages are compressed, and the length from which on they
    /// are; `None` if messages are not compressed.
    #[cfg(feature = "deflate")]
    pub(crate) fn prepared_window(&self) -> Option<(u8, usize)> {
        self.deflate.as_ref().map(|deflate| (deflate.window_bits(), deflate.min_size()))
    }

    /// How many bytes wait for the transport when it takes no more messages: at least 1; see
    /// [`SendConfig::high_water`].
    pub(crate) fn high_water(&self) -> usize {
        self.high_water
    }

    /// Whether a message would be taken now, and if not, why.
    #[inline]
    pub(crate) fn check_ready(&self) -> Result<(), SendError> {
        if self.close_queued {
            Err(SendError::Closing)
        } else if self.buffered >= self.high_water {
            Err(SendError::Full)
        } else {
            Ok(())
        }
    }

    /// Gives up memory of compression; with `history`, also what later messages could refer to.
    pub(crate) fn release_memory(&mut self, history: bool) {
        if let Some(deflate) = &mut self.deflate {
            if history {
                deflate.forget();
            } else {
                deflate.release();
            }
        }
    }

    /// The same for a sender that has not compressed anything since the last call.
    pub(crate) fn rest(&mut self) {
        if let Some(deflate) = &mut self.deflate {
            deflate.rest();
        }
    }

    /// Queues a Ping or Pong in the slot of its kind. It overtakes data that has not begun to leave.
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

    /// Queues the Close frame, after the data that waits. No data is taken from now on;
    /// a second Close is ignored. What [`CloseFrame::new`] would refuse is left out.
    pub(crate) fn send_close(&mut self, close: Option<&CloseFrame>) {
        if self.close_queued {
            return;
        }
        // What was taken before the Close leaves before it, though it could not so far.
        self.encode_controls();
        let mut payload = BytesMut::new();
        if let Some(close) = close.cloned().and_then(CloseFrame::sendable) {
            payload.extend_from_slice(&close.code.get().to_be_bytes());
            payload.extend_from_slice(close.reason.as_bytes());
        }
        let close = FrameStart { opcode: OpCode::Close, compressed: false };
        self.push_copied(close, true, &payload);
        self.close_queued = true;
    }

    /// Whether a Close was queued.
    pub(crate) fn is_closing(&self) -> bool {
        self.close_queued
    }

    /// Whether the transport has taken the Close, and so all that was queued before it.
    pub(crate) fn has_sent_close(&self) -> bool {
        // Nothing but pings and pongs is queued after a Close.
        self.close_queued && self.buffer.as_ref().is_none_or(|buffer| buffer.is_empty())
    }

    /// Forgets the pings and pongs that wait: after the peer's Close none is owed (§5.5.2).
    pub(crate) fn drop_controls(&mut self) {
        if let Some(controls) = &mut self.controls {
            controls.drop_payloads();
        }
    }

    /// Takes out what is queued and will not leave any more. [`buffered`](Self::buffered)
    /// counts it still.
    pub(crate) fn take_unsent(&mut self) -> Option<Box<SendBuffer>> {
        self.buffer.take()
    }

    /// Bytes that were taken and have not left yet, headers included.
    #[inline]
    pub(crate) fn buffered(&self) -> usize {
        self.buffered
    }

    /// Whether bytes wait for the transport, and it has taken none since this was last asked.
    pub(crate) fn is_stuck(&mut self) -> bool {
        self.take_progress() == 0 && self.wants_write()
    }

    /// How many bytes, or more, the transport has taken since this, or whether it is stuck, was
    /// last asked.
    pub(crate) fn take_progress(&mut self) -> u16 {
        core::mem::take(&mut self.moved)
    }

    /// Whether there is anything for the transport.
    #[inline]
    pub(crate) fn wants_write(&self) -> bool {
        self.buffered > 0 || self.controls.as_ref().is_some_and(|controls| controls.has_payloads())
    }

    /// The bytes for the transport, in order.
    #[inline]
    pub(crate) fn outgoing(&mut self) -> Outgoing<'_> {
        if self.controls.as_ref().is_some_and(|controls| controls.urgent.is_empty()) {
            self.encode_controls();
        }
        Outgoing { sender: self }
    }

    /// Frames of pings and pongs.
    #[inline]
    fn urgent(&self) -> &[u8] {
        self.controls.as_ref().map_or(&[], |controls| &controls.urgent)
    }

    /// Moves the pings and pongs that wait to the urgent frames.
    fn encode_controls(&mut self) {
        if let Some(controls) = &mut self.controls
            && controls.has_payloads()
        {
            self.buffered += controls.encode(self.masks.as_deref_mut());
        }
    }

    /// Gives an empty buffer to hold messages in, unless there is one.
    #[inline]
    pub(crate) fn lend(&mut self, buffer: Box<SendBuffer>) {
        self.buffer.get_or_insert(buffer);
    }

    /// Whether a buffer lent now would be used.
    #[inline]
    pub(crate) fn wants_buffer(&self) -> bool {
        self.buffer.is_none()
    }

    /// Takes the buffer back, once all is written.
    #[inline]
    pub(crate) fn reclaim(&mut self) -> Option<Box<SendBuffer>> {
        if self.buffered > 0 { None } else { self.buffer.take() }
    }
}
