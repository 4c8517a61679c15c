//! One message to many: groups of WebSockets.
//!
//! ```
//! # use fullduplex::{PreparedMessage, WebSocket};
//! use fullduplex::broadcast::{Group, LagPolicy};
//!
//! async fn member(mut websocket: WebSocket, room: Group) -> Result<(), fullduplex::Error> {
//!     // Until it is dropped, the WebSocket gets what is published.
//!     let _member = room.join(&websocket, LagPolicy::DropNewest);
//!     while let Some(message) = websocket.next().await {
//!         room.publish(&PreparedMessage::new(message?));
//!     }
//!     Ok(())
//! }
//! ```

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, MutexGuard, Weak};

use fullduplex_proto::PreparedMessage;
use fullduplex_proto::deflate::{MAX_WINDOW_BITS, MIN_WINDOW_BITS};

use crate::base::coop;
use crate::base::guard;
use crate::base::guard::DeferredDrop;
use crate::base::registry::Registry;
use crate::base::sync::Mutex;
use crate::connection::shared_frames::{FrameRange, SharedFrames};
use crate::connection::split::SendHalf;
use crate::connection::websocket::WebSocket;
pub use crate::connection::writer::delivery::LagPolicy;
use crate::connection::writer::delivery::{BroadcastMessage, Deliver, DeliveryOutcome};
use crate::transport::Transport;

/// WebSockets that are sent the same messages. Clones are of the same group.
///
/// [`publish`](Self::publish) waits for nobody: a member that stands still costs the others
/// nothing. Members may be on different runtimes and of different kinds; each of them writes
/// by itself, once for all that is published in a turn.
///
/// To publish is charged to the task that does it: after some 8,000 deliveries, or 1 MiB
/// delivered, its next `next().await`, or anything else of this library or of tokio that it
/// awaits, lets the other tasks of the thread go on first. A loop that publishes and awaits
/// none of these should await [`tokio::task::consume_budget`]. One publication is not divided.
///
/// A transport that uses a group while it is polled, such as by what it logs, may publish and
/// drop a [`Membership`], which is done right after that. Anything else panics there if another
/// thread uses the group at the moment: it could wait for it without end.
#[derive(Clone, Default)]
#[doc(alias = "broadcast")]
#[doc(alias = "room")]
pub struct Group(Arc<Mutex<GroupMembers>>);

#[derive(Default)]
struct GroupMembers {
    entries: Registry<MemberEntry>,
    /// What was published last, while members have yet to take it.
    batch: Weak<SharedFrames>,
    /// How many members compress for each window, from that of 2⁸ bytes on.
    windows: [u32; WINDOWS],
    /// A shorter message is compressed for none of them.
    min_size: usize,
}

struct MemberEntry {
    member: Weak<dyn Deliver>,
    slow: LagPolicy,
}

/// From so many members on, frames are made once for all.
const MANY: usize = 8;

/// How many windows may have been agreed on.
const WINDOWS: usize = (MAX_WINDOW_BITS - MIN_WINDOW_BITS + 1) as usize;

fn window_index(bits: u8) -> usize {
    usize::from(bits.clamp(MIN_WINDOW_BITS, MAX_WINDOW_BITS) - MIN_WINDOW_BITS)
}

/// Locks a group, or the topics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    if let Some(locked) = mutex.try_lock() {
        return locked;
    }
    // Whoever has the lock may wait for the connection whose transport this thread polls. The
    // panic ends that poll, and the connection.
    assert!(
        !guard::polls_transport(),
        "a transport may only publish to a group, or leave it, while it is polled"
    );
    mutex.lock()
}

/// That a WebSocket is a member of a group. It leaves the group when this is dropped.
#[must_use = "the WebSocket leaves the group when this is dropped"]
pub struct Membership {
    group: Group,
    key: u32,
    /// For which it compresses what is published, if it does.
    window: Option<u8>,
}

/// What became of a published message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishReport {
    /// The members for which it was queued, or waits to be.
    pub delivered: usize,
    /// The members that missed it, or an older one in its place, because they are slow, or
    /// because they are closed.
    pub dropped: usize,
    /// The members that are closed for being slow.
    pub closed: usize,
}

impl Group {
    /// An empty group.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, GroupMembers> {
        lock(&self.0)
    }

    /// Adds a WebSocket.
    ///
    /// Its application has to call [`next`](WebSocket::next), or drop the receiving half: nothing
    /// is read for one that only waits for what is published, and the peer's Close is not answered.
    pub fn join<S: Transport>(&self, websocket: &WebSocket<S>, slow: LagPolicy) -> Membership {
        self.join_half(websocket.send_half(), slow)
    }

    /// Adds a WebSocket by its sending half.
    pub fn join_half<S: Transport>(&self, send: &SendHalf<S>, slow: LagPolicy) -> Membership {
        let compresses = send.writer.lock().session.prepared_window();
        let window = compresses.map(|(bits, _)| bits);
        let mut members = self.lock();
        if let Some((bits, min_size)) = compresses {
            members.add_window(bits, min_size);
        }
        let key = members.entries.insert(MemberEntry { member: send.deliver(), slow });
        Membership { group: self.clone(), key, window }
    }

    fn remove(&self, key: u32, window: Option<u8>) {
        let mut members = self.lock();
        if let Some(window) = window {
            members.windows[window_index(window)] -= 1;
        }
        let entry = members.entries.remove(key);
        drop(members);
        drop(entry);
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    /// Sends a message to all members. It waits for none of them.
    ///
    /// A transport that calls this while it is polled, such as by what it logs, has the message
    /// published right after that, and is told nothing of what became of it.
    pub fn publish(&self, message: &PreparedMessage) -> PublishReport {
        self.publish_as(message, None)
    }

    /// The same for a message that replaces earlier ones of the same key: where those still
    /// wait, as [`LagPolicy::DropOldest`] has it, they are dropped.
    pub fn publish_keyed(&self, key: u64, message: &PreparedMessage) -> PublishReport {
        self.publish_as(message, Some(key))
    }

    fn publish_as(&self, message: &PreparedMessage, key: Option<u64>) -> PublishReport {
        let (mut published, mut compressed) = (PublishReport::default(), 0);
        if guard::polls_transport() {
            let (group, message) = (self.clone(), message.clone());
            let publish = move || {
                let _ = group.publish_as(&message, key);
            };
            guard::hold(DeferredDrop::Call(Box::new(publish)));
            return published;
        }
        // Whose queue is full writes at once.
        coop::regardless(|| {
            let mut members = self.lock();
            while let Some(window) = members.uncompressed(message) {
                // Without the lock, which others need meanwhile.
                drop(members);
                if message.compress(window) {
                    compressed += message.message().len();
                }
                members = self.lock();
            }
            let frames = members.frames(message);
            members.deliver(&BroadcastMessage { message, key, frames }, &mut published);
        });
        if guard::holds() {
            // Of members whose runtime is gone.
            let _ = guard::drop_held();
        }
        // The task waits for its next turn before it receives what to publish next.
        let PublishReport { delivered, dropped, closed } = published;
        let each = 1 + message.message().len() / coop::DELIVERED;
        coop::charge((delivered + dropped + closed).saturating_mul(each));
        coop::charge(compressed / coop::COMPRESSED);
        published
    }
}

