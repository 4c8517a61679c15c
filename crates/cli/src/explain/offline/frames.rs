//! Frames taken apart, whatever the bytes are.

use std::time::Duration;

use fullduplex::{CloseCode, Message, MessageKind};
use fullduplex_inspect::{Decoder, DecoderLimits, Violation};
use fullduplex_proto::deflate::DeflateConfig;
use fullduplex_proto::frame::{OpCode, RawFrameHeader, Role};
use fullduplex_proto::handshake::Extension;
use fullduplex_proto::{CloseFrame, DeflateParams, ProtocolError};

/// The most bytes that are kept of a message: a compressed one may be of any length.
const MAX_MESSAGE: usize = 64 << 20;

/// One frame, legal or not.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// Where its first byte is.
    pub(super) offset: usize,
    pub(super) header: RawFrameHeader,
    pub(super) header_bytes: &'a [u8],
    /// The bytes of the payload that are there, as they were sent.
    pub(super) wire_payload: &'a [u8],
    /// The payload, unmasked.
    pub(super) payload: Vec<u8>,
    /// The rule that the frame breaks.
    pub(super) violation: Option<ProtocolError>,
    /// Whether a receiver ignores it, because of what was before.
    pub(super) is_ignored: bool,
    /// What is complete with this frame.
    pub(super) complete: Option<Complete>,
}

/// What is complete with a frame.
#[derive(Debug)]
pub(super) enum Complete {
    Message(Message),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<CloseFrame>),
}

/// All frames of some bytes, and what is left of them.
#[derive(Debug)]
pub(super) struct Dissection<'a> {
    pub(super) frames: Vec<Frame<'a>>,
    /// The bytes of a header that is not complete.
    pub(super) rest: &'a [u8],
}

impl Frame<'_> {
    /// Returns the number of payload bytes that are missing.
    pub(super) fn missing(&self) -> u64 {
        self.header.payload_len() - self.wire_payload.len() as u64
    }

    /// Returns whether a client sent it, as far as the mask says.
    pub(super) fn is_of_client(&self) -> bool {
        self.header.key().is_some()
    }

    /// Returns the name of the opcode.
    pub(super) fn opcode_name(&self) -> &'static str {
        match OpCode::from_bits(self.header.opcode_bits()) {
            Some(OpCode::Continuation) => "continuation",
            Some(OpCode::Text) => "text",
            Some(OpCode::Binary) => "binary",
            Some(OpCode::Close) => "close",
            Some(OpCode::Ping) => "ping",
            Some(OpCode::Pong) => "pong",
            None => "reserved",
        }
    }
}

/// Takes bytes apart.
pub(super) fn dissect(bytes: &[u8]) -> Dissection<'_> {
    let mut frames = Vec::new();
    let mut decoders = [decoder(Role::Client), decoder(Role::Server)];
    let mut offset = 0;
    while let Some(header) = RawFrameHeader::decode(&bytes[offset..]) {
        let begin = offset + header.header_len();
        let rest = bytes.len() - begin;
        let len = usize::try_from(header.payload_len()).map_or(rest, |len| len.min(rest));
        // Masked frames come from a client.
        let decoder = &mut decoders[usize::from(header.key().is_none())];
        let mut frame = None;
        decoder.push(&bytes[offset..begin + len], Duration::ZERO, |whole| frame = Some(whole));
        let Some(frame) = frame.or_else(|| decoder.finish()) else { break };
        let violation = match frame.violation {
            Some(Violation::Rule(error)) if !frame.is_ignored => Some(error),
            _ => None,
        };
        let is_read = !frame.is_ignored && violation.is_none() && frame.missing() == 0;
        frames.push(Frame {
            offset,
            header,
            header_bytes: &bytes[offset..begin],
            wire_payload: &bytes[begin..begin + len],
            complete: complete(&frame).filter(|_| is_read),
            payload: frame.payload.into(),
            violation,
            is_ignored: frame.is_ignored,
        });
        offset = begin + len;
    }
    Dissection { frames, rest: &bytes[offset..] }
}

fn decoder(sender: Role) -> Decoder {
    let limits = DecoderLimits::default().max_payload(MAX_MESSAGE).max_inflated(MAX_MESSAGE as u64);
    Decoder::new(sender).with_deflate(deflate()).with_limits(limits)
}

/// Returns what is complete with a frame.
fn complete(frame: &fullduplex_inspect::Frame) -> Option<Complete> {
    match frame.opcode()? {
        OpCode::Ping => Some(Complete::Ping(frame.payload.to_vec())),
        OpCode::Pong => Some(Complete::Pong(frame.payload.to_vec())),
        OpCode::Close => CloseFrame::parse(&frame.payload).ok().map(Complete::Close),
        _ => {
            let message = frame.message.as_ref()?;
            let is_whole = message.len == message.payload.len() as u64;
            let payload = message.payload.clone();
            let message = match message.inflation_stop {
                Some(_) => None,
                None if message.kind == MessageKind::Binary => Some(Message::Binary(payload)),
                None => String::from_utf8(payload.into()).ok().map(Message::from),
            };
            message.filter(|_| is_whole).map(Complete::Message)
        }
    }
}

