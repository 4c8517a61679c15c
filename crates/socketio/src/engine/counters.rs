//! What an engine counts, cheaply enough to be counted for each packet.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::engine::outcome::{EndReason, TransportKind};
use crate::engine::stats::{EngineStats, PacketStats, RejectReason, TransportStats, UpgradeStats};

/// How many threads count packets without disturbing each other.
const SHARDS: usize = 16;

/// The counts of an engine since its start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    opened: [AtomicU64; 2],
    closed: [AtomicU64; 2],
    upgrades: [AtomicU64; 2],
    polls: AtomicU64,
    ends: [AtomicU64; EndReason::ALL.len()],
    rejected: [AtomicU64; RejectReason::ALL.len()],
    packets: [Shard; SHARDS],
}

/// Packets and bytes that some of the threads have counted, in cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    received: [AtomicU64; 2],
    sent: [AtomicU64; 2],
}

/// Returns the index of the thread's shard.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    OWN.with(|own| {
        if own.get() == usize::MAX {
            own.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        own.get()
    })
}

fn increment(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn add(counters: &[AtomicU64; 2], packets: usize, bytes: usize) {
    counters[0].fetch_add(packets as u64, Ordering::Relaxed);
    counters[1].fetch_add(bytes as u64, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn opened(&self, transport: TransportKind) {
        increment(&self.opened[transport as usize]);
    }

    pub(crate) fn closed(&self, transport: TransportKind, reason: EndReason) {
        increment(&self.closed[transport as usize]);
        increment(&self.ends[reason as usize]);
    }

    pub(crate) fn upgrade_ended(&self, is_complete: bool) {
        increment(&self.upgrades[usize::from(is_complete)]);
    }

    pub(crate) fn rejected(&self, reason: RejectReason) {
        increment(&self.rejected[reason as usize]);
    }

    /// Counts a poll that was answered with this payload.
    pub(crate) fn poll_answered(&self, packets: usize, bytes: usize) {
        increment(&self.polls);
        self.sent(packets, bytes);
    }

    pub(crate) fn sent(&self, packets: usize, bytes: usize) {
        add(&self.packets[shard()].sent, packets, bytes);
    }

    pub(crate) fn received(&self, packets: usize, bytes: usize) {
        add(&self.packets[shard()].received, packets, bytes);
    }

    /// Returns the values at this moment.
    pub(crate) fn stats(&self) -> EngineStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let sum = |of: fn(&Shard) -> &[AtomicU64; 2]| {
            let sum = |index: usize| self.packets.iter().map(|shard| get(&of(shard)[index])).sum();
            PacketStats { packets: sum(0), bytes: sum(1) }
        };
        let upgrades =
            UpgradeStats { failed: get(&self.upgrades[0]), completed: get(&self.upgrades[1]) };
        let (polling, websocket) =
            (TransportKind::Polling as usize, TransportKind::WebSocket as usize);
        let opened = TransportStats {
            polling: get(&self.opened[polling]),
            websocket: get(&self.opened[websocket]),
        };
        let closed = TransportStats {
            polling: get(&self.closed[polling]),
            websocket: get(&self.closed[websocket]),
        };
        // They are not read at one moment: a session may be counted as closed and not as opened.
        let open = TransportStats {
            polling: opened.polling.saturating_sub(closed.polling + upgrades.completed),
            websocket: (opened.websocket + upgrades.completed).saturating_sub(closed.websocket),
        };
        EngineStats {
            open,
            opened,
            upgrades,
            polls: get(&self.polls),
            received: sum(|shard| &shard.received),
            sent: sum(|shard| &shard.sent),
            ends: EndReason::ALL.map(|reason| (reason, get(&self.ends[reason as usize]))).into(),
            rejected: RejectReason::ALL
                .map(|reason| (reason, get(&self.rejected[reason as usize])))
                .into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_all_threads_are_added() {
        let counters = Counters::default();
        std::thread::scope(|scope| {
            for _ in 0..=SHARDS {
                scope.spawn(|| {
                    counters.sent(2, 10);
                    counters.received(1, 7);
                });
            }
        });
        let stats = counters.stats();
        let threads = SHARDS as u64 + 1;
        assert_eq!(stats.sent, PacketStats { packets: 2 * threads, bytes: 10 * threads });
        assert_eq!(stats.received, PacketStats { packets: threads, bytes: 7 * threads });
    }

    #[test]
    fn counters_know_which_transport_carries_the_open_sessions() {
        let counters = Counters::default();
        for _ in 0..3 {
            counters.opened(TransportKind::Polling);
        }
        counters.opened(TransportKind::WebSocket);
        counters.upgrade_ended(true);
        counters.upgrade_ended(false);
        counters.closed(TransportKind::WebSocket, EndReason::PingTimeout);
        counters.closed(TransportKind::Polling, EndReason::TransportClose);
        let stats = counters.stats();
        assert_eq!(stats.open, TransportStats { polling: 1, websocket: 1 });
        assert_eq!(stats.upgrades, UpgradeStats { completed: 1, failed: 1 });
        assert_eq!(stats.ends[&EndReason::PingTimeout], 1);
        assert_eq!(stats.ends[&EndReason::ParseError], 0);
    }
}
