//! What the connections of clients share.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::mpsc;

use crate::base::accept::Stopped;
use crate::inspect::observer::Sinks;
use crate::inspect::rewriting::Rewriting;

/// What the connections of clients share.
pub(crate) struct Shared {
    pub(crate) rewriting: Rewriting,
    pub(crate) sinks: Sinks,
    /// The last number of a connection or a stream.
    pub(crate) last_number: Arc<AtomicU64>,
    pub(crate) stopped: Stopped,
    /// Kept until the end of each stream.
    pub(crate) open: mpsc::Sender<()>,
}
