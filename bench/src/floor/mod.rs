//! A minimal WebSocket echo: no UTF-8 check, no limits, no timers, no fragments, no control frames.
//! It has one receive buffer for the thread, unmasks payload in place, gathers replies until the
//! next read would block, and reads long messages straight into a separate buffer.

mod connection;

pub use connection::{Connection, Scratch};

/// The receive buffer of the thread.
const RECEIVE: usize = 64 << 10;

/// A masked frame's header.
#[derive(Clone, Copy)]
struct Header {
    first: u8,
    key: [u8; 4],
    /// Length of the header itself.
    size: usize,
    len: usize,
}

impl Header {
    #[inline]
    fn read(bytes: &[u8]) -> Option<Self> {
        let [first, second, rest @ ..] = bytes else { return None };
        let (len, size) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*rest.first_chunk()?) as usize, 10),
            len => (usize::from(len), 2),
        };
        let key = *bytes.get(size..)?.first_chunk()?;
        Some(Self { first: *first, key, size: size + 4, len })
    }

    /// The header of a whole message, without a key.
    #[inline]
    fn write(self, out: &mut Vec<u8>) {
        out.push(self.first);
        match self.len {
            0..126 => out.push(self.len as u8),
            126..0x1_0000 => {
                out.push(126);
                out.extend_from_slice(&(self.len as u16).to_be_bytes());
            }
            _ => {
                out.push(127);
                out.extend_from_slice(&(self.len as u64).to_be_bytes());
            }
        }
    }
}

/// Appends the header of a client's unfragmented message.
pub fn write_masked_header(first: u8, len: usize, key: [u8; 4], out: &mut Vec<u8>) {
    let start = out.len();
    Header { first, key, size: 0, len }.write(out);
    out[start + 1] |= 0x80;
    out.extend_from_slice(&key);
}

/// The number of bytes that a client masks at a time; a multiple of four.
pub const PIECE: usize = 16 << 10;

/// Appends a part of a payload that starts at a multiple of four, masked.
pub fn write_masked(part: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(part);
    unmask(&mut out[start..], key);
}

/// Unmasks; the compiler makes vector code of it.
#[inline]
fn unmask(bytes: &mut [u8], key: [u8; 4]) {
    let wide = u128::from_ne_bytes(std::array::from_fn(|i| key[i % 4]));
    let (chunks, rest) = bytes.as_chunks_mut::<16>();
    for chunk in chunks {
        *chunk = (u128::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}
