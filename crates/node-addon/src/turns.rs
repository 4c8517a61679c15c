//! Handshakes with one server, one after the other.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

type Servers = HashMap<String, Arc<AsyncMutex<()>>>;

/// The turns of each server that is being connected to.
static SERVERS: Mutex<Option<Servers>> = Mutex::new(None);

/// Waits until no other connection to this server is being established (RFC 6455 §4.1). The turn
/// ends with the guard.
pub(crate) async fn turn(server: &str) -> OwnedMutexGuard<()> {
    let turns = {
        let mut servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
        let servers = servers.get_or_insert_default();
        // Those that only this map has are not waited for any more.
        servers.retain(|_, turns| Arc::strong_count(turns) > 1);
        servers.entry(server.to_owned()).or_default().clone()
    };
    turns.lock_owned().await
}

/// Returns the host and port of a URL.
pub(crate) fn server(url: &str) -> &str {
    let authority = url.split('/').nth(2).unwrap_or(url);
    authority.rsplit('@').next().unwrap_or(authority)
}
