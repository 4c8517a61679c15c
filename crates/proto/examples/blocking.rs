//! A client without a runtime: the protocol core on a blocking socket, with whole messages, a
//! deadline for the next byte, and the closing handshake by hand.
//!
//! ```sh
//! cargo run -p fullduplex-proto --example blocking -- 127.0.0.1:9001 /echo hello
//! ```
#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use fullduplex_proto::bytes::{Buf, BytesMut};
use fullduplex_proto::handshake::client::{ClientHandshake, is_interim};
use fullduplex_proto::handshake::http1::{HeadFinder, HeadLimits, ResponseHead, write_request};
use fullduplex_proto::mask::MaskSource;
use fullduplex_proto::{
    Assembler, CloseCause, CloseCode, CloseFrame, CloseInfo, Config, Connection, Message,
    MessageEvent, MessageKind, ReadyState, ReceiveBuffer, Receiver, Session, TransportAction,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[allow(dead_code, reason = "a test has this file as a module")]
fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: blocking HOST:PORT PATH TEXT";
    let (host, path) = (args.next().ok_or(usage)?, args.next().ok_or(usage)?);
    let mut client = Client::connect(&host, &path)?;
    client.send(&args.next().ok_or(usage)?)?;
    if let Some(message) = client.receive()? {
        println!("{}", String::from_utf8_lossy(message.as_bytes()));
    }
    println!("{}", client.close(CloseCode::NORMAL, "")?);
    Ok(())
}

/// The system's generator: nonces and masking keys must not be foreseeable (RFC 6455 §5.3).
#[derive(Debug)]
struct Random(BufReader<File>);

impl Random {
    fn open() -> io::Result<Self> {
        File::open("/dev/urandom").map(BufReader::new).map(Self)
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).map(|()| bytes)
    }
}

impl MaskSource for Random {
    fn next_key(&mut self) -> [u8; 4] {
        self.bytes().expect("the system's generator does not end")
    }
}

/// An open connection. The receiver and the assembler make messages of what the socket gives; the
/// session has the state, the timers, and what is to be written.
pub struct Client {
    socket: TcpStream,
    receiver: Receiver,
    assembler: Assembler,
    input: ReceiveBuffer,
    session: Session,
    /// Bytes that the socket gave.
    received: u64,
    since: Instant,
}

impl Client {
    /// Connects, and runs the opening handshake.
    pub fn connect(host: &str, path: &str) -> Result<Self> {
        let mut socket = TcpStream::connect(host)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut random = Random::open()?;
        let opening = ClientHandshake::http1(host, random.bytes()?)?;
        socket.write_all(&write_request(opening.method(), path, opening.headers())?)?;

        let limits = HeadLimits::default();
        let mut answer = BytesMut::new();
        loop {
            let mut finder = HeadFinder::response(limits);
            let length = loop {
                match finder.find(&answer)? {
                    Some(length) => break length,
                    None if read(&mut socket, &mut answer)? == 0 => {
                        return Err("no answer".into());
                    }
                    None => {}
                }
            };
            let head = answer.split_to(length);
            let head = ResponseHead::parse(&head, &limits)?;
            if !is_interim(head.status()) {
                opening.check(head.status(), head.fields())?;
                break;
            }
        }

        let connection = Connection::client(Box::new(random), &Config::default());
        let (receiver, mut session) = connection.into_parts();
        session.open(Duration::ZERO);
        // What came behind the head is frames.
        let leftover = answer.len() as u64;
        let input = ReceiveBuffer::from(answer);
        let (assembler, since) = (Assembler::default(), Instant::now());
        Ok(Self { socket, receiver, assembler, input, session, received: leftover, since })
    }

    /// Sends a text message.
    pub fn send(&mut self, text: &str) -> Result<()> {
        let payload = text.as_bytes().to_vec().into();
        self.session.send(MessageKind::Text, payload).map_err(|(error, _)| error)?;
        self.write()
    }

    /// The next message; `None` after the end of the connection. Pings and Closes are answered
    /// on the way.
    pub fn receive(&mut self) -> Result<Option<Message>> {
        loop {
            while let Some(incoming) = self.take()? {
                if let MessageEvent::Message(message) = incoming {
                    return Ok(Some(message));
                }
            }
            if self.session.state() == ReadyState::Closed || !self.read()? {
                return Ok(None);
            }
        }
    }

    /// Closes with this code, reads until the server has ended the connection, and tells how it
    /// ended. Messages that are still on the way are dropped.
    pub fn close(mut self, code: CloseCode, reason: &str) -> Result<CloseInfo> {
        let now = self.since.elapsed();
        self.session.close(Some(CloseFrame::new(code, reason)?), now);
        self.write()?;
        while self.receive()?.is_some() {}
        self.session.close_info().cloned().ok_or_else(|| "it is still open".into())
    }

    /// Takes the next message or control frame out of what was received.
    fn take(&mut self) -> Result<Option<MessageEvent>> {
        let now = self.since.elapsed();
        let taken = match self.input.next(&mut self.receiver, &mut self.assembler) {
            Ok(Some(incoming)) => {
                let handled =
                    incoming.control().map(|event| self.session.handle_event(&event, now));
                handled.unwrap_or(Ok(())).map(|()| Some(incoming))
            }
            other => other,
        };
        // The answer to a Ping or a Close, or the Close that says what was wrong.
        let taken = taken.inspect_err(|error| self.session.fail(*error, now));
        self.write()?;
        Ok(taken?)
    }

    /// Reads once, for no longer than the session's next deadline; `false` at the end.
    fn read(&mut self) -> Result<bool> {
        let now = self.since.elapsed();
        // No deadline at all would be `None`, and a deadline that has passed is not zero.
        let left = self.session.poll_timeout().map(|at| at.saturating_sub(now));
        let left = left.map(|left| left.max(Duration::from_millis(1)));
        self.socket.set_read_timeout(left)?;
        let read = read(&mut self.socket, self.input.bytes_mut());
        let now = self.since.elapsed();
        match read {
            Ok(0) => self.session.handle_end(CloseCause::TransportEnd, now),
            Ok(length) => {
                self.received += length as u64;
                return Ok(true);
            }
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                // Of pieces of a message, too; the session leaves the peer's Pings out.
                self.session.record_received_total(self.received);
                self.session.handle_timeout(now);
                self.write()?;
                return Ok(self.session.transport() != TransportAction::Drop);
            }
            Err(_) => self.session.handle_end(CloseCause::TransportError, now),
        }
        Ok(false)
    }

    /// Writes what waits, and ends this direction of the socket when it is time to.
    fn write(&mut self) -> Result<()> {
        while self.session.wants_write() {
            let mut outgoing = self.session.outgoing();
            let written = self.socket.write(outgoing.chunk())?;
            outgoing.advance(written);
        }
        if matches!(self.session.transport(), TransportAction::Finish | TransportAction::Drain) {
            // The server may have ended it all already.
            let _ = self.socket.shutdown(std::net::Shutdown::Write);
        }
        Ok(())
    }
}

/// Appends what the socket has.
fn read(socket: &mut TcpStream, to: &mut BytesMut) -> io::Result<usize> {
    let before = to.len();
    to.resize(before + 4096, 0);
    let read = socket.read(&mut to[before..]);
    to.truncate(before + read.as_ref().copied().unwrap_or(0));
    read
}
