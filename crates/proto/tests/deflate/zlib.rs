//! Both directions against zlib, over whole connections: random settings, messages, kinds
//! of flush, fragments and control frames.

use std::time::Duration;

use flate2::{Compress, Compression as Level, Decompress, FlushCompress, FlushDecompress};
use fullduplex_proto::bytes::{Buf, Bytes};
use fullduplex_proto::frame::{EncodedFrameHeader, OpCode, RawFrameHeader};
use fullduplex_proto::{
    Compression, Config, Connection, DeflateConfig, MessageKind, PerMessageDeflate,
    PreparedMessage, Role, SendConfig,
};
use fullduplex_testkit::Rng;
use fullduplex_testkit::pair::{End, EndEvent};

/// An end of ours, a client, with what both have agreed on.
fn client(config: DeflateConfig) -> (End, PerMessageDeflate) {
    let (response, _) = config.send_window_bits(15).accept(&config.offers()).unwrap();
    let deflate = config.check(&[response]).unwrap().unwrap();
    let send = SendConfig::default().fragment_size(700).high_water(usize::MAX);
    let config = Config::default().send(send);
    (End::new(Role::Client, config).with_deflate(&deflate), deflate)
}

fn config(rng: &mut Rng) -> DeflateConfig {
    DeflateConfig::default()
        .level(1 + rng.below(9) as u8)
        .memory_level(1 + rng.below(9) as u8)
        .min_size([0, 30][rng.below(2)])
        .send_window_bits(8 + rng.below(8) as u8)
        .send_context_takeover(rng.below(3) > 0)
        .receive_window_bits(9 + rng.below(7) as u8)
        .receive_context_takeover(rng.below(3) > 0)
}

/// Text that repeats itself at distances of all sizes, or bytes that don't.
fn message(rng: &mut Rng, longest: usize) -> Vec<u8> {
    let most = [20, 300, longest][rng.below(3)];
    let len = rng.below(most);
    let mut bytes = Vec::with_capacity(len + 40);
    let random = rng.below(8) == 0;
    while bytes.len() < len {
        if random {
            bytes.extend((0..16).map(|_| rng.below(256) as u8));
        } else if bytes.len() > 10 && rng.below(3) > 0 {
            let from = rng.below(bytes.len());
            let to = (from + rng.below(300)).min(bytes.len());
            bytes.extend_from_within(from..to);
            bytes.push(b'.');
        } else {
            bytes.extend(format!("word{} ", rng.below(500)).bytes());
        }
    }
    bytes.truncate(len);
    bytes
}

/// zlib as the peer's decompressor, with no larger a window than it is entitled to.
struct Reader {
    zlib: zlib_rs::Inflate,
    other: Decompress,
    window_bits: u8,
    takeover: bool,
}

impl Reader {
    fn new(window_bits: u8, takeover: bool) -> Self {
        let zlib = zlib_rs::Inflate::new(false, window_bits);
        let other = Decompress::new_with_window_bits(false, window_bits.max(9));
        Self { zlib, other, window_bits, takeover }
    }

    fn read(&mut self, compressed: &[u8], len: usize) -> Vec<u8> {
        if !self.takeover {
            *self = Self::new(self.window_bits, false);
        }
        let all = [compressed, &[0, 0, 0xff, 0xff]].concat();
        // Byte by byte, so that only the window can be referred to.
        let (mut out, mut taken) = (Vec::new(), 0);
        let is_final = loop {
            let mut byte = [0];
            let before = (self.zlib.total_in(), self.zlib.total_out());
            let flush = zlib_rs::InflateFlush::SyncFlush;
            let status = self.zlib.decompress(&all[taken..], &mut byte, flush);
            let is_final = status.expect("within the window") == zlib_rs::Status::StreamEnd;
            taken += (self.zlib.total_in() - before.0) as usize;
            if self.zlib.total_out() == before.1 {
                break is_final;
            }
            out.push(byte[0]);
        };
        // A final block has an empty one behind it (§7.2.3.4), and ends the window.
        let behind: &[u8] = if is_final { &[0, 0, 0, 0xff, 0xff] } else { &[] };
        assert!(!(is_final && self.takeover));
        assert_eq!(&all[taken..], behind);
        // And whole, by the other implementation.
        let mut other = Vec::with_capacity(len + 10);
        self.other.decompress_vec(&all, &mut other, FlushDecompress::Sync).unwrap();
        assert_eq!(out, other);
        out
    }
}

