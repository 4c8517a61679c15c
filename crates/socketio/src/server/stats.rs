//! What a Socket.IO server has done since its start.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::reason::DisconnectReason;
use crate::engine::EngineStats;

/// The statistics of a [`SocketIo`](crate::SocketIo) since its start, and what is open now.
///
/// ```
/// use fullduplex_socketio::{RecoveryOutcome, SocketIo};
///
/// fn report(io: &SocketIo) {
///     let stats = io.stats();
///     println!("{} sockets, {} messages dropped", stats.sockets, stats.dropped);
///     println!("{} came back in time", stats.recoveries[&RecoveryOutcome::Recovered]);
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketIoStats {
    /// The statistics of the Engine.IO server below.
    pub engine: EngineStats,
    /// The sockets that are connected, in all namespaces.
    pub sockets: usize,
    /// The number of sockets that were connected.
    pub connected: u64,
    /// The number of clients that were refused by a namespace.
    pub refused: u64,
    /// The number of disconnected sockets, by every reason.
    pub disconnected: BTreeMap<DisconnectReason, u64>,
    /// The number of messages that were dropped for a socket, as its client was slow.
    pub dropped: u64,
    /// The number of messages that a later one with the same key has replaced.
    pub replaced: u64,
    /// The number of clients that came back to recover their state, by every outcome.
    pub recoveries: BTreeMap<RecoveryOutcome, u64>,
}

/// What became of a client that came back to recover its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RecoveryOutcome {
    /// The client has everything that it missed.
    Recovered,
    /// Its session is not remembered: it came too late, its state was lost with the server's, or
    /// the storage did not answer in time.
    UnknownSession,
    /// The last offset that it has seen is not one of this server's.
    UnknownOffset,
    /// A message was dropped or replaced for it, as it was slow; or it has been in more rooms than
    /// are remembered.
    Dropped,
    /// What it missed is no longer remembered.
    Forgotten,
    /// Too much was sent while it received what it missed, so that it has to come again.
    Overtaken,
}

impl RecoveryOutcome {
    /// All outcomes, in their order.
    const ALL: [Self; 6] = [
        Self::Recovered,
        Self::UnknownSession,
        Self::UnknownOffset,
        Self::Dropped,
        Self::Forgotten,
        Self::Overtaken,
    ];

    /// Returns the name of the outcome, as it is a label of metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::UnknownSession => "unknown_session",
            Self::UnknownOffset => "unknown_offset",
            Self::Dropped => "dropped",
            Self::Forgotten => "forgotten",
            Self::Overtaken => "overtaken",
        }
    }
}

impl fmt::Display for RecoveryOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The counts of a server since its start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    connected: AtomicU64,
    refused: AtomicU64,
    disconnected: [AtomicU64; DisconnectReason::ALL.len()],
    dropped: AtomicU64,
    replaced: AtomicU64,
    recoveries: [AtomicU64; RecoveryOutcome::ALL.len()],
}

fn increment(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn connected(&self) {
        increment(&self.connected);
    }

    pub(super) fn refused(&self) {
        increment(&self.refused);
    }

    pub(super) fn disconnected(&self, reason: DisconnectReason) {
        // The numbers of reasons begin at 1.
        if let Some(counter) = self.disconnected.get((reason as usize).wrapping_sub(1)) {
            increment(counter);
        }
    }

    pub(super) fn dropped(&self) {
        increment(&self.dropped);
    }

    pub(super) fn replaced(&self) {
        increment(&self.replaced);
    }

    pub(super) fn recovery_ended(&self, outcome: RecoveryOutcome) {
        increment(&self.recoveries[outcome as usize]);
    }

    /// Returns the values at this moment, with those that are counted elsewhere.
    pub(super) fn stats(&self, engine: EngineStats, sockets: usize) -> SocketIoStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let reasons = DisconnectReason::ALL.into_iter().zip(&self.disconnected);
        let outcomes = RecoveryOutcome::ALL.into_iter().zip(&self.recoveries);
        SocketIoStats {
            engine,
            sockets,
            connected: get(&self.connected),
            refused: get(&self.refused),
            disconnected: reasons.map(|(reason, counter)| (reason, get(counter))).collect(),
            dropped: get(&self.dropped),
            replaced: get(&self.replaced),
            recoveries: outcomes.map(|(outcome, counter)| (outcome, get(counter))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_outcomes_are_at_their_numbers() {
        assert!(RecoveryOutcome::ALL.iter().enumerate().all(|(at, of)| *of as usize == at));
    }

    #[test]
    fn counters_of_disconnects_have_their_reasons() {
        let counters = Counters::default();
        for reason in DisconnectReason::ALL {
            counters.disconnected(reason);
        }
        counters.disconnected(DisconnectReason::SlowClient);
        let stats = counters.stats(EngineStats::default(), 0);
        for reason in DisconnectReason::ALL {
            let count = 1 + u64::from(reason == DisconnectReason::SlowClient);
            assert_eq!(stats.disconnected[&reason], count, "{reason:?}");
        }
    }
}
