//! Both halves of a connection in one value.

use alloc::boxed::Box;
use core::time::Duration;

use crate::config::Config;
#[cfg(feature = "deflate")]
use crate::deflate::PerMessageDeflate;
use crate::error::ProtocolError;
use crate::frame::Role;
use crate::mask::MaskSource;
use crate::receive::{Received, Receiver};
use crate::session::{Session, TransportAction};

/// One endpoint of a WebSocket connection, without I/O: bytes and time in; events, bytes and
/// deadlines out.
///
/// It combines a [`Receiver`] and a [`Session`] for a program that drives both in one place:
/// [`receive`](Self::receive) passes the receiver's events to the session, and
/// [`session`](Self::session) accesses the session itself. Where the halves live on different
/// tasks, as in the library on tokio, each is created separately, and the caller passes the events
/// on.
///
/// # Contract
/// After the opening handshake, [`open`](Session::open) the session. Then repeat:
///
/// 1. **Received bytes** go to [`receive`](Self::receive), in the caller's buffer, until
///    it is idle. Pings and Closes are answered, and errors turned into a Close, before the
///    event is returned; the caller has nothing to do for them.
/// 2. **Calls** such as [`Session::send`], [`Session::ping`] and [`Session::close`] may be
///    made at any time, through [`session`](Self::session).
/// 3. **After 1 and 2**, write the bytes of [`Session::outgoing`], as far as the transport
///    takes them; ask [`Session::transport`] what to do with the transport; and
///    set one timer for [`Session::poll_timeout`], which calls
///    [`Session::handle_timeout`].
/// 4. **When the peer ends its direction** of the transport, call
///    [`Session::handle_read_end`] and go on with 3; **when both have ended**,
///    [`Session::handle_end`].
///
/// No call has to be repeated in a loop, and none waits for another.
///
/// Whole messages come from [`ReceiveBuffer`](crate::ReceiveBuffer), which needs the two halves
/// separately ([`into_parts`](Self::into_parts)): the example `blocking` of this crate is such a
/// client.
///
/// ```
/// use core::time::Duration;
/// use fullduplex_proto::bytes::Buf;
/// use fullduplex_proto::{Config, Connection, DataChunk, Event, MessageKind};
///
/// let now = Duration::ZERO;
/// let mut server = Connection::server(&Config::default());
/// server.session().open(now);
///
/// let mut received = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"; // §5.7
/// let step = server.receive(&mut received, now)?;
/// assert_eq!(step.consumed, 11);
/// let Some(Event::Data(DataChunk { payload: b"Hello", first: true, last: true, .. })) = step.event
///     else { panic!() };
///
/// server.session().send(MessageKind::Text, "Hello".into()).unwrap();
/// let mut out = server.session().outgoing();
/// assert_eq!(out.chunk(), b"\x81\x05Hello");
/// out.advance(7);
/// # Ok::<(), fullduplex_proto::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    receiver: Receiver,
    session: Session,
}

impl Connection {
    /// Creates a client's endpoint, which takes its masking keys from `masks`. The settings must be
    /// [valid](Config::validate).
    pub fn client(masks: Box<dyn MaskSource>, config: &Config) -> Self {
        let session = Session::client(masks, config);
        Self { receiver: Receiver::new(Role::Client, config.limits), session }
    }

    /// Creates a server's endpoint. The settings must be [valid](Config::validate).
    pub fn server(config: &Config) -> Self {
        let session = Session::server(config);
        Self { receiver: Receiver::new(Role::Server, config.limits), session }
    }

    /// Enables permessage-deflate with the negotiated parameters.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(self, deflate: &PerMessageDeflate) -> Self {
        Self {
            receiver: self.receiver.with_deflate(deflate),
            session: self.session.with_deflate(deflate),
        }
    }

    /// Consumes one frame, or one chunk of it, at the start of `input`, and lets the session
    /// respond to it; see [`Receiver::receive`].
    ///
    /// # Errors
    /// If the peer broke a rule of the protocol or exceeded a limit. The session has failed the
    /// connection then.
    pub fn receive<'a>(
        &'a mut self,
        input: &'a mut [u8],
        now: Duration,
    ) -> Result<Received<'a>, ProtocolError> {
        let (receiver, session) = (&mut self.receiver, &mut self.session);
        // A Ping does not prove that an application reads the peer's connection.
        let had_input = !input.is_empty();
        // The session may have failed the connection for a reason that the receiver does not know.
        if matches!(session.transport(), TransportAction::Drain | TransportAction::Drop) {
            return Ok(Received::discarded(input.len()));
        }
        let step = receiver.receive(input).inspect_err(|error| session.fail(*error, now))?;
        if had_input && !matches!(step.event, Some(crate::Event::Ping(_))) {
            session.record_received();
        }
        if let Some(event) = &step.event {
            session.handle_event(event, now)?;
        }
        Ok(step)
    }

    /// Returns the sending half, with state and timers.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Returns the receiving half.
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// Splits the connection into halves that can live on different tasks.
    pub fn into_parts(self) -> (Receiver, Session) {
        (self.receiver, self.session)
    }
}
