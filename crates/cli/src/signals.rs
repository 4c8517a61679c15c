//! Signals that end `fdx connect`.

/// A signal that asks the program to end, beside Ctrl-C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), allow(dead_code, reason = "there are none of these signals"))]
pub(crate) enum TerminationSignal {
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is closed.
    HangUp,
}

/// Waits for one.
#[cfg(unix)]
pub(crate) async fn ending() -> TerminationSignal {
    use tokio::signal::unix::{SignalKind, signal};

    let next = async |kind| match signal(kind) {
        Ok(mut signals) => drop(signals.recv().await),
        // Then it ends the program by itself.
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
pub(crate) async fn ending() -> TerminationSignal {
    std::future::pending().await
}

/// Whether SIGHUP is ignored, as under `nohup`: then it must stay so. Where the system doesn't
/// tell, it keeps what it does by default.
#[cfg(unix)]
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // A bit for each signal, beginning with 1, which is SIGHUP.
    mask.is_none_or(|mask| mask & 1 == 1)
}
