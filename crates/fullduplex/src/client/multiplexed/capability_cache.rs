//! What a client has learned about the versions of HTTP that servers do.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::sync::Mutex;
use crate::client::multiplexed::pool::PoolKey;

/// How long it holds: a server that was overloaded, or is mended, is asked again.
const REMEMBERED_FOR: Duration = Duration::from_secs(5 * 60);

/// The most findings that are remembered; when there are more, all are forgotten.
const MAX_FINDINGS: usize = 1000;

/// What was found out about a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ServerCapability {
    /// It takes no WebSockets on HTTP/2.
    WithoutHttp2,
    /// What it refuses on a newer version, it refuses on HTTP/1.1 too.
    RefusesOnHttp1,
}

/// The findings, each for a while.
#[derive(Default)]
pub(crate) struct CapabilityCache(Mutex<HashMap<(PoolKey, ServerCapability), Instant>>);

impl CapabilityCache {
    pub(crate) fn knows(&self, origin: PoolKey, finding: ServerCapability) -> bool {
        let until = self.0.lock();
        until.get(&(origin, finding)).is_some_and(|until| Instant::now() < *until)
    }

    pub(crate) fn learn(&self, origin: PoolKey, finding: ServerCapability) {
        let mut until = self.0.lock();
        if until.len() >= MAX_FINDINGS {
            until.clear();
        }
        until.insert((origin, finding), Instant::now() + REMEMBERED_FOR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::uri::WsUri;

    #[tokio::test(start_paused = true)]
    async fn auto_forgets_what_it_has_learned() {
        let origin = |i: usize| PoolKey::of(&WsUri::parse(&format!("wss://{i}.example")).unwrap());
        let learned = CapabilityCache::default();
        learned.learn(origin(0), ServerCapability::WithoutHttp2);
        assert!(learned.knows(origin(0), ServerCapability::WithoutHttp2));
        assert!(!learned.knows(origin(0), ServerCapability::RefusesOnHttp1));
        assert!(!learned.knows(origin(1), ServerCapability::WithoutHttp2));
        tokio::time::advance(REMEMBERED_FOR).await;
        assert!(!learned.knows(origin(0), ServerCapability::WithoutHttp2));
        for i in 0..3 * MAX_FINDINGS {
            learned.learn(origin(i), ServerCapability::WithoutHttp2);
            assert!(learned.0.lock().len() <= MAX_FINDINGS);
        }
    }
}
