//! A minimal WebSocket client on tokio, with the same harness as the others: a mask for each
//! message, one write for all that are sent together, no checks, no timers.

use std::cell::Cell;

use fullduplex_bench::client::{self, Task};
use fullduplex_bench::floor::{PIECE, write_masked, write_masked_header};
use fullduplex_bench::load::Target;
use fullduplex_bench::payload::Random;
use fullduplex_bench::setup::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The most bytes of one read, unless a longer message is expected.
const READ: usize = 64 << 10;

struct Floor {
    stream: TcpStream,
    random: Random,
    out: Vec<u8>,
    /// The bytes that were read, of which those before `start` are consumed.
    input: Vec<u8>,
    start: usize,
}

impl Floor {
    /// Returns the first byte of the next frame, and the range of its payload.
    fn header(&self) -> Option<(u8, usize, usize)> {
        let [first, len, rest @ ..] = self.input.get(self.start..)? else { return None };
        let (size, len) = match len {
            126 => (4, usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
            127 => (10, u64::from_be_bytes(*rest.first_chunk()?) as usize),
            len => (2, usize::from(*len)),
        };
        Some((*first, self.start + size, self.start + size + len))
    }

    async fn read(&mut self, more: usize) -> Result<(), Error> {
        if self.input.capacity() == 0 {
            self.stream.readable().await?;
            self.input = INPUT.take();
        }
        self.input.reserve(more.max(READ));
        match self.stream.read_buf(&mut self.input).await? {
            0 => Err("the server ended it".into()),
            _ => Ok(()),
        }
    }
}

thread_local! {
    // The buffers of the thread: a connection has them while they are not empty.
    static INPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static OUTPUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl client::Client for Floor {
    type Message = (u8, Vec<u8>);

    const GATHERS: bool = true;

    async fn open(task: &Task) -> Result<Self, Error> {
        let mut stream = task.connect().await?;
        let deflate = task.setup.deflate;
        let target = Target { address: task.server, deflate, tls: None, raw: false };
        stream.write_all(target.request().as_bytes()).await?;
        let mut head = Vec::with_capacity(1 << 10);
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Err("the server ended it".into());
            }
        }
        if !head.starts_with(b"HTTP/1.1 101 ") {
            return Err("the server does not switch".into());
        }
        let random = Random(0x2545_F491_4F6C_DD1D);
        Ok(Self { stream, random, out: Vec::new(), input: Vec::new(), start: 0 })
    }

    fn message(payload: &[u8], text: bool) -> Self::Message {
        (if text { 0x81 } else { 0x82 }, payload.to_vec())
    }

    async fn send(&mut self, (first, payload): &Self::Message) -> Result<(), Error> {
        if self.out.is_empty() {
            self.out = OUTPUT.take();
        }
        let key = (self.random.draw() as u32).to_ne_bytes();
        write_masked_header(*first, payload.len(), key, &mut self.out);
        for piece in payload.chunks(PIECE) {
            write_masked(piece, key, &mut self.out);
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        OUTPUT.set(std::mem::take(&mut self.out));
        Ok(())
    }

    async fn receive(
        &mut self,
        look: impl FnOnce(bool, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            match self.header() {
                Some((first, begin, end)) if end <= self.input.len() => {
                    look(first == 0x81, &self.input[begin..end])?;
                    self.start = end;
                    if self.start == self.input.len() {
                        // The next connection that reads takes the buffer.
                        self.input.clear();
                        self.start = 0;
                        INPUT.set(std::mem::take(&mut self.input));
                    }
                    return Ok(());
                }
                Some((_, _, end)) => self.read(end - self.input.len()).await?,
                None => self.read(0).await?,
            }
        }
    }
}

fn main() -> Result<(), Error> {
    client::run::<Floor>()
}