/// Returns compression with the largest window, which any sender's fits into.
fn deflate() -> Option<DeflateParams> {
    let config = DeflateConfig::default().receive_window_bits(15).send_window_bits(15);
    let agreed = Extension::new("permessage-deflate").ok()?;
    Some(config.check(&[agreed]).ok()??.params())
}

/// Returns the code of a Close that breaks a rule by it.
pub(super) fn code_of(payload: &[u8]) -> Option<CloseCode> {
    let [high, low, ..] = payload else { return None };
    Some(CloseCode::new(u16::from_be_bytes([*high, *low])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(bytes: &[u8]) -> Frame<'_> {
        let mut dissection = dissect(bytes);
        assert_eq!((dissection.frames.len(), dissection.rest), (1, &[][..]), "{bytes:x?}");
        dissection.frames.remove(0)
    }

    /// Returns the text that is complete with this frame, and is all that is.
    fn text_of<'a>(frame: &'a Frame<'_>) -> Option<&'a str> {
        match &frame.complete {
            Some(Complete::Message(Message::Text(text))) => Some(text),
            _ => None,
        }
    }

    #[test]
    fn frames_are_unmasked_and_decoded() {
        let frame = one(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        assert_eq!((frame.opcode_name(), &*frame.payload), ("text", &b"Hello"[..]));
        assert!(frame.is_of_client() && frame.violation.is_none() && frame.missing() == 0);
        assert_eq!(text_of(&frame), Some("Hello"));
        let frame = one(b"\x88\x06\x0f\xa1gone");
        let Some(Complete::Close(Some(close))) = &frame.complete else { panic!("{frame:?}") };
        assert_eq!((close.code.get(), &*close.reason), (4001, "gone"));
    }

    #[test]
    fn frames_of_a_compressed_message_are_inflated() {
        // RFC 7692 §7.2.3.1, whole and in two fragments.
        for bytes in [
            &b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"[..],
            b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00",
        ] {
            let dissection = dissect(bytes);
            let last = dissection.frames.last().unwrap();
            assert_eq!(text_of(last), Some("Hello"));
        }
        let broken = one(b"\xc1\x02\xff\xff");
        assert_eq!(broken.violation, Some(ProtocolError::InvalidDeflate));
    }

    #[test]
    fn frames_that_break_a_rule_say_which() {
        for (bytes, violation) in [
            (&b"\x83\x00"[..], ProtocolError::ReservedOpcode(3)),
            (b"\x09\x00", ProtocolError::FragmentedControl),
            (b"\x80\x00", ProtocolError::UnexpectedContinuation),
            (b"\x81\x02\xff\xfe", ProtocolError::InvalidUtf8),
            (b"\x88\x01\x03", ProtocolError::ClosePayloadTooShort),
            (b"\x88\x02\x03\xed", ProtocolError::CloseCode(CloseCode::new(1005))),
            (b"\xa1\x00", ProtocolError::ReservedBits(2)),
            (b"\x81\x7e\x00\x01a", ProtocolError::LengthNotMinimal),
            (b"\x89\x7e\x00\x7e", ProtocolError::ControlTooLong),
        ] {
            let dissection = dissect(bytes);
            assert_eq!(dissection.frames[0].violation, Some(violation), "{bytes:x?}");
        }
        // RFC 6455 has no limit on the length of a message.
        let long = dissect(b"\x82\x7f\0\0\0\0\0\x20\0\0A");
        assert!(long.frames[0].violation.is_none() && long.frames[0].missing() == (2 << 20) - 1);
        let longest = dissect(b"\x82\x7f\0\x20\0\0\0\0\0\0A");
        assert!(longest.frames[0].violation.is_none());
        let after = dissect(b"\x88\x00\x81\x01a");
        assert!(!after.frames[0].is_ignored && after.frames[1].is_ignored);
        assert_eq!(code_of(b"\x03\xee"), Some(CloseCode::ABNORMAL));
    }

    #[test]
    fn frames_of_any_bytes_are_taken_apart_without_a_panic() {
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        for len in (0..400).chain([70_000]) {
            let bytes: Vec<u8> = (0..len).map(|_| random()).collect();
            let dissection = dissect(&bytes);
            let frames = dissection.frames.iter();
            let shown = frames.map(|frame| frame.header_bytes.len() + frame.wire_payload.len());
            assert_eq!(shown.sum::<usize>() + dissection.rest.len(), bytes.len());
        }
        // Lengths of 64 bits, and each pair of first bytes.
        assert!(one(b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff").missing() > 1 << 60);
        for pair in 0..=u16::MAX {
            let [first, second] = pair.to_be_bytes();
            dissect(&[first, second, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        }
    }
}
