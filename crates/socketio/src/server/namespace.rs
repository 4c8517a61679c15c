//! The handle of a namespace.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::broadcast::Broadcast;
use super::cores::NamespaceCore;
use super::socket::Socket;
use super::target::Target;
use crate::id::SocketId;

/// A namespace whose users are of the type `U`.
///
/// Clones are handles of the same namespace.
pub struct Namespace<U = ()> {
    pub(super) core: Arc<NamespaceCore>,
    user: PhantomData<fn() -> U>,
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

impl<U: Send + Sync + 'static> Socket<U> {
    /// The namespace that the socket is in.
    pub fn namespace(&self) -> Namespace<U> {
        Namespace::new(self.core.namespace.clone())
    }
}
