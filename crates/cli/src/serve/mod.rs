//! `fdx serve`.

mod args;
mod client_info;
mod config_file;
mod file_limit;
mod files;
mod listen;
mod log;
mod metrics_port;
mod metrics_source;
mod page;
mod prometheus;
mod range;
mod responses;
mod rooms;
mod settings;
mod shutdown;
mod tls;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use fullduplex::server::Server;
use fullduplex::server::listen::Listener;
use tokio::time::timeout;

pub(crate) use self::args::Args;
pub(crate) use self::config_file::with_file;

use self::args::Metrics;
use self::listen::{Address, Passed};
use self::log::say;
use self::metrics_source::MetricsSource;
use self::page::Pages;
use self::rooms::Rooms;
use self::shutdown::{ServeEnd, Signals, reload_at_sighup};
use self::tls::ServeTls;

/// How long the last lines of the log may take.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Serves until a signal.
pub(crate) fn run(args: &Args) -> ExitCode {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if args.workers > 0 {
        runtime.worker_threads(args.workers as usize);
    }
    let served = Passed::take(&args.listen).and_then(|passed| {
        let runtime = runtime.enable_all().build();
        let runtime = runtime.map_err(|error| format!("the runtime does not start: {error}"))?;
        runtime.block_on(serve(args, passed))
    });
    let code = match served {
        Ok(ServeEnd::Drained) => ExitCode::SUCCESS,
        Ok(ServeEnd::AtOnce) => ExitCode::from(3),
        Err(why) => {
            say!("fdx serve: {why}");
            ExitCode::from(1)
        }
    };
    log::flush(LAST_LINES);
    code
}

async fn serve(args: &Args, mut passed: Passed) -> Result<ServeEnd, String> {
    let mut pages = Pages::new(args.root.as_deref())?;
    let mut bound = Vec::new();
    for address in &args.listen {
        bound.extend(address.bind(&mut passed)?);
    }
    let addresses: Vec<Address> = bound.iter().map(|bound| bound.address.clone()).collect();
    let tls = ServeTls::of(args, &addresses)?;
    let room = file_limit::make_room(args.max_connections.unwrap_or(file_limit::CONNECTIONS));
    let config =
        args.server_config(room.connections, &addresses).map_err(|error| error.to_string())?;
    let signals = Signals::new()?;

    // The files of sockets are taken away at the end.
    #[cfg(unix)]
    let _files: Vec<_> = bound.iter_mut().map(|bound| bound.file.take()).collect();
    let mut server = server(bound.into_iter().map(|bound| bound.listener))?.config(config);
    let handle = server.handle();
    if args.log {
        server = server.on_rejected(|refused| {
            if let Some(line) = client_info::refused(refused) {
                say!("{line}");
            }
        });
    }
    let mut figures_at = None;
    if let Some(own) = args.metrics {
        let figures = MetricsSource(handle.clone());
        match own {
            Metrics::At(address) => {
                let hosts = args.hosts(Address::Tcp(address).is_of_this_machine());
                let hosts = hosts.map_err(|error| error.to_string())?;
                figures_at = Some(metrics_port::serve(figures, address, hosts)?);
            }
            Metrics::Here => pages = pages.with_figures(figures),
        }
    }
    if args.h3 {
        pages = pages.with_http3(&addresses);
    }
    let mut server = server.service(pages);
    if let Some(tls) = &tls {
        server = server.tls(tls.config.clone());
    }
    reload_at_sighup(tls.as_ref().map(|tls| tls.config.clone()))?;
    if args.h3 {
        server = server.http3();
    }
    match room.less {
        Some(why) if args.max_connections.is_some() => say!("fdx serve: warning: {why}"),
        // Nobody has asked for so many.
        Some(why) if args.log => say!("fdx serve: {why}"),
        _ => {}
    }
    tell(args, &addresses, tls.as_ref(), figures_at.as_ref());

    let (rooms, mut last_line) = Rooms::new(args.log);
    let serving = server.serve_handshakes(move |handshake| rooms.clone().serve(handshake));
    let end = signals.end(serving, handle, args.drain).await?;
    if matches!(end, ServeEnd::Drained) {
        // Late lines are no reason to stay.
        let _ = timeout(LAST_LINES, last_line.recv()).await;
    }
    Ok(end)
}

fn server(mut listeners: impl Iterator<Item = Listener>) -> Result<Server, String> {
    let first = listeners.next().ok_or("there is nothing to listen on")?;
    Ok(listeners.fold(Server::from_listener(first), Server::listen))
}

/// Says where the server is. Whoever started it may be waiting for that.
fn tell(args: &Args, addresses: &[Address], tls: Option<&ServeTls>, figures: Option<&Address>) {
    let mut out = io::stdout();
    let mut tell = || -> io::Result<()> {
        for address in addresses {
            match address {
                Address::Tcp(address) => {
                    writeln!(out, "listening on {}://{address}/", args.scheme())?;
                }
                #[cfg(unix)]
                _ => writeln!(out, "listening on {address}")?,
            }
        }
        if let Some(made) = tls.and_then(|tls| tls.made.as_ref()) {
            let (file, fingerprint) = (made.file.0.display(), &made.fingerprint);
            writeln!(out, "certificate for --ca: {file}\nits SHA-256: {fingerprint}")?;
        }
        if let Some(address) = figures {
            writeln!(out, "metrics at http://{address}/metrics")?;
        }
        out.flush()
    };
    // That nobody reads it is no fault.
    let _ = tell();
}
