//! Very many connections that are mostly silent, with as little memory as possible at this end.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use crate::payload::Random;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::target::Target;
use super::traffic::{Traffic, masked};
use super::wrong;

/// The number of connections that are opened together.
const GROUP: usize = 128;
/// The number of connections from one source address, and its first port. The kernel needs more and
/// more time to find free ports, the fewer there are.
pub const PER_SOURCE: usize = 25_000;
const FIRST_PORT: usize = 2_000;

/// The payload of pings to the server.
const PING: &[u8] = b"are you there?";

pub struct Crowd {
    poll: Poll,
    events: Events,
    members: Vec<Member>,
    /// The number of sources that were tried, by this crowd or others.
    sources: usize,
    buffer: Vec<u8>,
    /// The expected content of messages.
    expected: Vec<u8>,
    /// The number of pings of the server that were answered.
    pub pings: u64,
    came: Came,
}

struct Member {
    stream: TcpStream,
    came: Came,
}

/// The counts of what a connection has received, or all together.
#[derive(Clone, Copy, Default)]
struct Came {
    pongs: usize,
    messages: usize,
}

impl Crowd {
    pub fn new() -> io::Result<Self> {
        Self::with_sources(0)
    }

    /// Creates a crowd that takes sources from this number on; a multiple of [`PER_SOURCE`] starts
    /// with a new address.
    pub fn with_sources(first: usize) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(4096),
            members: Vec::new(),
            sources: first,
            buffer: vec![0; 64 << 10],
            expected: Vec::new(),
            pings: 0,
            came: Came::default(),
        })
    }

    pub fn connections(&self) -> usize {
        self.members.len()
    }

    /// Opens more connections, and answers pings of those that are open.
    pub fn open(&mut self, target: &Target, connections: usize) -> io::Result<()> {
        let goal = self.members.len() + connections;
        let request = target.request();
        while self.members.len() < goal {
            let group = GROUP.min(goal - self.members.len());
            let opened = (0..group).map(|_| self.connect(target));
            let mut opened = opened.collect::<io::Result<Vec<_>>>()?;
            for stream in &mut opened {
                stream.write_all(request.as_bytes())?;
            }
            for mut stream in opened {
                target.read_response(&mut stream)?;
                stream.set_nonblocking(true)?;
                let mut stream = TcpStream::from_std(stream);
                let token = Token(self.members.len());
                self.poll.registry().register(&mut stream, token, Interest::READABLE)?;
                self.members.push(Member { stream, came: Came::default() });
            }
            self.attend(Duration::ZERO)?;
        }
        Ok(())
    }

    /// Connects from the next free source.
    fn connect(&mut self, target: &Target) -> io::Result<std::net::TcpStream> {
        let mut taken = 0;
        loop {
            self.sources += 1;
            match target.connect(Some(source(self.sources))) {
                Err(error) if error.kind() == ErrorKind::AddrInUse && taken < PER_SOURCE => {
                    taken += 1;
                }
                other => return other,
            }
        }
    }

    /// Receives for the given time.
    pub fn attend(&mut self, time: Duration) -> io::Result<()> {
        let until = Instant::now() + time;
        loop {
            self.poll.poll(&mut self.events, Some(time.min(Duration::from_millis(10))))?;
            for event in &self.events {
                let member = &mut self.members[event.token().0];
                // Short frames that are sent together arrive together.
                match member.stream.read(&mut self.buffer) {
                    Ok(0) => return Err(wrong("the server ended a connection")),
                    Ok(len) => {
                        let before = member.came;
                        self.pings += member.take(&self.buffer[..len], &self.expected)?;
                        self.came.pongs += member.came.pongs - before.pongs;
                        self.came.messages += member.came.messages - before.messages;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            if Instant::now() >= until {
                return Ok(());
            }
        }
    }

    /// Pings the server on each connection, and waits for all the pongs.
    pub fn ping_all(&mut self, patience: Duration) -> io::Result<()> {
        let before = self.came.pongs;
        self.write_all(&masked(0x89, PING, &mut Random(7)))?;
        self.wait(patience, "pongs", |came| came.pongs, before)
    }

    /// Sends one message on each connection, and waits for all of them to come back.
    pub fn echo_all(&mut self, traffic: &Traffic, patience: Duration) -> io::Result<()> {
        let before = self.expect(traffic);
        self.write_all(traffic.frame(0))?;
        self.wait(patience, "replies", |came| came.messages, before)
    }

    /// Sends a message on the first connection, and waits until all have received it.
    pub fn broadcast(&mut self, traffic: &Traffic, patience: Duration) -> io::Result<()> {
        let before = self.expect(traffic);
        self.members[0].stream.write_all(traffic.frame(0))?;
        self.wait(patience, "deliveries", |came| came.messages, before)
    }

    /// Makes the first message the expected one, and returns the number of messages so far.
    fn expect(&mut self, traffic: &Traffic) -> usize {
        self.expected = traffic.payload(0).to_vec();
        self.came.messages
    }

    fn write_all(&mut self, frame: &[u8]) -> io::Result<()> {
        for i in 0..self.members.len() {
            self.members[i].stream.write_all(frame)?;
            if i % GROUP == 0 {
                self.attend(Duration::ZERO)?;
            }
        }
        Ok(())
    }

    /// Waits until each connection has received one more.
    fn wait(
        &mut self,
        patience: Duration,
        what: &str,
        count: impl Fn(&Came) -> usize,
        before: usize,
    ) -> io::Result<()> {
        let until = Instant::now() + patience;
        let goal = before + self.members.len();
        while count(&self.came) < goal {
            if Instant::now() > until {
                let missing = goal - count(&self.came);
                return Err(wrong(format!("{missing} {what} are missing")));
            }
            self.attend(Duration::from_millis(1))?;
        }
        let first = count(&self.members[0].came);
        if self.members.iter().any(|member| count(&member.came) != first) {
            return Err(wrong(format!("{what} came twice to some")));
        }
        Ok(())
    }
}

impl Member {
    /// Counts the received frames and returns how many of them are pings.
    fn take(&mut self, mut bytes: &[u8], expected: &[u8]) -> io::Result<u64> {
        let mut pings = 0;
        while !bytes.is_empty() {
            let (first, payload, rest) = frame(bytes).ok_or_else(|| wrong("a frame in pieces"))?;
            match first & 0x0f {
                9 => {
                    self.stream.write_all(&masked(0x8A, payload, &mut Random(1)))?;
                    pings += 1;
                }
                10 if payload == PING => self.came.pongs += 1,
                1 | 2 if payload == expected => self.came.messages += 1,
                8 => return Err(wrong("the server closed a connection")),
                _ => return Err(wrong("a frame that was not expected")),
            }
            bytes = rest;
        }
        Ok(pings)
    }
}

/// Returns a source address. Loopback has very many; 127.0.0.1 is left to others.
fn source(number: usize) -> SocketAddrV4 {
    let (address, port) = (2 + number / PER_SOURCE, FIRST_PORT + number % PER_SOURCE);
    SocketAddrV4::new(Ipv4Addr::new(127, 0, (address >> 8) as u8, address as u8), port as u16)
}

/// Splits off a frame of less than 64 KiB: returns its first byte, its payload, and the bytes after
/// it.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [first, len, rest @ ..] = bytes else { return None };
    let (len, rest) = match (len, rest) {
        (126, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        (126 | 127, _) => return None,
        (len, rest) => (usize::from(*len), rest),
    };
    let (payload, rest) = rest.split_at_checked(len)?;
    Some((*first, payload, rest))
}
