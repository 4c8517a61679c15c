//! The state of a connection, its replies and timers, and how it ends (RFC 6455 §5.5, §7).

mod closing;
mod receiving;
mod sending;
mod state;
mod timeout;

use alloc::boxed::Box;
use core::time::Duration;

use crate::close_info::CloseInfo;
use crate::config::Config;
#[cfg(feature = "deflate")]
use crate::deflate::PerMessageDeflate;
use crate::frame::Role;
use crate::limits::Limits;
use crate::mask::MaskSource;
use crate::send::Sender;
use crate::timers::Timers;
use crate::token_bucket::TokenBucket;

pub use state::{ReadyState, TransportAction};

/// The sending half, with the connection's state, replies and timers.
///
/// With a [`Receiver`](crate::Receiver) it makes up a [`Connection`](crate::Connection). The two
/// can also live on different tasks: the receiver's events, errors and end are then passed to the
/// session by [`handle_event`](Self::handle_event), [`fail`](Self::fail),
/// [`handle_read_end`](Self::handle_read_end) and [`handle_end`](Self::handle_end).
///
/// Time is an argument: a [`Duration`] since a moment that the caller chooses, the same one for all
/// calls.
///
/// # Sending
/// [`send`](Self::send) and its variants take a message, or a chunk of one, whole or not at all.
/// Whenever the transport can take bytes, write those of [`outgoing`](Self::outgoing) and
/// [`advance`](bytes::Buf::advance) it by the number written, in writes of any size. Memory is
/// bounded by [`SendConfig::high_water`](crate::SendConfig::high_water) and one message; a peer
/// that only sends pings can't add to it.
///
/// While nothing is queued, a session holds no buffer. Lend it one with
/// [`lend_buffer`](Self::lend_buffer) before sending and take it back with
/// [`take_buffer`](Self::take_buffer) when all is written, or let it allocate its own.
///
/// ```
/// use core::time::Duration;
///
/// use fullduplex_proto::bytes::Buf;
/// use fullduplex_proto::{CloseCode, CloseFrame, Config, MessageKind, ReadyState, Session};
///
/// let now = Duration::ZERO;
/// let mut session = Session::server(&Config::default());
/// session.open(now);
/// session.send(MessageKind::Text, "Hello".into()).unwrap();
/// session.close(CloseFrame::new(CloseCode::NORMAL, "").ok(), now);
/// assert_eq!(session.state(), ReadyState::Closing);
/// let mut written = Vec::new();
/// while session.wants_write() {
///     let mut outgoing = session.outgoing();
///     written.extend_from_slice(outgoing.chunk());
///     outgoing.advance(outgoing.chunk().len());
/// }
/// assert_eq!(written, b"\x81\x05Hello\x88\x02\x03\xe8");
/// ```
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, kept small")]
pub struct Session {
    sender: Sender,
    role: Role,
    state: ReadyState,
    /// Whether the transport is a stream of a multiplexed connection (HTTP/2, HTTP/3).
    multiplexed: bool,
    /// Whether the peer has ended its direction of the transport.
    read_ended: bool,
    /// Whether this end may go on sending after the peer's Close.
    half_close: bool,
    /// Whether bytes were queued when the close deadline was set.
    closing_slowly: bool,
    /// Whether a message, or a chunk of one, was received or sent since the timers last asked.
    saw_message: bool,
    /// Boxed, as messages need it seldom, and small pieces of memory are easier to find.
    checks: Box<PeerChecks>,
}

/// What is checked about the peer: that it answers, and does not send too much.
#[derive(Debug)]
struct PeerChecks {
    timers: Timers,
    control_budget: TokenBucket,
    /// The budgets for messages and for their bytes, if there are limits.
    rates: Option<Box<[Option<TokenBucket>; 2]>>,
}

/// Returns the budgets for messages and bytes; `None`, which takes less memory, if neither is
/// limited.
fn rate_budgets(limits: &Limits) -> Option<Box<[Option<TokenBucket>; 2]>> {
    let budgets =
        [limits.max_message_rate, limits.max_byte_rate].map(|rate| rate.map(TokenBucket::new));
    budgets.iter().any(Option::is_some).then(|| Box::new(budgets))
}

impl Session {
    /// Creates the session of a client, which takes its masking keys from `masks`. The settings
    /// must be [valid](Config::validate).
    pub fn client(masks: Box<dyn MaskSource>, config: &Config) -> Self {
        Self::new(Role::Client, Sender::client(masks, config.send), config)
    }

    /// Creates the session of a server. The settings must be [valid](Config::validate).
    pub fn server(config: &Config) -> Self {
        Self::new(Role::Server, Sender::server(config.send), config)
    }

    fn new(role: Role, sender: Sender, config: &Config) -> Self {
        debug_assert_eq!(config.validate(), Ok(()));
        Self {
            sender,
            role,
            state: ReadyState::Connecting,
            multiplexed: false,
            read_ended: false,
            half_close: false,
            closing_slowly: false,
            saw_message: false,
            checks: Box::new(PeerChecks {
                timers: Timers::new(config.keepalive, config.idle_timeout, config.close_timeout),
                control_budget: TokenBucket::new(config.limits.max_control_rate),
                rates: rate_budgets(&config.limits),
            }),
        }
    }

    /// Enables permessage-deflate with the negotiated parameters.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, deflate: &PerMessageDeflate) -> Self {
        self.sender = self.sender.with_deflate(deflate);
        self
    }

    /// Declares that the transport is a stream of a multiplexed connection, of HTTP/2 (RFC 8441) or
    /// HTTP/3 (RFC 9220).
    ///
    /// There the client, too, ends its direction as soon as the closing handshake is done: §7.1.1
    /// leaves that to the server because of TCP's `TIME_WAIT`, which a stream does not have.
    pub fn set_multiplexed(&mut self) {
        self.multiplexed = true;
    }

    /// Keeps this end open for sending when the peer closes with 1000 or without a code, until this
    /// end closes, too.
    ///
    /// The answer to a Close may wait until what is being sent is complete (§5.5.1). So a WebSocket
    /// is half-closed as TCP is, if the peer reads on after its Close. If nothing flows in either
    /// direction for the close timeout, the Close is answered with 1001.
    pub fn allow_half_close(&mut self) {
        self.half_close = true;
    }

    /// Disables what [`allow_half_close`](Self::allow_half_close) enabled, because the application
    /// neither sends nor receives any more: bytes of the peer do not extend the close timeout.
    pub fn end_half_close(&mut self) {
        self.half_close = false;
    }

    /// Opens the session after the opening handshake: the keepalive and the idle timeout start.
    pub fn open(&mut self, now: Duration) {
        if self.state == ReadyState::Connecting {
            self.state = ReadyState::Open;
            self.checks.timers.start(now);
        }
    }

    /// Returns the state of the connection.
    #[inline]
    pub fn state(&self) -> ReadyState {
        self.state
    }

    /// Returns the role of this end.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns how far the closing is; `None` before it has started.
    pub fn close_info(&self) -> Option<&CloseInfo> {
        self.sender.info.as_deref()
    }

    /// Returns the last round-trip time: of a keepalive Ping, or one that was
    /// [recorded](Self::record_round_trip).
    pub fn round_trip(&self) -> Option<Duration> {
        self.checks.timers.round_trip()
    }

    /// Records the round-trip time of a Ping of the application.
    pub fn record_round_trip(&mut self, took: Duration) {
        self.checks.timers.record_round_trip(took);
    }
}
