use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::time::Duration;

use fullduplex_proto::bytes::{Buf, BytesMut};
use fullduplex_proto::handshake::client::{ClientHandshake, is_interim};
use fullduplex_proto::handshake::http1::{HeadFinder, HeadLimits, ResponseHead, write_request};
use fullduplex_proto::mask::MaskSource;
use fullduplex_proto::{
    Assembler, CloseCause, CloseCode, CloseFrame, CloseInfo, Config, Connection, Message,
    MessageEvent, ReceiveBuffer, Receiver, SendConfig, Session, TransportAction,
};

type Result<T, E = Box<dyn Error + Send + Sync>> = core::result::Result<T, E>;

/// The longest message that is received, in bytes. A longer one is answered with 1009.
const MAX_MESSAGE: u64 = 4 << 10;
/// How many bytes wait for the link before [`Client::send`] declines.
const MAX_UNSENT: usize = 8 << 10;
/// The bytes read from the link at once.
const CHUNK: usize = 512;

/// The bytes to and from the server. No function waits.
pub trait Link {
    /// Reads what is there; returns 0 if nothing is there now, and `None` once the server has
    /// ended its direction.
    fn read(&mut self, into: &mut [u8]) -> Result<Option<usize>>;

    /// Writes what the link takes now; returns how many bytes that were.
    fn write(&mut self, bytes: &[u8]) -> Result<usize>;

    /// Ends our direction, after everything that was written.
    fn finish(&mut self);
}

/// What a call of [`Client::poll`] came to.
#[derive(Debug)]
pub enum Progress {
    /// Nothing has happened; call again when the link has bytes, or after this time at most.
    Idle(Option<Duration>),
    /// The server has accepted the connection; messages can be sent.
    Opened,
    /// A message has come.
    Message(Message),
    /// The connection has ended, as this says. The link is of no more use.
    Closed(CloseInfo),
}

/// A connection, from the request to the end of the closing handshake.
#[derive(Debug)]
pub struct Client<L> {
    link: L,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Opening(Opening),
    Open(Open),
    /// Only while one becomes the other.
    Failed,
}

/// The opening handshake (RFC 6455 §4.1).
#[derive(Debug)]
struct Opening {
    handshake: ClientHandshake,
    random: Box<dyn MaskSource>,
    /// The request's bytes that the link has not taken yet.
    request: Vec<u8>,
    response: BytesMut,
    finder: HeadFinder,
    config: Config,
}

/// The connection after it.
#[derive(Debug)]
struct Open {
    receiver: Receiver,
    assembler: Assembler,
    input: ReceiveBuffer,
    session: Session,
    /// The number of bytes that were received.
    total: u64,
}

impl<L: Link> Client<L> {
    /// Begins a connection to the path on this host. The link is connected to it already.
    ///
    /// `random` is the device's random number generator. What it gives must be unpredictable
    /// (RFC 6455 §5.3), which a counter or the time since power-on is not.
    pub fn new(link: L, host: &str, path: &str, mut random: Box<dyn MaskSource>) -> Result<Self> {
        let mut nonce = [0; 16];
        for four in nonce.chunks_mut(4) {
            four.copy_from_slice(&random.next_key());
        }
        let handshake = ClientHandshake::http1(host, nonce)?;
        let request = write_request(handshake.method(), path, handshake.headers())?;
        let config = Config::default()
            .max_message_size(MAX_MESSAGE)
            .keepalive_interval(Duration::from_secs(30))
            .send(SendConfig::default().high_water(MAX_UNSENT).low_water(MAX_UNSENT / 2));
        let opening = Opening {
            handshake,
            random,
            request,
            response: BytesMut::new(),
            finder: HeadFinder::response(HeadLimits::default()),
            config,
        };
        Ok(Self { link, phase: Phase::Opening(opening) })
    }

    /// Reads, writes, and returns what has happened. `now` counts from any moment and never goes
    /// back. Call it again at once after anything but [`Progress::Idle`].
    pub fn poll(&mut self, now: Duration) -> Result<Progress> {
        match &mut self.phase {
            Phase::Open(open) => open.poll(&mut self.link, now),
            Phase::Opening(opening) => {
                if !opening.poll(&mut self.link)? {
                    return Ok(Progress::Idle(None));
                }
                if let Phase::Opening(opening) = core::mem::replace(&mut self.phase, Phase::Failed)
                {
                    self.phase = Phase::Open(opening.into_open(now));
                }
                Ok(Progress::Opened)
            }
            Phase::Failed => Err("the connection has failed".into()),
        }
    }

