//! `fdx serve`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;
use fullduplex::server::{Handshake, OriginPolicy, Server, ServerConfig};
use fullduplex::{Error, PreparedMessage, WebSocket};
use tokio::sync::broadcast;

use crate::{deflate, page};

/// How many messages a slow member of `/broadcast` may fall behind before it misses some;
/// what they hold is bounded by so many of the largest.
const BACKLOG: usize = 64;

/// The options of `fdx serve`.
#[derive(Clone, Debug, ClapArgs)]
#[command(after_help = "\
Paths:
  /            a web page for a browser; echo for a WebSocket
  /echo        each message comes back
  /broadcast   each message goes to every member, its sender too")]
pub(crate) struct Args {
    /// Address and port to listen on; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:9001", value_name = "ADDR:PORT")]
    listen: SocketAddr,
    /// Threads that serve; 0 for one a core
    #[arg(long, default_value_t = 0, value_name = "N")]
    workers: usize,
    /// Largest message to take, in bytes
    #[arg(long, default_value_t = 1 << 20, value_name = "BYTES")]
    max_message_size: u64,
    /// Let web pages of this origin connect (may be repeated); by default only the page
    /// that this server gives
    #[arg(long, value_name = "ORIGIN")]
    origin: Vec<String>,
    #[arg(long, value_name = deflate::VALUE, help = deflate::HELP, num_args = 0..=1,
          require_equals = true, default_missing_value = "balanced", value_parser = deflate::parse)]
    deflate: Option<deflate::Setting>,
}

/// Serves until SIGINT or SIGTERM.
pub(crate) fn run(args: &Args) -> ExitCode {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if args.workers > 0 {
        runtime.worker_threads(args.workers);
    }
    let served = match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(serve(args)),
        Err(error) => Err(format!("the runtime does not start: {error}")),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("fdx serve: {why}");
            ExitCode::from(1)
        }
    }
}

async fn serve(args: &Args) -> Result<(), String> {
    let on = args.listen;
    let server = Server::bind(on).await.map_err(|error| format!("{on}: {error}"))?;
    let address = server.local_addr().map_err(|error| error.to_string())?;
    let mut config = ServerConfig::default();
    config.websocket.limits.max_message_size = Some(args.max_message_size);
    config.websocket.deflate = args.deflate.and_then(|setting| setting.0);
    if !args.origin.is_empty() {
        let own = format!("http://{address}");
        config.origin = OriginPolicy::List(args.origin.iter().cloned().chain([own]).collect());
    }
    println!("listening on http://{address}/");
    // Whoever started this may be waiting for the line; that nobody reads it is no fault.
    let _ = std::io::stdout().flush();

    let (room, _) = broadcast::channel(BACKLOG);
    let room = Arc::new(room);
    let serving = server.config(config).serve_handshakes(move |handshake| {
        let room = room.clone();
        // Boxed, so that an open connection does not keep room for its opening.
        let opening = Box::pin(open(handshake));
        async move {
            // How one connection ends is no matter for the others.
            let _ = match opening.await {
                Ok(Some((Service::Echo, websocket))) => echo(websocket).await,
                Ok(Some((Service::Broadcast, websocket))) => member(websocket, room).await,
                Ok(None) | Err(_) => return,
            };
        }
    });
    tokio::select! {
        () = serving => Ok(()),
        result = until_signal() => result.map_err(|error| format!("signals: {error}")),
    }
}

async fn until_signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// What is served at a path.
#[derive(Clone, Copy)]
enum Service {
    Echo,
    Broadcast,
}

/// Opens the WebSocket that a request asks for, or answers plain HTTP.
async fn open(handshake: Handshake) -> Result<Option<(Service, WebSocket)>, Error> {
    let path = handshake.request().uri().path().to_owned();
    let service = match path.as_str() {
        _ if !handshake.is_websocket() => {
            return handshake.respond(page::response(&path)).await.map(|()| None);
        }
        "/" | "/echo" => Service::Echo,
        "/broadcast" => Service::Broadcast,
        _ => return handshake.respond(page::not_found()).await.map(|()| None),
    };
    Ok(Some((service, handshake.accept().await?)))
}

async fn echo(mut websocket: WebSocket) -> Result<(), Error> {
    while let Some(message) = websocket.next().await {
        websocket.send(message?).await?;
    }
    Ok(())
}

async fn member(
    mut websocket: WebSocket,
    room: Arc<broadcast::Sender<PreparedMessage>>,
) -> Result<(), Error> {
    let mut messages = room.subscribe();
    loop {
        tokio::select! {
            received = websocket.next() => match received {
                // There is always a member to receive it: this one.
                Some(message) => drop(room.send(PreparedMessage::new(message?))),
                None => return Ok(()),
            },
            message = messages.recv() => match message {
                Ok(message) => websocket.send_prepared(&message).await?,
                // A member that is too slow misses messages rather than holding up the rest.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            },
        }
    }
}
