//! `fdx listen`: the screen of `fdx connect` for the clients that come.

mod clients;

use std::io::{self, IsTerminal as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args as ClapArgs;
use fullduplex::server::policy::{HostPolicy, OriginPolicy};
use fullduplex::server::{DrainOptions, Server, ServerConfig};
use tokio::time::timeout;

use self::clients::Clients;
use crate::base::signals::EndSignals;
use crate::base::values;
use crate::client::ConnectOutcome;
use crate::frames::{FrameOutput, FrameTap};
use crate::screen::{self, ConnectionFacts, Feed, ScreenArgs, ScreenSettings};
use crate::session::{FrameSwitch, StatsSource, queue};

/// The time for the clients to close at the end.
const DRAIN: Duration = Duration::from_millis(600);

/// The hint in the response to a client that asks for a host other than this machine.
const HOST_ADVICE: &str = "on loopback addresses, fdx listen answers for other names than \
                           localhost with --any-origin";

/// The options of `fdx listen`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Shows each client's request and messages. A line that is typed is sent to all clients that
are connected; /help lists commands. Ctrl-D closes all connections and ends, as Ctrl-C does.

Exit codes:
  0  ended by Ctrl-D
  1  the address is in use, or can't be used
  2  wrong usage
129, 130, 143  ended by SIGHUP, Ctrl-C or SIGTERM")]
pub(crate) struct Args {
    /// Where to listen: a port of the loopback address, or ADDR:PORT; port 0 is any free one
    #[arg(default_value = "9001", value_parser = address)]
    address: SocketAddr,
    /// Accept a subprotocol (may be repeated, the preferred one first)
    #[arg(long, short, value_name = "NAME", value_parser = values::subprotocol)]
    subprotocol: Vec<String>,
    /// Accept web pages of any origin, by any name of this server; otherwise its own pages only
    #[arg(long)]
    any_origin: bool,
    /// Show every frame: its header bits, fragments, Pings and Pongs, and the rule that an illegal
    /// one breaks; /frames does the same
    #[arg(long)]
    frames: bool,
    #[command(flatten)]
    screen: ScreenArgs,
}

/// Parses a port, or an address and a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let port = text.strip_prefix("localhost:").or(text.strip_prefix(':')).unwrap_or(text);
    match port.parse() {
        Ok(port) => Ok((loopback, port).into()),
        Err(_) => text.parse().map_err(|_| "a port, or ADDR:PORT, such as 0.0.0.0:9001".into()),
    }
}

/// Listens until Ctrl-D or a signal.
pub(crate) fn run(args: Args) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(listen(args));
            screen::restore();
            // A read of the terminal can't be cancelled, and must not delay the exit.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(format!("the runtime can't be started: {error}")),
    };
    match outcome {
        Ok(outcome) => ExitCode::from(outcome as u8),
        Err(why) => {
            report!("fdx listen: {why}");
            ExitCode::from(ConnectOutcome::LocalIo as u8)
        }
    }
}

async fn listen(args: Args) -> Result<ConnectOutcome, String> {
    let mut config = ServerConfig::default();
    config.subprotocols = args.subprotocol;
    if args.any_origin {
        config.origin_policy = OriginPolicy::DangerousAny;
    } else if args.address.ip().to_canonical().is_loopback() {
        // A page of a name that resolves to it (DNS rebinding) is rejected, as by fdx serve.
        config.host_policy = HostPolicy::Local { advice: HOST_ADVICE.into() };
    }
    let switch = FrameSwitch::new(args.frames);
    let frames = FrameTap { switch: switch.clone(), output: FrameOutput::screen() };
    let frame_output = frames.output.clone();
    config.tap = Some(Arc::new(frames));
    let server = Server::bind(args.address).await;
    let server = server.map_err(|error| format!("{}: {error}", args.address))?.config(config);
    let address = server.local_addr().map_err(|error| error.to_string())?;
    let handle = server.handle();
    let counted = handle.clone();
    // Only a person at a terminal ends it by Ctrl-D.
    let ends_with_input = io::stdin().is_terminal();
    let mut signals = EndSignals::new();
    let (action_sender, actions) = queue();
    let (event_sender, events) = queue();
    let settings = ScreenSettings {
        args: args.screen,
        profile: None,
        greeting: format!("listening on ws://{address}/; /help lists commands, Ctrl-D ends"),
        facts: ConnectionFacts {
            negotiated: vec![("listening on", format!("ws://{address}/"))],
            stats: StatsSource::new(move || counted.stats().traffic),
        },
        sends_binary: false,
        interrupter: signals.interrupter(),
        frames: Some(switch),
    };
    let drawn = screen::start(settings, Some(action_sender), Feed::Many(events));
    frame_output.begin_many(&event_sender);
    let clients = Arc::new(Clients::new(event_sender));
    let rejecting = Arc::downgrade(&clients);
    let server = server.on_rejected(move |client| {
        if let Some(clients) = rejecting.upgrade() {
            clients.note_now(format!("rejected: {client}"));
        }
    });
    let accepting = Arc::clone(&clients);
    let server = tokio::spawn(server.serve_handshakes(move |handshake| {
        let clients = Arc::clone(&accepting);
        async move { clients.serve(handshake).await }
    }));
    let outcome = tokio::select! {
        biased;
        signal = signals.next() => signal.into(),
        () = clients.act(actions, ends_with_input) => ConnectOutcome::Clean,
    };
    let draining = async {
        handle.drain(DrainOptions::default().deadline(DRAIN)).await;
        // The last event queue is dropped with the server and the clients.
        let _ = timeout(DRAIN, server).await;
        frame_output.end();
        drop(clients);
        let _ = timeout(DRAIN, drawn).await;
    };
    tokio::select! {
        biased;
        _ = signals.next() => {}
        () = draining => {}
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_takes_ports_and_addresses() {
        for (text, expected) in [
            ("9001", "127.0.0.1:9001"),
            (":9001", "127.0.0.1:9001"),
            ("localhost:80", "127.0.0.1:80"),
            ("0.0.0.0:9001", "0.0.0.0:9001"),
            ("[::1]:9001", "[::1]:9001"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected);
        }
        for text in ["", "x", "1.2.3.4", "99999", "example.com:80"] {
            assert!(address(text).unwrap_err().contains("ADDR:PORT"), "{text}");
        }
    }
}