impl GroupMembers {
    fn deliver(&self, publication: &BroadcastMessage<'_>, published: &mut PublishReport) {
        for entry in self.entries.values() {
            let Some(member) = entry.member.upgrade() else {
                published.dropped += 1;
                continue;
            };
            match member.deliver(publication, entry.slow) {
                DeliveryOutcome::Queued | DeliveryOutcome::Waiting => published.delivered += 1,
                DeliveryOutcome::Dropped => published.dropped += 1,
                DeliveryOutcome::Closed => published.closed += 1,
            }
        }
    }

    fn add_window(&mut self, bits: u8, min_size: usize) {
        self.windows[window_index(bits)] += 1;
        let first = self.windows.iter().sum::<u32>() == 1;
        self.min_size = if first { min_size } else { min_size.min(self.min_size) };
    }

    /// A window for which members would have to compress the message themselves.
    fn uncompressed(&self, message: &PreparedMessage) -> Option<u8> {
        if message.message().len() < self.min_size {
            return None;
        }
        let used = (MIN_WINDOW_BITS..).zip(&self.windows).filter(|(_, members)| **members > 0);
        used.map(|(bits, _)| bits).find(|bits| !message.is_compressed(*bits))
    }

    /// Makes the frame of a message, behind the last one's unless all have taken those.
    fn frames(&mut self, message: &PreparedMessage) -> Option<FrameRange> {
        if self.entries.len() < MANY {
            return None;
        }
        let mut batch = self.batch.upgrade();
        if batch.as_ref().is_none_or(|batch| batch.is_full()) {
            batch = Some(Arc::default());
        }
        let frames = batch?.push(message.message())?;
        self.batch = Arc::downgrade(&frames.batch);
        Some(frames)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let (group, key, window) = (self.group.clone(), self.key, self.window);
        unless_polled(move || group.remove(key, window));
    }
}

/// Leaves a group now, or, within the poll of a transport, right after that: see [`lock`].
fn unless_polled(leave: impl FnOnce() + Send + 'static) {
    if guard::polls_transport() {
        guard::hold(DeferredDrop::Call(Box::new(leave)));
    } else {
        leave();
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("members", &self.len()).finish()
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").finish_non_exhaustive()
    }
}

/// Groups by name, each there as long as it has members. Clones share them.
#[derive(Clone, Debug, Default)]
#[doc(alias = "broadcast")]
#[doc(alias = "rooms")]
#[doc(alias = "subscribe")]
pub struct Topics(Arc<Mutex<HashMap<Box<str>, Group>>>);

/// That a WebSocket is a member of a topic, until this is dropped.
#[derive(Debug)]
#[must_use = "the WebSocket leaves the topic when this is dropped"]
pub struct Subscription {
    topics: Topics,
    topic: Box<str>,
    /// Taken only by `drop`.
    member: Option<Membership>,
}

impl Topics {
    /// No topics.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Group>> {
        lock(&self.0)
    }

    /// Adds a WebSocket to a topic.
    pub fn subscribe<S: Transport>(
        &self,
        topic: &str,
        websocket: &WebSocket<S>,
        slow: LagPolicy,
    ) -> Subscription {
        let mut topics = self.lock();
        let group = match topics.get(topic) {
            Some(group) => group,
            None => topics.entry(topic.into()).or_default(),
        };
        // Within the lock, lest the group be taken away for having no members.
        let member = Some(group.join(websocket, slow));
        Subscription { topics: self.clone(), topic: topic.into(), member }
    }

    /// How many topics have members.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no topic has members.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The members of a topic, if it has any.
    pub fn group(&self, topic: &str) -> Option<Group> {
        self.lock().get(topic).cloned()
    }

    /// Sends a message to all members of a topic.
    pub fn publish(&self, topic: &str, message: &PreparedMessage) -> PublishReport {
        self.group(topic).map(|group| group.publish(message)).unwrap_or_default()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let (all, topic) = (self.topics.clone(), std::mem::take(&mut self.topic));
        let member = self.member.take();
        unless_polled(move || {
            let mut topics = all.lock();
            drop(member);
            if topics.get(&topic).is_some_and(Group::is_empty) {
                topics.remove(&topic);
            }
        });
    }
}
