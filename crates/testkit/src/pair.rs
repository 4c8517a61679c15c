//! Both ends of a connection, without I/O, with virtual time: tests read as scripts.

use std::time::Duration;

use bytes::{Buf, Bytes};
use fullduplex_proto::mask::MaskSource;
use fullduplex_proto::{
    CloseCause, CloseFrame, Config, Connection, DataChunk, DeflateConfig, Event, MessageKind,
    PerMessageDeflate, ProtocolError, Role, Session,
};

/// Masking keys that count: different, and the same in each run.
#[derive(Debug, Default)]
pub struct CountingMasks(u32);

impl MaskSource for CountingMasks {
    fn next_key(&mut self) -> [u8; 4] {
        self.0 += 1;
        self.0.wrapping_mul(0x0101_0301).to_be_bytes()
    }
}

/// An event at an end, with whole messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndEvent {
    /// A whole message.
    Message(MessageKind, Bytes),
    /// A Ping.
    Ping(Bytes),
    /// A Pong.
    Pong(Bytes),
    /// The peer's Close.
    Close(Option<CloseFrame>),
    /// The peer broke a rule.
    Error(ProtocolError),
}

/// An end of a connection.
#[derive(Debug)]
pub struct End {
    /// The connection itself.
    pub connection: Connection,
    /// The events so far; a test removes those that it has checked.
    pub events: Vec<EndEvent>,
    /// Received bytes that are not consumed yet.
    input: Vec<u8>,
    message: Vec<u8>,
    in_message: bool,
    failed: bool,
}

impl End {
    /// Creates an end of this role, open since time 0.
    pub fn new(role: Role, config: Config) -> Self {
        let mut connection = match role {
            Role::Client => Connection::client(Box::new(CountingMasks::default()), &config),
            Role::Server => Connection::server(&config),
        };
        connection.session().open(Duration::ZERO);
        Self {
            connection,
            events: Vec::new(),
            input: Vec::new(),
            message: Vec::new(),
            in_message: false,
            failed: false,
        }
    }

    /// Enables permessage-deflate with the negotiated parameters.
    #[must_use]
    pub fn with_deflate(mut self, deflate: &PerMessageDeflate) -> Self {
        self.connection = self.connection.with_deflate(deflate);
        self
    }

    /// Returns the session.
    pub fn session(&mut self) -> &mut Session {
        self.connection.session()
    }

    /// Receives bytes.
    ///
    /// # Panics
    /// If an error is reported twice, or the pieces of a message are not marked as its
    /// first and last in turn.
    pub fn receive(&mut self, bytes: &[u8], now: Duration) {
        self.input.extend_from_slice(bytes);
        loop {
            let step = match self.connection.receive(&mut self.input, now) {
                Ok(step) => step,
                Err(error) => {
                    assert!(!self.failed, "an error is reported once; now: {error}");
                    self.failed = true;
                    self.events.push(EndEvent::Error(error));
                    continue;
                }
            };
            if step.is_idle() || (step.consumed == 0 && step.event.is_none()) {
                return;
            }
            let consumed = step.consumed;
            match step.event {
                None => {}
                Some(Event::Data(DataChunk { kind, payload, first, last, .. })) => {
                    assert_eq!(first, !self.in_message, "wrongly marked as first");
                    self.in_message = !last;
                    self.message.extend_from_slice(payload);
                    if last {
                        let message = std::mem::take(&mut self.message).into();
                        self.events.push(EndEvent::Message(kind, message));
                    }
                }
                Some(Event::Ping(p)) => self.events.push(EndEvent::Ping(Bytes::copy_from_slice(p))),
                Some(Event::Pong(p)) => self.events.push(EndEvent::Pong(Bytes::copy_from_slice(p))),
                Some(Event::Close(frame)) => self.events.push(EndEvent::Close(frame)),
            }
            self.input.drain(..consumed);
            if self.input.is_empty() && !self.connection.receiver().has_more() {
                return;
            }
        }
    }

    /// Takes up to `most` of the bytes that it has to send.
    pub fn transmit(&mut self, most: usize) -> Vec<u8> {
        let mut out = self.session().outgoing();
        let mut bytes = vec![0; out.remaining().min(most)];
        out.copy_to_slice(&mut bytes);
        bytes
    }

    /// Takes the events since the last call.
    pub fn take_events(&mut self) -> Vec<EndEvent> {
        std::mem::take(&mut self.events)
    }
}

/// A client and a server, joined by wires under the test's control.
#[derive(Debug)]
pub struct Pair {
    /// The client.
    pub client: End,
    /// The server.
    pub server: End,
    /// The time of both.
    pub now: Duration,
}

impl Pair {
    /// Creates a pair whose ends have the same settings.
    pub fn new(config: Config) -> Self {
        let (client, server) = (End::new(Role::Client, config), End::new(Role::Server, config));
        Self { client, server, now: Duration::ZERO }
    }

    /// Carries bytes from the client to the server until there are none.
    pub fn to_server(&mut self) {
        while let bytes @ [_, ..] = &self.client.transmit(usize::MAX)[..] {
            self.server.receive(bytes, self.now);
        }
    }

    /// Carries bytes from the server to the client until there are none.
    pub fn to_client(&mut self) {
        while let bytes @ [_, ..] = &self.server.transmit(usize::MAX)[..] {
            self.client.receive(bytes, self.now);
        }
    }

    /// Creates a pair that has negotiated permessage-deflate, each end with its own settings.
    ///
    /// # Panics
    /// If the negotiation fails.
    pub fn deflated(config: Config, client: DeflateConfig, server: DeflateConfig) -> Self {
        let (response, at_server) = server.accept(&client.offers()).expect("accepted");
        let at_client = client.check(&[response]).expect("a good response").expect("accepted");
        assert_eq!(at_client.params(), at_server.params());
        let mut pair = Self::new(config);
        pair.client = pair.client.with_deflate(&at_client);
        pair.server = pair.server.with_deflate(&at_server);
        pair
    }

    /// Carries at most `most` bytes from this end to the other, and returns their number.
    pub fn carry(&mut self, from: Role, most: usize) -> usize {
        let (from, to) = match from {
            Role::Client => (&mut self.client, &mut self.server),
            Role::Server => (&mut self.server, &mut self.client),
        };
        let bytes = from.transmit(most);
        to.receive(&bytes, self.now);
        bytes.len()
    }

    /// Carries bytes both ways until neither end has any to send.
    pub fn settle(&mut self) {
        while self.client.session().wants_write() || self.server.session().wants_write() {
            self.to_server();
            self.to_client();
        }
    }

    /// Advances the time, and runs both ends' timers when they are due.
    pub fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        loop {
            let next = [&mut self.client, &mut self.server]
                .into_iter()
                .filter_map(|e| e.session().poll_timeout())
                .min();
            match next {
                Some(at) if at <= end => {
                    self.now = at.max(self.now);
                    self.client.session().handle_timeout(self.now);
                    self.server.session().handle_timeout(self.now);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    /// Ends the transport at both ends.
    pub fn cut(&mut self) {
        let now = self.now;
        self.client.session().handle_end(CloseCause::TransportEnd, now);
        self.server.session().handle_end(CloseCause::TransportEnd, now);
    }
}
