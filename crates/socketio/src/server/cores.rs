//! What the handles of sockets and namespaces share: plain data, which names each other. The files
//! above have the methods, each those of one subject.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, oneshot};

use super::ServerShared;
use super::config::SlowPolicy;
use super::event::Event;
use super::reason::DisconnectReason;
use super::request::{ConnectError, ConnectRequest};
use super::signal::TaskSignal;
use crate::args::{Args, ArgsError};
use crate::engine::{Outgoing, Sender};
use crate::id::SocketId;
use crate::parser::Parser;
use crate::recovery::{BoxFuture, Recovery, SavedSession};
use crate::trace::Span;

/// The connection that sockets of several namespaces share.
pub(super) struct ConnectionCore {
    pub(super) sender: Sender,
    pub(super) shared: Arc<ServerShared>,
    #[cfg(feature = "admin")]
    pub(super) opened: std::time::SystemTime,
    /// Wakes the connection's task: a socket was closed, or waits for its end, or has to be told
    /// what was dropped.
    pub(super) changed: TaskSignal,
    /// Whether a socket has to be told what was dropped, once its client has caught up.
    pub(super) owes_report: AtomicBool,
}

/// What the handles of a socket share.
pub(super) struct SocketCore {
    pub(super) id: SocketId,
    pub(super) namespace: Arc<NamespaceCore>,
    pub(super) connection: Arc<ConnectionCore>,
    pub(super) user: Arc<dyn Any + Send + Sync>,
    pub(super) is_recovered: bool,
    pub(super) span: Span,
    /// The number of the [`DisconnectReason`]; 0 while connected.
    pub(super) reason: AtomicU8,
    pub(super) closed: Notify,
    /// Whether the handler `connected` has begun to wait for the end.
    pub(super) awaits_end: AtomicBool,
    /// Whether live packets wait until those that were missed are sent.
    pub(super) is_gated: AtomicBool,
    /// Whether a message was replaced, so that what is missing is not known.
    pub(super) has_conflated: AtomicBool,
    pub(super) dropped_now: AtomicU64,
    pub(super) dropped_total: AtomicU64,
    pub(super) outstanding_acks: Mutex<HashMap<u64, oneshot::Sender<Args>>>,
    pub(super) slow: Mutex<Option<SlowPolicy>>,
}

/// What the handles of a namespace share.
pub(super) struct NamespaceCore {
    pub(super) name: Arc<str>,
    /// The name of its packets and sessions in the recovery storage: another one than `name` if a
    /// namespace of this name was defined before, whose packets have numbers of their own.
    pub(super) log: Arc<str>,
    pub(super) handlers: Arc<Handlers>,
    pub(super) parser: Parser,
    pub(super) recovery: Option<Recovery>,
    pub(super) is_dynamic: bool,
    /// The id of the next event that asks for an acknowledgement. One event has one id for all its
    /// receivers, so that its packet is made once.
    pub(super) next_ack_id: AtomicU64,
    /// The sequence of the last recoverable packet. Written under the lock of `state` only.
    pub(super) sequence: AtomicU64,
    /// Locked while a packet is handed to the connections, so that all sockets receive packets in
    /// the order of their sequence. The queues of the engine run no foreign code but wakers.
    pub(super) state: Mutex<NamespaceState>,
}

#[derive(Default)]
pub(super) struct NamespaceState {
    pub(super) members: HashMap<SocketId, Member>,
    pub(super) rooms: HashMap<Arc<str>, HashMap<SocketId, Arc<SocketCore>>>,
}

/// A socket, as its namespace knows it.
pub(super) struct Member {
    pub(super) core: Arc<SocketCore>,
    pub(super) rooms: Rooms,
}

/// The rooms of a socket, with their history if it can be recovered.
pub(super) enum Rooms {
    Current(Vec<Arc<str>>),
    Recoverable(Box<RecoverableMember>),
}

pub(super) struct RecoverableMember {
    pub(super) session: SavedSession,
    /// The live packets that wait until the missed ones are sent; `None` in the place of those that
    /// did not fit.
    pub(super) gate: Option<Gate>,
}

/// Live packets that wait until a client has received those that it missed.
#[derive(Default)]
pub(super) struct Gate {
    pub(super) packets: Vec<Outgoing>,
    /// What the packets count for in a queue.
    pub(super) bytes: usize,
}

pub(super) type User = Arc<dyn Any + Send + Sync>;
pub(super) type Middleware =
    Box<dyn Fn(ConnectRequest) -> BoxFuture<'static, Result<(), ConnectError>> + Send + Sync>;
pub(super) type Authenticate =
    Box<dyn Fn(ConnectRequest) -> BoxFuture<'static, Result<User, ConnectError>> + Send + Sync>;
pub(super) type OnSocket = Box<dyn Fn(Arc<SocketCore>) -> BoxFuture<'static, ()> + Send + Sync>;
pub(super) type OnDisconnected =
    Box<dyn Fn(Arc<SocketCore>, DisconnectReason) -> BoxFuture<'static, ()> + Send + Sync>;
pub(super) type OnEvent =
    Arc<dyn Fn(Arc<SocketCore>, Event) -> BoxFuture<'static, ()> + Send + Sync>;
pub(super) type OnInvalid = Arc<dyn Fn(Arc<SocketCore>, Event, ArgsError) + Send + Sync>;

/// The handlers of a namespace, for users of any type.
pub(super) struct Handlers {
    pub(super) user_type: TypeId,
    pub(super) middlewares: Vec<Middleware>,
    pub(super) authenticate: Authenticate,
    pub(super) connected: Option<OnSocket>,
    pub(super) disconnected: Option<OnDisconnected>,
    pub(super) events: HashMap<Box<str>, EventHandler>,
    pub(super) any: Option<OnEvent>,
    pub(super) invalid: Option<OnInvalid>,
}

pub(super) struct EventHandler {
    pub(super) call: OnEvent,
    /// Whether it runs beside other handlers of its socket.
    pub(super) is_concurrent: bool,
}
