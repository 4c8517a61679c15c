//! A model of the receiver: its rules over bytes that are all there, written as RFC 6455
//! §5 reads and for both roles. Both must say the same of every stream, legal or damaged.

use fullduplex_proto::{CloseCode, CloseFrame, Limits, MessageKind, Role};
use fullduplex_testkit::Rng;
use fullduplex_testkit::pair::EndEvent;
use proptest::prelude::*;

use crate::cuts::{
    by_buffer, by_connection, by_direct_reads, by_pieces, by_shared_input, random_pieces,
};
use crate::oracle::Frame;

/// The most fragments of a message, beside those for its length.
const MAX_FRAGMENTS: u32 = 5;

fn limits() -> Limits {
    Limits::default().max_message_size(600).max_fragments(MAX_FRAGMENTS)
}

/// Reads a stream from its start; gives what it holds and how it breaks the rules.
fn model(role: Role, mut bytes: &[u8]) -> (Vec<EndEvent>, Option<u16>) {
    let mut events = Vec::new();
    // The opcode, payload and number of frames of the message under way.
    let mut message: Option<(u8, Vec<u8>, usize)> = None;
    loop {
        let Some((&[first, second], _)) = bytes.split_first_chunk() else { return (events, None) };
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0F);
        let is_masked = second & 0x80 != 0;
        let is_control = opcode >= 8;
        // §5.2, §5.5, §5.1
        let known = matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10);
        let whole_control = fin && second & 0x7F <= 125;
        let masked_rightly = is_masked == (role == Role::Server);
        if first & 0x70 != 0 || !known || (is_control && !whole_control) || !masked_rightly {
            return (events, Some(1002));
        }
        let Some((len, start)) = length(bytes) else { return (events, None) };
        let Some(len) = len else { return (events, Some(1002)) };
        // §5.4
        if !is_control && (opcode == 0) != message.is_some() {
            return (events, Some(1002));
        }
        if !is_control {
            let before = message.as_ref().map_or(0, |(_, payload, _)| payload.len());
            let count = message.as_ref().map_or(0, |(_, _, count)| *count);
            if count > 0 && count + 1 > MAX_FRAGMENTS as usize + before / 32 {
                return (events, Some(1008));
            }
            if before as u64 + len > 600 {
                return (events, Some(1009));
            }
        }
        let there = &bytes[start..];
        let is_whole = there.len() as u64 >= len;
        let there = if is_whole { &there[..len as usize] } else { there };
        let key = &bytes[start.saturating_sub(4)..start];
        let payload: Vec<u8> = there
            .iter()
            .enumerate()
            .map(|(i, b)| if is_masked { b ^ key[i % 4] } else { *b })
            .collect();
        if is_control {
            if !is_whole {
                return (events, None);
            }
            match opcode {
                9 => events.push(EndEvent::Ping(payload.into())),
                10 => events.push(EndEvent::Pong(payload.into())),
                _ => {
                    return match close(&payload) {
                        Ok(close) => {
                            events.push(close);
                            (events, None)
                        }
                        Err(code) => (events, Some(code)),
                    };
                }
            }
        } else {
            let (kind, collected, count) = message.get_or_insert((opcode, Vec::new(), 0));
            collected.extend(payload);
            *count += 1;
            // §8.1: as soon as no continuation could make it valid.
            if *kind == 1 && !is_text(collected, is_whole && fin) {
                return (events, Some(1007));
            }
            if !is_whole {
                return (events, None);
            }
            if fin {
                let kind = if *kind == 1 { MessageKind::Text } else { MessageKind::Binary };
                events.push(EndEvent::Message(kind, std::mem::take(collected).into()));
                message = None;
            }
        }
        bytes = &bytes[start + len as usize..];
    }
}

/// The payload length, unless it is illegal, and where the payload begins; `None` if the
/// header is cut.
fn length(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let key = if bytes[1] & 0x80 == 0 { 0 } else { 4 };
    let wide = match bytes[1] & 0x7F {
        0x7E => 2,
        0x7F => 8,
        _ => 0,
    };
    let start = 2 + wide + key;
    if bytes.len() < start {
        return None;
    }
    let len = bytes[2..2 + wide].iter().fold(0, |n, b| n << 8 | u64::from(*b));
    // §5.2: the shortest form, and 63 bits.
    let len = match wide {
        0 => Some(u64::from(bytes[1] & 0x7F)),
        2 => Some(len).filter(|len| *len > 125),
        _ => Some(len).filter(|len| (1 << 16..1 << 63).contains(len)),
    };
    Some((len, start))
}

fn is_text(bytes: &[u8], ends: bool) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && !ends,
    }
}

