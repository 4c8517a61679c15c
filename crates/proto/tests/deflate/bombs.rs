//! Little data that becomes much (RFC 7692 §8 leaves it to the receiver).

use std::time::Duration;

use fullduplex_proto::bytes::Bytes;
use fullduplex_proto::{
    CloseCode, Config, DeflateConfig, Limits, MessageKind, OwnedEvent, PerMessageDeflate,
    ProtocolError, ReceiveBuffer, Receiver, Role,
};
use fullduplex_testkit::pair::{End, EndEvent};
use fullduplex_testkit::peak_rss;

/// What inflates to so many MiB of zeroes, compressed by itself.
fn bomb(mib: usize) -> Vec<u8> {
    let mut zlib = flate2::Compress::new(flate2::Compression::new(9), false);
    let zeroes = vec![0; 1 << 20];
    let mut out = Vec::with_capacity(mib * 1200 + 100);
    for i in 1..=mib {
        let last = i == mib;
        let flush = if last { flate2::FlushCompress::Sync } else { flate2::FlushCompress::None };
        zlib.compress_vec(&zeroes, &mut out, flush).unwrap();
    }
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}

fn agreed() -> PerMessageDeflate {
    let config = DeflateConfig::balanced();
    let (response, _) = config.accept(&config.offers()).unwrap();
    config.check(&[response]).unwrap().unwrap()
}

/// The frames of a server's message, each with so many bytes of it.
fn framed(payload: &[u8], size: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    let last = payload.len().div_ceil(size) - 1;
    for (i, piece) in payload.chunks(size).enumerate() {
        let opcode = if i == 0 { 0x42 } else { 0x00 };
        wire.push(opcode | if i == last { 0x80 } else { 0 });
        if piece.len() < 126 {
            wire.push(piece.len() as u8);
        } else if piece.len() < 65_536 {
            wire.push(126);
            wire.extend((piece.len() as u16).to_be_bytes());
        } else {
            wire.push(127);
            wire.extend((piece.len() as u64).to_be_bytes());
        }
        wire.extend_from_slice(piece);
    }
    wire
}

#[test]
fn deflate_bomb_costs_no_more_than_the_limit() {
    let bomb = bomb(1024);
    assert!(bomb.len() < 6 << 20);
    for size in [bomb.len(), 1] {
        let wire = framed(&bomb, size);
        let limits = Limits::default().max_fragments(u32::MAX);
        let config = Config::default().limits(limits);
        let mut end = End::new(Role::Client, config).with_deflate(&agreed());
        let before = peak_rss();
        let mut fed = 0;
        for piece in wire.chunks(64 << 10) {
            end.receive(piece, Duration::ZERO);
            fed += piece.len();
            if !end.events.is_empty() {
                break;
            }
        }
        let limit = 1 << 20;
        assert_eq!(end.take_events(), [EndEvent::Error(ProtocolError::MessageTooBig { limit })]);
        assert!(fed <= 64 << 10, "found after {fed} bytes");
        let close = end.transmit(usize::MAX);
        assert_eq!(close[0], 0x88);
        let code = [close[6] ^ close[2], close[7] ^ close[3]];
        assert_eq!(u16::from_be_bytes(code), CloseCode::MESSAGE_TOO_BIG.get());
        let grown = peak_rss() - before;
        assert!(grown < 8 << 20, "memory grew by {grown} bytes");
    }
}

#[test]
fn deflate_bomb_read_in_pieces_takes_constant_memory() {
    let mib = if cfg!(debug_assertions) { 64 } else { 1024 };
    let limits = Limits::default().max_message_size(None);
    let wire = framed(&bomb(mib), 50_000);
    let mut receiver = Receiver::new(Role::Client, limits).with_deflate(&agreed());
    let mut input = ReceiveBuffer::default();
    let before = peak_rss();
    let (mut total, mut done) = (0, false);
    for chunk in wire.chunks(10_000) {
        input.bytes_mut().extend_from_slice(chunk);
        while let Some(piece) = input.next_chunk(&mut receiver).unwrap() {
            let OwnedEvent::Data { kind: MessageKind::Binary, payload, last, .. } = piece else {
                panic!()
            };
            assert!(payload.len() <= 16 << 10);
            total += payload.len();
            done |= last;
        }
    }
    assert!(done);
    assert_eq!(total, mib << 20);
    let grown = peak_rss() - before;
    assert!(grown < 8 << 20, "memory grew by {grown} bytes");
}

#[test]
fn deflate_limits_on_message_size_are_exact() {
    for (len, fits) in [(1000, true), (1001, false)] {
        let limits = Limits::default().max_message_size(1000);
        let config = Config::default().limits(limits);
        let mut pair = fullduplex_testkit::pair::Pair::deflated(
            config,
            DeflateConfig::balanced(),
            DeflateConfig::balanced(),
        );
        let message = Bytes::from(vec![b'z'; len]);
        pair.server.session().send(MessageKind::Text, message.clone()).unwrap();
        pair.settle();
        let expected = if fits {
            EndEvent::Message(MessageKind::Text, message)
        } else {
            EndEvent::Error(ProtocolError::MessageTooBig { limit: 1000 })
        };
        assert_eq!(pair.client.take_events(), [expected]);
    }
}
