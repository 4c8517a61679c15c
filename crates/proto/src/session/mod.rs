//! What both halves of a connection share: its state, the replies it owes, its timers
//! and how it ended (RFC 6455 §5.5, §7).

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
}
