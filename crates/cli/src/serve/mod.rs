//! `fdx serve`: a server with echo, broadcast, files and a web page.

mod args;
mod assets;
mod client_info;
mod config_file;
pub(crate) mod connection_log;
#[cfg(unix)]
mod exec;
pub(crate) mod file_limit;
mod files;
mod forward;
pub(crate) mod listen;
pub(crate) mod log;
mod metrics_port;
mod metrics_source;
mod page;
mod paths;
mod prometheus;
mod range;
mod responses;
mod rooms;
mod self_signed;
mod settings;
mod shutdown;
mod socketio;
mod socketio_log;
pub(crate) mod tls;
pub(crate) mod tls_args;
pub(crate) mod until_signal;
pub(crate) mod utc_time;
mod warnings;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use fullduplex::server::Server;
use fullduplex::server::listen::Listener;
#[cfg(unix)]
use fullduplex::tap::Tap;
#[cfg(unix)]
use fullduplex_inspect::attach::AttachTap;
use tokio::time::timeout;

pub(crate) use self::args::Args;
pub(crate) use self::config_file::with_file;

use self::args::Metrics;
#[cfg(unix)]
use self::exec::Exec;
use self::file_limit::FileCounts;
use self::listen::{Address, SystemdListeners};
use self::log::log_line;
use self::metrics_source::MetricsSource;
use self::page::Pages;
use self::rooms::Rooms;
use self::shutdown::{ServeEnd, Signals, reload_on_sighup};
use self::tls::ServeTls;

/// The time for the last lines of the log to be written.
const LOG_FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves until a signal, and returns the exit code.
pub(crate) fn run(args: &Args) -> ExitCode {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if args.workers > 0 {
        runtime.worker_threads(args.workers as usize);
    }
    if let Some(format) = args.log {
        log::set_format(format.json);
    }
    let served = SystemdListeners::receive(&args.listen).and_then(|systemd| {
        let runtime = runtime.enable_all().build();
        let runtime = runtime.map_err(|error| format!("the runtime can't be started: {error}"))?;
        runtime.block_on(serve(args, systemd))
    });
    let code = match served {
        Ok(ServeEnd::Drained) => ExitCode::SUCCESS,
        Ok(ServeEnd::Immediate) => ExitCode::from(3),
        Err(why) => {
            log_line!("fdx serve: {why}");
            ExitCode::from(1)
        }
    };
    log::flush(LOG_FLUSH_TIMEOUT);
    code
}

