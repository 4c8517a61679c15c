//! The task that sends to the Admin UI.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::login::AdminUser;
use super::numbers::Numbers;
use super::observer::{Note, Observer};
use super::serialized::{self, now};
use crate::args::Variadic;
use crate::engine::TransportKind;
use crate::id::SocketId;
use crate::server::ServerShared;
use crate::server::change::Change;
use crate::server::cores::SocketCore;
use crate::server::namespace::Namespace;
use crate::value::Value;

/// How often the numbers are sent.
const PERIOD: Duration = Duration::from_secs(2);
/// For how many sockets a change of their transport is sent.
const MAX_TRANSPORTS: usize = 1000;

/// The task that tells the UIs.
pub(super) struct Task {
    namespace: Namespace<AdminUser>,
    shared: Weak<ServerShared>,
    arrived: Arc<Notify>,
    sends_all: bool,
    numbers: Numbers,
    /// The sockets that were shown, and what carried them then.
    shown: HashMap<SocketId, (Weak<SocketCore>, TransportKind)>,
}

impl Task {
    pub(super) fn new(
        namespace: Namespace<AdminUser>,
        shared: Weak<ServerShared>,
        arrived: Arc<Notify>,
        sends_all: bool,
        numbers: Numbers,
    ) -> Self {
        Self { namespace, shared, arrived, sends_all, numbers, shown: HashMap::new() }
    }

    /// Runs until the server is gone.
    pub(super) async fn run(mut self, mut notes: mpsc::Receiver<Note>) {
        let begun = Instant::now();
        let mut seconds = interval(Duration::from_secs(1));
        let mut periods = interval(PERIOD);
        periods.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let arrived = self.arrived.clone();
            tokio::select! {
                note = notes.recv() => match note {
                    Some(note) => self.tell(note).await,
                    None => return,
                },
                () = arrived.notified() => self.tell_all().await,
                _ = seconds.tick() => {
                    let Some(shared) = self.shared.upgrade() else { return };
                    if let Some(observer) = shared.observer.get() {
                        observer.refill();
                        observer.unwatch_if(|| self.namespace.is_empty());
                    }
                }
                _ = periods.tick() => self.tell_numbers(begun.elapsed()).await,
            }
        }
    }

    async fn emit(&self, event: &str, args: impl Serialize) {
        // A UI that is too slow is closed, and comes back, so that this does not wait.
        self.namespace.all().emit(event, args).await;
    }

    /// Tells the numbers, and which sockets have another transport.
    async fn tell_numbers(&mut self, uptime: Duration) {
        let Some(shared) = self.shared.upgrade() else { return };
        let numbers = self.numbers.next(&shared, uptime);
        if self.namespace.is_empty() {
            self.shown = HashMap::new();
            return;
        }
        self.emit("server_stats", [numbers]).await;
        if shared.observer.get().is_some_and(Observer::take_incomplete) {
            self.tell_all().await;
        }
        let mut updates = Vec::new();
        self.shown.retain(|id, (core, known)| {
            let Some(core) = core.upgrade().filter(|core| core.reason().is_none()) else {
                return false;
            };
            let transport = core.connection.sender.transport();
            if std::mem::replace(known, transport) != transport {
                updates.push(json!({
                    "id": id.as_str(),
                    "nsp": &**core.namespace.name(),
                    "transport": transport.as_str(),
                }));
            }
            true
        });
        for update in updates {
            self.emit("socket_updated", [update]).await;
        }
    }

    /// Tells all sockets, in the place of those that were told before.
    async fn tell_all(&mut self) {
        let Some(shared) = self.shared.upgrade().filter(|_| self.sends_all) else { return };
        self.shown = HashMap::new();
        let (cores, sockets) = serialized::all(&shared);
        for core in &cores {
            self.show(core);
        }
        self.emit("all_sockets", [sockets]).await;
    }

    fn show(&mut self, core: &Arc<SocketCore>) {
        if self.shown.len() < MAX_TRANSPORTS {
            let transport = core.connection.sender.transport();
            self.shown.insert(core.id, (Arc::downgrade(core), transport));
        }
    }

    async fn tell(&mut self, note: Note) {
        match note {
            Note::Change(Change::Connected(core)) => {
                self.show(&core);
                self.emit("socket_connected", (serialized::socket(&core), now())).await;
            }
            Note::Change(Change::Disconnected { namespace, id, reason }) => {
                self.shown.remove(&id);
                let args = (&*namespace, id.as_str(), reason.as_str(), now());
                self.emit("socket_disconnected", args).await;
            }
            Note::Change(Change::Joined { namespace, room, id }) => {
                self.emit("room_joined", (&*namespace, &*room, id.as_str(), now())).await;
            }
            Note::Change(Change::Left { namespace, room, id }) => {
                self.emit("room_left", (&*namespace, &*room, id.as_str(), now())).await;
            }
            Note::Event { namespace, id, name, args } => {
                let left_out = || Variadic(vec![Value::String("(too long to be shown)".into())]);
                let args = match args {
                    Some(args) => args.get::<Variadic<Value>>().unwrap_or_default(),
                    None => left_out(),
                };
                let name = Value::String(name.to_string());
                let args: Vec<Value> = std::iter::once(name).chain(args.0).collect();
                self.emit("event_received", (&*namespace, id.as_str(), args, now())).await;
            }
        }
    }
}
