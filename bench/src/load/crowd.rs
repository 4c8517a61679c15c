//! Very many connections that are mostly silent, as small as they can be on this end.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use crate::payload::Random;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::target::Target;
use super::traffic::{Traffic, masked};
use super::wrong;

/// Connections that are opened together.
const GROUP: usize = 128;
/// Connections from one source address, and the first of their ports. The kernel would look
/// for free ports longer and longer, the fewer there are.
pub const A_SOURCE: usize = 25_000;
const FIRST_PORT: usize = 2_000;

/// What the server is pinged with.
const PING: &[u8] = b"are you there?";

pub struct Crowd {
    poll: Poll,
    events: Events,
    members: Vec<Member>,
    /// How many sources were tried, by this crowd or others.
    sources: usize,
    buffer: Vec<u8>,
    /// What messages must be.
    expected: Vec<u8>,
    /// Pings that the server sent, which were answered.
    pub pings: u64,
    came: Came,
}

struct Member {
    stream: TcpStream,
    came: Came,
}

/// What a connection has received, or all of them together.
#[derive(Clone, Copy, Default)]
struct Came {
    pongs: usize,
    messages: usize,
}

impl Crowd {
    pub fn new() -> io::Result<Self> {
        Self::with_sources(0)
    }

    /// A crowd that takes sources from this number on; a multiple of [`A_SOURCE`] begins with
    /// an address of its own.
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

    /// Opens so many more connections, and answers pings of those that stand.
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

    /// Connects from the next source that nobody has.
    fn connect(&mut self, target: &Target) -> io::Result<std::net::TcpStream> {
        let mut taken = 0;
        loop {
            self.sources += 1;
            match target.connect(Some(source(self.sources))) {
                Err(error) if error.kind() == ErrorKind::AddrInUse && taken < A_SOURCE => {
                    taken += 1;
                }
                other => return other,
            }
        }
    }

    /// Reads what comes for so long.
    pub fn attend(&mut self, time: Duration) -> io::Result<()> {
        let until = Instant::now() + time;
        loop {
            self.poll.poll(&mut self.events, Some(time.min(Duration::from_millis(10))))?;
            for event in &self.events {
                let member = &mut self.members[event.token().0];
                // Short frames that are sent at once come at once.
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

    /// Says something on the first connection, and waits until all have heard it.
    pub fn broadcast(&mut self, traffic: &Traffic, patience: Duration) -> io::Result<()> {
        let before = self.expect(traffic);
        self.members[0].stream.write_all(traffic.frame(0))?;
        self.wait(patience, "deliveries", |came| came.messages, before)
    }

    /// Takes the first message for what must come; gives how many have come so far.
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
    /// Takes what was read, and answers pings; gives how many.
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

/// Loopback has very many addresses; 127.0.0.1 is left to others.
fn source(number: usize) -> SocketAddrV4 {
    let (address, port) = (2 + number / A_SOURCE, FIRST_PORT + number % A_SOURCE);
    SocketAddrV4::new(Ipv4Addr::new(127, 0, (address >> 8) as u8, address as u8), port as u16)
}

/// The first byte of a frame of less than 64 KiB, its payload, and what follows.
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
