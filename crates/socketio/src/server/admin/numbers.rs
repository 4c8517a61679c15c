//! The numbers that the Admin UI shows.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use super::serialized;
use crate::engine::{EngineContext, EngineStats};
use crate::server::ServerShared;

/// How many namespaces are counted one by one.
const MAX_NAMESPACES: usize = 1000;

/// What the numbers are made of.
pub(super) struct Numbers {
    server_id: String,
    hostname: String,
    context: Arc<EngineContext>,
    last: EngineStats,
}

/// Returns the name of this host, if it says so.
fn hostname() -> String {
    let file = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = file.or_else(|| std::env::var("HOSTNAME").ok());
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "localhost".into())
}

impl Numbers {
    pub(super) fn new(server_id: Option<String>, context: Arc<EngineContext>) -> Self {
        let hostname = hostname();
        let server_id = server_id.unwrap_or_else(|| hostname.clone());
        Self { server_id, hostname, last: context.counters.stats(), context }
    }

    /// Returns the numbers of now, and what was counted since the last call.
    pub(super) fn next(&mut self, shared: &ServerShared, uptime: Duration) -> Json {
        let stats = self.context.counters.stats();
        let namespaces = serialized::namespaces(shared);
        let counts: Vec<Json> = namespaces
            .iter()
            .take(MAX_NAMESPACES)
            .map(|namespace| {
                json!({
                    "name": &**namespace.name(),
                    "socketsCount": namespace.lock().members.len(),
                })
            })
            .collect();
        let numbers = json!({
            "serverId": self.server_id,
            "hostname": self.hostname,
            "pid": std::process::id(),
            "uptime": uptime.as_secs_f64(),
            "clientsCount": stats.open.polling + stats.open.websocket,
            "pollingClientsCount": stats.open.polling,
            "aggregatedEvents": aggregated(&self.last, &stats),
            "namespaces": counts,
        });
        self.last = stats;
        numbers
    }
}

/// Returns what has been counted since the last time.
fn aggregated(last: &EngineStats, stats: &EngineStats) -> Vec<Json> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let timestamp = since_1970.as_secs() * 1000;
    let opened = |stats: &EngineStats| stats.opened.polling + stats.opened.websocket;
    let mut counts = vec![
        ("rawConnection", None, opened(last), opened(stats)),
        ("packetsIn", None, last.received.packets, stats.received.packets),
        ("packetsOut", None, last.sent.packets, stats.sent.packets),
        ("bytesIn", None, last.received.bytes, stats.received.bytes),
        ("bytesOut", None, last.sent.bytes, stats.sent.bytes),
    ];
    for (reason, count) in &stats.ends {
        let before = last.ends.get(reason).copied().unwrap_or_default();
        counts.push(("rawDisconnection", Some(reason.as_str()), before, *count));
    }
    let counts = counts.into_iter().map(|(kind, of, before, now)| (kind, of, now - before));
    counts
        .filter(|(_, _, count)| *count > 0)
        .map(|(kind, of, count)| {
            let mut event = json!({ "timestamp": timestamp, "type": kind, "count": count });
            if let Some(of) = of {
                event["subType"] = of.into();
            }
            event
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EndReason;

    #[test]
    fn numbers_are_those_since_the_last_time() {
        let mut last = EngineStats::default();
        last.opened.websocket = 1;
        let mut stats = last.clone();
        stats.opened.polling = 2;
        stats.ends.insert(EndReason::PingTimeout, 3);
        let mut counted = aggregated(&last, &stats);
        for event in &mut counted {
            assert!(event["timestamp"].as_u64().is_some_and(|at| at > 1_700_000_000_000));
            event["timestamp"] = 0.into();
        }
        let expected = [
            json!({ "timestamp": 0, "type": "rawConnection", "count": 2 }),
            json!({
                "timestamp": 0,
                "type": "rawDisconnection",
                "subType": "ping timeout",
                "count": 3,
            }),
        ];
        assert_eq!(counted, expected);
        assert!(aggregated(&stats, &stats).is_empty());
    }
}
