//! The frames that a server sends, compared with the expected ones.

use std::io;

use crate::payload::Random;
use crate::setup::Deflate;
use flate2::{Decompress, FlushDecompress};

use super::traffic::{Traffic, masked};
use super::{Counts, wrong};

pub struct Replies {
    header: [u8; 10],
    have: usize,
    /// Of the frame's payload.
    remaining: u64,
    in_payload: bool,
    /// The number of the message that must come next.
    number: usize,
    /// The number of bytes of it that have arrived.
    offset: usize,
    /// Whether the current message is compressed, if there is one.
    message: Option<bool>,
    collected: Vec<u8>,
    inflate: Option<Box<Decompress>>,
    control: Vec<u8>,
}

impl Replies {
    /// Creates a checker for the replies to messages from this one on.
    pub fn new(number: usize, deflate: Deflate) -> Self {
        let inflate = (deflate != Deflate::Off)
            .then(|| Box::new(Decompress::new_with_window_bits(false, 15)));
        Self {
            header: [0; 10],
            have: 0,
            remaining: 0,
            in_payload: false,
            number,
            offset: 0,
            message: None,
            collected: Vec::new(),
            inflate,
            control: Vec::new(),
        }
    }

    /// Checks received bytes. Pings are answered in `out`.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        traffic: &Traffic,
        counts: &mut Counts,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            if traffic.raw {
                let rest = traffic.payload(self.number).len() - self.offset;
                let (part, after) = bytes.split_at(rest.min(bytes.len()));
                counts.payload += part.len() as u64;
                self.compare(part, traffic)?;
                if self.offset == traffic.payload(self.number).len() {
                    self.end_message(traffic, counts)?;
                }
                bytes = after;
            } else if self.in_payload {
                let step = self.remaining.min(bytes.len() as u64);
                let (part, after) = bytes.split_at(step as usize);
                self.remaining -= step;
                self.payload(part, traffic, counts, out)?;
                bytes = after;
            } else {
                bytes = self.take_header(bytes, traffic)?;
                if self.in_payload && self.remaining == 0 {
                    self.payload(&[], traffic, counts, out)?;
                }
            }
        }
        Ok(())
    }

    /// Takes bytes of a header; once it is complete, payload follows.
    fn take_header<'a>(&mut self, bytes: &'a [u8], traffic: &Traffic) -> io::Result<&'a [u8]> {
        let size = match (self.have, self.header[1]) {
            (0 | 1, _) => 2,
            (_, 126) => 4,
            (_, 127) => 10,
            _ => 2,
        };
        let (part, after) = bytes.split_at((size - self.have).min(bytes.len()));
        self.header[self.have..self.have + part.len()].copy_from_slice(part);
        self.have += part.len();
        if self.have < size || (size == 2 && self.header[1] & 0x7e == 126) {
            return Ok(after);
        }
        let header = &self.header;
        self.remaining = match header[1] {
            126 => u64::from(u16::from_be_bytes([header[2], header[3]])),
            127 => u64::from_be_bytes(*header[2..].first_chunk().expect("eight bytes")),
            len => u64::from(len),
        };
        self.have = 0;
        self.in_payload = true;
        let (opcode, compressed) = (header[0] & 0x0f, header[0] & 0x40 != 0);
        if opcode >= 8 {
            return Ok(after);
        }
        let expected = if self.message.is_some() { 0 } else { traffic.opcode };
        if opcode != expected || (compressed && self.inflate.is_none()) {
            return Err(wrong(format!("a frame that was not expected: {:02x?}", &header[..2])));
        }
        self.message.get_or_insert(compressed);
        Ok(after)
    }

    fn payload(
        &mut self,
        part: &[u8],
        traffic: &Traffic,
        counts: &mut Counts,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.in_payload = self.remaining > 0;
        if self.header[0] & 8 != 0 {
            self.control.extend_from_slice(part);
            return if self.in_payload { Ok(()) } else { self.answer_control(out) };
        }
        counts.payload += part.len() as u64;
        if self.message == Some(true) {
            self.collected.extend_from_slice(part);
        } else {
            self.compare(part, traffic)?;
        }
        let fin = self.header[0] & 0x80 != 0;
        if fin && !self.in_payload { self.end_message(traffic, counts) } else { Ok(()) }
    }

    fn answer_control(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let payload = std::mem::take(&mut self.control);
        match self.header[0] & 0x0f {
            9 => out.extend(masked(0x8A, &payload, &mut Random(1))),
            10 => {}
            _ => return Err(wrong(format!("the server closed: {payload:02x?}"))),
        }
        Ok(())
    }

    fn compare(&mut self, part: &[u8], traffic: &Traffic) -> io::Result<()> {
        let expected = traffic.payload(self.number);
        if expected.get(self.offset..self.offset + part.len()) != Some(part) {
            return Err(wrong(format!("message {} came back otherwise", self.number)));
        }
        self.offset += part.len();
        Ok(())
    }

    fn end_message(&mut self, traffic: &Traffic, counts: &mut Counts) -> io::Result<()> {
        let expected = traffic.payload(self.number);
        if let (Some(true), Some(inflate)) = (self.message, &mut self.inflate) {
            if traffic.deflate == Deflate::Shared {
                inflate.reset(false);
            }
            self.collected.extend_from_slice(&[0, 0, 0xff, 0xff]);
            let mut whole = Vec::with_capacity(expected.len() + 64);
            inflate.decompress_vec(&self.collected, &mut whole, FlushDecompress::Sync)?;
            self.collected.clear();
            self.compare(&whole, traffic)?;
        }
        if self.offset != expected.len() {
            return Err(wrong(format!("message {} came back shorter", self.number)));
        }
        (self.message, self.offset) = (None, 0);
        self.number += 1;
        counts.messages += 1;
        Ok(())
    }
}
