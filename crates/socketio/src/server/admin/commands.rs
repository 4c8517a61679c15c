//! What the Admin UI can do.

use std::sync::{Arc, PoisonError, Weak};

use super::login::AdminUser;
use crate::args::Variadic;
use crate::engine::EndReason;
use crate::server::ServerShared;
use crate::server::broadcast::Broadcast;
use crate::server::cores::NamespaceCore;
use crate::server::define::NamespaceBuilder;
use crate::server::reason::DisconnectReason;
use crate::server::socket::Socket;
use crate::server::target::Target;
use crate::value::Value;

/// The sockets that a command is for: those of a room, or of a whole namespace.
struct Addressed {
    namespace: Arc<NamespaceCore>,
    target: Target,
}

impl Addressed {
    fn new(shared: &Weak<ServerShared>, namespace: &Value, room: Option<&Value>) -> Option<Self> {
        let shared = shared.upgrade()?;
        let namespace = {
            let namespaces = shared.namespaces.read().unwrap_or_else(PoisonError::into_inner);
            namespaces.open.get(namespace.as_str()?)?.clone()
        };
        let rooms = match room {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(room)) if room.is_empty() => Vec::new(),
            Some(Value::String(room)) => vec![room.as_str().into()],
            // Not all sockets in the place of those that are meant.
            Some(_) => return None,
        };
        Some(Self { namespace, target: Target { rooms, ..Target::default() } })
    }

    fn all(self) -> Broadcast<()> {
        Broadcast::new(self.namespace, self.target)
    }

    /// Disconnects the sockets, and closes their connections if asked.
    fn disconnect(&self, closes: bool) {
        for core in self.namespace.sockets(&self.target) {
            core.disconnect(DisconnectReason::ServerNamespaceDisconnect);
            if closes {
                core.connection.sender.close(EndReason::ForcedClose);
            }
        }
    }
}

/// Adds the handlers of the commands. What is not a command of the UI is ignored.
pub(super) fn add(
    builder: NamespaceBuilder<AdminUser>,
    shared: &Weak<ServerShared>,
) -> NamespaceBuilder<AdminUser> {
    let [emitting, joining, leaving, ending] = [(); 4].map(|()| shared.clone());
    builder
        .on("emit", move |_: Socket<AdminUser>, Variadic(args): Variadic<Value>| {
            let shared = emitting.clone();
            async move {
                if let [namespace, room, Value::String(event), args @ ..] = &args[..]
                    && let Some(addressed) = Addressed::new(&shared, namespace, Some(room))
                {
                    addressed.all().emit(event, Variadic(args.to_vec())).await;
                }
            }
        })
        .on("join", move |_, Variadic(args): Variadic<Value>| {
            if let [namespace, Value::String(room), of @ ..] = &args[..]
                && let Some(addressed) = Addressed::new(&joining, namespace, of.first())
            {
                addressed.all().join(room.as_str());
            }
            async {}
        })
        .on("leave", move |_, Variadic(args): Variadic<Value>| {
            if let [namespace, Value::String(room), of @ ..] = &args[..]
                && let Some(addressed) = Addressed::new(&leaving, namespace, of.first())
            {
                addressed.all().leave(room);
            }
            async {}
        })
        .on("_disconnect", move |_, Variadic(args): Variadic<Value>| {
            if let [namespace, closes, of @ ..] = &args[..]
                && let Some(addressed) = Addressed::new(&ending, namespace, of.first())
            {
                addressed.disconnect(*closes == Value::Bool(true));
            }
            async {}
        })
}
