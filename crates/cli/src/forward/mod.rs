//! `fdx forward`: TCP connections and Unix sockets through WebSockets.

mod args;
mod connections;
mod words;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use fullduplex::Client;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

pub(crate) use self::args::Args;
pub(crate) use self::words::with_serve;

use self::connections::Connections;
use crate::base::redact::redact_url;
use crate::base::signals::{EndSignal, EndSignals};
use crate::client::{ConnectOutcome, SetupError, connect_error};
use crate::relay;
use crate::serve::file_limit::{self, FileCounts};
use crate::serve::listen::{Address, SystemdListeners};
use crate::serve::log::{self, log_line};
use crate::serve::until_signal::{self, StartError, check};

/// The time for the WebSockets to close at the end.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(600);

/// The time for pooled connections to close at the end.
const CLOSE_IDLE_TIMEOUT: Duration = Duration::from_millis(300);

/// The time for the last lines of the log to be written.
const LOG_FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Forwards connections until a signal, and returns the exit code.
pub(crate) fn run(args: &Args) -> ExitCode {
    if let Some(format) = args.log {
        log::set_format(format.json);
    }
    let outcome = until_signal::run(&args.listen, |systemd| forward(args, systemd));
    let outcome = outcome.unwrap_or_else(|(why, outcome)| {
        log_line!("fdx forward: {why}");
        outcome
    });
    log::flush(LOG_FLUSH_TIMEOUT);
    ExitCode::from(outcome as u8)
}

async fn forward(args: &Args, mut systemd: SystemdListeners) -> Result<EndSignal, StartError> {
    let client = client(args).map_err(|error| (error.to_string(), error.outcome()))?;
    let silent = client.to_builder().on_connect_event(|_| {}).build();
    let silent = silent.map_err(|error| (connect_error(&error), ConnectOutcome::Usage))?;
    check(&silent, &args.client.url).await?;
    let limit = file_limit::raise(args.max_connections, FileCounts { each: 2, processes: 0 });
    if let Some(warning) = &limit.warning {
        log_line!("fdx forward: warning: {warning}");
    }
    let bound = args.listen.bind(&mut systemd, args.unix_mode());
    let mut bound = bound.map_err(|why| (why, ConnectOutcome::LocalIo))?;
    let mut signals = EndSignals::new();
    // They remove the files of Unix sockets when this function returns.
    #[cfg(unix)]
    let _files: Vec<_> = bound.iter_mut().map(|bound| bound.file.take()).collect();
    if let Some(open) = bound.iter().find(|bound| !bound.address.is_local()) {
        log_line!(
            "fdx forward: warning: every client that reaches {} uses this WebSocket server, with \
             the credentials of the options",
            open.address
        );
    }
    print_addresses(bound.iter().map(|bound| &bound.address), &args.client.url);

    let (stop, stopped) = watch::channel(false);
    let (open, mut all_closed) = mpsc::channel(1);
    let connections = Connections::new(args, client.clone(), limit.max_connections);
    let connections = Arc::new(connections);
    for listener in bound.into_iter().map(|bound| bound.listener) {
        let accepting = connections.clone().accept(listener, stopped.clone(), open.clone());
        tokio::spawn(accepting);
    }
    drop(open);

    let signal = signals.next().await;
    let _ = stop.send(true);
    let ending = async {
        // Nothing is sent on it: it ends with the last connection.
        let _ = timeout(CLOSE_TIMEOUT, all_closed.recv()).await;
        let _ = timeout(CLOSE_IDLE_TIMEOUT, client.close_idle_connections()).await;
    };
    tokio::select! {
        biased;
        _ = signals.next() => {}
        () = ending => {}
    }
    Ok(signal)
}

fn client(args: &Args) -> Result<Client, SetupError> {
    // What is half-closed is ended here.
    let close_timeout = args.half_close_timeout() + relay::CLOSE_TIMEOUT;
    let config = args.client.options.config().close_timeout(close_timeout);
    let mut builder = args.client.client_builder()?.config(config);
    if args.client.options.verbose {
        builder = builder.on_connect_event(connections::log_connect_event);
    }
    Ok(builder.build()?)
}

/// Prints the addresses, which a program that starts this one may wait for.
fn print_addresses<'a>(addresses: impl Iterator<Item = &'a Address>, url: &str) {
    let mut out = io::stdout();
    let print = || -> io::Result<()> {
        for address in addresses {
            match address {
                Address::Tcp(address) => writeln!(out, "listening on tcp:{address}")?,
                #[cfg(unix)]
                _ => writeln!(out, "listening on {address}")?,
            }
        }
        writeln!(out, "forwarding to {}", redact_url(url))?;
        out.flush()
    };
    // A closed standard output does not keep it from running.
    let _ = print();
}
