//! A group of WebSockets that are sent the same messages.

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
use crate::connection::writer::delivery::{BroadcastMessage, Deliver, DeliveryOutcome, LagPolicy};
use crate::transport::Transport;

/// The number of members from which on frames are encoded once for all of them.
const MIN_SHARING_MEMBERS: usize = 8;

/// The number of windows that can be negotiated.
const WINDOWS: usize = (MAX_WINDOW_BITS - MIN_WINDOW_BITS + 1) as usize;

/// A group of WebSockets that are sent the same messages. Clones are handles of one group.
///
/// [`publish`](Self::publish) waits for no member, so a slow member does not delay the others: its
/// [`LagPolicy`] says what happens to messages that it can't accept. Members may be on different
/// runtimes and of different transports. Each writes in one go all that was published in a turn.
///
/// # Fairness
/// Publishing uses tokio's cooperative budget: after about 8,000 deliveries or 1 MiB, the next
/// await of this library or of tokio yields. In a loop without such awaits, await
/// [`tokio::task::consume_budget`]. The delivery of one message is not divided.
///
/// See [`Transport`] for the use of a group by a transport while it is polled.
///
/// # Example
/// A chat room, in which each message goes to all others:
/// ```
/// use fullduplex::broadcast::{Group, LagPolicy};
/// use fullduplex::{PreparedMessage, WebSocket};
///
/// async fn chat(mut websocket: WebSocket, room: Group) -> Result<(), fullduplex::Error> {
///     let membership = room.join(&websocket, LagPolicy::DropOldest { keep: 64 });
///     room.publish(&PreparedMessage::new(format!("now we are {}", room.len())));
///     while let Some(message) = websocket.next().await {
///         room.publish_except(&PreparedMessage::new(message?), &membership);
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Default)]
#[doc(alias = "broadcast")]
#[doc(alias = "fan-out")]
#[doc(alias = "room")]
#[doc(alias = "rooms")]
pub struct Group(Arc<Mutex<GroupMembers>>);

#[derive(Default)]
struct GroupMembers {
    entries: Registry<MemberEntry>,
    /// The last batch of frames, while members have yet to queue some of it.
    batch: Weak<SharedFrames>,
    /// The number of members that compress with each window, from 2⁸ bytes on.
    windows: [u32; WINDOWS],
    /// The length from which on one of the members compresses a message.
    min_size: usize,
}

struct MemberEntry {
    member: Weak<dyn Deliver>,
    policy: LagPolicy,
}

fn window_index(bits: u8) -> usize {
    usize::from(bits.clamp(MIN_WINDOW_BITS, MAX_WINDOW_BITS) - MIN_WINDOW_BITS)
}

/// Locks a group, or the topics.
///
/// # Panics
/// Panics if a transport that is polled would have to wait for the lock.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    if let Some(locked) = mutex.try_lock() {
        return locked;
    }
    // Lock order: a group before a connection. This thread polls a transport with its connection
    // locked, and the owner of the group's lock may wait for that connection. The panic ends the
    // poll, and the connection.
    assert!(
        !guard::polls_transport(),
        "a transport may only publish to a group, or leave it, while it is polled"
    );
    mutex.lock()
}

/// A membership of a WebSocket in a [`Group`]; the WebSocket leaves when this is dropped.
///
/// It does not keep the WebSocket open. It names the member in
/// [`publish_except`](Group::publish_except).
///
/// ```
/// # use fullduplex::WebSocket;
/// # use fullduplex::broadcast::{Group, LagPolicy};
/// # fn example(websocket: &WebSocket) {
/// let room = Group::new();
/// let membership = room.join(websocket, LagPolicy::DropNewest);
/// assert_eq!(room.len(), 1);
/// drop(membership);
/// assert!(room.is_empty());
/// # }
/// ```
#[must_use = "the WebSocket leaves the group when this is dropped"]
pub struct Membership {
    group: Group,
    key: u32,
    /// The window that the member compresses broadcast messages with, if it does.
    window: Option<u8>,
}

/// A member that a message is not for.
#[derive(Clone, Copy)]
struct LeftOut {
    member: u32,
    /// The window that it compresses broadcast messages with, if it does.
    window: Option<u8>,
}