/// §5.5.1, §7.4.
fn close(payload: &[u8]) -> Result<EndEvent, u16> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(EndEvent::Close(None)) } else { Err(1002) };
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(1002);
    }
    let reason = String::from_utf8(reason.to_vec()).map_err(|_| 1007_u16)?;
    Ok(EndEvent::Close(Some(CloseFrame { code: CloseCode::new(code), reason })))
}

/// Streams that are mostly legal for an end of this role, and what may happen to them.
fn streams(role: Role) -> impl Strategy<Value = Vec<u8>> {
    let text = "\\PC{0,30}".prop_map(String::into_bytes);
    let binary = proptest::collection::vec(any::<u8>(), 0..140);
    let message = (any::<bool>(), prop_oneof![text, binary], 1usize..6, any::<bool>());
    let messages = proptest::collection::vec(message, 0..6);
    let damage =
        proptest::collection::vec((0..5u8, any::<prop::sample::Index>(), any::<u8>()), 0..3);
    let closes = proptest::option::weighted(0.3, (any::<u16>(), "\\PC{0,10}"));
    (messages, closes, damage, any::<u64>()).prop_map(move |(messages, closes, damage, seed)| {
        let mut rng = Rng::new(seed);
        let mut frames = Vec::new();
        for (is_text, payload, count, is_legal) in messages {
            let is_text = is_text && (!is_legal || std::str::from_utf8(&payload).is_ok());
            let size = payload.len().div_ceil(count).max(1);
            let pieces: Vec<&[u8]> =
                if payload.is_empty() { vec![&[]; count] } else { payload.chunks(size).collect() };
            for (i, piece) in pieces.iter().enumerate() {
                let opcode = if i > 0 { 0 } else { 2 - u8::from(is_text) };
                let fin = u8::from(i + 1 == pieces.len()) << 7;
                frames.push((fin | opcode, piece.to_vec()));
                if rng.below(3) == 0 {
                    frames.push((0x89 + rng.below(2) as u8, vec![7; rng.below(126)]));
                }
            }
        }
        if let Some((code, reason)) = closes {
            let code = if code % 3 == 0 { code } else { 1000 + code % 16 };
            frames.push((0x88, [&code.to_be_bytes()[..], reason.as_bytes()].concat()));
            frames.push((0x81, b"not looked at".to_vec()));
        }
        let mut bytes: Vec<u8> = frames
            .into_iter()
            .flat_map(|(first, payload)| {
                let key = (role == Role::Server).then(|| (rng.next_u64() as u32).to_be_bytes());
                Frame { first, key, payload }.encode()
            })
            .collect();
        for (what, at, value) in damage {
            let at = at.index(bytes.len() + 1);
            match what {
                _ if at == bytes.len() => bytes.push(value),
                0 => bytes[at] = value,
                1 => bytes[at] ^= 1 << (value % 8),
                2 => bytes.insert(at, value),
                3 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        bytes
    })
}

/// Splits off the last error, as its close code.
fn split(mut events: Vec<EndEvent>) -> (Vec<EndEvent>, Option<u16>) {
    match events.last() {
        Some(EndEvent::Error(error)) => {
            let code = error.close_code().get();
            events.pop();
            (events, Some(code))
        }
        _ => (events, None),
    }
}

fn compare(role: Role, bytes: &[u8], seed: u64) {
    let expected = model(role, bytes);
    let pieces = random_pieces(bytes, &mut Rng::new(seed));
    for pieces in [&pieces[..], &[bytes], &bytes.chunks(1).collect::<Vec<_>>()] {
        assert_eq!(split(by_connection(role, limits(), pieces)), expected, "by connection");
        assert_eq!(split(by_buffer(role, limits(), pieces)), expected, "by input");
        assert_eq!(split(by_shared_input(role, limits(), pieces)), expected, "by shared input");
        assert_eq!(split(by_pieces(role, limits(), pieces)), expected, "by owned pieces");
        assert_eq!(split(by_direct_reads(role, limits(), pieces)), expected, "by direct reads");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn receiver_of_a_server_reads_as_the_model(bytes in streams(Role::Server), seed: u64) {
        compare(Role::Server, &bytes, seed);
    }

    #[test]
    fn receiver_of_a_client_reads_as_the_model(bytes in streams(Role::Client), seed: u64) {
        compare(Role::Client, &bytes, seed);
    }

    #[test]
    fn receiver_reads_noise_as_the_model(
        mut bytes in proptest::collection::vec(any::<u8>(), 2..60), seed: u64, server: bool,
    ) {
        let role = if server { Role::Server } else { Role::Client };
        // Enough of a frame to come past the first two bytes.
        bytes[0] &= 0x8F;
        bytes[1] = bytes[1] & 0x7F | if server { 0x80 } else { 0 };
        compare(role, &bytes, seed);
    }
}
