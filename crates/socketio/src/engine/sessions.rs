//! The sessions of an engine by their ids.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::engine::id::SessionId;
use crate::engine::shared::{Shared, now};

/// How long a closed session answers the poll that its close has overtaken.
const CLOSED_FOR: Duration = Duration::from_secs(10);

/// How many closed sessions are remembered for that.
const MAX_CLOSED: usize = 1024;

/// The sessions that are open, and those whose client has closed them just now.
#[derive(Default)]
pub(super) struct Sessions(Mutex<SessionTable>);

#[derive(Default)]
struct SessionTable {
    open: HashMap<SessionId, Arc<Shared>>,
    closed: ClosedSessions,
    is_shut_down: bool,
}

/// What a session id stands for.
pub(crate) enum Found {
    Open(Arc<Shared>),
    /// The client has closed the session before its last poll arrived, which it has to be given an
    /// answer to.
    Closed,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, SessionTable> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().open.len()
    }

    pub(super) fn is_shut_down(&self) -> bool {
        self.lock().is_shut_down
    }

    /// Adds a session. Returns false if the engine is shut down.
    pub(super) fn insert(&self, session: Arc<Shared>) -> bool {
        let mut table = self.lock();
        table.open.insert(session.id, session);
        !table.is_shut_down
    }

    /// Removes a session that has ended.
    pub(super) fn remove(&self, id: SessionId) {
        let mut table = self.lock();
        let removed = table.open.remove(&id);
        if removed.as_ref().is_some_and(|session| session.take_owed_noop()) {
            table.closed.insert(id, now());
        }
        drop(table);
        drop(removed);
    }

    /// Returns a session that is open.
    pub(super) fn get(&self, id: SessionId) -> Option<Arc<Shared>> {
        self.lock().open.get(&id).filter(|session| !session.is_ended()).cloned()
    }

    /// Returns the session that a poll is for.
    pub(super) fn get_for_poll(&self, id: SessionId) -> Option<Found> {
        let mut table = self.lock();
        match table.open.get(&id) {
            Some(session) if !session.is_ended() => Some(Found::Open(session.clone())),
            Some(session) => session.take_owed_noop().then_some(Found::Closed),
            None => table.closed.take(id, now()).then_some(Found::Closed),
        }
    }

    /// Lets no more sessions in, and returns those that are open.
    pub(super) fn shut_down(&self) -> Vec<Arc<Shared>> {
        let mut table = self.lock();
        table.is_shut_down = true;
        table.open.values().cloned().collect()
    }
}

/// The ids of sessions that were closed a moment ago, the oldest first.
#[derive(Debug, Default)]
struct ClosedSessions(VecDeque<(Instant, SessionId)>);

impl ClosedSessions {
    fn insert(&mut self, id: SessionId, now: Instant) {
        self.expire(now);
        if self.0.len() == MAX_CLOSED {
            self.0.pop_front();
        }
        self.0.push_back((now, id));
    }

    /// Removes an id. Returns whether it was there.
    fn take(&mut self, id: SessionId, now: Instant) -> bool {
        self.expire(now);
        let index = self.0.iter().position(|(_, closed)| *closed == id);
        index.and_then(|index| self.0.remove(index)).is_some()
    }

    fn expire(&mut self, now: Instant) {
        while self.0.front().is_some_and(|(at, _)| now.duration_since(*at) >= CLOSED_FOR) {
            self.0.pop_front();
        }
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_sessions_are_few_and_expire() {
        let mut closed = ClosedSessions::default();
        let begun = now();
        let first = SessionId::random();
        closed.insert(first, begun);
        assert!(closed.take(first, begun) && !closed.take(first, begun));
        closed.insert(first, begun);
        assert!(!closed.take(first, begun + CLOSED_FOR));
        closed.insert(first, begun);
        for _ in 0..MAX_CLOSED {
            closed.insert(SessionId::random(), begun);
        }
        assert_eq!(closed.0.len(), MAX_CLOSED);
        assert!(!closed.take(first, begun));
    }
}
