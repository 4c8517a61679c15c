//! A client without an async runtime: the protocol core on a blocking socket, with complete
//! messages, timeouts, and the closing handshake.
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

#[allow(dead_code, reason = "a test includes this file as a module")]
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

/// The random number generator of the system. Nonces and masking keys must be unpredictable
/// (RFC 6455 §5.3).
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
        self.bytes().expect("/dev/urandom can be read")
    }
}

/// An open connection. The receiver and the assembler turn received bytes into messages. The
/// session has the state, the timers, and the bytes to write.
pub struct Client {
    socket: TcpStream,
    receiver: Receiver,
    assembler: Assembler,
    input: ReceiveBuffer,
    session: Session,
    /// The number of bytes received in total.
    total: u64,
    /// The time origin of the session.
    start: Instant,
}

impl Client {
    /// Connects, and performs the opening handshake.
    pub fn connect(host: &str, path: &str) -> Result<Self> {
        let mut socket = TcpStream::connect(host)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut random = Random::open()?;
        let handshake = ClientHandshake::http1(host, random.bytes()?)?;
        socket.write_all(&write_request(handshake.method(), path, handshake.headers())?)?;

        let limits = HeadLimits::default();
        let mut response = BytesMut::new();
        loop {
            let mut finder = HeadFinder::response(limits);
            let length = loop {
                match finder.find(&response)? {
                    Some(length) => break length,
                    None if read(&mut socket, &mut response)? == 0 => {
                        return Err("the server closed the connection without a response".into());
                    }
                    None => {}
                }
            };
            let head = response.split_to(length);
            let head = ResponseHead::parse(&head, &limits)?;
            if !is_interim(head.status()) {
                handshake.check(head.status(), head.fields())?;
                break;
            }
        }

        let connection = Connection::client(Box::new(random), &Config::default());
        let (receiver, mut session) = connection.into_parts();
        session.open(Duration::ZERO);
        // The bytes after the head are frames.
        let total = response.len() as u64;
        let input = ReceiveBuffer::from(response);
        let (assembler, start) = (Assembler::default(), Instant::now());
        Ok(Self { socket, receiver, assembler, input, session, total, start })
    }

    /// Sends a text message.
    pub fn send(&mut self, text: &str) -> Result<()> {
        let payload = text.as_bytes().to_vec().into();
        self.session.send(MessageKind::Text, payload).map_err(|(error, _)| error)?;
        self.write()
    }

    /// Waits for the next message. Returns `None` after the end of the connection. Responds to
    /// Pings and Closes meanwhile.
    pub fn receive(&mut self) -> Result<Option<Message>> {
        loop {
            while let Some(event) = self.take()? {
                if let MessageEvent::Message(message) = event {
                    return Ok(Some(message));
                }
            }
            if self.session.state() == ReadyState::Closed || !self.read()? {
                return Ok(None);
            }
        }
    }

    /// Closes the connection with this code, waits until the server has closed it, and returns how
    /// it ended. Messages that arrive meanwhile are dropped.
    pub fn close(mut self, code: CloseCode, reason: &str) -> Result<CloseInfo> {
        let now = self.start.elapsed();
        self.session.close(Some(CloseFrame::new(code, reason)?), now);
        self.write()?;
        while self.receive()?.is_some() {}
        self.session.close_info().cloned().ok_or_else(|| "the connection is still open".into())
    }

    /// Takes the next message or control frame from the received bytes.
    fn take(&mut self) -> Result<Option<MessageEvent>> {
        let now = self.start.elapsed();
        let result = match self.input.next(&mut self.receiver, &mut self.assembler) {
            Ok(Some(event)) => {
                let handled = event.control().map(|event| self.session.handle_event(&event, now));
                handled.unwrap_or(Ok(())).map(|()| Some(event))
            }
            other => other,
        };
        let result = result.inspect_err(|error| self.session.fail(*error, now));
        // Sends the response to a Ping or a Close, or the Close that reports an error.
        self.write()?;
        Ok(result?)
    }

    /// Reads once, at most until the next deadline of the session. Returns `false` at the end of
    /// the connection.
    fn read(&mut self) -> Result<bool> {
        let now = self.start.elapsed();
        let timeout = self.session.poll_timeout().map(|at| at.saturating_sub(now));
        // A timeout of zero is an error, also for a deadline that has passed.
        let timeout = timeout.map(|timeout| timeout.max(Duration::from_millis(1)));
        self.socket.set_read_timeout(timeout)?;
        let read = read(&mut self.socket, self.input.bytes_mut());
        let now = self.start.elapsed();
        match read {
            Ok(0) => self.session.handle_end(CloseCause::TransportEnd, now),
            Ok(length) => {
                self.total += length as u64;
                return Ok(true);
            }
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                // This includes bytes of incomplete messages. The session subtracts Pings.
                self.session.record_received_total(self.total);
                self.session.handle_timeout(now);
                self.write()?;
                return Ok(self.session.transport() != TransportAction::Drop);
            }
            Err(_) => self.session.handle_end(CloseCause::TransportError, now),
        }
        Ok(false)
    }

    /// Writes all queued bytes, and shuts down the sending direction of the socket when the session
    /// requires it.
    fn write(&mut self) -> Result<()> {
        while self.session.wants_write() {
            let mut outgoing = self.session.outgoing();
            let written = self.socket.write(outgoing.chunk())?;
            outgoing.advance(written);
        }
        if matches!(self.session.transport(), TransportAction::Finish | TransportAction::Drain) {
            // An error does not matter: the server may have closed the connection already.
            let _ = self.socket.shutdown(std::net::Shutdown::Write);
        }
        Ok(())
    }
}

/// Reads once from the socket, and appends the bytes. Returns their number.
fn read(socket: &mut TcpStream, to: &mut BytesMut) -> io::Result<usize> {
    let before = to.len();
    to.resize(before + 4096, 0);
    let read = socket.read(&mut to[before..]);
    to.truncate(before + read.as_ref().copied().unwrap_or(0));
    read
}