/// What stands on the wire: opcode, RSV, FIN and unmasked payload.
fn frames(mut bytes: &[u8]) -> Vec<(u8, u8, bool, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let header = RawFrameHeader::decode(bytes).unwrap();
        let (start, len) = (header.header_len(), header.payload_len() as usize);
        let mut payload = bytes[start..start + len].to_vec();
        if let Some(key) = header.key() {
            fullduplex_proto::mask::apply(&mut payload, key);
        }
        frames.push((header.opcode_bits(), header.rsv(), header.fin(), payload));
        bytes = &bytes[start + len..];
    }
    frames
}

/// Sends a message in one of the ways there are.
fn send(connection: &mut Connection, message: &[u8], rng: &mut Rng) {
    let session = connection.session();
    let bytes = Bytes::copy_from_slice(message);
    let choice = [Compression::Auto, Compression::On, Compression::Off][rng.below(3)];
    match rng.below(4) {
        0 => session.send_prepared(&PreparedMessage::new(bytes)).unwrap(),
        1 => {
            let mut rest = message;
            while rng.below(6) > 0 {
                let (piece, tail) = rest.split_at(rng.below(rest.len() + 1));
                session.send_fragment(MessageKind::Binary, piece, false, choice).unwrap();
                if rng.below(3) == 0 {
                    session.flush_fragment().unwrap();
                }
                session.release_memory(rng.below(9) == 0);
                let _ = session.ping(b"between");
                rest = tail;
            }
            session.send_fragment(MessageKind::Binary, rest, true, choice).unwrap();
        }
        _ => session.send_with(MessageKind::Binary, bytes, choice).unwrap(),
    }
    match rng.below(12) {
        0 => session.release_memory(true),
        1 => session.release_memory(false),
        _ => {}
    }
}

#[test]
fn deflate_output_is_read_by_zlib_within_the_window() {
    let mut rng = Rng::new(7);
    let (mut compressed, mut plain) = (0, 0);
    for _ in 0..150 {
        let (mut end, deflate) = client(config(&mut rng));
        let params = deflate.params();
        let takeover = !params.client_no_context_takeover;
        let mut reader = Reader::new(params.client_max_window_bits, takeover);
        for _ in 0..12 {
            let message = message(&mut rng, 6000);
            send(&mut end.connection, &message, &mut rng);
            let mut whole = Vec::new();
            let mut is_compressed = false;
            let frames = frames(&end.transmit(usize::MAX));
            let data: Vec<_> = frames.iter().filter(|f| f.0 & 8 == 0).collect();
            for (i, (opcode, rsv, fin, payload)) in data.iter().enumerate() {
                assert_eq!(*opcode, if i == 0 { 2 } else { 0 });
                assert_eq!(*fin, i + 1 == data.len());
                if i == 0 {
                    is_compressed = *rsv == 4;
                } else {
                    assert_eq!(*rsv, 0);
                }
                whole.extend_from_slice(payload);
            }
            if is_compressed {
                compressed += 1;
                whole = reader.read(&whole, message.len());
            } else {
                plain += 1;
            }
            assert!(whole == message, "{params:?}");
        }
    }
    assert!(compressed > 500 && plain > 300, "{compressed} and {plain}");
}

/// zlib as the peer's compressor.
struct Writer {
    zlib: Compress,
    takeover: bool,
}

