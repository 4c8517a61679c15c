//! Which sockets of a namespace are addressed.

use std::sync::Arc;

use crate::id::SocketId;

/// Which sockets of a namespace are addressed: all, or those in any of the rooms.
#[derive(Debug, Clone, Default)]
pub(super) struct Target {
    pub(super) rooms: Vec<Arc<str>>,
    pub(super) except: Vec<Arc<str>>,
    pub(super) except_socket: Option<SocketId>,
}

impl Target {
    pub(super) fn rooms(&self) -> Arc<[Arc<str>]> {
        self.rooms.as_slice().into()
    }

    /// The rooms whose members are left out, that of the sender among them.
    pub(super) fn except(&self) -> Arc<[Arc<str>]> {
        let sender = self.except_socket.map(|id| Arc::from(id.as_str()));
        self.except.iter().cloned().chain(sender).collect()
    }
}
