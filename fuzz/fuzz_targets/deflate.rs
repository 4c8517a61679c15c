//! A client and a server that have negotiated compression and send in all ways, over wires that
//! split the bytes: each window stays in step with the other end's, and with zlib.
//!
//! Bytes 0 to 3 are the settings of both; the others are the operations.

#![no_main]

use flate2::{Decompress, FlushDecompress, Status};
use fullduplex_proto::bytes::Bytes;
use fullduplex_proto::frame::RawFrameHeader;
use fullduplex_proto::{
    Compression, Config, DeflateConfig, MessageKind, PreparedMessage, Role, SendConfig,
};
use fullduplex_testkit::pair::{End, EndEvent, Pair};
use libfuzzer_sys::fuzz_target;

fn config(a: u8, b: u8) -> DeflateConfig {
    DeflateConfig::default()
        .level(1 + a % 9)
        .memory_level(1 + b % 9)
        .min_size(0)
        .send_window_bits(8 + (a >> 4 & 7))
        .send_context_takeover(a >> 7 == 0)
        .receive_window_bits(8 + (b >> 4 & 7))
        .receive_context_takeover(b >> 7 == 0)
}

/// Returns text that repeats itself, near and far.
fn payload(step: usize, size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 20);
    let mut n = step;
    while bytes.len() < size {
        n = n * 31 % 1009;
        bytes.extend_from_slice(format!("{n} ").repeat(1 + n % 5).as_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// A reader of what the server sends, which inflates by zlib.
struct Reader {
    zlib: Option<Decompress>,
    takeover: bool,
    compressed: bool,
    data: Vec<u8>,
    wire: Vec<u8>,
    messages: Vec<Vec<u8>>,
}

impl Reader {
    fn read(&mut self, bytes: &[u8]) {
        self.wire.extend_from_slice(bytes);
        while let Some(header) = RawFrameHeader::decode(&self.wire) {
            let end = header.header_len() + header.payload_len() as usize;
            if self.wire.len() < end {
                return;
            }
            let frame: Vec<u8> = self.wire.drain(..end).collect();
            if header.opcode_bits() & 8 != 0 {
                continue;
            }
            if header.opcode_bits() != 0 {
                self.compressed = header.rsv() == 4;
            }
            self.data.extend_from_slice(&frame[header.header_len()..]);
            if header.fin() {
                let data = std::mem::take(&mut self.data);
                let message = if self.compressed { self.inflate(&data) } else { data };
                self.messages.push(message);
            }
        }
    }

    fn inflate(&mut self, data: &[u8]) -> Vec<u8> {
        let mut zlib = match self.zlib.take() {
            Some(zlib) if self.takeover => zlib,
            _ => Decompress::new(false),
        };
        let all = [data, &[0, 0, 0xff, 0xff]].concat();
        let mut out = Vec::with_capacity(4 << 20);
        let status = zlib.decompress_vec(&all, &mut out, FlushDecompress::Sync).expect("valid");
        assert_ne!(status, Status::StreamEnd, "no final block is sent");
        self.zlib = Some(zlib);
        out
    }
}

fuzz_target!(|input: &[u8]| {
    let [a, b, c, d, ops @ ..] = input else { return };
    let send = SendConfig::default().fragment_size(3000).high_water(usize::MAX);
    let both = Config::default().send(send);
    let mut pair = Pair::deflated(both, config(*a, *b), config(*c, *d));
    let takeover = {
        let (_, deflate) = config(*c, *d).accept(&config(*a, *b).offers()).expect("accepted");
        !deflate.params().server_no_context_takeover
    };
    let mut reader = Reader {
        zlib: None,
        takeover,
        compressed: false,
        data: Vec::new(),
        wire: Vec::new(),
        messages: Vec::new(),
    };
    let mut sent: [Vec<Bytes>; 2] = Default::default();
    let mut begun: [Option<Vec<u8>>; 2] = Default::default();
    for (step, op) in ops.iter().take(300).enumerate() {
        let side = usize::from(op & 1);
        let size = usize::from(op >> 4) * usize::from(op >> 4) * 40;
        let payload = payload(step / 4, size);
        let compression =
            [Compression::Auto, Compression::On, Compression::Off][usize::from(op >> 4) % 3];
        let end: &mut End = if side == 0 { &mut pair.client } else { &mut pair.server };
        let session = end.session();
        match op >> 1 & 7 {
            0 | 1 => {
                let payload = Bytes::from(payload);
                if session.send_with(MessageKind::Binary, payload.clone(), compression).is_ok() {
                    sent[side].push(payload);
                }
            }
            2 => {
                let prepared = PreparedMessage::new(payload.clone());
                if session.send_prepared(&prepared).is_ok() {
                    sent[side].push(payload.into());
                }
            }
            3 => {
                let last = op >> 4 & 1 == 1;
                session
                    .send_fragment(MessageKind::Binary, &payload, last, compression)
                    .expect("room");
                let message = begun[side].get_or_insert_default();
                message.extend(payload);
                if last {
                    sent[side].extend(begun[side].take().map(Bytes::from));
                }
            }
            4 => session.flush_fragment().expect("room"),
            5 => session.release_memory(op >> 4 & 1 == 1),
            6 => drop(session.ping(b"ping")),
            _ => carry(&mut pair, &mut reader, side, 1 + size),
        }
    }
    while pair.client.session().wants_write() || pair.server.session().wants_write() {
        carry(&mut pair, &mut reader, 0, usize::MAX);
        carry(&mut pair, &mut reader, 1, usize::MAX);
    }
    for (end, sent) in [(&pair.server, &sent[0]), (&pair.client, &sent[1])] {
        let messages = end.events.iter().filter_map(|event| match event {
            EndEvent::Message(_, bytes) => Some(bytes),
            EndEvent::Error(error) => panic!("found fault: {error}"),
            _ => None,
        });
        assert!(messages.eq(sent.iter()), "other messages arrived");
    }
    assert!(reader.messages.iter().eq(sent[1].iter()), "zlib reads other messages");
});

fn carry(pair: &mut Pair, reader: &mut Reader, side: usize, most: usize) {
    let from = if side == 0 { Role::Client } else { Role::Server };
    let bytes = match from {
        Role::Client => pair.client.transmit(most),
        Role::Server => pair.server.transmit(most),
    };
    match from {
        Role::Client => pair.server.receive(&bytes, pair.now),
        Role::Server => {
            reader.read(&bytes);
            pair.client.receive(&bytes, pair.now);
        }
    }
}
