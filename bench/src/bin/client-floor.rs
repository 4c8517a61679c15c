//! A minimal WebSocket client on bare epoll. It masks each message with a separate key, gathers all
//! replies to a read in one write, and only checks that the server's replies are the messages that
//! were sent.

use std::io::{self, ErrorKind, Read};

use fullduplex_bench::client::{Task, mark, run_with};
use fullduplex_bench::floor::{PIECE, write_masked, write_masked_header};
use fullduplex_bench::load::target::Stream;
use fullduplex_bench::load::{
    CONCURRENT_HANDSHAKES, Counts, Replies, Run, Target, Traffic, Window, handshakes, write_out,
};
use fullduplex_bench::payload::Random;
use fullduplex_bench::setup::Error;
use mio::{Events, Interest, Poll, Token};

/// The most bytes that are read or written at once: few system calls, and they stay in the cache.
const MAX_IO: usize = 256 << 10;

fn main() -> Result<(), Error> {
    run_with(|task| {
        let deflate = task.setup.deflate;
        let target = Target { address: task.server, deflate, tls: None, raw: false };
        match task.connections {
            0 => Ok(handshakes(&target, CONCURRENT_HANDSHAKES, task.times, mark)?),
            _ => Ok(echoes(&task, &target)?),
        }
    })
}

fn echoes(task: &Task, target: &Target) -> io::Result<Run> {
    let traffic = task.traffic();
    let mut poll = Poll::new()?;
    let mut links = Vec::new();
    for i in 0..task.connections {
        let mut stream = target.open()?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(stream.source(), Token(i), both)?;
        let next = task.first(i);
        let replies = Replies::new(next, traffic.deflate);
        let (due, begun) = (task.in_flight, None);
        links.push(Link { stream, replies, next, begun, due, out: Vec::new(), sent: 0 });
    }
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    for link in &mut links {
        link.write(&traffic, &mut random)?;
    }
    let mut buffer = vec![0; MAX_IO];
    let mut events = Events::with_capacity(1024);
    let mut counts = Counts::default();
    let mut window = Window::new(task.times, 2 * task.connections as u64, mark);
    loop {
        if let Some(run) = window.tick(counts)? {
            return Ok(run);
        }
        poll.poll(&mut events, Some(task.times.measured))?;
        for event in &events {
            let link = &mut links[event.token().0];
            let done = counts.messages;
            link.read(&mut buffer, &traffic, &mut counts)?;
            link.due += counts.messages - done;
            link.write(&traffic, &mut random)?;
        }
    }
}

struct Link {
    stream: Stream,
    replies: Replies,
    /// The message to send next, or to continue.
    next: usize,
    /// How much of its payload is queued or written, and its key.
    begun: Option<(usize, [u8; 4])>,
    /// Messages to send, with the one that was begun.
    due: u64,
    out: Vec<u8>,
    sent: usize,
}

impl Link {
    /// Writes what the socket takes.
    fn write(&mut self, traffic: &Traffic, random: &mut Random) -> io::Result<()> {
        loop {
            if !write_out(&mut self.stream, &mut self.out, &mut self.sent)? || self.due == 0 {
                return Ok(());
            }
            while self.due > 0 && self.out.len() < MAX_IO {
                self.add(traffic, random);
            }
        }
    }

    /// Queues a message, or a part of a long one.
    fn add(&mut self, traffic: &Traffic, random: &mut Random) {
        let payload = traffic.payload(self.next);
        let (done, key) = self.begun.take().unwrap_or_else(|| {
            let key = (random.draw() as u32).to_ne_bytes();
            write_masked_header(0x80 | traffic.opcode, payload.len(), key, &mut self.out);
            (0, key)
        });
        let end = payload.len().min(done + PIECE);
        write_masked(&payload[done..end], key, &mut self.out);
        if end < payload.len() {
            self.begun = Some((end, key));
        } else {
            self.next += 1;
            self.due -= 1;
        }
    }

    fn read(
        &mut self,
        buffer: &mut [u8],
        traffic: &Traffic,
        counts: &mut Counts,
    ) -> io::Result<()> {
        loop {
            let len = match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            // Pings come on connections that are idle; these are not.
            self.replies.feed(&buffer[..len], traffic, counts, &mut Vec::new())?;
            // A read that did not fill the buffer has emptied the socket.
            if len < buffer.len() {
                return Ok(());
            }
        }
    }
}
