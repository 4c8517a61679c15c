//! What both halves of a connection share: its state, the replies it owes, its timers
//! and how it ended (RFC 6455 §5.5, §7).

use alloc::boxed::Box;
use alloc::string::ToString;
use core::ops::Range;
use core::time::Duration;

use bytes::Bytes;

use crate::close::CloseFrame;
use crate::close_code::CloseCode;
use crate::close_info::{CloseCause, CloseInfo, Initiator};
use crate::config::Config;
use crate::deflate::Compression;
#[cfg(feature = "deflate")]
use crate::deflate::{PerMessageDeflate, PreparedMessage};
use crate::error::ProtocolError;
use crate::frame::Role;
use crate::limits::Limits;
use crate::mask::MaskSource;
use crate::message::Message;
use crate::rate_budget::TokenBucket;
use crate::receive::{Event, MessageKind};
use crate::send::{ControlKind, FrameBatch, Outgoing, SendBuffer, SendError, Sender};
use crate::timers::{TimerEvent, Timers};

/// Where the connection stands; the same four as the WebSocket API's `readyState`.
///
/// ```text
///              open()             close(), fail(), idle       both Close frames seen,
///                                 or ping timeout, peer's     transport ended, or deadline
///                                 Close
/// Connecting ─────────▶ Open ─────────────────▶ Closing ─────────────────▶ Closed
///      │                  │                                                  ▲
///      └──────────────────┴──────────── transport ended ─────────────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadyState {
    /// The opening handshake is not done.
    Connecting,
    /// Messages flow both ways.
    Open,
    /// A Close frame was queued or received, and the rest is awaited.
    Closing,
    /// Nothing can be sent or received any more.
    Closed,
}

/// What is to be done with the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportAction {
    /// Read and write.
    Use,
    /// Write what waits, shut writing down, and drop the transport. Either the closing
    /// handshake is done and this end closes the transport first, as servers do (§7.1.1); or
    /// the peer has ended its direction, so that nothing more can be received.
    Finish,
    /// Write what waits, then read until the peer ends the transport: the closing
    /// handshake is done and this is the client, which leaves that to the server (§7.1.1).
    /// Of a stream it is [`Finish`](Self::Finish): see
    /// [`set_multiplexed`](Session::set_multiplexed).
    AwaitEnd,
    /// Write what waits, shut writing down, and read to the end without listening: the
    /// connection was failed (§7.1.7). Reading on lets the Close frame arrive; a socket
    /// that is closed over unread bytes takes it back.
    Drain,
    /// Drop the transport.
    Drop,
}

/// The sending half with the connection's state, replies and timers.
///
/// Together with a [`Receiver`](crate::Receiver) it makes a
/// [`Connection`](crate::Connection); apart, the two can live on different tasks: the
/// receiver's events, errors and end are passed to the session by
/// [`handle_event`](Self::handle_event), [`fail`](Self::fail),
/// [`handle_read_end`](Self::handle_read_end) and [`handle_end`](Self::handle_end).
///
/// Time is an argument: a [`Duration`] since any moment the caller likes, the same for
/// all calls.
///
/// # Sending
/// [`send`](Self::send) and its siblings take a message, or a piece of one, whole or not at all.
/// Whenever the transport can take bytes, write what [`outgoing`](Self::outgoing) shows and
/// [`advance`](bytes::Buf::advance) it by what was written, in pieces of any size. Memory is
/// bounded by [`SendConfig::high_water`](crate::SendConfig::high_water) and one message; a peer
/// that only sends pings can't add to it.
///
/// While nothing waits, a session holds no buffer: give it one with [`lend`](Self::lend) before
/// sending and take it back with [`reclaim`](Self::reclaim) when all is written, or let it
/// allocate its own.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, kept small")]
pub struct Session {
    sender: Sender,
    role: Role,
    state: ReadyState,
    /// The transport is a stream of a connection that carries others.
    multiplexed: bool,
    /// The peer has ended its direction of the transport.
    read_ended: bool,
    /// This end may go on sending after the peer's Close.
    half_close: bool,
    /// Messages waited before the Close when the close deadline was set.
    closing_slowly: bool,
    timers: Timers,
    controls: TokenBucket,
    /// Budgets for messages and for their bytes, where there are any.
    rates: Option<Box<[Option<TokenBucket>; 2]>>,
}

