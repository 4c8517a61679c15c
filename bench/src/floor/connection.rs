//! One connection of a minimal server, over any non-blocking socket.

use std::io::{self, ErrorKind, Read, Write};

use super::{Header, RECEIVE, unmask};
use crate::upgrade;

/// The buffers that the thread owns for all its connections.
pub struct Scratch {
    receive: Vec<u8>,
    out: Vec<u8>,
    /// Buffers of long messages that were written, for the next ones.
    spare: Vec<Vec<u8>>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { receive: vec![0; RECEIVE], out: Vec::new(), spare: Vec::new() }
    }
}

/// The state that a connection holds between two turns; nothing if it is idle.
#[derive(Default)]
pub struct Connection {
    open: bool,
    /// An incomplete header or short frame.
    carried: Vec<u8>,
    /// A long message that is being received, after the header of its reply.
    long: Option<Box<Long>>,
    /// The bytes that the socket did not take, from `sent` on.
    unsent: Vec<u8>,
    sent: usize,
}

struct Long {
    key: [u8; 4],
    /// The reply: its header and payload.
    reply: Vec<u8>,
    header: usize,
    filled: usize,
}

impl Connection {
    /// Whether bytes wait until the socket takes them.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Reads and answers until the socket would block; `false` when the peer is gone.
    pub fn turn(
        &mut self,
        socket: &mut (impl Read + Write),
        scratch: &mut Scratch,
    ) -> io::Result<bool> {
        scratch.out.clear();
        loop {
            let carried = self.carried.len();
            let read = match &mut self.long {
                Some(long) => socket.read(&mut long.reply[long.filled..]),
                None => {
                    scratch.receive[..carried].copy_from_slice(&self.carried);
                    socket.read(&mut scratch.receive[carried..])
                }
            };
            let len = match read {
                Ok(0) => return Ok(false),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            // A read that did not fill its buffer has emptied the socket.
            let more;
            if let Some(long) = &mut self.long {
                long.filled += len;
                if long.filled == long.reply.len() {
                    self.answer_long(scratch);
                }
                // More may be available, as no more was asked for.
                more = true;
            } else {
                self.carried.clear();
                let mut receive = std::mem::take(&mut scratch.receive);
                self.answer(&mut receive[..carried + len], scratch);
                more = self.long.is_some() || carried + len == receive.len();
                scratch.receive = receive;
            }
            if !more {
                break;
            }
        }
        self.flush(socket, scratch)?;
        Ok(true)
    }

    fn answer(&mut self, mut bytes: &mut [u8], scratch: &mut Scratch) {
        let out = &mut scratch.out;
        if !self.open {
            let Some((response, len)) = upgrade::respond(bytes) else {
                self.carried.extend_from_slice(bytes);
                return;
            };
            self.open = true;
            out.extend_from_slice(response.as_bytes());
            bytes = &mut bytes[len..];
        }
        while let Some(header) = Header::read(bytes) {
            let whole = header.size + header.len;
            if bytes.len() < whole {
                if header.len < RECEIVE / 2 {
                    break;
                }
                self.long = Some(Box::new(begin_long(header, &bytes[header.size..], scratch)));
                return;
            }
            let (frame, rest) = bytes.split_at_mut(whole);
            let payload = &mut frame[header.size..];
            unmask(payload, header.key);
            header.write(out);
            out.extend_from_slice(payload);
            bytes = rest;
        }
        self.carried.extend_from_slice(bytes);
        if self.carried.is_empty() {
            self.carried = Vec::new();
        }
    }

    fn answer_long(&mut self, scratch: &mut Scratch) {
        let Some(mut long) = self.long.take() else { return };
        unmask(&mut long.reply[long.header..], long.key);
        if scratch.out.is_empty() {
            std::mem::swap(&mut scratch.out, &mut long.reply);
        } else {
            scratch.out.extend_from_slice(&long.reply);
        }
        scratch.spare.push(long.reply);
    }

    fn flush(&mut self, socket: &mut impl Write, scratch: &mut Scratch) -> io::Result<()> {
        let out = &mut scratch.out;
        if self.unsent.is_empty() {
            std::mem::swap(&mut self.unsent, out);
        } else {
            self.unsent.extend_from_slice(out);
        }
        while self.sent < self.unsent.len() {
            match socket.write(&self.unsent[self.sent..]) {
                Ok(len) => self.sent += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.sent = 0;
        *out = std::mem::take(&mut self.unsent);
        if out.capacity() > RECEIVE * 2 {
            scratch.spare.push(std::mem::take(out));
        }
        Ok(())
    }
}

fn begin_long(header: Header, part: &[u8], scratch: &mut Scratch) -> Long {
    let mut start = Vec::with_capacity(10);
    header.write(&mut start);
    let size = start.len();
    let mut reply = scratch.spare.pop().unwrap_or_default();
    // Of a buffer that was used before, nothing is written but what is new.
    reply.resize(size + header.len, 0);
    reply[..size].copy_from_slice(&start);
    reply[size..size + part.len()].copy_from_slice(part);
    Long { key: header.key, reply, header: size, filled: size + part.len() }
}
