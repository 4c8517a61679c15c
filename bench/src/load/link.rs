//! One connection of the load.

use std::io::{self, ErrorKind, Read, Write};

use mio::{Interest, Poll, Token};

use super::replies::Replies;
use super::target::{Stream, Target};
use super::traffic::Traffic;
use super::{Counts, wrong};

/// Writes the bytes of `out` from `sent` on. Returns whether all were written, so that there is
/// capacity again.
pub fn write_out(stream: &mut impl Write, out: &mut Vec<u8>, sent: &mut usize) -> io::Result<bool> {
    while *sent < out.len() {
        match stream.write(&out[*sent..]) {
            Ok(len) => *sent += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    out.clear();
    *sent = 0;
    Ok(true)
}

pub struct Link {
    stream: Stream,
    replies: Replies,
    /// The next message to send.
    next: usize,
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
        Ok(Self { stream, replies, next: first, out: Vec::new(), sent: 0 })
    }

    /// Queues messages.
    pub fn queue(&mut self, traffic: &Traffic, messages: u64) {
        for _ in 0..messages {
            self.out.extend_from_slice(traffic.frame(self.next));
            self.next += 1;
        }
    }

    /// Writes as much as the socket takes.
    pub fn write(&mut self) -> io::Result<()> {
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
