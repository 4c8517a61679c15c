//! A namespace: its sockets, its rooms, and the order of what is sent in it.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::broadcast::{Broadcast, Target};
use super::config::Config;
use super::define::Handlers;
use super::deliver::{Attempt, Delivery, SendMode};
use super::reason::DisconnectReason;
use super::socket::{ConnectionCore, Socket, SocketCore};
use crate::engine::{EndReason, Outgoing, SendOutcome};
use crate::id::SocketId;
use crate::packet::EncodeError;
use crate::parser::{Head, Parser, PartialPacket};
use crate::recovery::{LoggedPacket, Recovery, SavedSession};
use crate::value::Value;

/// A namespace whose users are of the type `U`.
///
/// Clones are handles of the same namespace.
pub struct Namespace<U = ()> {
    pub(super) core: Arc<NamespaceCore>,
    user: PhantomData<fn() -> U>,
}

pub(super) struct NamespaceCore {
    name: Arc<str>,
    pub(super) handlers: Arc<Handlers>,
    parser: Parser,
    recovery: Option<Recovery>,
    is_dynamic: bool,
    /// The id of the next event that asks for an acknowledgement. One event has one id for all its
    /// receivers, so that its packet is made once.
    next_ack_id: AtomicU64,
    /// The sequence of the last recoverable packet. Written under the lock of `state` only.
    sequence: AtomicU64,
    /// Locked while a packet is handed to the connections, so that all sockets receive packets in
    /// the order of their sequence. The queues of the engine run no foreign code but wakers.
    state: Mutex<NamespaceState>,
}

#[derive(Default)]
pub(super) struct NamespaceState {
    members: HashMap<SocketId, Member>,
    rooms: HashMap<Arc<str>, HashMap<SocketId, Arc<SocketCore>>>,
}

/// A socket, as its namespace knows it.
struct Member {
    core: Arc<SocketCore>,
    rooms: Rooms,
}

/// The rooms of a socket, with their history if it can be recovered.
enum Rooms {
    Current(Vec<Arc<str>>),
    Recoverable(Box<RecoverableMember>),
}

struct RecoverableMember {
    session: SavedSession,
    /// The live packets that wait until the missed ones are sent; `None` in the place of those that
    /// did not fit.
    gate: Option<Vec<Outgoing>>,
}

/// How many live packets may wait until a client has received the missed ones.
const MAX_GATED_PACKETS: usize = 10_000;

impl Rooms {
    fn current(&self) -> Vec<Arc<str>> {
        match self {
            Self::Current(rooms) => rooms.clone(),
            Self::Recoverable(member) => member.session.current_rooms().cloned().collect(),
        }
    }
}

/// What became of a packet to one of many.
pub(super) enum Receipt {
    Delivery(Delivery),
    /// The socket's policy is to wait until the packet fits.
    MustWait(Arc<SocketCore>),
}

