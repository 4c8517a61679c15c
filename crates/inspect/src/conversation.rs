//! Both directions of a connection together.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use fullduplex_proto::frame::OpCode;
use fullduplex_proto::{DeflateParams, Role};

use crate::decoder::Decoder;
use crate::frame::Frame;
use crate::limits::DecoderLimits;

/// The most Pings of one side that wait for their Pong.
const MAX_PINGS: usize = 64;

/// Both directions of a connection: the frames of each side, the round trips of Pings, and who
/// closed first.
///
/// ```
/// use std::time::Duration;
///
/// use fullduplex_inspect::Conversation;
/// use fullduplex_inspect::proto::Role;
///
/// let mut conversation = Conversation::new();
/// let sent = Duration::from_millis(10);
/// conversation.push(Role::Server, b"\x89\x02hi", sent, |_| {});
/// let answered = Duration::from_millis(35);
/// conversation.push(Role::Client, b"\x8a\x82\0\0\0\0hi", answered, |pong| {
///     assert_eq!(pong.round_trip, Some(Duration::from_millis(25)));
/// });
/// ```
#[derive(Debug)]
pub struct Conversation {
    client: Side,
    server: Side,
    first_close: Option<Role>,
}

/// What one side sends.
#[derive(Debug)]
struct Side {
    decoder: Decoder,
    /// The Pings that the other side has not answered, each with its time.
    pings: VecDeque<(Bytes, Duration)>,
}

/// A frame, with what the other direction says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConversationFrame {
    /// The side that sent it.
    pub sender: Role,
    /// The frame.
    pub frame: Frame,
    /// The time since the Ping that this Pong answers (RFC 6455 §5.5.3), as it was seen where the
    /// bytes were observed; `None` if it is not a Pong, or answers none.
    pub round_trip: Option<Duration>,
}

impl Default for Conversation {
    fn default() -> Self {
        Self::new()
    }
}

impl Conversation {
    /// Creates a conversation without compression, from the first frames on.
    pub fn new() -> Self {
        let side = |role| Side { decoder: Decoder::new(role), pings: VecDeque::new() };
        let (client, server) = (side(Role::Client), side(Role::Server));
        Self { client, server, first_close: None }
    }

    /// Sets the negotiated compression; `None` for none. Default: `None`.
    #[must_use]
    pub fn with_deflate(mut self, deflate: impl Into<Option<DeflateParams>>) -> Self {
        let deflate = deflate.into();
        self.client.decoder = self.client.decoder.with_deflate(deflate);
        self.server.decoder = self.server.decoder.with_deflate(deflate);
        self
    }

    /// Sets the limits, for each direction.
    #[must_use]
    pub fn with_limits(mut self, limits: DecoderLimits) -> Self {
        self.client.decoder = self.client.decoder.with_limits(limits);
        self.server.decoder = self.server.decoder.with_limits(limits);
        self
    }

    /// Decodes bytes of `sender` that were seen at this time, and calls `show` with each frame
    /// whose last byte is among them.
    pub fn push(
        &mut self,
        sender: Role,
        bytes: &[u8],
        at: Duration,
        mut show: impl FnMut(ConversationFrame),
    ) {
        let mut bytes = bytes;
        while !bytes.is_empty() {
            if let Some(shown) = self.push_some(sender, &mut bytes, at, &mut |_| {}) {
                show(shown);
            }
        }
    }

    /// Takes a byte of a header, or payload of one frame of `sender`. Returns the frame if that is
    /// complete. `plain` is called with the bytes of messages, decompressed.
    pub(crate) fn push_some(
        &mut self,
        sender: Role,
        bytes: &mut &[u8],
        at: Duration,
        plain: &mut dyn FnMut(&[u8]),
    ) -> Option<ConversationFrame> {
        let (own, other) = match sender {
            Role::Client => (&mut self.client, &mut self.server),
            Role::Server => (&mut self.server, &mut self.client),
        };
        let frame = own.decoder.push_some(bytes, at, plain)?;
        let mut round_trip = None;
        match frame.opcode() {
            Some(OpCode::Ping) => {
                if own.pings.len() == MAX_PINGS {
                    own.pings.pop_front();
                }
                own.pings.push_back((frame.payload.clone(), frame.ended));
            }
            Some(OpCode::Pong) => round_trip = other.answered(&frame),
            Some(OpCode::Close) => {
                self.first_close.get_or_insert(sender);
            }
            _ => {}
        }
        Some(ConversationFrame { sender, frame, round_trip })
    }

    /// Returns the decoder of what `sender` sends.
    pub(crate) fn decoder(&self, sender: Role) -> &Decoder {
        match sender {
            Role::Client => &self.client.decoder,
            Role::Server => &self.server.decoder,
        }
    }

    /// Tells that some bytes of `sender` were not seen. See [`Decoder::skip`].
    pub fn skip(&mut self, sender: Role) {
        let side = match sender {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        };
        side.decoder.skip();
        side.pings.clear();
    }

    /// Returns the frame within which the direction of `sender` ended, if its header is complete.
    pub fn finish(&mut self, sender: Role) -> Option<Frame> {
        match sender {
            Role::Client => self.client.decoder.finish(),
            Role::Server => self.server.decoder.finish(),
        }
    }

    /// Returns the side whose Close was seen first.
    pub fn first_close(&self) -> Option<Role> {
        self.first_close
    }
}

impl Side {
    /// Returns the round trip of the Ping that a Pong answers. It answers those before, too, which
    /// need no Pong of their own (RFC 6455 §5.5.3).
    fn answered(&mut self, pong: &Frame) -> Option<Duration> {
        let newest = self.pings.iter().rposition(|(payload, _)| *payload == pong.payload)?;
        let (_, at) = self.pings.drain(..=newest).next_back()?;
        pong.ended.checked_sub(at)
    }
}