/// The result of publishing a message: counts of members. A member that a message is not for is
/// not counted.
///
/// ```
/// use fullduplex::PreparedMessage;
/// use fullduplex::broadcast::Group;
///
/// fn publish(room: &Group, text: &str) {
///     let report = room.publish(&PreparedMessage::new(text));
///     if report.dropped + report.closed > 0 {
///         eprintln!("{} members are too slow", report.dropped + report.closed);
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishReport {
    /// Members that will receive this message unless they disconnect or a newer one displaces it.
    pub delivered: usize,
    /// Members that lost a message, as they are slow or closed: this one, or with
    /// [`LagPolicy::DropOldest`] an older one.
    pub dropped: usize,
    /// Members that were closed for this message, as they are slow.
    pub closed: usize,
}

impl PublishReport {
    pub(super) fn add(&mut self, other: Self) {
        let Self { delivered, dropped, closed } = other;
        self.delivered += delivered;
        self.dropped += dropped;
        self.closed += closed;
    }
}

impl Group {
    /// Creates an empty group.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, GroupMembers> {
        lock(&self.0)
    }

    /// Adds a WebSocket. It may be in any number of groups.
    ///
    /// The application must call [`next`](WebSocket::next), or drop the receiving half: no
    /// background task reads for a member that only waits for messages of the group, so the peer's
    /// Close would not be answered.
    #[doc(alias = "subscribe")]
    pub fn join<S: Transport>(&self, websocket: &WebSocket<S>, policy: LagPolicy) -> Membership {
        self.join_half(websocket.send_half(), policy)
    }

    /// Adds a WebSocket by its sending half, like [`join`](Self::join).
    pub fn join_half<S: Transport>(&self, send: &SendHalf<S>, policy: LagPolicy) -> Membership {
        let compresses = send.writer.lock().session.prepared_window();
        let window = compresses.map(|(bits, _)| bits);
        let mut members = self.lock();
        if let Some((bits, min_size)) = compresses {
            members.add_window(bits, min_size);
        }
        let key = members.entries.insert(MemberEntry { member: send.deliver(), policy });
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

    /// Returns the number of members.
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Returns whether the group has no members.
    pub fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    /// Sends a message to all members, without waiting for any of them.
    ///
    /// If a transport calls this while it is polled, the message is published right after the poll,
    /// and the report is empty.
    #[doc(alias = "broadcast")]
    #[doc(alias = "emit")]
    pub fn publish(&self, message: &PreparedMessage) -> PublishReport {
        self.publish_as(message, None, None)
    }

    /// Sends a message to all members, like [`publish`](Self::publish), in place of an unsent one
    /// with this key.
    ///
    /// If a message with this key still waits for a slow member with [`LagPolicy::DropOldest`], it
    /// is replaced. Other policies ignore the key.
    pub fn publish_keyed(&self, key: u64, message: &PreparedMessage) -> PublishReport {
        self.publish_as(message, Some(key), None)
    }

    /// Sends a message to all members except one, usually the one that the message is from.
    ///
    /// The report does not count that member. A membership of another group leaves out no one.
    #[doc(alias = "broadcast")]
    #[doc(alias = "others")]
    pub fn publish_except(&self, message: &PreparedMessage, except: &Membership) -> PublishReport {
        self.publish_as(message, None, self.left_out(except))
    }

    /// Sends a message to all members except one, like [`publish_except`](Self::publish_except),
    /// in place of an unsent one with this key, like [`publish_keyed`](Self::publish_keyed).
    pub fn publish_keyed_except(
        &self,
        key: u64,
        message: &PreparedMessage,
        except: &Membership,
    ) -> PublishReport {
        self.publish_as(message, Some(key), self.left_out(except))
    }

    fn left_out(&self, except: &Membership) -> Option<LeftOut> {
        let is_member = Arc::ptr_eq(&self.0, &except.group.0);
        is_member.then_some(LeftOut { member: except.key, window: except.window })
    }

    fn publish_as(
        &self,
        message: &PreparedMessage,
        key: Option<u64>,
        left_out: Option<LeftOut>,
    ) -> PublishReport {
        if guard::polls_transport() {
            let (group, message) = (self.clone(), message.clone());
            let publish = move || {
                let _ = group.publish_as(&message, key, left_out);
            };
            guard::defer_drop(DeferredDrop::Call(Box::new(publish)));
            return PublishReport::default();
        }
        match left_out {
            None => self.publish_to(message, key, None, |_, _| true),
            Some(LeftOut { member, window }) => {
                self.publish_to(message, key, window, |other, _| other != member)
            }
        }
    }

    /// Sends a message to the members for which `is_meant` returns true, given their keys. It is
    /// called with the group locked. `left_out_window` is the window of one that is left out.
    pub(super) fn publish_to(
        &self,
        message: &PreparedMessage,
        key: Option<u64>,
        left_out_window: Option<u8>,
        is_meant: impl FnMut(u32, &Weak<dyn Deliver>) -> bool,
    ) -> PublishReport {
        let (mut report, mut compressed) = (PublishReport::default(), 0);
        // A member whose queue is full writes at once, whatever is left of this task's budget.
        coop::unconstrained(|| {
            let mut members = self.lock();
            while let Some(window) = members.uncompressed(message, left_out_window) {
                // Compression takes long: others may use the group meanwhile.
                drop(members);
                if message.compress(window) {
                    compressed += message.message().len();
                }
                members = self.lock();
            }
            let frames = members.frames(message);
            members.deliver(&BroadcastMessage { message, key, frames }, is_meant, &mut report);
        });
        if guard::has_deferred() {
            // What members could not leave to their driver, as its runtime is shut down.
            let _ = guard::drop_deferred();
        }
        let PublishReport { delivered, dropped, closed } = report;
        let each = 1 + message.message().len() / coop::DELIVERED;
        coop::charge((delivered + dropped + closed).saturating_mul(each));
        coop::charge(compressed / coop::COMPRESSED);
        report
    }
}

