//! `fdx inspect`: a relay or a proxy that shows what clients and servers send each other, and
//! changes nothing unless an option or the page says so.

mod absolute;
mod accept;
mod act;
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
mod http2;
mod json;
mod observer;
mod opened;
mod output;
mod page;
mod partial_head;
mod proxy;
mod read;
mod recorded;
mod redacted;
mod rewriting;
mod rows;
mod run;
mod session;
mod shared_args;
mod socket;
mod transport;
mod versions;

use std::process::ExitCode;

pub(crate) use self::args::Args;
pub(crate) use self::recorded::RecordingFile;

use self::accept::Way;
use self::args::InspectCommand;
use self::output::line;
use self::session::BoundSession;
use self::versions::{Target, Versions};
use crate::base::redact::redact_url;
use crate::base::signals::{EndSignal, EndSignals};
use crate::client::ConnectOutcome;
use crate::serve::listen::{Address, SystemdListeners};
use crate::serve::tls::ServeTls;
use crate::serve::until_signal::{self, StartError, check};

/// Relays, or follows a program, until a signal or its end. Returns the exit code.
pub(crate) fn run(args: &Args) -> ExitCode {
    match &args.command {
        Some(InspectCommand::Ca(args)) => return proxy::authority::run(args),
        Some(InspectCommand::Run(args)) => return run::run(args),
        None => {}
    }
    let outcome = until_signal::run(args.listen(), |systemd| async {
        match (&args.attach, &args.read) {
            #[cfg(unix)]
            (Some(path), _) => attach::follow(args, path).await,
            (_, Some(path)) => read::show(args, path).await,
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
    // A proxy learns its targets from clients. The settings that depend on the URL are those of
    // TLS, so any URL with TLS does.
    let url = args.to.as_deref().unwrap_or("wss://localhost/");
    let client = args.shared.client(url).map_err(|error| (error.to_string(), error.outcome()))?;
    check(&client, url).await?;
    args.shared.act.rules().map_err(|why| (why, ConnectOutcome::Usage))?;
    let of_system = |why: String| (why, ConnectOutcome::LocalIo);
    let listen = args.listen();
    let session = BoundSession::new(&args.shared, listen, &mut systemd).map_err(of_system)?;
    let tls = ServeTls::new(args.tls(), &session.addresses).map_err(of_system)?;
    let way = if let Some(url) = &args.to {
        Way::Target(Target {
            url: url.clone(),
            tls: tls.as_ref().map(|tls| tls.config.clone()),
            rewriting: args.rewriting(url),
            versions: Versions::default(),
        })
    } else {
        let proxy = args.proxy.proxy(&session.addresses, args.shared.via.is_some());
        Way::Proxy(proxy.map_err(of_system)?.into())
    };
    let mut signals = EndSignals::new();
    warn(args, &session.addresses);
    print_addresses(args, &session, tls.as_ref());
    let session = session.start(client, way);
    let signal = tokio::select! {
        signal = signals.next() => signal,
        never = session.flush() => match never {},
    };
    session.end(&mut signals).await;
    Ok(signal)
}

/// Warns of addresses that others can reach.
fn warn(args: &Args, addresses: &[Address]) {
    let Some(open) = addresses.iter().find(|address| !address.is_local()) else { return };
    let what = match args.to {
        Some(_) => "uses the target by it",
        None => "reaches by it what this machine reaches, and its own ports",
    };
    report!("fdx inspect: warning: every client that reaches {open} {what}");
}

/// Prints the addresses, which a program that starts this one may wait for.
fn print_addresses(args: &Args, session: &BoundSession, tls: Option<&ServeTls>) {
    let print = |text: String| line(args.shared.json, &text);
    for address in &session.addresses {
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
    if let Some(url) = &session.page {
        print(format!("page at {url}"));
    }
    match &args.to {
        Some(url) => print(format!("relaying to {}", redact_url(url))),
        None => print("relaying to what clients of the proxy ask for".to_owned()),
    }
}
