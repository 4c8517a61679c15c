//! Connection state recovery in the memory of one process.

use std::collections::{HashMap, VecDeque};
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

use super::{BoxFuture, LoggedPacket, RecoveryStorage, SavedSession};
use crate::id::SocketId;

/// How long it is remembered of a log without sessions which packets are missing. A session may be
/// put again by a client that comes back just as the session is forgotten.
const EMPTY_LOG_KEPT: Duration = Duration::from_secs(60);

/// Sessions and packets in the memory of this process.
///
/// A packet is remembered for the time of recovery, while those of its namespace take at most
/// `max_bytes`, and while a client is remembered that could miss it; at most `max_sessions` clients
/// that have gone are remembered.
#[derive(Debug)]
pub struct MemoryStorage {
    epoch: String,
    within: Duration,
    max_bytes: usize,
    max_sessions: usize,
    state: Mutex<MemoryState>,
}

#[derive(Debug, Default)]
struct MemoryState {
    logs: HashMap<Arc<str>, Log>,
    sessions: HashMap<SocketId, (SavedSession, Option<Instant>)>,
    /// When sessions expire, in that order. An entry that is no more true is passed over.
    expiries: VecDeque<(Instant, SocketId)>,
    /// When logs without sessions are removed, in that order.
    emptied: VecDeque<(Instant, Arc<str>)>,
}

#[derive(Debug, Default)]
struct Log {
    packets: VecDeque<(Instant, LoggedPacket)>,
    bytes: usize,
    /// The sequence of the last packet that is not there any more.
    trimmed_to: u64,
    /// How many sessions of the namespace are remembered.
    sessions: usize,
}

impl MemoryStorage {
    /// Returns an empty storage that remembers packets for this long.
    pub fn new(within: Duration) -> Self {
        let epoch: u64 = rand::rng().random();
        Self {
            epoch: format!("{epoch:x}"),
            within,
            max_bytes: 16 * 1024 * 1024,
            max_sessions: 100_000,
            state: Mutex::default(),
        }
    }

    /// Sets how many bytes of packets a namespace may have. Default: 16 MiB.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets how many clients that have gone are remembered. Default: 100,000.
    #[must_use]
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.max_sessions = sessions;
        self
    }

    fn lock(&self) -> MutexGuard<'_, MemoryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryState {
    /// Forgets the sessions whose time is over, and the oldest ones if there are too many.
    fn expire(&mut self, now: Instant, max: usize) {
        while let Some((at, _)) = self.emptied.front()
            && *at <= now
            && let Some((_, namespace)) = self.emptied.pop_front()
        {
            if self.logs.get(&namespace).is_some_and(|log| log.sessions == 0) {
                self.logs.remove(&namespace);
            }
        }
        while let Some(&(at, id)) = self.expiries.front()
            && (at <= now || self.expiries.len() > max)
        {
            self.expiries.pop_front();
            let is_due = |(_, expires): &(SavedSession, Option<Instant>)| *expires == Some(at);
            if self.sessions.get(&id).is_some_and(is_due) {
                self.remove(id);
            }
        }
    }

    fn put(&mut self, session: SavedSession, expires: Option<Instant>) {
        let namespace = session.namespace.clone();
        if self.sessions.insert(session.private_id, (session, expires)).is_none() {
            self.logs.entry(namespace).or_default().sessions += 1;
        }
    }

    /// Forgets a session, and with the last one of its namespace also the packets, which no client
    /// can miss any more.
    fn remove(&mut self, id: SocketId) {
        let Some((session, _)) = self.sessions.remove(&id) else { return };
        if let Some(log) = self.logs.get_mut(&session.namespace) {
            log.sessions = log.sessions.saturating_sub(1);
            if log.sessions == 0 {
                log.clear();
                self.emptied.push_back((Instant::now() + EMPTY_LOG_KEPT, session.namespace));
            }
        }
    }
}

impl Log {
    /// Forgets all packets.
    fn clear(&mut self) {
        if let Some((_, last)) = self.packets.back() {
            self.trimmed_to = last.sequence;
        }
        self.packets = VecDeque::new();
        self.bytes = 0;
    }

    fn trim(&mut self, now: Instant, within: Duration, max_bytes: usize) {
        while let Some((at, packet)) = self.packets.front()
            && (self.bytes > max_bytes || now.duration_since(*at) > within)
        {
            self.trimmed_to = packet.sequence;
            self.bytes = self.bytes.saturating_sub(packet.packet.len());
            self.packets.pop_front();
        }
    }
}

impl RecoveryStorage for MemoryStorage {
    fn epoch(&self) -> &str {
        &self.epoch
    }