impl Writer {
    /// The frames of a message, unmasked, as a server sends it.
    fn write(&mut self, message: &[u8], rng: &mut Rng) -> Vec<u8> {
        if !self.takeover {
            self.zlib.reset();
        }
        let finishes = rng.below(6) == 0;
        let mut compressed = Vec::with_capacity(message.len() * 2 + 4096);
        let mut rest = message;
        while !rest.is_empty() {
            let piece;
            (piece, rest) = rest.split_at(1 + rng.below(rest.len()));
            let flush = match rng.below(4) {
                0 => FlushCompress::Sync,
                1 => FlushCompress::Full,
                2 => FlushCompress::Partial,
                _ => FlushCompress::None,
            };
            let before = self.zlib.total_in();
            self.zlib.compress_vec(piece, &mut compressed, flush).unwrap();
            assert_eq!(self.zlib.total_in() - before, piece.len() as u64);
        }
        if finishes {
            // A final block, and the empty one behind it.
            self.zlib.compress_vec(&[], &mut compressed, FlushCompress::Finish).unwrap();
            self.zlib.reset();
            if rng.below(2) == 0 {
                compressed.push(0);
            }
        } else {
            self.zlib.compress_vec(&[], &mut compressed, FlushCompress::Sync).unwrap();
            if compressed.ends_with(&[0, 0, 0xff, 0xff]) {
                compressed.truncate(compressed.len() - 4);
            }
            if message.is_empty() {
                compressed = vec![0];
            }
        }
        framed(&compressed, rng)
    }
}

/// A compressed message in fragments of random sizes, with pings between.
fn framed(payload: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut wire = Vec::new();
    let (mut rest, mut first) = (payload, true);
    loop {
        let last = rng.below(3) > 0;
        let len = if last { rest.len() } else { rng.below(rest.len() + 1) };
        let piece;
        (piece, rest) = rest.split_at(len);
        let opcode = if first { OpCode::Binary } else { OpCode::Continuation };
        let header = EncodedFrameHeader::new(opcode, last, None, piece.len() as u64);
        let header = if first { header.compressed() } else { header };
        wire.extend_from_slice(header.as_bytes());
        wire.extend_from_slice(piece);
        if last {
            return wire;
        }
        first = false;
        if rng.below(2) == 0 {
            wire.extend_from_slice(b"\x89\x01p");
        }
    }
}

#[test]
fn deflate_reads_the_output_of_zlib() {
    for round in 0..300 {
        let mut rng = Rng::new(round);
        let (mut end, deflate) = client(config(&mut rng));
        let params = deflate.params();
        let level = Level::new(rng.below(10) as u32);
        let mut writer = Writer {
            zlib: Compress::new_with_window_bits(level, false, params.server_max_window_bits),
            takeover: !params.server_no_context_takeover,
        };
        for _ in 0..12 {
            let message = message(&mut rng, 60_000);
            let wire = writer.write(&message, &mut rng);
            let mut rest = &wire[..];
            while !rest.is_empty() {
                let piece;
                (piece, rest) = rest.split_at((1 + rng.below(5000)).min(rest.len()));
                end.receive(piece, Duration::ZERO);
            }
            let events = end.take_events();
            let messages: Vec<_> =
                events.iter().filter(|event| !matches!(event, EndEvent::Ping(_))).collect();
            let [EndEvent::Message(MessageKind::Binary, received)] = messages[..] else {
                panic!("round {round}, {params:?}: {messages:?}")
            };
            assert!(received[..] == message, "round {round}, {params:?}");
            // The pongs.
            let waits = end.session().outgoing().remaining();
            end.transmit(waits);
        }
    }
}

/// Compressed by itself, a message may end the stream, but not without its last bytes.
#[test]
fn deflate_long_message_without_takeover_is_read_by_zlib() {
    let (mut end, deflate) = client(DeflateConfig::small_memory());
    let mut reader = Reader::new(deflate.params().client_max_window_bits, false);
    for count in [100, 20_000] {
        let message = (0..count).map(|n| n.to_string()).collect::<Vec<_>>().concat();
        end.session().send(MessageKind::Binary, message.clone().into()).unwrap();
        let frames = frames(&end.transmit(usize::MAX));
        assert_eq!(frames[0].1, 4, "compressed");
        let whole: Vec<u8> = frames.into_iter().flat_map(|(.., payload)| payload).collect();
        assert_eq!(whole.len() > 16 << 10, count == 20_000, "{} bytes", whole.len());
        assert!(reader.read(&whole, message.len()) == message.as_bytes());
    }
}
