//! What connection state recovery remembers: sessions, and the packets that were sent. It is kept
//! in memory, or wherever a [`RecoveryStorage`] keeps it.

mod memory;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use self::memory::MemoryStorage;
use crate::engine::Outgoing;
use crate::id::SocketId;

/// A future in a box, as methods of a trait object return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How many rooms that a socket has left are remembered for it.
const MAX_LEFT_ROOMS: usize = 256;

/// The settings of connection state recovery.
///
/// A client that reconnects in time keeps its id and its rooms, and receives what it missed. It is
/// `recovered` only if nothing was lost: otherwise its socket is a new one.
#[derive(Clone)]
pub struct Recovery {
    pub(crate) storage: Arc<dyn RecoveryStorage>,
    pub(crate) within: Duration,
}

impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovery").field("within", &self.within).finish_non_exhaustive()
    }
}

impl Recovery {
    /// Remembers sessions and packets in memory, for this long after a client has gone.
    pub fn within(duration: Duration) -> Self {
        Self { storage: Arc::new(MemoryStorage::new(duration)), within: duration }
    }

    /// Remembers sessions and packets in this storage, for this long after a client has gone.
    pub fn stored_in(storage: impl RecoveryStorage, duration: Duration) -> Self {
        Self { storage: Arc::new(storage), within: duration }
    }
}

/// A packet that was sent to rooms of a namespace.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoggedPacket {
    /// The place of the packet among those of its namespace: 1 for the first packet of a new
    /// server, and always more than that of the packet before.
    pub sequence: u64,
    /// The rooms to which it was sent. If there are none, it was sent to the whole namespace.
    pub rooms: Arc<[Arc<str>]>,
    /// The rooms whose members were left out.
    pub except: Arc<[Arc<str>]>,
    /// The packet as it was sent.
    pub packet: Outgoing,
}

/// A room that a socket is or was in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomInterval {
    /// The name of the room.
    pub room: Arc<str>,
    /// The sequence of the last packet before the socket joined.
    pub joined_after: u64,
    /// The sequence of the last packet before the socket left, if it has.
    pub left_after: Option<u64>,
}

impl RoomInterval {
    fn covers(&self, sequence: u64) -> bool {
        self.joined_after < sequence && self.left_after.is_none_or(|left| sequence <= left)
    }
}

/// What is known of a socket that can come back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SavedSession {
    /// The secret by which the client is known again.
    pub private_id: SocketId,
    /// The id of the socket.
    pub socket_id: SocketId,
    /// The name of its namespace, with a `#` and a number if one of this name was defined before.
    pub namespace: Arc<str>,
    /// The rooms that it is in, or was in when packets were sent that are still remembered.
    pub rooms: Vec<RoomInterval>,
    /// The lowest position from which nothing is missing: that of the namespace when the client
    /// connected, or a later one.
    pub recoverable_from: u64,
    /// The first packet that was dropped because the client was slow.
    pub first_dropped: Option<u64>,
}

impl SavedSession {
    pub(crate) fn new(namespace: Arc<str>, position: u64) -> Self {
        Self {
            private_id: SocketId::random(),
            socket_id: SocketId::random(),
            namespace,
            rooms: Vec::new(),
            recoverable_from: position,
            first_dropped: None,
        }
    }

    /// Notes that the socket joins a room. Returns whether it was not in it.
    pub(crate) fn join(&mut self, room: &Arc<str>, position: u64) -> bool {
        if self.is_in(room) {
            return false;
        }
        self.rooms.push(RoomInterval {
            room: room.clone(),
            joined_after: position,
            left_after: None,
        });
        true
    }

    /// Notes that the socket leaves a room. Returns whether it was in it.
    pub(crate) fn leave(&mut self, room: &str, position: u64) -> bool {
        let current = self
            .rooms
            .iter_mut()
            .find(|interval| interval.left_after.is_none() && *interval.room == *room);
        let Some(interval) = current else { return false };
        interval.left_after = Some(position);
        self.forget_oldest();
        true
    }

    /// Keeps the memory of rooms that were left within its bound.
    fn forget_oldest(&mut self) {
        let left = self.rooms.iter().filter(|interval| interval.left_after.is_some()).count();
        if left <= MAX_LEFT_ROOMS {
            return;
        }
        let left = self.rooms.iter().enumerate();
        let oldest = left
            .filter_map(|(index, interval)| interval.left_after.map(|left| (left, index)))
            .min();
        if let Some((left_after, index)) = oldest {
            self.rooms.swap_remove(index);
            // Which packets of that room were meant for the socket is not known any more.
            self.recoverable_from = self.recoverable_from.max(left_after);
        }
    }

