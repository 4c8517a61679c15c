//! The timers of a driver.

use std::cmp::Ordering;
use std::sync::Weak;
use std::time::Duration;

use crate::connection::driver::DrivenConnection;

/// An optional deadline, in nanoseconds of the driver's clock. Each connection has one, so it is
/// smaller than an `Option<Duration>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeadlineNanos(pub(super) u64);

impl DeadlineNanos {
    /// No deadline.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    pub(crate) fn new(at: Option<Duration>) -> Self {
        at.and_then(|at| u64::try_from(at.as_nanos()).ok()).map_or(Self::NEVER, Self)
    }
}

/// An entry of the heap of timers, ordered by deadline.
pub(super) struct Timer {
    pub(super) at: DeadlineNanos,
    pub(super) connection: Weak<dyn DrivenConnection>,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}