/// So many bytes a peer has to take in each close timeout while more wait.
const LEAST_PROGRESS: u16 = 1 << 10;

/// Whether a Close says that all was sent that was to be.
fn is_normal(frame: Option<&CloseFrame>) -> bool {
    frame.is_none_or(|frame| frame.code == CloseCode::NORMAL)
}

fn rates(limits: &Limits) -> Option<Box<[Option<TokenBucket>; 2]>> {
    let budgets =
        [limits.max_message_rate, limits.max_byte_rate].map(|rate| rate.map(TokenBucket::new));
    budgets.iter().any(Option::is_some).then(|| Box::new(budgets))
}

impl Session {
    /// The session of a client, which takes its masking keys from `masks`.
    pub fn client(masks: Box<dyn MaskSource>, config: &Config) -> Self {
        Self::new(Role::Client, Sender::client(masks, config.send), config)
    }

    /// The session of a server.
    pub fn server(config: &Config) -> Self {
        Self::new(Role::Server, Sender::server(config.send), config)
    }

    fn new(role: Role, sender: Sender, config: &Config) -> Self {
        Self {
            sender,
            role,
            state: ReadyState::Connecting,
            multiplexed: false,
            read_ended: false,
            half_close: false,
            closing_slowly: false,
            timers: Timers::new(config.keepalive, config.idle_timeout, config.close_timeout),
            controls: TokenBucket::new(config.limits.max_control_rate),
            rates: rates(&config.limits),
        }
    }

