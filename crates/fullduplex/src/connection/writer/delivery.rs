//! Delivery of broadcast messages to a member: the interface of a connection for its groups, and
//! what happens if it is too slow.

use std::collections::VecDeque;
use std::sync::Arc;

use fullduplex_proto::{CloseCode, CloseFrame, PreparedMessage, SendError};

use crate::connection::shared_frames::FrameRange;

/// The policy for broadcast messages that a slow member can't accept.
///
/// A member is slow while `high_water` bytes (64 KiB) wait for its transport, or while it is in the
/// middle of a fragmented message.
///
/// | messages are | policy |
/// |---|---|
/// | positions, prices: each one replaces the last | `DropOldest` with a small `keep`, and a [key](crate::broadcast::Group::publish_keyed) |
/// | chat: a few may be lost | `DropNewest`, or `DropOldest` |
/// | changes of a document: none may be lost | `Close`, and the client loads all of it anew |
///
/// ```
/// use fullduplex::CloseCode;
/// use fullduplex::broadcast::LagPolicy;
///
/// let cursors = LagPolicy::DropOldest { keep: 16 };
/// let edits = LagPolicy::Close(CloseCode::TRY_AGAIN_LATER);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "backpressure")]
#[doc(alias = "slow consumer")]
pub enum LagPolicy {
    /// Drops the message for this member.
    DropNewest,
    /// Keeps the message until the member can accept it, and drops the oldest if too many wait.
    ///
    /// Earlier messages with the same [key](crate::broadcast::Group::publish_keyed) are dropped in
    /// any case, as they are out of date. While messages wait, `send` on the WebSocket waits, too.
    DropOldest {
        /// Maximum number of messages that wait, at least 1.
        keep: usize,
    },
    /// Closes the member with this code, for example 1008 (policy violation) or 1013 (try again
    /// later).
    ///
    /// The Close follows what is queued, so the peer sees it only if it reads again within
    /// [`close_timeout`](crate::Config::close_timeout), and else code 1006. The member's `next`
    /// then fails with [`ErrorKind::Timeout`](crate::ErrorKind::Timeout).
    ///
    /// In the middle of a fragmented message, the message is dropped instead.
    Close(CloseCode),
}

/// A member of a group: the writer of its connection, whatever the transport.
pub(crate) trait Deliver: Send + Sync {
    /// Queues a message, or does as `policy` says. Called with the group locked.
    fn deliver(
        self: Arc<Self>,
        broadcast: &BroadcastMessage<'_>,
        policy: LagPolicy,
    ) -> DeliveryOutcome;
}

/// A message that is delivered to the members of a group.
pub(crate) struct BroadcastMessage<'a> {
    pub(crate) message: &'a PreparedMessage,
    pub(crate) key: Option<u64>,
    /// The shared frame, for members that can send it as it is.
    pub(crate) frames: Option<FrameRange>,
}

/// The result of a delivery to one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryOutcome {
    /// The message is in the send queue.
    Queued,
    /// The message waits for capacity.
    Waiting,
    /// The message, or an older one that waited, was dropped.
    Dropped,
    /// The member was closed, as it is slow.
    Closed,
}

/// Broadcast messages that wait for a slow member.
#[derive(Default)]
pub(crate) struct LaggingQueue(VecDeque<(Option<u64>, PreparedMessage)>);

impl LaggingQueue {
    /// Adds a message. Returns whether older ones were dropped for it; they are passed to
    /// `dropped`.
    pub(crate) fn push(
        &mut self,
        key: Option<u64>,
        message: PreparedMessage,
        keep: usize,
        mut dropped: impl FnMut(PreparedMessage),
    ) -> bool {
        let before = self.0.len();
        if key.is_some() {
            self.0.retain(|(other, message)| {
                let keeps = *other != key;
                if !keeps {
                    dropped(message.clone());
                }
                keeps
            });
        }
        if self.0.len() >= keep.max(1)
            && let Some((_, oldest)) = self.0.pop_front()
        {
            dropped(oldest);
        }
        self.0.push_back((key, message));
        self.0.len() <= before
    }

    pub(crate) fn first(&self) -> Option<&PreparedMessage> {
        self.0.front().map(|(_, message)| message)
    }

    pub(crate) fn pop(&mut self) -> Option<PreparedMessage> {
        self.0.pop_front().map(|(_, message)| message)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What to do with a message that a member can't take.
pub(crate) enum LagDecision {
    /// Keep it in a [`LaggingQueue`] of at most `keep` messages.
    Queue {
        keep: usize,
    },
    Drop,
    Close(Option<CloseFrame>),
}

impl LagPolicy {
    /// Returns what to do with a message that could not be queued for this reason.
    pub(crate) fn decide(self, error: SendError) -> LagDecision {
        match (error, self) {
            (SendError::Full | SendError::MessageUnderWay, Self::DropOldest { keep }) => {
                LagDecision::Queue { keep }
            }
            (SendError::Full, Self::Close(code)) => {
                LagDecision::Close(CloseFrame::new(code, "too slow for what is published").ok())
            }
            _ => LagDecision::Drop,
        }
    }
}
