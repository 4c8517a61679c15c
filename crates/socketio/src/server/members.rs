//! The sockets of a namespace and their rooms.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::config::Config;
use super::cores::{
    ConnectionCore, Handlers, Member, NamespaceCore, NamespaceState, RecoverableMember, Rooms,
    SocketCore,
};
use super::join::JoinOutcome;
use super::reason::DisconnectReason;
use super::target::Target;
use crate::engine::{EndReason, SendOutcome};
use crate::id::SocketId;
use crate::recovery::{Recovery, SavedSession};
use crate::value::Value;

impl Rooms {
    pub(super) fn current(&self) -> Vec<Arc<str>> {
        match self {
            Self::Current(rooms) => rooms.clone(),
            Self::Recoverable(member) => member.session.current_rooms().cloned().collect(),
        }
    }

    fn contains(&self, room: &str) -> bool {
        match self {
            Self::Current(rooms) => rooms.iter().any(|name| **name == *room),
            Self::Recoverable(member) => member.session.is_in(room),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Current(rooms) => rooms.len(),
            Self::Recoverable(member) => member.session.current_rooms().count(),
        }
    }
}

impl NamespaceCore {
    pub(super) fn new(
        name: Arc<str>,
        log: Arc<str>,
        handlers: Arc<Handlers>,
        config: &Config,
        is_dynamic: bool,
    ) -> Self {
        Self {
            name,
            log,
            handlers,
            parser: config.parser,
            recovery: config.recovery.clone(),
            is_dynamic,
            next_ack_id: AtomicU64::new(0),
            sequence: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether the namespace began with its first client.
    pub(super) fn is_dynamic(&self) -> bool {
        self.is_dynamic
    }

    pub(super) fn recovery(&self) -> Option<&Recovery> {
        self.recovery.as_ref()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, NamespaceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a client in with a new socket, and tells it so.
    pub(super) fn admit(
        self: &Arc<Self>,
        connection: &Arc<ConnectionCore>,
        user: Arc<dyn Any + Send + Sync>,
    ) -> Arc<SocketCore> {
        let mut state = self.lock();
        let session = self.recovery.as_ref().map(|recovery| {
            let position = self.sequence.load(Ordering::Relaxed);
            let session = SavedSession::new(self.log.clone(), position);
            recovery.storage.put_session(&session, None);
            session
        });
        let id = session.as_ref().map_or_else(SocketId::random, |session| session.socket_id);
        let core = Arc::new(SocketCore::new(id, self.clone(), connection.clone(), user, false));
        self.send_connect(&core, session.as_ref());
        let rooms = match session {
            Some(session) => {
                Rooms::Recoverable(Box::new(RecoverableMember { session, gate: None }))
            }
            None => Rooms::Current(Vec::new()),
        };
        state.members.insert(id, Member { core: core.clone(), rooms });
        core
    }

    pub(super) fn send_connect(&self, core: &SocketCore, session: Option<&SavedSession>) {
        let text = |id: SocketId| Value::String(id.to_string());
        let mut members = vec![("sid".to_owned(), text(core.id))];
        members.extend(session.map(|session| ("pid".to_owned(), text(session.private_id))));
        let packet = self.parser.encode_connect(&self.name, Some(&Value::Object(members)));
        let sender = &core.connection.sender;
        if sender.send(&packet.into()) == SendOutcome::Full {
            sender.close(EndReason::ForcedClose);
        }
    }

    /// Removes a socket that is disconnected. Its session stays if it may come back.
    pub(super) fn remove(&self, core: &SocketCore, reason: DisconnectReason) {
        let removed = {
            let mut state = self.lock();
            // Another socket may have taken over its id.
            let is_current = state
                .members
                .get(&core.id)
                .is_some_and(|member| std::ptr::eq(Arc::as_ptr(&member.core), core));
            if !is_current {
                return;
            }
            let removed = state.take(core.id);
            if let (Some(recovery), Some(Member { rooms: Rooms::Recoverable(member), .. })) =
                (&self.recovery, &removed)
            {
                if reason.is_recoverable() {
                    recovery.storage.put_session(&member.session, Some(recovery.within));
                } else {
                    recovery.storage.remove_session(member.session.private_id);
                }
            }
            removed
        };
        if let Some(member) = &removed {
            self.observe_leaves(core, &member.rooms);
        }
        drop(removed);
    }

    pub(super) fn join(&self, core: &Arc<SocketCore>, room: &Arc<str>) -> JoinOutcome {
        let config = &core.connection.shared.config;
        if room.len() > config.max_room_name {
            return JoinOutcome::NameTooLong;
        }
        let mut state = self.lock();
        let position = self.sequence.load(Ordering::Relaxed);
        let member = state.members.get_mut(&core.id);
        let Some(member) = member.filter(|member| Arc::ptr_eq(&member.core, core)) else {
            return JoinOutcome::Disconnected;
        };
        // A socket is in the room of its id already.
        if **room == *core.id.as_str() || member.rooms.contains(room) {
            return JoinOutcome::AlreadyJoined;
        }
        if member.rooms.len() >= config.max_rooms {
            return JoinOutcome::TooManyRooms;
        }
        match &mut member.rooms {
            Rooms::Current(rooms) => rooms.push(room.clone()),
            Rooms::Recoverable(member) => {
                member.session.join(room, position);
                if let Some(recovery) = &self.recovery {
                    recovery.storage.put_session(&member.session, None);
                }
            }
        }
        self.observe_join(core, room);
        match state.rooms.get_mut(room) {
            Some(sockets) => sockets.insert(core.id, core.clone()),
            None => state.rooms.entry(room.clone()).or_default().insert(core.id, core.clone()),
        };
        JoinOutcome::Joined
    }

    pub(super) fn leave(&self, core: &SocketCore, room: &str) -> bool {
        let mut state = self.lock();
        let position = self.sequence.load(Ordering::Relaxed);
        let Some(member) = state.members.get_mut(&core.id) else { return false };
        let has_left = match &mut member.rooms {
            Rooms::Current(rooms) => {
                let index = rooms.iter().position(|name| **name == *room);
                index.map(|index| rooms.swap_remove(index)).is_some()
            }
            Rooms::Recoverable(member) => {
                let has_left = member.session.leave(room, position);
                if let Some(recovery) = self.recovery.as_ref().filter(|_| has_left) {
                    recovery.storage.put_session(&member.session, None);
                }
                has_left
            }
        };
        if has_left {
            self.observe_leave(core, room);
            state.remove_from_room(room, core.id);
        }
        has_left
    }

    pub(super) fn rooms_of(&self, id: SocketId) -> Vec<Arc<str>> {
        self.lock().members.get(&id).map(|member| member.rooms.current()).unwrap_or_default()
    }

    pub(super) fn sockets(&self, target: &Target) -> Vec<Arc<SocketCore>> {
        self.lock().targets(target)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().members.is_empty()
    }
}

impl NamespaceState {
    /// Returns the sockets of a target, each once.
    pub(super) fn targets(&self, target: &Target) -> Vec<Arc<SocketCore>> {
        let is_in = |id: &SocketId, room: &Arc<str>| {
            **room == *id.as_str()
                || self.rooms.get(room).is_some_and(|sockets| sockets.contains_key(id))
        };
        let is_included = |id: &SocketId| {
            target.except_socket != Some(*id) && !target.except.iter().any(|room| is_in(id, room))
        };
        match target.rooms.as_slice() {
            [] => self
                .members
                .iter()
                .filter(|(id, _)| is_included(id))
                .map(|(_, member)| member.core.clone())
                .collect(),
            [room] => self.room(room).filter(|core| is_included(&core.id)).cloned().collect(),
            rooms => {
                let mut seen = HashSet::new();
                rooms
                    .iter()
                    .flat_map(|room| self.room(room))
                    .filter(|core| is_included(&core.id) && seen.insert(core.id))
                    .cloned()
                    .collect()
            }
        }
    }

    /// The sockets of a room, or the one whose id is its name.
    fn room(&self, room: &str) -> impl Iterator<Item = &Arc<SocketCore>> {
        let own = SocketId::parse(room).and_then(|id| self.members.get(&id));
        let sockets = self.rooms.get(room).into_iter().flat_map(HashMap::values);
        sockets.chain(own.map(|member| &member.core))
    }

    /// Removes a socket from the namespace and its rooms.
    pub(super) fn take(&mut self, id: SocketId) -> Option<Member> {
        let member = self.members.remove(&id)?;
        for room in member.rooms.current() {
            self.remove_from_room(&room, id);
        }
        Some(member)
    }

    fn remove_from_room(&mut self, room: &str, id: SocketId) {
        if let Some(sockets) = self.rooms.get_mut(room) {
            sockets.remove(&id);
            if sockets.is_empty() {
                self.rooms.remove(room);
            }
        }
    }
}
