//! What is sent: frames made once and sent over and over, so that the load costs little.

use flate2::{Compress, Compression, FlushCompress};

/// How requests are compressed, and what the server is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deflate {
    Off,
    /// No context takeover, either way.
    Each,
    /// Context takeover with 15 bits, both ways.
    Takeover,
}

/// How many different messages there are.
const DIFFERENT: usize = 500;

/// Masked frames, to be sent in this order, from the first again after the last.
pub fn frames(size: usize, text: bool, deflate: Deflate) -> Vec<Vec<u8>> {
    let opcode = if text { 0x81 } else { 0x82 };
    if deflate == Deflate::Off {
        let payload = if text { mixed_text(size) } else { vec![b'x'; size] };
        return vec![masked(opcode, &payload)];
    }
    let mut zlib = Compress::new_with_window_bits(Compression::new(6), false, 15);
    messages(size, DIFFERENT)
        .into_iter()
        .map(|message| {
            if deflate == Deflate::Each {
                zlib.reset();
            }
            let mut out = Vec::with_capacity(size * 2 + 100);
            zlib.compress_vec(&message, &mut out, FlushCompress::Sync).expect("room");
            out.truncate(out.len() - 4);
            masked(opcode | 0x40, &out)
        })
        .collect()
}

/// So many messages of JSON.
pub fn messages(size: usize, count: usize) -> Vec<Vec<u8>> {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    (0..count).map(|_| json(&mut random, size)).collect()
}

/// Records as services send them: fixed keys, values that vary, and an opaque token.
fn json(random: &mut Random, size: usize) -> Vec<u8> {
    const NAMES: [&str; 8] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];
    const STATES: [&str; 4] = ["active", "idle", "away", "offline"];
    let mut text = String::from("{\"type\":\"update\",\"items\":[");
    while text.len() + 130 < size {
        let r = &mut *random;
        let item = format!(
            "{{\"id\":{},\"user\":\"{}\",\"state\":\"{}\",\"score\":{}.{:02},\"token\":\"{:012x}\",\"at\":17{:08}}},",
            r.next() % 1_000_000,
            NAMES[(r.next() % 8) as usize],
            STATES[(r.next() % 4) as usize],
            r.next() % 1000,
            r.next() % 100,
            r.next() & 0xffff_ffff_ffff,
            r.next() % 100_000_000,
        );
        text += &item;
    }
    text.pop();
    text += "],\"note\":\"";
    while text.len() + 2 < size {
        text.push('.');
    }
    text += "\"}";
    text.into_bytes()
}

/// Text in several scripts.
fn mixed_text(size: usize) -> Vec<u8> {
    let piece = "The quick brown fox, быстрая лиса, 素早い狐, η γρήγορη αλεπού, 🦊 ";
    let mut text = piece.repeat(size / piece.len() + 1);
    let mut end = size;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push_str(&".".repeat(size - end));
    text.into_bytes()
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
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
    frame.extend(KEY);
    frame.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ KEY[i % 4]));
    frame
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
