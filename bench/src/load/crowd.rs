//! Very many connections that are mostly silent, as small as they can be on this end.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use fullduplex_bench::payload::Random;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::target::Target;
use super::traffic::{Traffic, masked};
use super::wrong;

/// Connections that are opened together.
const GROUP: usize = 128;
/// Connections from one source address, and the first of their ports. The kernel would look
/// for free ports longer and longer, the fewer there are.
const A_SOURCE: usize = 25_000;
const FIRST_PORT: usize = 2_000;

pub struct Crowd {
    poll: Poll,
    events: Events,
    streams: Vec<TcpStream>,
    /// How many sources were tried.
    sources: usize,
    buffer: Vec<u8>,
    /// Pings that the server sent, which were answered.
    pub pings: u64,
    /// Pongs that came.
    pub pongs: u64,
    /// Payload bytes of data that came.
    pub data: u64,
}

impl Crowd {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(4096),
            streams: Vec::new(),
            sources: 0,
            buffer: vec![0; 64 << 10],
            pings: 0,
            pongs: 0,
            data: 0,
        })
    }

    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Opens so many more connections, and answers pings of those that stand.
    pub fn open(&mut self, target: &Target, connections: usize) -> io::Result<()> {
        let goal = self.streams.len() + connections;
        let request = target.request();
        while self.streams.len() < goal {
            let group = GROUP.min(goal - self.streams.len());
            let opened = (0..group).map(|_| self.connect(target));
            let mut opened = opened.collect::<io::Result<Vec<_>>>()?;
            for stream in &mut opened {
                stream.write_all(request.as_bytes())?;
            }
            for mut stream in opened {
                target.read_response(&mut stream)?;
                stream.set_nonblocking(true)?;
                let mut stream = TcpStream::from_std(stream);
                let token = Token(self.streams.len());
                self.poll.registry().register(&mut stream, token, Interest::READABLE)?;
                self.streams.push(stream);
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
                let stream = &mut self.streams[event.token().0];
                // Short frames that are sent at once come at once.
                match stream.read(&mut self.buffer) {
                    Ok(0) => return Err(wrong("the server ended a connection")),
                    Ok(len) => {
                        let mut bytes = &self.buffer[..len];
                        while !bytes.is_empty() {
                            let (first, payload, rest) =
                                frame(bytes).ok_or_else(|| wrong("a frame in pieces"))?;
                            match first & 0x0f {
                                9 => {
                                    stream.write_all(&masked(0x8A, payload, &mut Random(1)))?;
                                    self.pings += 1;
                                }
                                10 => self.pongs += 1,
                                1 | 2 => self.data += payload.len() as u64,
                                _ => return Err(wrong("the server closed a connection")),
                            }
                            bytes = rest;
                        }
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
        let ping = masked(0x89, b"are you there?", &mut Random(7));
        let before = self.pongs;
        for i in 0..self.streams.len() {
            self.streams[i].write_all(&ping)?;
            if i % GROUP == 0 {
                self.attend(Duration::ZERO)?;
            }
        }
        let goal = before + self.streams.len() as u64;
        self.wait(patience, "pongs", |crowd| crowd.pongs >= goal)
    }

    /// Sends one message on each connection, and waits for all of them to come back.
    pub fn echo_all(&mut self, traffic: &Traffic, patience: Duration) -> io::Result<()> {
        let goal = self.data + (traffic.payload(0).len() * self.streams.len()) as u64;
        for i in 0..self.streams.len() {
            self.streams[i].write_all(traffic.frame(0))?;
            if i % GROUP == 0 {
                self.attend(Duration::ZERO)?;
            }
        }
        self.wait(patience, "replies", |crowd| crowd.data >= goal)
    }

    /// Says something on the first connection, and waits until all have heard it.
    pub fn broadcast(&mut self, traffic: &Traffic, patience: Duration) -> io::Result<()> {
        self.streams[0].write_all(traffic.frame(0))?;
        let goal = self.data + (traffic.payload(0).len() * self.streams.len()) as u64;
        self.wait(patience, "deliveries", |crowd| crowd.data >= goal)
    }

    fn wait(
        &mut self,
        patience: Duration,
        what: &str,
        done: impl Fn(&Self) -> bool,
    ) -> io::Result<()> {
        let until = Instant::now() + patience;
        while !done(self) {
            if Instant::now() > until {
                return Err(wrong(format!("{what} are missing")));
            }
            self.attend(Duration::from_millis(1))?;
        }
        Ok(())
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
