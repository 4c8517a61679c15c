//! Signals that end the commands which connect.

use std::sync::Arc;

use fullduplex::CloseCode;
use tokio::sync::Notify;

use super::stderr;

/// A signal that asks the program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), allow(dead_code, reason = "other systems have Ctrl-C only"))]
pub(crate) enum EndSignal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is closed.
    HangUp,
}

impl EndSignal {
    /// Returns the code of the Close that tells the peer: 1000 if the user has ended it, 1001 if
    /// the program goes away.
    pub(crate) fn close_code(self) -> CloseCode {
        match self {
            Self::Interrupt => CloseCode::NORMAL,
            Self::Terminate | Self::HangUp => CloseCode::GOING_AWAY,
        }
    }
}

/// The signals that ask the program to end, from its creation on.
#[derive(Debug)]
pub(crate) struct EndSignals {
    #[cfg(unix)]
    signals: [Option<tokio::signal::unix::Signal>; 3],
    keys: Interrupter,
}

/// What a screen calls that reads Ctrl-C as a key: it counts as SIGINT.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupter(Arc<Notify>);

impl Interrupter {
    /// Does what SIGINT does: the first ends the session, the second leaves at once.
    #[allow(dead_code, reason = "for screens")]
    pub(crate) fn interrupt(&self) {
        self.0.notify_one();
    }
}

impl EndSignals {
    /// Begins to take the signals, within a runtime. Those that are ignored, as SIGHUP is under
    /// `nohup` and SIGINT in the background of a script, stay ignored.
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(unix)]
            signals: unix::signals(),
            keys: Interrupter::default(),
        }
    }

    /// Returns the handle for a screen that reads Ctrl-C as a key.
    #[allow(dead_code, reason = "for screens")]
    pub(crate) fn interrupter(&self) -> Interrupter {
        self.keys.clone()
    }

    /// Waits for the next signal. Cancelling it loses none.
    pub(crate) async fn next(&mut self) -> EndSignal {
        #[cfg(unix)]
        let signal = unix::next(&mut self.signals);
        #[cfg(not(unix))]
        let signal = async {
            match tokio::signal::ctrl_c().await {
                Ok(()) => EndSignal::Interrupt,
                Err(_) => std::future::pending().await,
            }
        };
        let signal = tokio::select! {
            signal = signal => signal,
            () = self.keys.0.notified() => EndSignal::Interrupt,
        };
        stderr::hurry();
        signal
    }
}

#[cfg(unix)]
mod unix {
    use std::future::poll_fn;
    use std::task::Poll;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::EndSignal;

    const KINDS: [EndSignal; 3] = [EndSignal::Interrupt, EndSignal::Terminate, EndSignal::HangUp];

    pub(super) fn signals() -> [Option<Signal>; 3] {
        let ignored = ignored();
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        kinds.map(|kind| {
            let is_ignored = ignored >> (kind.as_raw_value() - 1) & 1 == 1;
            // Without a handler the signal ends the program by the system's default.
            (!is_ignored).then(|| signal(kind).ok()).flatten()
        })
    }

    pub(super) async fn next(signals: &mut [Option<Signal>; 3]) -> EndSignal {
        poll_fn(|cx| {
            for (signal, kind) in signals.iter_mut().zip(KINDS) {
                let polled = signal.as_mut().map(|signal| signal.poll_recv(cx));
                if matches!(polled, Some(Poll::Ready(Some(())))) {
                    return Poll::Ready(kind);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Returns the mask of the signals that are ignored, with a bit for each, beginning with
    /// signal 1. Where `/proc` does not say so, SIGHUP counts as ignored, so that no handler
    /// replaces the system's default.
    fn ignored() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn interrupter_counts_as_sigint() {
        let mut signals = EndSignals::new();
        signals.interrupter().interrupt();
        let signal = timeout(Duration::from_secs(5), signals.next()).await.unwrap();
        assert_eq!(signal, EndSignal::Interrupt);
        assert_eq!(signal.close_code(), CloseCode::NORMAL);
        let more = timeout(Duration::from_millis(20), signals.next()).await;
        assert!(more.is_err(), "{more:?}");
    }
}
