//! One connection of the load.

use std::io::{self, ErrorKind, Read, Write};

use mio::{Interest, Poll, Token};

use super::replies::Replies;
use super::target::{Stream, Target};
use super::traffic::Traffic;
use super::{Counts, wrong};

/// The length from which on a frame is written from where it was prepared, rather than copied next
/// to others: the copy would cost the load as much as the write.
const DIRECT: usize = 4 << 10;

/// Writes the bytes of `out` from `sent` on. Returns whether all were written, so that there is
/// capacity again.
pub fn write_out(stream: &mut impl Write, out: &mut Vec<u8>, sent: &mut usize) -> io::Result<bool> {
    if !write_from(stream, out, sent)? {
        return Ok(false);
    }
    out.clear();
    *sent = 0;
    Ok(true)
}

/// Writes `bytes` from `sent` on. Returns whether all were written.
fn write_from(stream: &mut impl Write, bytes: &[u8], sent: &mut usize) -> io::Result<bool> {
    while *sent < bytes.len() {
        match stream.write(&bytes[*sent..]) {
            Ok(len) => *sent += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

pub struct Link {
    stream: Stream,
    replies: Replies,
    /// The next message to queue.
    next: usize,
    /// The number of long messages before it that are queued and not written, which are not copied.
    direct: u64,
    /// The number of bytes of the first of those that were written.
    direct_sent: usize,
    out: Vec<u8>,
    sent: usize,
}

impl Link {
    /// Opens a connection that will send messages from `first` on.
    pub fn open(
        target: &Target,
        traffic: &Traffic,
        first: usize,
        poll: &Poll,
        token: Token,
    ) -> io::Result<Self> {
        let mut stream = target.open()?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(stream.source(), token, both)?;
        let replies = Replies::new(first, traffic.deflate);
        let (next, out) = (first, Vec::new());
        Ok(Self { stream, replies, next, direct: 0, direct_sent: 0, out, sent: 0 })
    }

    /// Queues messages.
    pub fn queue(&mut self, traffic: &Traffic, messages: u64) {
        for _ in 0..messages {
            let frame = traffic.frame(self.next);
            if self.direct > 0 || frame.len() >= DIRECT {
                self.direct += 1;
            } else {
                self.out.extend_from_slice(frame);
            }
            self.next += 1;
        }
    }

    /// Writes as much as the socket takes.
    pub fn write(&mut self, traffic: &Traffic) -> io::Result<()> {
        // A message that is partly written goes on first, before the answer to a ping.
        if self.direct_sent == 0 && !write_out(&mut self.stream, &mut self.out, &mut self.sent)? {
            return Ok(());
        }
        while self.direct > 0 {
            let frame = traffic.frame(self.next - self.direct as usize);
            if !write_from(&mut self.stream, frame, &mut self.direct_sent)? {
                return Ok(());
            }
            self.direct_sent = 0;
            self.direct -= 1;
        }
        if !write_out(&mut self.stream, &mut self.out, &mut self.sent)? {
            return Ok(());
        }
        match self.stream.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads and checks until the socket has no more.
    pub fn read(
        &mut self,
        buffer: &mut [u8],
        traffic: &Traffic,
        counts: &mut Counts,
    ) -> io::Result<()> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(wrong("the server ended the connection")),
                Ok(len) => self.replies.feed(&buffer[..len], traffic, counts, &mut self.out)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}
