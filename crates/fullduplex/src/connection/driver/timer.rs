//! The timers of a driver.

use std::cmp::Ordering;
use std::sync::Weak;
use std::time::Duration;

use crate::connection::driver::DrivenConnection;

/// A deadline, in nanoseconds of the driver's time: smaller than an `Option<Duration>`, as each
/// connection has one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeadlineNanos(pub(super) u64);

impl DeadlineNanos {
    pub(crate) const NEVER: Self = Self(u64::MAX);

    pub(crate) fn new(at: Option<Duration>) -> Self {
        at.and_then(|at| u64::try_from(at.as_nanos()).ok()).map_or(Self::NEVER, Self)
    }
}

pub(super) struct Timer {
    pub(super) at: DeadlineNanos,
    pub(super) driven: Weak<dyn DrivenConnection>,
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
