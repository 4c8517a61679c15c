//! Signals: the shutdown of `fdx serve`, and the reload of its certificates.

use std::future::Future;
use std::io;
use std::time::Duration;

use fullduplex::Error;
use fullduplex::server::tls::ServerTls;
use fullduplex::server::{DrainOptions, ServerHandle};
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::log::log_line;
use super::tls;

/// The longest time over which a drain spreads the Close frames.
const MAX_SPREAD: Duration = Duration::from_secs(2);

/// How the server shut down.
pub(super) enum ServeEnd {
    Drained,
    /// By a second signal, before the drain was complete.
    Immediate,
}

/// The signals that end a program.
pub(super) struct Signals {
    #[cfg(unix)]
    terminate: Signal,
    #[cfg(unix)]
    interrupt: Signal,
}

impl Signals {
    /// Registers handlers: from now on the signals don't kill the process.
    pub(super) fn new() -> Result<Self, String> {
        #[cfg(unix)]
        let signals = || -> io::Result<Self> {
            let terminate = signal(SignalKind::terminate())?;
            Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
        };
        #[cfg(not(unix))]
        let signals = || -> io::Result<Self> { Ok(Self {}) };
        signals().map_err(|error| format!("signals: {error}"))
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Serves until a signal, then drains until it is complete or a second signal arrives.
    pub(super) async fn serve_until(
        mut self,
        serving: impl Future<Output = Result<(), Error>>,
        handle: ServerHandle,
        deadline: Duration,
    ) -> Result<ServeEnd, String> {
        tokio::pin!(serving);
        tokio::select! {
            result = &mut serving => {
                return result.map(|()| ServeEnd::Drained).map_err(|e| e.to_string());
            }
            () = self.next() => {}
        }
        let spread = MAX_SPREAD.min(deadline / 2);
        let options = DrainOptions::default().deadline(deadline).spread(spread);
        let draining = async { tokio::join!(handle.drain(options), serving).0 };
        Ok(tokio::select! {
            report = draining => {
                log_line!("fdx serve: ended: {report}");
                ServeEnd::Drained
            }
            () = self.next() => {
                log_line!("fdx serve: ended at once by a second signal");
                ServeEnd::Immediate
            }
        })
    }
}

/// Reloads the certificates at each SIGHUP. Without TLS the signal is only logged: it does not end
/// the process.
#[cfg(unix)]
pub(super) fn reload_on_sighup(config: Option<ServerTls>) -> Result<(), String> {
    let hangup = signal(SignalKind::hangup());
    let mut hangup = hangup.map_err(|error| format!("signals: {error}"))?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let Some(config) = config.clone() else {
                log_line!("fdx serve: SIGHUP: there is nothing to reload");
                continue;
            };
            // It reads files, which blocks.
            let reloading = tokio::task::spawn_blocking(move || tls::reload(&config));
            if let Err(panic) = reloading.await {
                log_line!("fdx serve: {panic}");
            }
        }
    });
    Ok(())
}

/// Does nothing, as only Unix has SIGHUP.
#[cfg(not(unix))]
pub(super) fn reload_on_sighup(_: Option<ServerTls>) -> Result<(), String> {
    Ok(())
}
