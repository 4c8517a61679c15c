//! Any bytes as the data of compressed messages: the same result however they are split, and the
//! same as by zlib.
//!
//! Byte 0: bit 0 forbids takeover, bit 1 selects a low limit, the others how the input is split.
//! The messages follow, each after its length.

#![no_main]

use std::time::Duration;

use flate2::{Decompress, FlushDecompress, Status};
use fullduplex_proto::frame::{EncodedFrameHeader, OpCode};
use fullduplex_proto::{Config, DeflateConfig, Limits, MessageKind, ProtocolError, Role};
use fullduplex_testkit::Rng;
use fullduplex_testkit::pair::{End, EndEvent};
use libfuzzer_sys::fuzz_target;

fn run(takeover: bool, limits: Limits, pieces: &[&[u8]]) -> Vec<EndEvent> {
    let config =
        DeflateConfig::balanced().receive_context_takeover(takeover).receive_window_bits(15);
    let (response, _) = config.accept(&config.offers()).expect("accepted");
    let deflate = config.check(&[response]).expect("good").expect("accepted");
    let config = Config::default().limits(limits);
    let mut end = End::new(Role::Client, config).with_deflate(&deflate);
    for piece in pieces {
        end.receive(piece, Duration::ZERO);
    }
    end.take_events()
}

/// Inflates a message by zlib, continuing after final blocks; `None` if it is invalid. Also returns
/// whether that is all of the message: a final block can follow, unless it has more than the limit.
fn zlib(history: &mut Vec<u8>, data: &[u8], limit: usize) -> Option<(Vec<u8>, bool)> {
    let all = [data, &[0, 0, 0xff, 0xff]].concat();
    let (mut out, mut taken) = (Vec::new(), 0);
    'blocks: loop {
        let mut zlib = Decompress::new(false);
        let from = history.len().saturating_sub(1 << 15);
        if from < history.len() {
            zlib.set_dictionary(&history[from..]).ok()?;
        }
        loop {
            let mut chunk = Vec::with_capacity(1 << 15);
            let before = zlib.total_in();
            let status =
                zlib.decompress_vec(&all[taken..], &mut chunk, FlushDecompress::Sync).ok()?;
            taken += (zlib.total_in() - before) as usize;
            history.extend_from_slice(&chunk);
            out.extend_from_slice(&chunk);
            match status {
                Status::StreamEnd if taken < data.len() => continue 'blocks,
                Status::StreamEnd => return Some((out, taken == data.len())),
                _ if out.len() > limit => return Some((out, true)),
                _ if chunk.is_empty() => {
                    let mut more = Vec::with_capacity(1000);
                    let end = [1, 0, 0, 0xff, 0xff];
                    let status = zlib.decompress_vec(&end, &mut more, FlushDecompress::Sync);
                    let is_end = matches!(status, Ok(Status::StreamEnd));
                    let whole = is_end && more.is_empty();
                    return Some((out, whole));
                }
                _ => {}
            }
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let [first, rest @ ..] = input else { return };
    let takeover = first & 1 == 0;
    let limit = if first & 2 == 0 { 200_000 } else { 50 };
    let limits = Limits::default().max_message_size(limit);
    let mut rng = Rng::new(u64::from(*first));
    let (mut wire, mut messages) = (Vec::new(), Vec::new());
    let mut rest = rest;
    while let [len, data @ ..] = rest {
        let (data, next) = data.split_at(usize::from(*len).min(data.len()));
        rest = next;
        messages.push(data);
        let cut = rng.below(data.len() + 1);
        let header = EncodedFrameHeader::new(OpCode::Binary, false, None, cut as u64).compressed();
        wire.extend_from_slice(header.as_bytes());
        wire.extend_from_slice(&data[..cut]);
        let left = (data.len() - cut) as u64;
        wire.extend_from_slice(
            EncodedFrameHeader::new(OpCode::Continuation, true, None, left).as_bytes(),
        );
        wire.extend_from_slice(&data[cut..]);
    }
    let whole = run(takeover, limits, &[&wire]);
    let mut pieces = Vec::new();
    let mut rest = &wire[..];
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at((1 + rng.below(9)).min(rest.len()));
        pieces.push(piece);
        rest = tail;
    }
    assert_eq!(run(takeover, limits, &pieces), whole);

    let mut history = Vec::new();
    for (event, data) in whole.iter().zip(&messages) {
        let limit = usize::try_from(limit).expect("small");
        if !takeover {
            history.clear();
        }
        let other = zlib(&mut history, data, limit);
        match event {
            // Without any data, zlib waits for some.
            EndEvent::Message(MessageKind::Binary, ours) if data.is_empty() => {
                assert!(ours.is_empty())
            }
            EndEvent::Message(MessageKind::Binary, ours) => {
                assert!(ours.len() <= limit);
                assert_eq!(Some((ours.to_vec(), true)), other);
            }
            EndEvent::Error(ProtocolError::MessageTooBig { .. }) => {
                assert!(other.is_none_or(|(other, whole)| other.len() > limit || !whole));
            }
            EndEvent::Error(ProtocolError::InvalidDeflate) => {
                assert!(other.is_none_or(|(_, whole)| !whole));
            }
            EndEvent::Error(ProtocolError::TooManyFragments { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
});