    /// Whether the socket is in this room.
    pub fn is_in(&self, room: &str) -> bool {
        self.rooms.iter().any(|interval| interval.left_after.is_none() && *interval.room == *room)
    }

    /// The rooms that the socket is in.
    pub fn current_rooms(&self) -> impl Iterator<Item = &Arc<str>> {
        self.rooms.iter().filter(|interval| interval.left_after.is_none()).map(|i| &i.room)
    }

    /// Notes that a packet was not sent to the socket.
    pub(crate) fn drop_packet(&mut self, sequence: u64) {
        self.first_dropped = Some(self.first_dropped.map_or(sequence, |first| first.min(sequence)));
    }

    /// Whether all packets after this position that were meant for the socket can be found in the
    /// log.
    pub fn can_recover_from(&self, position: u64) -> bool {
        position >= self.recoverable_from
            && self.first_dropped.is_none_or(|dropped| position < dropped)
    }

    /// Whether this packet was meant for the socket.
    pub fn includes(&self, packet: &LoggedPacket) -> bool {
        let was_in = |room: &Arc<str>| {
            **room == *self.socket_id.as_str()
                || self
                    .rooms
                    .iter()
                    .any(|interval| interval.room == *room && interval.covers(packet.sequence))
        };
        (packet.rooms.is_empty() || packet.rooms.iter().any(was_in))
            && !packet.except.iter().any(was_in)
    }
}

/// A place where sessions and packets are remembered.
///
/// The methods that return nothing must not wait; a storage elsewhere queues what they bring. They
/// are called in the order in which things happen in a namespace, under its lock.
pub trait RecoveryStorage: Send + Sync + 'static {
    /// The name of the numbering of packets. When packets are numbered anew, it must be another.
    fn epoch(&self) -> &str;

    /// Remembers a packet.
    fn append(&self, namespace: &Arc<str>, packet: LoggedPacket);

    /// Returns the packets of a namespace after a position in their order, or `None` if not all of
    /// them are there.
    fn read<'a>(
        &'a self,
        namespace: &'a Arc<str>,
        after: u64,
    ) -> BoxFuture<'a, Option<Vec<LoggedPacket>>>;

    /// Remembers a session in place of the one with the same `private_id`: for the time given, or
    /// if there is none until it is put again, as its client is connected.
    fn put_session(&self, session: &SavedSession, expires_in: Option<Duration>);

    /// Returns the session with this secret, if it is remembered.
    fn session(&self, private_id: SocketId) -> BoxFuture<'_, Option<SavedSession>>;

    /// Forgets a session.
    fn remove_session(&self, private_id: SocketId);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u64, rooms: &[&str], except: &[&str]) -> LoggedPacket {
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
        LoggedPacket {
            sequence,
            rooms: names(rooms),
            except: names(except),
            packet: Outgoing::text("2[\"m\"]"),
        }
    }

    #[test]
    fn session_includes_what_was_sent_while_it_was_in_the_room() {
        let mut session = SavedSession::new("/".into(), 0);
        let room: Arc<str> = "a".into();
        assert!(session.join(&room, 2));
        assert!(!session.join(&room, 3));
        assert!(session.leave("a", 5));
        let included: Vec<u64> =
            (1..8).filter(|&sequence| session.includes(&packet(sequence, &["a"], &[]))).collect();
        assert_eq!(included, [3, 4, 5]);
        assert!(session.includes(&packet(9, &[], &[])));
        assert!(!session.includes(&packet(4, &[], &["a"])));
        let own = session.socket_id.to_string();
        assert!(session.includes(&packet(9, &[&own], &[])));
        assert!(!session.includes(&packet(9, &[], &[&own])));
    }

    #[test]
    fn session_that_lost_a_packet_recovers_only_from_before_it() {
        let mut session = SavedSession::new("/".into(), 10);
        assert!(session.can_recover_from(10));
        assert!(!session.can_recover_from(9));
        session.drop_packet(15);
        session.drop_packet(18);
        assert!(session.can_recover_from(14));
        assert!(!session.can_recover_from(15));
    }

    #[test]
    fn session_that_left_many_rooms_forgets_the_oldest() {
        let mut session = SavedSession::new("/".into(), 0);
        for round in 0..=MAX_LEFT_ROOMS as u64 {
            session.join(&"r".into(), 10 * round);
            session.leave("r", 10 * round + 5);
        }
        assert_eq!(session.rooms.len(), MAX_LEFT_ROOMS);
        assert_eq!(session.recoverable_from, 5);
    }
}