    /// The same with permessage-deflate as it was agreed on.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, deflate: &PerMessageDeflate) -> Self {
        self.sender = self.sender.with_deflate(deflate);
        self
    }

    /// Says that the transport is a stream of a connection that carries others, such as one of
    /// HTTP/2 (RFC 8441) or HTTP/3 (RFC 9220). There the client, too, ends its direction as
    /// soon as the closing handshake is done: §7.1.1 leaves that to the server for the sake of
    /// TCP's `TIME_WAIT`, which a stream has not.
    pub fn set_multiplexed(&mut self) {
        self.multiplexed = true;
    }

    /// Keeps this end open for sending when the peer closes with 1000 or without a code, until it
    /// closes too: the answer to a Close may wait until what is being sent is sent (§5.5.1). So a
    /// WebSocket is half-closed as TCP is, if the peer reads on after its Close.
    ///
    /// Where nothing has flowed either way for the close timeout, it is answered with 1001.
    pub fn allow_half_close(&mut self) {
        self.half_close = true;
    }

    /// Ends what [`allow_half_close`](Self::allow_half_close) began, as nobody sends or listens here
    /// any more: bytes of the peer do not put off the close timeout.
    pub fn end_half_close(&mut self) {
        self.half_close = false;
    }

    /// The opening handshake is done; the keepalive and the idle timeout begin.
    pub fn open(&mut self, now: Duration) {
        if self.state == ReadyState::Connecting {
            self.state = ReadyState::Open;
            self.timers.start(now);
        }
    }

    /// Where the connection stands.
    #[inline]
    pub fn state(&self) -> ReadyState {
        self.state
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// How the closing went so far; `None` while nobody has begun it.
    pub fn close_info(&self) -> Option<&CloseInfo> {
        self.sender.info.as_deref()
    }

    /// The last round trip of a keepalive ping.
    pub fn round_trip(&self) -> Option<Duration> {
        self.timers.round_trip()
    }

    // --- Sending -------------------------------------------------------------------

    /// Whether messages may be compressed.
    pub fn compresses(&self) -> bool {
        self.sender.compresses()
    }

    /// Whether a message of this length would be compressed now, or tried to.
    pub fn would_compress(&self, len: usize, compression: Compression) -> bool {
        self.sender.would_compress(len, compression)
    }

    /// Returns the window for which [`PreparedMessage`]s are compressed that are sent here, and the
    /// length from which on they are; `None` if messages are not compressed.
    #[cfg(feature = "deflate")]
    pub fn prepared_window(&self) -> Option<(u8, usize)> {
        self.sender.prepared_window()
    }

    /// Returns how many bytes wait for the transport when no more messages are taken: at least 1;
    /// see [`SendConfig::high_water`](crate::SendConfig::high_water).
    pub fn high_water(&self) -> usize {
        self.sender.high_water()
    }

    /// Whether a message would be taken now, and if not, why.
    #[inline]
    pub fn check_ready(&self) -> Result<(), SendError> {
        if self.state == ReadyState::Open {
            self.sender.check_ready()
        } else {
            Err(SendError::Closing)
        }
    }

    /// Queues a whole message. That text is UTF-8 is the caller's duty.
    #[inline]
    pub fn send(&mut self, kind: MessageKind, payload: Bytes) -> Result<(), (SendError, Bytes)> {
        self.send_with(kind, payload, Compression::Auto)
    }

    /// Queues a whole message, and says whether it is to be compressed.
    #[inline]
    pub fn send_with(
        &mut self,
        kind: MessageKind,
        payload: Bytes,
        compression: Compression,
    ) -> Result<(), (SendError, Bytes)> {
        if self.state != ReadyState::Open {
            return Err((SendError::Closing, payload));
        }
        self.sender.send_with(kind, payload, compression)?;
        self.timers.note_message();
        Ok(())
    }

    /// Queues a [`Message`], which comes back as one if it is refused.
    #[inline]
    pub fn send_message(
        &mut self,
        message: Message,
        compression: Compression,
    ) -> Result<(), (SendError, Message)> {
        let kind = message.kind();
        let sent = self.send_with(kind, message.into_bytes(), compression);
        sent.map_err(|(error, payload)| (error, Message::checked(kind, payload)))
    }

    /// Queues a whole message even if [`high_water`](crate::SendConfig::high_water) has been
    /// reached: for a caller who found room before, and must not refuse the message now.
    pub fn send_promised(
        &mut self,
        message: Message,
        compression: Compression,
    ) -> Result<(), (SendError, Message)> {
        if self.state != ReadyState::Open {
            return Err((SendError::Closing, message));
        }
        let kind = message.kind();
        let sent = self.sender.send_promised(kind, message.into_bytes(), compression);
        sent.map_err(|(error, payload)| (error, Message::checked(kind, payload)))?;
        self.timers.note_message();
        Ok(())
    }

    /// Queues a message that stays the caller's: compressed, if that is wanted and makes it
    /// shorter, or by a copy, if it is short. Returns whether it did. What is long is not copied,
    /// and is for [`send_message`](Self::send_message): uncompressed, as that was tried here.
    #[inline]
    pub fn send_copy(
        &mut self,
        message: &Message,
        compression: Compression,
    ) -> Result<bool, SendError> {
        if self.state != ReadyState::Open {
            return Err(SendError::Closing);
        }
        let copied = self.sender.send_copy(message.kind(), message.as_bytes(), compression)?;
        if copied {
            self.timers.note_message();
        }
        Ok(copied)
    }

    /// Queues a message that is sent to many: it is not copied, and compressed only if it
    /// has not been before.
    #[cfg(feature = "deflate")]
    pub fn send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), SendError> {
        self.check_ready()?;
        self.sender.send_prepared(prepared)?;
        self.timers.note_message();
        Ok(())
    }

    /// Whether [`send_batch`](Self::send_batch) can be used: frames that are sent here are neither
    /// masked nor compressed, nor cut where a batch would not cut them.
    pub fn shares_frames(&self) -> bool {
        self.sender.shares_frames()
    }

    /// Queues frames that were made for many connections: a range that [`FrameBatch::push`]
    /// returned, or several that follow one another. They are taken together, as one message would
    /// be; how many may be is what [`room`](Self::room) returns.
    ///
    /// # Panics
    /// While the connection is open: unless [`shares_frames`](Self::shares_frames), or if the batch
    /// ends before the range.
    pub fn send_batch(&mut self, batch: &FrameBatch, range: Range<usize>) -> Result<(), SendError> {
        self.check_ready()?;
        self.sender.send_batch(batch, range)?;
        self.timers.note_message();
        Ok(())
    }

    /// How many bytes more may wait before it is [`Full`](SendError::Full); none if no whole
    /// message can be sent.
    pub fn room(&self) -> usize {
        if self.state == ReadyState::Open { self.sender.room() } else { 0 }
    }

    /// Queues a piece of a message that is sent as it is made (§5.4). The first call
    /// begins the message, with its `kind` and whether it is to be compressed; the one with
    /// `last` ends it.
    ///
    /// A compressor gathers pieces until they are worth a block: what shall leave before
    /// the message goes on is brought out by [`flush_fragment`](Self::flush_fragment).
    pub fn send_fragment(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        last: bool,
        compression: Compression,
    ) -> Result<(), SendError> {
        self.check_ready()?;
        self.sender.send_fragment(kind, payload, last, compression)?;
        self.timers.note_message();
        Ok(())
    }

    /// Queues what the compressor holds back of a message that was begun by
    /// [`send_fragment`](Self::send_fragment).
    pub fn flush_fragment(&mut self) -> Result<(), SendError> {
        self.check_ready()?;
        self.sender.flush_fragment()
    }

    /// Gives up what memory compression can do without. With `history`, also what later
    /// messages could refer to, so that they become longer.
    pub fn release_memory(&mut self, history: bool) {
        self.sender.release_memory(history);
    }

    /// Whether a message begun by [`send_fragment`](Self::send_fragment) is unfinished.
    pub fn is_fragmenting(&self) -> bool {
        self.sender.is_fragmenting()
    }

    /// Queues a Ping of the application (§5.5.2), which overtakes data that has not begun to leave.
    /// While the last one waits, it is refused as [`SendError::Full`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control(ControlKind::Ping, payload)
    }

    /// Queues a Pong that no Ping asked for (§5.5.3), which overtakes data that has not begun to
    /// leave. While the last one waits, it is refused as [`SendError::Full`].
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control(ControlKind::Pong, payload)
    }

    fn control(&mut self, kind: ControlKind, payload: &[u8]) -> Result<(), SendError> {
        if self.state != ReadyState::Open {
            return Err(SendError::Closing);
        }
        self.sender.send_control(kind, payload)
    }

    /// Begins the closing handshake (§7.1.2), behind the data that waits. Returns whether
    /// it was this call that began it.
    ///
    /// Without a frame, the peer gets neither code nor reason. What [`CloseFrame::new`] would
    /// refuse is left out: a code that may not be sent (the peer then sees 1005), the end of a
    /// long reason.
    pub fn close(&mut self, frame: Option<CloseFrame>, now: Duration) -> bool {
        if self.state != ReadyState::Open {
            return false;
        }
        self.begin_closing(Initiator::Local, CloseCause::Handshake, now);
        self.queue_close(frame.and_then(CloseFrame::sendable));
        true
    }

    /// Returns a view of the bytes for the transport, in order.
    #[inline]
    pub fn outgoing(&mut self) -> Outgoing<'_> {
        self.sender.outgoing()
    }

    /// Whether there is anything for the transport.
    #[inline]
    pub fn wants_write(&self) -> bool {
        self.sender.wants_write()
    }

    /// Returns how many bytes were taken and have not left yet, headers included.
    #[inline]
    pub fn buffered(&self) -> usize {
        self.sender.buffered()
    }

    /// Whether a buffer lent now would be used.
    #[inline]
    pub fn wants_buffer(&self) -> bool {
        self.sender.wants_buffer()
    }

    /// Lends an empty buffer to hold messages in, unless there is one.
    #[inline]
    pub fn lend(&mut self, buffer: Box<SendBuffer>) {
        self.sender.lend(buffer);
    }

    /// Takes the buffer back, once all is written.
    #[inline]
    pub fn reclaim(&mut self) -> Option<Box<SendBuffer>> {
        self.sender.reclaim()
    }

    /// Takes out what was queued and did not leave before the end, so that it can be dropped
    /// where that is allowed to take its time; `None` before. [`buffered`](Self::buffered)
    /// counts it still, as the WebSocket API's `bufferedAmount` does.
    pub fn take_unsent(&mut self) -> Option<Box<SendBuffer>> {
        if self.state == ReadyState::Closed { self.sender.take_unsent() } else { None }
    }

    // --- What was received ---------------------------------------------------------

    /// Whether a keepalive ping has not been answered yet.
    pub fn awaits_pong(&self) -> bool {
        self.timers.awaits_pong()
    }

    /// Takes note that bytes arrived, other than a Ping: the peer is alive.
    #[inline]
    pub fn note_received(&mut self) {
        self.timers.note_received();
    }

    /// Takes note of how many bytes have arrived from the beginning on, in place of
    /// [`note_received`](Self::note_received): the peer is alive if there are more than were
    /// known, and not all of them the Pings that [`handle_event`](Self::handle_event) was told of.
    pub fn note_received_total(&mut self, total: u64) {
        self.timers.note_received_total(total);
    }

    /// Forgets to time the Pong that is awaited, because it was not read when it arrived.
    pub fn discard_round_trip(&mut self) {
        self.timers.discard_round_trip();
    }

    /// Says whether anybody reads what arrives; until told otherwise, somebody does. While
    /// nobody does, the peer's answers to pings can't be seen, so it is pinged but not given
    /// up, unless it takes nothing of what waits for it either.
    pub fn set_listening(&mut self, listening: bool) {
        self.timers.set_listening(listening);
    }

    /// Takes note that a message, or a piece of one, arrived, where
    /// [`handle_event`](Self::handle_event) is not told of it: the connection is not idle.
    #[inline]
    pub fn note_message(&mut self) {
        self.timers.note_message();
    }

    /// Whether [`count_message`](Self::count_message) is to be told of what arrives, where
    /// [`handle_event`](Self::handle_event) is not.
    pub fn has_rates(&self) -> bool {
        self.rates.is_some()
    }

    /// Counts a piece of a message, or all of it, against `max_message_rate` and
    /// `max_byte_rate`.
    pub fn count_message(
        &mut self,
        last: bool,
        payload: usize,
        now: Duration,
    ) -> Result<(), ProtocolError> {
        let Some([messages, bytes]) = self.rates.as_deref_mut() else { return Ok(()) };
        let error = if let Some(budget) = messages
            && last
            && !budget.take(now)
        {
            ProtocolError::TooManyMessages { limit: budget.rate() }
        } else if let Some(budget) = bytes
            && !budget.take_many(payload, now)
        {
            ProtocolError::TooManyBytes { limit: budget.rate() }
        } else {
            return Ok(());
        };
        self.fail(error, now);
        Err(error)
    }

    /// Does what an event asks for: answers a Ping (§5.5.2) or a Close (§5.5.1), measures
    /// a Pong. Data asks for nothing, but shows that the connection is not idle.
    ///
    /// Of a connection that was failed or is closed, it asks for nothing (§7.1.7).
    pub fn handle_event(&mut self, event: &Event<'_>, now: Duration) -> Result<(), ProtocolError> {
        if self.state == ReadyState::Closed || self.is_failed() {
            return Ok(());
        }
        match event {
            Event::Data(data) => {
                self.note_message();
                self.count_message(data.last, data.payload.len(), now)
            }
            Event::Ping(payload) => {
                self.count_control(now)?;
                // It is no sign that anybody reads there.
                self.timers.note_ping(self.header_of_received() + payload.len());
                // Its slot replaces an older Pong, so this can't be refused.
                let _ = self.sender.send_control(ControlKind::AutoPong, payload);
                Ok(())
            }
            Event::Pong(payload) => {
                self.count_control(now)?;
                self.timers.handle_pong(payload, now);
                Ok(())
            }
            Event::Close(frame) => {
                self.handle_close(frame.clone(), now);
                Ok(())
            }
        }
    }

    /// The length of the header of a short frame that was received: masked, if by a client.
    fn header_of_received(&self) -> usize {
        if self.role == Role::Server { 6 } else { 2 }
    }

    fn count_control(&mut self, now: Duration) -> Result<(), ProtocolError> {
        if self.controls.take(now) {
            return Ok(());
        }
        let error = ProtocolError::TooManyControlFrames { limit: self.controls.rate() };
        self.fail(error, now);
        Err(error)
    }

    fn handle_close(&mut self, frame: Option<CloseFrame>, now: Duration) {
        self.begin_closing(Initiator::Peer, CloseCause::Handshake, now);
        // §5.5.2: after a Close, no Pong is owed.
        self.sender.drop_controls();
        let waits = self.half_close && !self.sender.is_closing() && is_normal(frame.as_ref());
        // §5.5.1: answer, if not done, echoing what came.
        let reply = frame.clone();
        if let Some(info) = &mut self.sender.info {
            info.close_received = true;
            info.received = frame;
        }
        if waits {
            // The answer waits until this end has sent what it has to.
            self.state = ReadyState::Open;
        } else {
            self.queue_close(reply);
        }
    }

    /// Whether the peer's Close arrived, and the answer waits for this end.
    fn is_half_closed(&self) -> bool {
        !self.sender.is_closing()
            && self.sender.info.as_ref().is_some_and(|info| info.close_received)
    }

    /// The peer has waited long enough for the rest of what is sent here, which is incomplete.
    fn close_half_closed(&mut self, now: Duration) {
        let reason = "close_timeout: nothing more was sent, and this end did not close".into();
        self.queue_close(Some(CloseFrame::truncated(CloseCode::GOING_AWAY, reason)));
        self.timers.start_closing(now);
    }

    /// Fails the connection (§7.1.7) for what the peer did: queues a Close with the right
    /// code. From now on the transport only drains.
    ///
    /// There is nothing left to fail once both ends have sent their Close.
    pub fn fail(&mut self, error: ProtocolError, now: Duration) {
        if self.state == ReadyState::Closed || self.is_failed() || self.has_both_closes() {
            return;
        }
        self.begin_closing(Initiator::Library, CloseCause::Protocol(error), now);
        if let Some(info) = &mut self.sender.info {
            // Also when a handshake was under way: this is how it ends.
            info.cause = CloseCause::Protocol(error);
        }
        self.queue_close(Some(CloseFrame::truncated(error.close_code(), error.to_string())));
    }

    /// The peer's Close arrived, and this end's is queued, if it has not left.
    fn has_both_closes(&self) -> bool {
        self.sender.is_closing() && self.sender.info.as_ref().is_some_and(|i| i.close_received)
    }

    fn is_failed(&self) -> bool {
        let by_handshake = |cause| matches!(cause, CloseCause::Handshake | CloseCause::IdleTimeout);
        self.sender.info.as_ref().is_some_and(|i| !by_handshake(i.cause))
    }

    /// Takes note that the peer ended its direction of the transport (FIN, `END_STREAM`):
    /// nothing more is received. No message is taken any more, but what is queued still
    /// leaves, which is for [`transport`](Self::transport) to say: on TCP and on streams, the
    /// end of one direction is not the end of the other (RFC 9113 §5.1).
    pub fn handle_read_end(&mut self, now: Duration) {
        if self.state == ReadyState::Closed || self.read_ended {
            return;
        }
        self.read_ended = true;
        self.begin_closing(Initiator::Peer, CloseCause::TransportEnd, now);
        if let Some(info) = &mut self.sender.info
            && info.cause == CloseCause::Handshake
            && !info.close_received
        {
            info.cause = CloseCause::TransportEnd;
        }
        // Nobody can answer them, or asked for them and still listens.
        self.sender.drop_controls();
    }

    /// Whether [`handle_read_end`](Self::handle_read_end) was called.
    pub fn read_ended(&self) -> bool {
        self.read_ended
    }

    /// Takes note that both directions of the transport ended: by the peer
    /// (`CloseCause::TransportEnd`), an error (`CloseCause::TransportError`), or because this end
    /// dropped it (`CloseCause::Dropped`).
    pub fn handle_end(&mut self, cause: CloseCause, now: Duration) {
        if self.state == ReadyState::Closed {
            return;
        }
        let by = if cause == CloseCause::Dropped { Initiator::Local } else { Initiator::Peer };
        self.begin_closing(by, cause, now);
        if let Some(info) = &mut self.sender.info
            && info.cause == CloseCause::Handshake
            && !info.is_clean()
            // Who sends a Close and leaves, as a page does that is left, has said how it ended.
            && (!info.close_received || cause == CloseCause::Dropped)
        {
            info.cause = cause;
        }
        self.end();
    }

    // --- Time ----------------------------------------------------------------------

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.state == ReadyState::Closed { None } else { self.timers.next() }
    }

    /// Does what is due: sends a keepalive ping, closes an idle connection, or gives one up.
    /// Returns whether it was given up; [`close_info`](Self::close_info) then says why.
    pub fn handle_timeout(&mut self, now: Duration) -> bool {
        if self.state == ReadyState::Closed {
            return false;
        }
        let fired = self.timers.fire(now, || self.sender.is_stuck());
        if fired != TimerEvent::NotIdle {
            // Twice in a keepalive interval.
            self.sender.rest();
        }
        match fired {
            TimerEvent::Nothing | TimerEvent::NotIdle => false,
            TimerEvent::Idle => {
                self.close_idle(now);
                false
            }
            TimerEvent::Ping(payload) => {
                if self.state == ReadyState::Open {
                    // Its slot replaces an older one, so this can't be refused.
                    let _ = self.sender.send_control(ControlKind::Keepalive, &payload);
                }
                false
            }
            TimerEvent::PeerSilent => self.give_up(CloseCause::KeepaliveTimeout, now),
            TimerEvent::CloseDeadline => {
                if self.closing_progressed() {
                    self.timers.start_closing(now);
                    return false;
                }
                if self.is_half_closed() {
                    self.close_half_closed(now);
                    return false;
                }
                self.give_up(CloseCause::CloseTimeout, now)
            }
        }
    }

    /// Whether the peer has taken enough bytes since the close deadline was set, and some still
    /// wait, or those before the Close had to wait: then it is slow, but not gone.
    fn closing_progressed(&mut self) -> bool {
        let taken = self.sender.take_progress();
        let waits = self.sender.wants_write();
        // A byte now and then would keep the connection for days.
        let progressed = taken >= if waits { LEAST_PROGRESS } else { 1 };
        let was_slow = core::mem::replace(&mut self.closing_slowly, waits);
        let received = self.timers.take_received();
        let half_open = self.half_close && !self.has_both_closes() && !self.is_failed();
        (progressed && (waits || was_slow)) || (half_open && (progressed || received))
    }

    /// A closing handshake like that of the application, but for its cause.
    fn close_idle(&mut self, now: Duration) {
        self.begin_closing(Initiator::Library, CloseCause::IdleTimeout, now);
        let reason = "idle_timeout: no message for too long".into();
        self.queue_close(Some(CloseFrame::truncated(CloseCode::GOING_AWAY, reason)));
    }

    fn give_up(&mut self, cause: CloseCause, now: Duration) -> bool {
        self.begin_closing(Initiator::Library, cause, now);
        if let Some(info) = &mut self.sender.info
            && info.cause == CloseCause::Handshake
            && !info.is_clean()
        {
            info.cause = cause;
        }
        self.end();
        true
    }

    // --- The end -------------------------------------------------------------------

    /// What is to be done with the transport.
    pub fn transport(&self) -> TransportAction {
        match (&self.sender.info, self.state) {
            (_, ReadyState::Closed) => TransportAction::Drop,
            _ if self.read_ended && !self.is_half_closed() => TransportAction::Finish,
            (Some(_), _) if self.is_failed() => TransportAction::Drain,
            _ if self.has_both_closes() => match self.role {
                Role::Client if !self.multiplexed => TransportAction::AwaitEnd,
                Role::Client | Role::Server => TransportAction::Finish,
            },
            _ => TransportAction::Use,
        }
    }

    fn begin_closing(&mut self, initiator: Initiator, cause: CloseCause, now: Duration) {
        if self.sender.info.is_none() {
            self.sender.info = Some(Box::new(CloseInfo::new(initiator, cause)));
            self.state = ReadyState::Closing;
            self.timers.start_closing(now);
            self.sender.take_progress();
            self.closing_slowly = self.sender.wants_write();
        }
    }

    fn queue_close(&mut self, frame: Option<CloseFrame>) {
        if self.sender.is_closing() {
            return;
        }
        self.sender.send_close(frame.as_ref());
        if self.state == ReadyState::Open {
            // It was half-closed.
            self.state = ReadyState::Closing;
        }
        if let Some(info) = &mut self.sender.info {
            info.sent = frame;
        }
    }

    fn end(&mut self) {
        self.state = ReadyState::Closed;
        self.sender.drop_controls();
        self.sender.release_memory(true);
    }
}

/// The code that tells the WebSocket API how the connection ended (§7.1.5).
impl From<&CloseInfo> for CloseCode {
    fn from(info: &CloseInfo) -> Self {
        info.code()
    }
}
