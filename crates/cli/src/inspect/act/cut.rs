//! The end of a WebSocket that neither side asked for.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

/// When a WebSocket is cut, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CutAfter {
    pub(super) limit: CutLimit,
    pub(super) kind: CutKind,
}

/// What a WebSocket may have before it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CutLimit {
    /// A time since it was opened.
    Time(Duration),
    /// Bytes of both directions.
    Bytes(u64),
}

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::inspect) enum CutKind {
    /// By a reset.
    Reset,
    /// By the regular end of both directions, as if their sides had ended them.
    End,
}

/// Whether a connection is to be cut.
#[derive(Debug)]
pub(in crate::inspect) struct CutSignal {
    after: Option<CutAfter>,
    /// The bytes that may still pass.
    bytes: AtomicU64,
    is_open: OnceLock<()>,
    kind: OnceLock<CutKind>,
    /// Tells that one of the two was set. One task waits for it.
    changed: Notify,
}

impl CutSignal {
    pub(super) fn new(after: Option<CutAfter>) -> Self {
        let bytes = match after.map(|after| after.limit) {
            Some(CutLimit::Bytes(bytes)) => bytes,
            _ => u64::MAX,
        };
        let (is_open, kind) = (OnceLock::new(), OnceLock::new());
        Self { after, bytes: AtomicU64::new(bytes), is_open, kind, changed: Notify::new() }
    }

    /// Begins to count the time.
    pub(super) fn open(&self) {
        let _ = self.is_open.set(());
        self.changed.notify_one();
    }

    /// Cuts the connection.
    pub(in crate::inspect) fn cut(&self, kind: CutKind) {
        let _ = self.kind.set(kind);
        self.changed.notify_one();
    }

    /// Returns whether bytes are counted.
    pub(in crate::inspect) fn counts_bytes(&self) -> bool {
        matches!(self.after, Some(CutAfter { limit: CutLimit::Bytes(_), .. }))
    }

    /// Takes bytes that are about to pass. Returns how many of them may.
    pub(in crate::inspect) fn take(&self, len: usize) -> usize {
        let less = |left: u64| Some(left.saturating_sub(len as u64));
        // Both only count: nothing else depends on the order.
        let left = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        let left = left.unwrap_or_default();
        usize::try_from(left).unwrap_or(usize::MAX).min(len)
    }

    /// Cuts the connection if all bytes that may pass have passed.
    pub(in crate::inspect) fn cut_if_used_up(&self) {
        if let Some(after) = self.after
            && self.bytes.load(Ordering::Relaxed) == 0
        {
            self.cut(after.kind);
        }
    }

    /// Waits until the connection is to be cut.
    pub(in crate::inspect) async fn wait(&self) -> CutKind {
        let timer = match self.after {
            Some(CutAfter { limit: CutLimit::Time(time), kind }) => Some((time, kind)),
            _ => None,
        };
        loop {
            let is_open = self.is_open.get().is_some();
            if let Some(kind) = self.kind.get() {
                return *kind;
            }
            match timer.filter(|_| is_open) {
                None => self.changed.notified().await,
                Some((time, kind)) => tokio::select! {
                    () = sleep(time) => return kind,
                    () = self.changed.notified() => {
                        // It is open already: the connection was cut.
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_signal_lets_as_many_bytes_pass_as_its_limit_says() {
        let after = CutAfter { limit: CutLimit::Bytes(10), kind: CutKind::End };
        let signal = CutSignal::new(Some(after));
        assert_eq!([signal.take(4), signal.take(4)], [4, 4]);
        signal.cut_if_used_up();
        assert_eq!(signal.kind.get(), None);
        assert_eq!([signal.take(4), signal.take(4)], [2, 0]);
        signal.cut_if_used_up();
        assert_eq!(signal.kind.get(), Some(&CutKind::End));
    }

    #[tokio::test(start_paused = true)]
    async fn cut_signal_counts_time_from_the_opening() {
        let time = Duration::from_secs(30);
        let after = CutAfter { limit: CutLimit::Time(time), kind: CutKind::Reset };
        let signal = CutSignal::new(Some(after));
        let early = tokio::time::timeout(Duration::from_secs(60), signal.wait()).await;
        assert!(early.is_err());
        signal.open();
        let opened = tokio::time::Instant::now();
        assert_eq!(signal.wait().await, CutKind::Reset);
        assert!(opened.elapsed() >= time);
    }
}