async fn serve(args: &Args, mut systemd: SystemdListeners) -> Result<ServeEnd, String> {
    let mut pages = Pages::new(args.root.as_deref())?;
    let mut bound = Vec::new();
    #[cfg(unix)]
    let unix_mode = args.unix_mode;
    #[cfg(not(unix))]
    let unix_mode = None;
    for address in &args.listen {
        bound.extend(address.bind(&mut systemd, unix_mode)?);
    }
    let addresses: Vec<Address> = bound.iter().map(|bound| bound.address.clone()).collect();
    let tls = ServeTls::new(args.tls(), &addresses)?;
    let max_connections = args.max_connections.unwrap_or(file_limit::DEFAULT_MAX_CONNECTIONS);
    // A forwarded connection is two.
    let each = if args.forward.forward.is_empty() { 1 } else { 2 };
    #[cfg(unix)]
    let processes = args.exec.processes();
    #[cfg(not(unix))]
    let processes = 0;
    let file_limit = file_limit::raise(max_connections, FileCounts { each, processes });
    let config = args
        .server_config(file_limit.max_connections, &addresses)
        .map_err(|error| error.to_string())?;
    #[cfg(unix)]
    let config = config.tap(inspection(args)?);
    let io = args.socketio.then(|| socketio::start(&config, args.log)).transpose();
    let io = io.map_err(|error| error.to_string())?;
    pages = pages.with_socketio(io.clone());
    let signals = Signals::new()?;

    // They remove the files of Unix sockets when this function returns.
    #[cfg(unix)]
    let _files: Vec<_> = bound.iter_mut().map(|bound| bound.file.take()).collect();
    let mut server = server(bound.into_iter().map(|bound| bound.listener))?.config(config);
    let handle = server.handle();
    if let Some(format) = args.log {
        server = server.on_rejected(move |rejected| client_info::log_rejection(format, rejected));
    }
    let mut metrics_address = None;
    if let Some(place) = args.metrics {
        let source = MetricsSource { server: handle.clone(), socketio: io.clone() };
        match place {
            Metrics::Separate(address) => {
                let hosts = args.hosts(Address::Tcp(address).is_local());
                let hosts = hosts.map_err(|error| error.to_string())?;
                metrics_address = Some(metrics_port::serve(source, address, hosts)?);
            }
            Metrics::SamePort => pages = pages.with_metrics(source),
        }
    }
    if args.h3 {
        pages = pages.with_http3(&addresses);
    }
    let mut server = server.service(pages);
    if let Some(tls) = &tls {
        server = server.tls(tls.config.clone());
    }
    reload_on_sighup(tls.as_ref().map(|tls| tls.config.clone()))?;
    if args.h3 {
        server = server.http3();
    }
    // If the default number of connections was lowered, that needs no warning.
    if let Some(warning) = file_limit.warning.filter(|_| args.max_connections.is_some()) {
        log_line!("fdx serve: warning: {warning}");
    }
    warnings::warn(args, &addresses);
    print_addresses(args, &addresses, tls.as_ref(), metrics_address.as_ref());

    let (rooms, mut log_written) = Rooms::new(args.log, args.forward.clone(), handle.clone());
    if !args.forward.forward.is_empty() {
        // The handler connects to the target before it accepts. What a rule or a policy rejects,
        // such as a foreign page, does not come to it then.
        server = server.authenticate(|request| async { Ok(request) });
    }
    #[cfg(unix)]
    let exec = Exec::new(&args.exec);
    #[cfg(unix)]
    let rooms = rooms.with_exec(exec.clone());
    if let Some(io) = io.clone() {
        tokio::spawn(socketio::shut_down_with(io, handle.clone()));
    }
    let rooms = Arc::new(rooms.with_socketio(io));
    let serving = server.serve_handshakes(move |handshake| rooms.clone().serve(handshake));
    #[cfg(unix)]
    let serving = async {
        let result = serving.await;
        if let Some(exec) = &exec {
            exec.ended().await;
        }
        result
    };
    let end = signals.serve_until(serving, handle, args.drain).await?;
    if matches!(end, ServeEnd::Drained) {
        // Lines that are not written by then are lost: the program must not wait for its reader.
        let _ = timeout(LOG_FLUSH_TIMEOUT, log_written.recv()).await;
    }
    Ok(end)
}

/// Returns the tap of `--inspect`.
#[cfg(unix)]
fn inspection(args: &Args) -> Result<Option<Arc<dyn Tap>>, String> {
    let Some(path) = &args.inspect else { return Ok(None) };
    let tap = AttachTap::bind(path).map_err(|error| format!("--inspect: {error}"))?;
    Ok(Some(Arc::new(tap)))
}

fn server(mut listeners: impl Iterator<Item = Listener>) -> Result<Server, String> {
    let first = listeners.next().ok_or("there is no address to listen on")?;
    Ok(listeners.fold(Server::from_listener(first), Server::add_listener))
}

/// Prints the addresses, which a program that starts the server may wait for.
fn print_addresses(
    args: &Args,
    addresses: &[Address],
    tls: Option<&ServeTls>,
    metrics: Option<&Address>,
) {
    let mut out = io::stdout();
    let mut print = || -> io::Result<()> {
        for address in addresses {
            match address {
                Address::Tcp(tcp) => {
                    writeln!(out, "listening on {}://{tcp}/", args.scheme())?;
                    for own in address.reachable().into_iter().filter(|own| own != tcp) {
                        writeln!(out, "  {}://{own}/", args.scheme())?;
                    }
                }
                #[cfg(unix)]
                _ => writeln!(out, "listening on {address}")?,
            }
        }
        if let Some(signed) = tls.and_then(|tls| tls.self_signed.as_ref()) {
            let (file, fingerprint) = (signed.file.display(), &signed.fingerprint);
            writeln!(out, "certificate for --ca: {file}\nits SHA-256: {fingerprint}")?;
        }
        if args.socketio
            && let Some(Address::Tcp(tcp)) = addresses.first()
        {
            writeln!(out, "Socket.IO to try at {}://{tcp}/fdx/socketio", args.scheme())?;
        }
        for forward in &args.forward.forward {
            writeln!(out, "forwarding {forward}")?;
        }
        if let Some(address) = metrics {
            writeln!(out, "metrics at http://{address}/metrics")?;
        }
        out.flush()
    };
    // A closed standard output does not keep the server from running.
    let _ = print();
}
