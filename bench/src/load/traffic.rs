//! Frames that are encoded once and sent repeatedly, and the expected replies.

use crate::payload::{self, Random};
use crate::setup::Deflate;
use flate2::{Compress, Compression, FlushCompress};

/// The number of different messages with compression.
const COMPRESSED: usize = 500;
/// The number of different messages without compression, or fewer if they would take more than
/// [`ROOM`].
const PLAIN: usize = 61;
const ROOM: usize = 4 << 20;

pub struct Traffic {
    /// The frames to send, in this order, and then again from the first one.
    pub frames: Vec<Vec<u8>>,
    /// The messages in them.
    pub payloads: Vec<Vec<u8>>,
    pub opcode: u8,
    pub deflate: Deflate,
    /// Whether bytes are sent without WebSocket.
    pub raw: bool,
}

impl Traffic {
    /// Creates messages that differ from one another.
    pub fn new(size: usize, text: bool, deflate: Deflate) -> Self {
        let opcode = if text { 1 } else { 2 };
        let mut random = Random(0x0123_4567_89AB_CDEF);
        let count = (ROOM / size.max(1)).clamp(3, PLAIN);
        let payloads: Vec<Vec<u8>> = match (deflate, text) {
            (Deflate::Off, false) => (0..count).map(|_| binary(&mut random, size)).collect(),
            (Deflate::Off, true) => (0..count).map(|i| numbered(i, size)).collect(),
            _ => payload::messages(size, COMPRESSED),
        };
        let frames = if deflate == Deflate::Off {
            payloads.iter().map(|payload| masked(0x80 | opcode, payload, &mut random)).collect()
        } else {
            compressed(&payloads, 0xC0 | opcode, deflate, &mut random)
        };
        Self { frames, payloads, opcode, deflate, raw: false }
    }

    /// Removes the frames around the messages.
    pub fn raw(mut self) -> Self {
        self.frames.clone_from(&self.payloads);
        self.raw = true;
        self
    }

    pub fn frame(&self, number: usize) -> &[u8] {
        &self.frames[number % self.frames.len()]
    }

    pub fn payload(&self, number: usize) -> &[u8] {
        &self.payloads[number % self.payloads.len()]
    }
}

fn compressed(
    payloads: &[Vec<u8>],
    first: u8,
    deflate: Deflate,
    random: &mut Random,
) -> Vec<Vec<u8>> {
    let mut zlib = Compress::new_with_window_bits(Compression::new(6), false, 15);
    let frames = payloads.iter().map(|payload| {
        if deflate == Deflate::Shared {
            zlib.reset();
        }
        let mut out = Vec::with_capacity(payload.len() * 2 + 100);
        zlib.compress_vec(payload, &mut out, FlushCompress::Sync).expect("room");
        out.truncate(out.len() - 4);
        masked(first, &out, random)
    });
    frames.collect()
}

fn binary(random: &mut Random, size: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        (0..size.div_ceil(8)).flat_map(|_| random.draw().to_ne_bytes()).collect();
    bytes.truncate(size);
    bytes
}

/// Returns text that starts with its number.
fn numbered(number: usize, size: usize) -> Vec<u8> {
    let mut text = format!("{number:06} ").into_bytes();
    text.extend(payload::mixed_text(size - text.len()));
    text
}

/// Returns a frame with a random key.
pub fn masked(first: u8, payload: &[u8], random: &mut Random) -> Vec<u8> {
    let key: [u8; 4] = *random.draw().to_ne_bytes().first_chunk().expect("eight bytes");
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len @ 126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(key);
    frame.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]));
    frame
}
