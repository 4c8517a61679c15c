//! The decompression of one direction (RFC 7692), bounded.
//!
//! The receiver of the protocol decompresses: it is given each compressed message as a binary one,
//! in frames that are made here, so that it checks no rule that the inspected frames may break.

use fullduplex_proto::deflate::DeflateConfig;
use fullduplex_proto::frame::{EncodedFrameHeader, OpCode};
use fullduplex_proto::handshake::Extension;
use fullduplex_proto::{
    DeflateParams, Event, Limits, PerMessageDeflate, ProtocolError, Receiver, Role,
};

/// The bytes that are decompressed at a time.
const PIECE: usize = 4 << 10;

/// Why a compressed message was not decompressed to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InflationStop {
    /// The message is not valid DEFLATE, or ends inside a block (RFC 7692 §7.2.2).
    Invalid,
    /// The message is longer than
    /// [`DecoderLimits::max_inflated`](crate::DecoderLimits::max_inflated), or costs more than its
    /// length allows.
    Limit,
    /// An earlier message, to which it may refer, was not decompressed.
    HistoryLost,
}

/// The decompression of what one side sends.
#[derive(Debug)]
pub(crate) struct Inflation {
    negotiated: PerMessageDeflate,
    has_takeover: bool,
    max_inflated: u64,
    /// The bytes that came out of the current message.
    produced: u64,
    receiver: Receiver,
    /// Whether the current message has begun.
    is_within: bool,
    /// Why the current message goes on without decompression.
    stopped: Option<InflationStop>,
    /// Whether messages can't be decompressed any more.
    is_history_lost: bool,
    /// A frame for the receiver.
    frame: Vec<u8>,
}

impl Inflation {
    /// Returns the decompression of what `sender` sends, of at most `max_inflated` bytes a message.
    pub(crate) fn new(params: DeflateParams, sender: Role, max_inflated: u64) -> Option<Self> {
        let has_takeover = has_takeover(params, sender);
        // The receiver is always a client's, as what it is given is not masked.
        let negotiated = as_of_server(params, sender, has_takeover)?;
        Some(Self {
            negotiated,
            has_takeover,
            max_inflated,
            produced: 0,
            receiver: receiver(&negotiated),
            is_within: false,
            stopped: None,
            is_history_lost: false,
            frame: Vec::new(),
        })
    }

    /// Decompresses a part of a message, which `is_last` ends. Returns why the rest of the message
    /// is not decompressed.
    pub(crate) fn push(
        &mut self,
        compressed: &[u8],
        is_last: bool,
        mut plain: impl FnMut(&[u8]),
    ) -> Option<InflationStop> {
        if !self.is_within {
            self.stopped = self.is_history_lost.then_some(InflationStop::HistoryLost);
            self.produced = 0;
        }
        let mut pieces = compressed.chunks(PIECE).peekable();
        if compressed.is_empty() && is_last {
            self.inflate(&[], true, &mut plain);
        }
        while let Some(piece) = pieces.next() {
            self.inflate(piece, is_last && pieces.peek().is_none(), &mut plain);
        }
        self.is_within = !is_last && (self.is_within || !compressed.is_empty());
        self.stopped
    }

    /// Ends the current message, whose rest will not come.
    pub(crate) fn abandon(&mut self) {
        if std::mem::take(&mut self.is_within) {
            self.restart(InflationStop::Invalid);
        }
    }

    /// Begins again with the next message, as some were not seen before it.
    pub(crate) fn lose_history(&mut self) {
        self.is_within = false;
        self.restart(InflationStop::HistoryLost);
    }

    fn inflate(&mut self, piece: &[u8], is_last: bool, plain: &mut impl FnMut(&[u8])) {
        if self.stopped.is_some() {
            return;
        }
        let opcode = if self.is_within { OpCode::Continuation } else { OpCode::Binary };
        let header = EncodedFrameHeader::new(opcode, is_last, None, piece.len() as u64);
        let header = if self.is_within { header } else { header.compressed() };
        self.is_within = true;
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        frame.extend_from_slice(header.as_bytes());
        frame.extend_from_slice(piece);
        let mut consumed = 0;
        loop {
            match self.receiver.receive(&mut frame[consumed..]) {
                Ok(received) => {
                    consumed += received.consumed;
                    let is_idle = received.consumed == 0 && received.event.is_none();
                    let mut is_over_limit = false;
                    if let Some(Event::Data(chunk)) = received.event {
                        // What comes out does not depend on how the input was cut.
                        let room = self.max_inflated - self.produced;
                        let room = usize::try_from(room).unwrap_or(usize::MAX);
                        let kept = &chunk.payload[..chunk.payload.len().min(room)];
                        is_over_limit = kept.len() < chunk.payload.len();
                        self.produced += kept.len() as u64;
                        plain(kept);
                    }
                    if is_over_limit {
                        self.restart(InflationStop::Limit);
                        break;
                    }
                    if is_idle || (consumed == frame.len() && !self.receiver.has_more()) {
                        break;
                    }
                }
                Err(ProtocolError::InvalidDeflate) => {
                    self.restart(InflationStop::Invalid);
                    break;
                }
                Err(_) => {
                    self.restart(InflationStop::Limit);
                    break;
                }
            }
        }
        self.receiver.release_workspace();
        self.frame = frame;
    }

    /// Begins again with the next message, if that does not refer to this one.
    fn restart(&mut self, stop: InflationStop) {
        self.stopped = Some(stop);
        self.is_history_lost = self.has_takeover;
        self.receiver = receiver(&self.negotiated);
    }
}

/// Returns whether compressed messages of `sender` may refer to earlier ones.
pub(crate) fn has_takeover(params: DeflateParams, sender: Role) -> bool {
    match sender {
        Role::Client => !params.client_no_context_takeover,
        Role::Server => !params.server_no_context_takeover,
    }
}

/// Returns parameters by which a server sends with the window that was negotiated for `sender`.
pub(crate) fn as_of_server(
    params: DeflateParams,
    sender: Role,
    has_takeover: bool,
) -> Option<PerMessageDeflate> {
    let bits = match sender {
        Role::Client => params.client_max_window_bits,
        Role::Server => params.server_max_window_bits,
    };
    let bits = bits.clamp(8, 15).to_string();
    let mut agreed = Extension::new("permessage-deflate").ok()?;
    agreed = agreed.with_param("server_max_window_bits", Some(&bits)).ok()?;
    if !has_takeover {
        agreed = agreed.with_param("server_no_context_takeover", None).ok()?;
    }
    let config = DeflateConfig::default().receive_window_bits(15).send_window_bits(15);
    config.check(&[agreed]).ok()?
}

/// Returns a receiver whose limits are never reached.
fn receiver(negotiated: &PerMessageDeflate) -> Receiver {
    let limits = Limits::default().max_message_size(None).max_fragments(u32::MAX);
    Receiver::new(Role::Client, limits).with_deflate(negotiated)
}
