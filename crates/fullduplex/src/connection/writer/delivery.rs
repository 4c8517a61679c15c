//! What a connection is to those who publish: how it takes a message, or what it does if it is too
//! slow for it.

use std::collections::VecDeque;
use std::sync::Arc;

use fullduplex_proto::{CloseCode, CloseFrame, PreparedMessage, SendError};

use crate::connection::shared_frames::FrameRange;

/// What happens to a message that is published while a member has `high_water` bytes (64 KiB)
/// waiting for its transport, or is in the middle of a message that it sends bit by bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LagPolicy {
    /// It passes the member by.
    DropNewest,
    /// It waits, with up to so many others; with one more, the oldest is dropped. One that
    /// was published with the same [key](crate::broadcast::Group::publish_keyed) is dropped in any case, as it
    /// is out of date. Until they have left, whoever sends on the WebSocket waits, too.
    DropOldest {
        /// How many wait at most.
        keep: usize,
    },
    /// The member is closed with this code: 1008 (it breaks a rule of yours) or 1013 (it may
    /// come back).
    Close(CloseCode),
}

/// What a member is to its group: the way to its transport.
pub(crate) trait Deliver: Send + Sync {
    fn deliver(
        self: Arc<Self>,
        publication: &BroadcastMessage<'_>,
        slow: LagPolicy,
    ) -> DeliveryOutcome;
}

/// A message on its way to the members.
pub(crate) struct BroadcastMessage<'a> {
    pub(crate) message: &'a PreparedMessage,
    pub(crate) key: Option<u64>,
    /// Its frame, for members that send it is.
    pub(crate) frames: Option<FrameRange>,
}

/// What became of a message for one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryOutcome {
    Queued,
    Waiting,
    Dropped,
    Closed,
}

/// Published messages that wait for a slow member.
#[derive(Default)]
pub(crate) struct LaggingQueue(VecDeque<(Option<u64>, PreparedMessage)>);

impl LaggingQueue {
    /// Gives whether an older one had to go; those that do are handed to `gone`.
    pub(crate) fn park(
        &mut self,
        key: Option<u64>,
        message: PreparedMessage,
        keep: usize,
        mut gone: impl FnMut(PreparedMessage),
    ) -> bool {
        let before = self.0.len();
        if key.is_some() {
            self.0.retain(|(other, message)| {
                let stays = *other != key;
                if !stays {
                    gone(message.clone());
                }
                stays
            });
        }
        if self.0.len() >= keep.max(1)
            && let Some((_, oldest)) = self.0.pop_front()
        {
            gone(oldest);
        }
        self.0.push_back((key, message));
        self.0.len() <= before
    }

    pub(crate) fn first(&self) -> Option<&PreparedMessage> {
        self.0.front().map(|(_, message)| message)
    }

    pub(crate) fn unpark(&mut self) -> Option<PreparedMessage> {
        self.0.pop_front().map(|(_, message)| message)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What to do with a message for which there is no room.
pub(crate) enum LagDecision {
    Park { keep: usize },
    Drop,
    Close(Option<CloseFrame>),
}

impl LagPolicy {
    pub(crate) fn verdict(self, error: SendError) -> LagDecision {
        match (error, self) {
            (SendError::Full | SendError::MessageUnderWay, Self::DropOldest { keep }) => {
                LagDecision::Park { keep }
            }
            (SendError::Full, Self::Close(code)) => {
                LagDecision::Close(CloseFrame::new(code, "too slow for what is published").ok())
            }
            _ => LagDecision::Drop,
        }
    }
}