impl NamespaceCore {
    pub(super) fn new(
        name: Arc<str>,
        handlers: Arc<Handlers>,
        config: &Config,
        is_dynamic: bool,
    ) -> Self {
        Self {
            name,
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

    fn lock(&self) -> MutexGuard<'_, NamespaceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next_ack_id(&self) -> u64 {
        self.next_ack_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn encode<T: Serialize + ?Sized>(
        &self,
        head: Head<'_>,
        args: &T,
    ) -> Result<PartialPacket, EncodeError> {
        self.parser.encode(&self.name, head, args)
    }

    fn offset(recovery: &Recovery, sequence: u64) -> String {
        format!("{}.{sequence}", recovery.storage.epoch())
    }

    /// Returns the offset of the last packet, for packets that can't be recovered themselves: a
    /// client takes the last text of any event for an offset.
    pub(super) fn last_offset(&self) -> Option<String> {
        let recovery = self.recovery.as_ref()?;
        Some(Self::offset(recovery, self.sequence.load(Ordering::Relaxed)))
    }

    /// Returns the position that an offset of a client means, if it is one of ours.
    pub(super) fn parse_offset(&self, offset: &str) -> Option<u64> {
        let (epoch, sequence) = offset.rsplit_once('.')?;
        if epoch != self.recovery.as_ref()?.storage.epoch() {
            return None;
        }
        let sequence = sequence.parse().ok()?;
        (sequence <= self.sequence.load(Ordering::Relaxed)).then_some(sequence)
    }

    // ----- Sending -----

    /// Sends a packet to one socket, and waits for room if its policy says so.
    pub(super) async fn emit_to(
        &self,
        core: &Arc<SocketCore>,
        packet: PartialPacket,
        mode: SendMode,
    ) -> Delivery {
        if self.recovery.is_none() {
            let message: Outgoing = packet.finish(None).into();
            loop {
                match core.attempt(&message, mode, true) {
                    Attempt::Done(delivery) => return delivery,
                    Attempt::Close => return Delivery::Closed,
                    Attempt::Full => core.connection.sender.ready(message.len()).await,
                }
            }
        }
        let rooms: Arc<[Arc<str>]> = Arc::new([Arc::from(core.id.as_str())]);
        loop {
            // In a block, as the guard of a lock is not held while the future waits.
            let size = {
                let mut state = self.lock();
                if core.reason().is_some() {
                    return Delivery::Closed;
                }
                let (message, sequence) = self.finish(packet.clone(), mode);
                match self.deliver(&mut state, core, &message, mode, sequence, true) {
                    Attempt::Done(delivery) => {
                        if delivery != Delivery::Closed {
                            self.commit(sequence, &rooms, &Arc::default(), message);
                        }
                        return delivery;
                    }
                    Attempt::Close => return Delivery::Closed,
                    Attempt::Full => message.len(),
                }
            };
            core.connection.sender.ready(size).await;
        }
    }

    /// Sends a packet to all sockets of a target that are there now.
    pub(super) fn publish(
        &self,
        target: &Target,
        packet: PartialPacket,
        mode: SendMode,
    ) -> (Vec<Receipt>, Outgoing) {
        let mut too_slow = Vec::new();
        let mut receipts = Vec::new();
        let message = {
            let mut state = self.lock();
            let (message, sequence) = self.finish(packet, mode);
            let cores = state.targets(target);
            receipts.reserve(cores.len());
            for core in cores {
                match self.deliver(&mut state, &core, &message, mode, sequence, false) {
                    Attempt::Done(delivery) => receipts.push(Receipt::Delivery(delivery)),
                    Attempt::Close => {
                        receipts.push(Receipt::Delivery(Delivery::Closed));
                        too_slow.push(core);
                    }
                    Attempt::Full => receipts.push(Receipt::MustWait(core)),
                }
            }
            self.commit(sequence, &target.rooms(), &target.except(), message.clone());
            message
        };
        for core in too_slow {
            core.close_slow();
        }
        (receipts, message)
    }

    /// Completes a packet, with the sequence that it has if it is sent now.
    fn finish(&self, packet: PartialPacket, mode: SendMode) -> (Outgoing, Option<u64>) {
        let Some(recovery) = &self.recovery else {
            return (packet.finish(None).into(), None);
        };
        let last = self.sequence.load(Ordering::Relaxed);
        let is_recoverable = mode != SendMode::Volatile;
        let sequence = last + u64::from(is_recoverable);
        let offset = Self::offset(recovery, sequence);
        let message = packet.finish(Some(&offset)).into();
        (message, is_recoverable.then_some(sequence))
    }

    /// Remembers a packet that was sent. Called under the lock, after its delivery.
    fn commit(
        &self,
        sequence: Option<u64>,
        rooms: &Arc<[Arc<str>]>,
        except: &Arc<[Arc<str>]>,
        packet: Outgoing,
    ) {
        let (Some(sequence), Some(recovery)) = (sequence, &self.recovery) else { return };
        self.sequence.store(sequence, Ordering::Relaxed);
        let packet =
            LoggedPacket { sequence, rooms: rooms.clone(), except: except.clone(), packet };
        recovery.storage.append(&self.name, packet);
    }

    /// Hands a packet to the connection of a socket, or keeps it until those before it are sent.
    fn deliver(
        &self,
        state: &mut NamespaceState,
        core: &Arc<SocketCore>,
        message: &Outgoing,
        mode: SendMode,
        sequence: Option<u64>,
        can_wait: bool,
    ) -> Attempt {
        if core.is_gated.load(Ordering::Relaxed) {
            return state.hold(core, message, mode);
        }
        let attempt = core.attempt(message, mode, can_wait);
        let was_dropped = matches!(attempt, Attempt::Done(Delivery::Dropped(_)));
        // A packet that waits outside of the lock may be overtaken, and is lost to recovery.
        let may_be_lost = was_dropped || attempt == Attempt::Full && !can_wait;
        if may_be_lost && let Some(sequence) = sequence {
            state.lose(core, sequence, self.recovery.as_ref());
        }
        if core.has_conflated.load(Ordering::Relaxed) {
            state.lose(core, 0, self.recovery.as_ref());
        }
        attempt
    }

    // ----- Members -----

    /// Lets a client in with a new socket, and tells it so.
    pub(super) fn admit(
        self: &Arc<Self>,
        connection: &Arc<ConnectionCore>,
        user: Arc<dyn Any + Send + Sync>,
    ) -> Arc<SocketCore> {
        let mut state = self.lock();
        let session = self.recovery.as_ref().map(|recovery| {
            let position = self.sequence.load(Ordering::Relaxed);
            let session = SavedSession::new(self.name.clone(), position);
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

    fn send_connect(&self, core: &SocketCore, session: Option<&SavedSession>) {
        let text = |id: SocketId| Value::String(id.to_string());
        let mut members = vec![("sid".to_owned(), text(core.id))];
        members.extend(session.map(|session| ("pid".to_owned(), text(session.private_id))));
        let packet = self.parser.encode_connect(&self.name, Some(&Value::Object(members)));
        let sender = &core.connection.sender;
        if sender.send(&packet.into()) == SendOutcome::Full {
            sender.close(EndReason::ForcedClose);
        }
    }

    /// Lets a client in that comes back, if nothing that it missed is lost. Sends it what it
    /// missed.
    pub(super) async fn recover(
        self: &Arc<Self>,
        connection: &Arc<ConnectionCore>,
        private_id: SocketId,
        offset: Option<&str>,
        user: &Arc<dyn Any + Send + Sync>,
    ) -> Option<Arc<SocketCore>> {
        let recovery = self.recovery.as_ref()?;
        let session = recovery.storage.session(private_id).await?;
        if session.namespace != self.name {
            return None;
        }
        let position = match offset {
            // The client has received nothing yet.
            None => session.recoverable_from,
            Some(offset) => self.parse_offset(offset)?,
        };
        let (id, user) = (session.socket_id, user.clone());
        let mut core = SocketCore::new(id, self.clone(), connection.clone(), user, true);
        *core.is_gated.get_mut() = true;
        let core = Arc::new(core);
        let (session, registered_at) = self.take_over(&core, session);
        let missed = if session.can_recover_from(position) {
            recovery.storage.read(&self.name, position).await
        } else {
            None
        };
        let Some(missed) = missed.filter(|_| self.lock().gate(&core).is_some()) else {
            core.mark_closed(DisconnectReason::TransportClose);
            self.remove(&core, DisconnectReason::ServerNamespaceDisconnect);
            return None;
        };
        self.send_connect(&core, Some(&session));
        // Later ones wait behind the gate.
        for logged in missed.into_iter().filter(|logged| logged.sequence <= registered_at) {
            if session.includes(&logged) {
                core.send_waiting(&logged.packet).await;
            }
        }
        self.open_gate(&core).await;
        Some(core)
    }

    /// Puts a gated socket in the place of the one with its id. Returns what is known of it, and
    /// the sequence up to which live packets don't reach it.
    fn take_over(&self, core: &Arc<SocketCore>, saved: SavedSession) -> (SavedSession, u64) {
        let mut state = self.lock();
        let previous = state.take(core.id);
        let registered_at = self.sequence.load(Ordering::Relaxed);
        let session = match &previous {
            // The saved one may be older.
            Some(Member { rooms: Rooms::Recoverable(member), .. }) => member.session.clone(),
            _ => saved,
        };
        for room in session.current_rooms() {
            state.rooms.entry(room.clone()).or_default().insert(core.id, core.clone());
        }
        let member = RecoverableMember { session: session.clone(), gate: Some(Vec::new()) };
        let rooms = Rooms::Recoverable(Box::new(member));
        state.members.insert(core.id, Member { core: core.clone(), rooms });
        if let Some(recovery) = &self.recovery {
            recovery.storage.put_session(&session, None);
        }
        drop(state);
        if let Some(previous) = previous {
            previous.core.mark_closed(DisconnectReason::TransportClose);
        }
        (session, registered_at)
    }

    /// Sends what came while a socket was gated, until nothing is left.
    async fn open_gate(&self, core: &SocketCore) {
        loop {
            let waiting = {
                let mut state = self.lock();
                let Some(member) = state.recoverable(core) else { return };
                match &mut member.gate {
                    Some(gate) if !gate.is_empty() => std::mem::take(gate),
                    Some(_) => {
                        member.gate = None;
                        // All that was dropped before is sent.
                        member.session.first_dropped = None;
                        core.is_gated.store(false, Ordering::Relaxed);
                        return;
                    }
                    // Too much came. The client was told that it is recovered, so that it has to
                    // come back.
                    None => break,
                }
            };
            for message in waiting {
                core.send_waiting(&message).await;
            }
        }
        core.connection.sender.close(EndReason::ForcedClose);
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
        drop(removed);
    }

    pub(super) fn join(&self, core: &Arc<SocketCore>, room: &Arc<str>) -> bool {
        let mut state = self.lock();
        let position = self.sequence.load(Ordering::Relaxed);
        // A socket is in the room of its id already.
        if **room == *core.id.as_str() {
            return false;
        }
        let Some(member) = state.members.get_mut(&core.id) else { return false };
        if !Arc::ptr_eq(&member.core, core) {
            return false;
        }
        let has_joined = match &mut member.rooms {
            Rooms::Current(rooms) => {
                let is_new = !rooms.contains(room);
                if is_new {
                    rooms.push(room.clone());
                }
                is_new
            }
            Rooms::Recoverable(member) => {
                let is_new = member.session.join(room, position);
                if let Some(recovery) = self.recovery.as_ref().filter(|_| is_new) {
                    recovery.storage.put_session(&member.session, None);
                }
                is_new
            }
        };
        if has_joined {
            match state.rooms.get_mut(room) {
                Some(sockets) => sockets.insert(core.id, core.clone()),
                None => state.rooms.entry(room.clone()).or_default().insert(core.id, core.clone()),
            };
        }
        has_joined
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
    fn targets(&self, target: &Target) -> Vec<Arc<SocketCore>> {
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
    fn take(&mut self, id: SocketId) -> Option<Member> {
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

    /// Returns what is known of a socket that can be recovered, unless another one has taken over
    /// its id meanwhile.
    fn recoverable(&mut self, core: &SocketCore) -> Option<&mut RecoverableMember> {
        match self.members.get_mut(&core.id) {
            Some(Member { core: current, rooms: Rooms::Recoverable(member) })
                if std::ptr::eq(Arc::as_ptr(current), core) =>
            {
                Some(member)
            }
            _ => None,
        }
    }

    fn gate(&mut self, core: &SocketCore) -> Option<&mut Vec<Outgoing>> {
        self.recoverable(core)?.gate.as_mut()
    }

    /// Keeps a live packet until those that were missed are sent.
    fn hold(&mut self, core: &SocketCore, message: &Outgoing, mode: SendMode) -> Attempt {
        if mode == SendMode::Volatile {
            return Attempt::Done(Delivery::Dropped(1));
        }
        let Some(member) = self.recoverable(core) else {
            return Attempt::Done(Delivery::Closed);
        };
        match &mut member.gate {
            Some(gate) if gate.len() < MAX_GATED_PACKETS => {
                gate.push(message.clone());
                Attempt::Done(Delivery::Queued)
            }
            gate => {
                *gate = None;
                Attempt::Done(Delivery::Closed)
            }
        }
    }

    /// Notes that a packet is lost for a socket.
    fn lose(&mut self, core: &SocketCore, sequence: u64, recovery: Option<&Recovery>) {
        let Some(recovery) = recovery else { return };
        if let Some(member) = self.recoverable(core) {
            let before = member.session.first_dropped;
            member.session.drop_packet(sequence);
            if member.session.first_dropped != before {
                recovery.storage.put_session(&member.session, None);
            }
        }
    }
}

impl<U> Clone for Namespace<U> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), user: PhantomData }
    }
}

impl<U> fmt::Debug for Namespace<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace").field("name", &self.core.name).finish_non_exhaustive()
    }
}

impl<U: Send + Sync + 'static> Namespace<U> {
    pub(super) fn new(core: Arc<NamespaceCore>) -> Self {
        Self { core, user: PhantomData }
    }

    /// The name of the namespace, which begins with `/`.
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// Addresses all sockets of the namespace.
    pub fn all(&self) -> Broadcast<U> {
        Broadcast::new(self.core.clone(), Target::default())
    }

    /// Addresses the sockets in this room, or the one socket whose id it is.
    pub fn to(&self, room: impl Into<Arc<str>>) -> Broadcast<U> {
        self.all().to(room)
    }

    /// Returns the socket with this id, if it is connected.
    pub fn socket(&self, id: SocketId) -> Option<Socket<U>> {
        let state = self.core.lock();
        state.members.get(&id).map(|member| Socket::new(member.core.clone()))
    }

    /// Returns the names of all rooms, without those of the sockets' ids.
    pub fn rooms(&self) -> Vec<Arc<str>> {
        self.core.lock().rooms.keys().cloned().collect()
    }

    /// The number of connected sockets.
    pub fn len(&self) -> usize {
        self.core.lock().members.len()
    }

    /// Whether no socket is connected.
    pub fn is_empty(&self) -> bool {
        self.core.is_empty()
    }
}
