//! Signals that end `fdx connect`.

/// A signal that asks the program to end, beside Ctrl-C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has these signals"))]
pub(crate) enum TerminationSignal {
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is closed.
    HangUp,
}

/// Waits for a signal that ends the program.
#[cfg(unix)]
pub(crate) async fn termination_signal() -> TerminationSignal {
    use tokio::signal::unix::{SignalKind, signal};

    let next = async |kind| match signal(kind) {
        Ok(mut signals) => drop(signals.recv().await),
        // Without a handler the signal ends the program by the system's default.
        Err(_) => std::future::pending().await,
    };
    let hang_up = async {
        if ignores_hang_up() {
            std::future::pending::<()>().await;
        }
        next(SignalKind::hangup()).await;
    };
    tokio::select! {
        () = next(SignalKind::terminate()) => TerminationSignal::Terminate,
        () = hang_up => TerminationSignal::HangUp,
    }
}

#[cfg(not(unix))]
pub(crate) async fn termination_signal() -> TerminationSignal {
    std::future::pending().await
}

/// Whether SIGHUP is ignored, as under `nohup`, and must stay ignored. Where `/proc` does not say
/// so, it counts as ignored, so that no handler replaces the system's default.
#[cfg(unix)]
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // A bit for each signal, beginning with 1, which is SIGHUP.
    mask.is_none_or(|mask| mask & 1 == 1)
}