impl GroupMembers {
    fn deliver(
        &self,
        broadcast: &BroadcastMessage<'_>,
        mut is_meant: impl FnMut(u32, &Weak<dyn Deliver>) -> bool,
        report: &mut PublishReport,
    ) {
        for (key, entry) in self.entries.iter() {
            if !is_meant(key, &entry.member) {
                continue;
            }
            let Some(member) = entry.member.upgrade() else {
                report.dropped += 1;
                continue;
            };
            match member.deliver(broadcast, entry.policy) {
                DeliveryOutcome::Queued | DeliveryOutcome::Waiting => report.delivered += 1,
                DeliveryOutcome::Dropped => report.dropped += 1,
                DeliveryOutcome::Closed => report.closed += 1,
            }
        }
    }

    fn add_window(&mut self, bits: u8, min_size: usize) {
        self.windows[window_index(bits)] += 1;
        let first = self.windows.iter().sum::<u32>() == 1;
        self.min_size = if first { min_size } else { min_size.min(self.min_size) };
    }

    /// Returns a window that members compress with, and for which `message` was not compressed
    /// yet. One member with the window `left_out` does not count.
    fn uncompressed(&self, message: &PreparedMessage, left_out: Option<u8>) -> Option<u8> {
        if message.message().len() < self.min_size {
            return None;
        }
        let used = (MIN_WINDOW_BITS..)
            .zip(&self.windows)
            .filter(|(bits, members)| **members > u32::from(left_out == Some(*bits)));
        used.map(|(bits, _)| bits).find(|bits| !message.is_compressed(*bits))
    }

    /// Encodes the frame of a message once for all members, if they are many. It is appended to the
    /// last batch, unless all members have queued that.
    fn frames(&mut self, message: &PreparedMessage) -> Option<FrameRange> {
        if self.entries.len() < MIN_SHARING_MEMBERS {
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
        leave_outside_poll(move || group.remove(key, window));
    }
}

/// Leaves a group, at once or, within the poll of a transport, right after that: see [`lock`].
pub(super) fn leave_outside_poll(leave: impl FnOnce() + Send + 'static) {
    if guard::polls_transport() {
        guard::defer_drop(DeferredDrop::Call(Box::new(leave)));
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
        f.debug_struct("Membership").finish_non_exhaustive()
    }
}