    fn append(&self, namespace: &Arc<str>, packet: LoggedPacket) {
        let now = Instant::now();
        let mut state = self.lock();
        // Without a session, no client can come back for the packet.
        let Some(log) = state.logs.get_mut(namespace) else { return };
        if log.sessions == 0 {
            log.trimmed_to = packet.sequence;
            return;
        }
        log.bytes += packet.packet.len();
        log.packets.push_back((now, packet));
        log.trim(now, self.within, self.max_bytes);
    }

    fn read<'a>(
        &'a self,
        namespace: &'a Arc<str>,
        after: u64,
    ) -> BoxFuture<'a, Option<Vec<LoggedPacket>>> {
        let state = self.lock();
        let packets = match state.logs.get(namespace) {
            None => Some(Vec::new()),
            Some(log) if after < log.trimmed_to => None,
            Some(log) => {
                let from = log.packets.partition_point(|(_, packet)| packet.sequence <= after);
                Some(log.packets.range(from..).map(|(_, packet)| packet.clone()).collect())
            }
        };
        Box::pin(ready(packets))
    }

    fn put_session(&self, session: &SavedSession, expires_in: Option<Duration>) {
        let now = Instant::now();
        let expires = expires_in.map(|duration| now + duration);
        let mut state = self.lock();
        state.put(session.clone(), expires);
        if let Some(at) = expires {
            state.expiries.push_back((at, session.private_id));
        }
        state.expire(now, self.max_sessions);
    }

    fn session(&self, private_id: SocketId) -> BoxFuture<'_, Option<SavedSession>> {
        let mut state = self.lock();
        state.expire(Instant::now(), self.max_sessions);
        let session = state.sessions.get(&private_id).map(|(session, _)| session.clone());
        Box::pin(ready(session))
    }

    fn remove_session(&self, private_id: SocketId) {
        self.lock().remove(private_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Outgoing;

    fn packet(sequence: u64, rooms: &[&str], except: &[&str]) -> LoggedPacket {
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
        LoggedPacket {
            sequence,
            rooms: names(rooms),
            except: names(except),
            packet: Outgoing::text("2[\"m\"]"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn memory_storage_reads_only_what_is_complete() {
        let storage = MemoryStorage::new(Duration::from_secs(10));
        let namespace: Arc<str> = "/".into();
        storage.put_session(&SavedSession::new(namespace.clone(), 0), None);
        for sequence in 1..=3 {
            storage.append(&namespace, packet(sequence, &[], &[]));
        }
        let sequences = |packets: Option<Vec<LoggedPacket>>| {
            packets.map(|all| all.iter().map(|packet| packet.sequence).collect::<Vec<_>>())
        };
        assert_eq!(sequences(storage.read(&namespace, 1).await), Some(vec![2, 3]));
        tokio::time::advance(Duration::from_secs(11)).await;
        storage.append(&namespace, packet(4, &[], &[]));
        assert_eq!(sequences(storage.read(&namespace, 2).await), None);
        assert_eq!(sequences(storage.read(&namespace, 3).await), Some(vec![4]));
        assert_eq!(sequences(storage.read(&namespace, 4).await), Some(vec![]));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_storage_keeps_packets_only_for_sessions() {
        let storage = MemoryStorage::new(Duration::from_secs(10));
        let namespace: Arc<str> = "/game-1".into();
        let session = SavedSession::new(namespace.clone(), 0);
        storage.append(&namespace, packet(1, &[], &[]));
        assert!(storage.lock().logs.is_empty());
        storage.put_session(&session, None);
        storage.append(&namespace, packet(2, &[], &[]));
        storage.append(&namespace, packet(3, &[], &[]));
        storage.remove_session(session.private_id);
        assert_eq!(storage.lock().logs[&namespace].bytes, 0);
        storage.append(&namespace, packet(4, &[], &[]));
        // A client came back just then: what it missed is not there any more.
        storage.put_session(&session, None);
        assert!(storage.read(&namespace, 3).await.is_none());
        assert_eq!(storage.read(&namespace, 4).await.map(|packets| packets.len()), Some(0));
        storage.remove_session(session.private_id);
        tokio::time::advance(EMPTY_LOG_KEPT).await;
        assert!(storage.session(session.private_id).await.is_none());
        assert!(storage.lock().logs.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn memory_storage_forgets_sessions_whose_time_is_over() {
        let storage = MemoryStorage::new(Duration::from_secs(10)).max_sessions(2);
        let session = SavedSession::new("/".into(), 0);
        storage.put_session(&session, None);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(storage.session(session.private_id).await.is_some());
        storage.put_session(&session, Some(Duration::from_secs(10)));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(storage.session(session.private_id).await.is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(storage.session(session.private_id).await.is_none());

        let many: Vec<_> = (0..3).map(|_| SavedSession::new("/".into(), 0)).collect();
        for session in &many {
            storage.put_session(session, Some(Duration::from_secs(10)));
        }
        assert!(storage.session(many[0].private_id).await.is_none());
        assert!(storage.session(many[2].private_id).await.is_some());
    }
}