    /// Queues a message, which the next calls of [`poll`](Self::poll) write. Returns it if it must
    /// wait: the connection is not open, or too many bytes wait for the link already.
    pub fn send(&mut self, message: Message) -> Result<(), Message> {
        let Phase::Open(open) = &mut self.phase else { return Err(message) };
        let is_text = message.is_text();
        let sent = open.session.send(message.kind(), message.into_bytes());
        sent.map_err(|(_, bytes)| match String::from_utf8(bytes.to_vec()) {
            Ok(text) if is_text => Message::from(text),
            _ => Message::from(bytes),
        })
    }

    /// Begins the closing handshake (RFC 6455 §7.1.2). [`Progress::Closed`] tells of its end.
    pub fn close(&mut self, code: CloseCode, reason: &str, now: Duration) -> Result<()> {
        if let Phase::Open(open) = &mut self.phase {
            open.session.close(Some(CloseFrame::new(code, reason)?), now);
        }
        Ok(())
    }
}

impl Opening {
    /// Goes on with the handshake; returns whether the server has accepted it.
    fn poll(&mut self, link: &mut impl Link) -> Result<bool> {
        while !self.request.is_empty() {
            match link.write(&self.request)? {
                0 => break,
                written => drop(self.request.drain(..written)),
            }
        }
        loop {
            if let Some(length) = self.finder.find(&self.response)? {
                let limits = HeadLimits::default();
                let bytes = self.response.split_to(length);
                let head = ResponseHead::parse(&bytes, &limits)?;
                if !is_interim(head.status()) {
                    self.handshake.check(head.status(), head.fields())?;
                    return Ok(true);
                }
                self.finder = HeadFinder::response(limits);
                continue;
            }
            match read(link, &mut self.response)? {
                None => return Err("the server ended the connection without a response".into()),
                Some(0) => return Ok(false),
                Some(_) => {}
            }
        }
    }

    fn into_open(self, now: Duration) -> Open {
        let (receiver, mut session) = Connection::client(self.random, &self.config).into_parts();
        session.open(now);
        // What came after the response is of frames.
        let total = self.response.len() as u64;
        let input = ReceiveBuffer::from(self.response);
        Open { receiver, assembler: Assembler::default(), input, session, total }
    }
}

impl Open {
    fn poll(&mut self, link: &mut impl Link, now: Duration) -> Result<Progress> {
        loop {
            self.write(link)?;
            if self.session.transport() == TransportAction::Drop {
                let info = self.session.close_info().cloned();
                return info.map(Progress::Closed).ok_or_else(|| "ended without an end".into());
            }
            if let Some(message) = self.take(now) {
                return Ok(Progress::Message(message));
            }
            // Tells the server at once what `take` has queued.
            self.write(link)?;
            match read(link, self.input.bytes_mut()) {
                Ok(Some(0)) => {
                    self.session.record_received_total(self.total);
                    if self.session.handle_timeout(now) {
                        continue;
                    }
                    // It may have queued a Ping.
                    self.write(link)?;
                    let wait = self.session.poll_timeout().map(|at| at.saturating_sub(now));
                    return Ok(Progress::Idle(wait));
                }
                Ok(Some(length)) => self.total += length as u64,
                Ok(None) => self.session.handle_end(CloseCause::TransportEnd, now),
                Err(_) => self.session.handle_end(CloseCause::TransportError, now),
            }
        }
    }

    /// Takes the next message from what was received. Answers Pings and Closes before it.
    fn take(&mut self, now: Duration) -> Option<Message> {
        while self.session.transport() == TransportAction::Use {
            let handled = match self.input.next(&mut self.receiver, &mut self.assembler) {
                Ok(Some(MessageEvent::Message(message))) => return Some(message),
                Ok(Some(event)) => event
                    .control()
                    .map_or(Ok(()), |control| self.session.handle_event(&control, now)),
                Ok(None) => return None,
                Err(error) => Err(error),
            };
            if let Err(error) = handled {
                // Queues the Close that tells the server.
                self.session.fail(error, now);
            }
        }
        // Nothing more is received after the Closes, or after an error.
        self.input.bytes_mut().clear();
        None
    }

    /// Writes what the link takes, and ends our direction when the session says so.
    fn write(&mut self, link: &mut impl Link) -> Result<()> {
        while self.session.wants_write() {
            let mut outgoing = self.session.outgoing();
            match link.write(outgoing.chunk())? {
                0 => return Ok(()),
                written => outgoing.advance(written),
            }
        }
        if matches!(self.session.transport(), TransportAction::Finish | TransportAction::Drain) {
            link.finish();
        }
        Ok(())
    }
}

/// Reads once, and appends the bytes; returns their number.
fn read(link: &mut impl Link, to: &mut BytesMut) -> Result<Option<usize>> {
    let before = to.len();
    to.resize(before + CHUNK, 0);
    let read = link.read(&mut to[before..]);
    to.truncate(before + read.as_ref().ok().copied().flatten().unwrap_or(0));
    read
}
