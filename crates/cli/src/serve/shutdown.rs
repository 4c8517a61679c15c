//! Signals, and how `fdx serve` ends.

use std::future::Future;
use std::io;
use std::time::Duration;

use fullduplex::Error;
use fullduplex::server::tls::ServerTls;
use fullduplex::server::{Drain, ServerHandle};
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::log::say;
use super::tls;

/// The longest time over which WebSockets are closed, of that which they are given.
const SPREAD: Duration = Duration::from_secs(2);

/// How it ended.
pub(super) enum ServeEnd {
    Drained,
    /// By a second signal.
    AtOnce,
}

/// The signals that end a program.
pub(super) struct Signals {
    #[cfg(unix)]
    terminate: Signal,
    #[cfg(unix)]
    interrupt: Signal,
}

impl Signals {
    /// From here on the signals don't end the program by themselves.
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

    /// Serves until a signal, then drains, but not beyond a second signal.
    pub(super) async fn end(
        mut self,
        serving: impl Future<Output = Result<(), Error>>,
        handle: ServerHandle,
        deadline: Duration,
    ) -> Result<ServeEnd, String> {
        tokio::pin!(serving);
        tokio::select! {
            served = &mut serving => return served.map(|()| ServeEnd::Drained).map_err(|e| e.to_string()),
            () = self.next() => {}
        }
        let spread = SPREAD.min(deadline / 2);
        let draining = async { tokio::join!(handle.drain(Drain { deadline, spread }), serving).0 };
        Ok(tokio::select! {
            report = draining => {
                say!("fdx serve: ended: {report}");
                ServeEnd::Drained
            }
            () = self.next() => {
                say!("fdx serve: ended at once, by a second signal");
                ServeEnd::AtOnce
            }
        })
    }
}

/// Reads the certificates again at each SIGHUP. Where there are none that signal is told of, and
/// does not end the program.
#[cfg(unix)]
pub(super) fn reload_at_sighup(config: Option<ServerTls>) -> Result<(), String> {
    let hangup = signal(SignalKind::hangup());
    let mut hangup = hangup.map_err(|error| format!("signals: {error}"))?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let Some(config) = config.clone() else {
                say!("fdx serve: SIGHUP: there is nothing to read again");
                continue;
            };
            // Files are read.
            let reloading = tokio::task::spawn_blocking(move || tls::reload(&config));
            if let Err(panic) = reloading.await {
                say!("fdx serve: {panic}");
            }
        }
    });
    Ok(())
}

/// There is no such signal here.
#[cfg(not(unix))]
pub(super) fn reload_at_sighup(_: Option<ServerTls>) -> Result<(), String> {
    Ok(())
}
