//! A message, put together from its frames.

use std::time::Duration;

use bytes::Bytes;
use fullduplex_proto::utf8::Utf8Validator;
use fullduplex_proto::{MessageKind, ProtocolError};

use crate::inflation::{Inflation, InflationStop};
use crate::limits::DecoderLimits;
use crate::violation::Violation;

/// A message, put together from its frames and decompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Whether it is text or binary.
    pub kind: MessageKind,
    /// When its first byte was seen, as the caller counts time.
    pub began: Duration,
    /// The number of its frames.
    pub fragments: u64,
    /// Whether it was compressed (RFC 7692).
    pub is_compressed: bool,
    /// The payload bytes on the wire, without headers.
    pub wire_len: u64,
    /// The number of its bytes; if it could not be decompressed, of those that came out before.
    pub len: u64,
    /// Its bytes, cut at [`DecoderLimits::max_payload`](crate::DecoderLimits::max_payload). They
    /// are shared with its frame if it has one and is not compressed.
    pub payload: Bytes,
    /// Why it was not decompressed to its end.
    pub inflation_stop: Option<InflationStop>,
}

/// A message whose end was not seen yet.
#[derive(Debug)]
pub(crate) struct MessageInProgress {
    /// The message, as yet without payload.
    message: Message,
    payload: Vec<u8>,
    utf8: Option<Utf8Validator>,
}

impl MessageInProgress {
    pub(crate) fn new(kind: MessageKind, is_compressed: bool, began: Duration) -> Self {
        let message = Message {
            kind,
            began,
            fragments: 0,
            is_compressed,
            wire_len: 0,
            len: 0,
            payload: Bytes::new(),
            inflation_stop: None,
        };
        let utf8 = (kind == MessageKind::Text).then(Utf8Validator::default);
        Self { message, payload: Vec::new(), utf8 }
    }

    /// Counts one more frame, and returns its number.
    pub(crate) fn add_frame(&mut self) -> u64 {
        self.message.fragments += 1;
        self.message.fragments
    }

    /// Adds payload, which `is_last` ends, and calls `show` with it, decompressed. Returns the rule
    /// that this breaks.
    pub(crate) fn push(
        &mut self,
        payload: &[u8],
        is_last: bool,
        inflation: Option<&mut Inflation>,
        limits: &DecoderLimits,
        show: &mut dyn FnMut(&[u8]),
    ) -> Option<Violation> {
        self.message.wire_len += payload.len() as u64;
        let mut violation = None;
        match inflation.filter(|_| self.message.is_compressed) {
            None => {
                show(payload);
                violation = self.add(payload, limits);
            }
            Some(inflation) => {
                let stop = inflation.push(payload, is_last, |plain| {
                    show(plain);
                    let broken = self.add(plain, limits);
                    violation = violation.or(broken);
                });
                if let Some(stop) = stop
                    && self.message.inflation_stop.is_none()
                {
                    self.message.inflation_stop = Some(stop);
                    if stop == InflationStop::Invalid {
                        violation =
                            violation.or(Some(Violation::Rule(ProtocolError::InvalidDeflate)));
                    }
                }
            }
        }
        if is_last
            && self.message.inflation_stop.is_none()
            && self.utf8.as_ref().is_some_and(|utf8| !utf8.is_complete())
        {
            violation = violation.or(Some(Violation::Rule(ProtocolError::InvalidUtf8)));
        }
        violation
    }

    /// Adds plain bytes. Returns the rule that they break.
    fn add(&mut self, plain: &[u8], limits: &DecoderLimits) -> Option<Violation> {
        self.message.len += plain.len() as u64;
        let room = limits.max_payload.saturating_sub(self.payload.len());
        self.payload.extend_from_slice(&plain[..plain.len().min(room)]);
        let validator = self.utf8.as_mut()?;
        if validator.push(plain).is_ok() {
            return None;
        }
        // It is reported once.
        self.utf8 = None;
        Some(Violation::Rule(ProtocolError::InvalidUtf8))
    }

    /// Returns the message, which ends with a frame of this payload.
    pub(crate) fn finish(mut self, last: &Bytes) -> Message {
        let is_same = self.message.fragments == 1 && !self.message.is_compressed;
        self.message.payload = if is_same { last.clone() } else { into_bytes(self.payload) };
        self.message
    }
}

/// Returns the bytes in an allocation of their length.
pub(crate) fn into_bytes(bytes: Vec<u8>) -> Bytes {
    Bytes::from(bytes.into_boxed_slice())
}
