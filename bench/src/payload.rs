//! The payloads of messages.

/// Returns `count` messages of JSON.
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
            "{{\"id\":{},\"user\":\"{}\",\"state\":\"{}\",\"score\":{}.{:02},\
             \"token\":\"{:012x}\",\"at\":17{:08}}},",
            r.draw() % 1_000_000,
            NAMES[(r.draw() % 8) as usize],
            STATES[(r.draw() % 4) as usize],
            r.draw() % 1000,
            r.draw() % 100,
            r.draw() & 0xffff_ffff_ffff,
            r.draw() % 100_000_000,
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

/// Returns text in several scripts.
pub fn mixed_text(size: usize) -> Vec<u8> {
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

/// A generator of random numbers that are the same in each run (xorshift).
#[derive(Clone, Copy, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
