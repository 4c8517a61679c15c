//! A cache of what servers are known not to support.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::sync::Mutex;
use crate::client::multiplexed::pool::PoolKey;

/// The time after which an entry expires, as the server may have been overloaded or repaired.
const ENTRY_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The most entries; the cache is cleared before it grows beyond this.
const MAX_ENTRIES: usize = 1000;

/// A property of a server, found out by an attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ServerCapability {
    /// The server does not support WebSockets on HTTP/2.
    NoHttp2,
    /// The server rejects on HTTP/1.1 the requests that it rejects on newer versions.
    RejectsOnHttp1,
}

/// A cache of [`ServerCapability`] by origin. Entries expire after [`ENTRY_LIFETIME`].
#[derive(Default)]
pub(crate) struct CapabilityCache(Mutex<HashMap<(PoolKey, ServerCapability), Instant>>);

impl CapabilityCache {
    pub(crate) fn contains(&self, origin: PoolKey, capability: ServerCapability) -> bool {
        let expiries = self.0.lock();
        expiries.get(&(origin, capability)).is_some_and(|expiry| Instant::now() < *expiry)
    }

    pub(crate) fn insert(&self, origin: PoolKey, capability: ServerCapability) {
        let mut expiries = self.0.lock();
        if expiries.len() >= MAX_ENTRIES {
            expiries.clear();
        }
        expiries.insert((origin, capability), Instant::now() + ENTRY_LIFETIME);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::uri::WsUri;

    #[tokio::test(start_paused = true)]
    async fn capability_cache_entries_expire() {
        let origin = |i: usize| PoolKey::new(&WsUri::parse(&format!("wss://{i}.example")).unwrap());
        let capabilities = CapabilityCache::default();
        capabilities.insert(origin(0), ServerCapability::NoHttp2);
        assert!(capabilities.contains(origin(0), ServerCapability::NoHttp2));
        assert!(!capabilities.contains(origin(0), ServerCapability::RejectsOnHttp1));
        assert!(!capabilities.contains(origin(1), ServerCapability::NoHttp2));
        tokio::time::advance(ENTRY_LIFETIME).await;
        assert!(!capabilities.contains(origin(0), ServerCapability::NoHttp2));
        for i in 0..3 * MAX_ENTRIES {
            capabilities.insert(origin(i), ServerCapability::NoHttp2);
            assert!(capabilities.0.lock().len() <= MAX_ENTRIES);
        }
    }
}
