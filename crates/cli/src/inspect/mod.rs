//! `fdx inspect`: a relay that shows what clients and a server send each other, and changes
//! nothing.

mod accept;
mod args;
#[cfg(unix)]
mod attach;
mod body;
mod connection;
mod event;
mod exchange;
mod files;
mod filtered;
mod head;
mod json;
mod observer;
mod output;
mod page;
mod partial_head;
mod redacted;
mod rewriting;
mod rows;
mod shared_args;
mod transport;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{interval, timeout};

pub(crate) use self::args::Args;

use self::accept::Relay;
use self::event::Sink;
use self::files::{FLUSH_EVERY, HarFile, Recorder};
use self::filtered::Filtered;
use self::observer::Sinks;
use self::output::{JsonOutput, TextOutput, line};
use self::page::Kept;
use self::redacted::Redacted;
use crate::base::redact::redact_url;
use crate::base::signals::{EndSignal, EndSignals};
use crate::client::ConnectOutcome;
use crate::serve::file_limit::{self, FileCounts};
use crate::serve::listen::{Address, SystemdListeners};
use crate::serve::tls::ServeTls;
use crate::serve::until_signal::{self, StartError, check};

/// The time for the connections to end, once they are reset.
const END_TIMEOUT: Duration = Duration::from_millis(600);

/// Relays, or follows a program, until a signal or its end. Returns the exit code.
pub(crate) fn run(args: &Args) -> ExitCode {
    let outcome = until_signal::run(&args.listen, |systemd| async {
        match &args.attach {
            #[cfg(unix)]
            Some(path) => attach::follow(args, path).await,
            _ => inspect(args, systemd).await.map(ConnectOutcome::from),
        }
    });
    let outcome = outcome.unwrap_or_else(|(why, outcome)| {
        report!("fdx inspect: {why}");
        outcome
    });
    ExitCode::from(outcome as u8)
}

async fn inspect(args: &Args, mut systemd: SystemdListeners) -> Result<EndSignal, StartError> {
    let client =
        args.shared.client(args.target()).map_err(|error| (error.to_string(), error.outcome()))?;
    check(&client, args.target()).await?;
    let of_system = |why: String| (why, ConnectOutcome::LocalIo);
    let limit =
        file_limit::raise(args.shared.max_connections, FileCounts { each: 2, processes: 0 });
    if let Some(warning) = &limit.warning {
        report!("fdx inspect: warning: {warning}");
    }
    let mut bound = args.listen.bind(&mut systemd, None).map_err(of_system)?;
    let addresses: Vec<Address> = bound.iter().map(|bound| bound.address.clone()).collect();
    let tls = ServeTls::new(args.tls(), &addresses).map_err(of_system)?;
    let (sinks, page) = sinks(args).map_err(of_system)?;
    let mut signals = EndSignals::new();
    // They remove the files of Unix sockets when this function returns.
    #[cfg(unix)]
    let _files: Vec<_> = bound.iter_mut().map(|bound| bound.file.take()).collect();
    if let Some(open) = addresses.iter().find(|address| !address.is_local()) {
        report!("fdx inspect: warning: every client that reaches {open} uses the target by it");
    }
    print_addresses(args, &addresses, tls.as_ref(), page.as_deref());

    let (stop, stopped) = watch::channel(false);
    let (open, mut all_ended) = mpsc::channel(1);
    let permits = limit.max_connections.map_or(Semaphore::MAX_PERMITS, |max| max as usize);
    let relay = Arc::new(Relay {
        client,
        url: args.target().to_owned(),
        tls: tls.as_ref().map(|tls| tls.config.clone()),
        rewriting: args.rewriting(),
        sinks: sinks.clone(),
        permits: Arc::new(Semaphore::new(permits)),
        last_number: AtomicU64::new(0),
    });
    for listener in bound.into_iter().map(|bound| bound.listener) {
        tokio::spawn(relay.clone().accept(listener, stopped.clone(), open.clone()));
    }
    drop(open);

    let signal = tokio::select! {
        signal = signals.next() => signal,
        never = flush(&sinks) => never,
    };
    let _ = stop.send(true);
    tokio::select! {
        biased;
        _ = signals.next() => {}
        // Nothing is sent on it: it ends with the last connection.
        _ = timeout(END_TIMEOUT, all_ended.recv()) => {}
    }
    for sink in &*sinks {
        sink.finish();
    }
    Ok(signal)
}

/// Writes what waits to be written to files, now and then.
async fn flush(sinks: &Sinks) -> EndSignal {
    let mut interval = interval(FLUSH_EVERY);
    loop {
        interval.tick().await;
        for sink in &**sinks {
            sink.flush();
        }
    }
}

/// Returns the sinks of what is seen, and the URL of the page.
fn sinks(args: &Args) -> Result<(Sinks, Option<String>), String> {
    let max_memory = (args.shared.max_memory as usize).saturating_mul(1 << 20);
    let mut output: Box<dyn Sink> =
        if args.shared.json { Box::new(JsonOutput) } else { Box::new(TextOutput) };
    if let Some(filter) = &args.shared.filter {
        output = Box::new(Filtered::new(filter.clone(), output));
    }
    let mut sinks = vec![output];
    if let Some(path) = &args.shared.record {
        let recorder = Recorder::create(path, args.shared.redact);
        let failed = |error| format!("--record {}: {error}", path.display());
        sinks.push(Box::new(recorder.map_err(failed)?));
    }
    if let Some(path) = &args.shared.har {
        let har = HarFile::create(path, max_memory);
        let failed = |error| format!("--har {}: {error}", path.display());
        sinks.push(Box::new(har.map_err(failed)?));
    }
    let mut url = None;
    if let Some(address) = &args.shared.page {
        let kept = Arc::new(Kept::new(max_memory));
        url = Some(page::serve(address, kept.clone())?);
        sinks.push(Box::new(kept));
    }
    if args.shared.redact {
        sinks = vec![Box::new(Redacted::new(sinks))];
    }
    Ok((sinks.into(), url))
}

/// Prints the addresses, which a program that starts this one may wait for.
fn print_addresses(args: &Args, addresses: &[Address], tls: Option<&ServeTls>, page: Option<&str>) {
    let print = |text: String| line(args.shared.json, &text);
    for address in addresses {
        match address {
            Address::Tcp(address) => {
                print(format!("listening on {}://{address}{}", args.scheme(), args.path()));
            }
            #[cfg(unix)]
            _ => print(format!("listening on {address}")),
        }
    }
    if let Some(signed) = tls.and_then(|tls| tls.self_signed.as_ref()) {
        print(format!("certificate for --ca: {}", signed.file.display()));
        print(format!("its SHA-256: {}", signed.fingerprint));
    }
    if let Some(url) = page {
        print(format!("page at {url}"));
    }
    print(format!("relaying to {}", redact_url(args.target())));
}
