//! A change of who is connected, as it is noted for the Admin UI.

use std::sync::Arc;

use super::cores::SocketCore;
use super::reason::DisconnectReason;
use crate::id::SocketId;

/// A change of who is connected, and in which rooms.
#[cfg_attr(not(feature = "admin"), expect(dead_code, reason = "there is no UI"))]
pub(super) enum Change {
    Connected(Arc<SocketCore>),
    Disconnected { namespace: Arc<str>, id: SocketId, reason: DisconnectReason },
    Joined { namespace: Arc<str>, room: Arc<str>, id: SocketId },
    Left { namespace: Arc<str>, room: Arc<str>, id: SocketId },
}
