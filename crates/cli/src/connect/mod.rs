//! `fdx connect`: its options, and one connection from its start to its end.

mod interactive;

use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args as ClapArgs;
use fullduplex::{CloseCode, ErrorKind};
use tokio::time::{sleep, timeout};

use self::interactive::InteractiveConnection;
use crate::base::signals::termination_signal;
use crate::base::values;
use crate::client::{ClientArgs, ConnectOutcome, report_connect_error, verbose, with_option_names};

/// The time for pooled connections to close, such as for CONNECTION_CLOSE on HTTP/3 to leave.
const CLOSE_IDLE_TIMEOUT: Duration = Duration::from_millis(500);

/// The time for the task of an HTTP/2 connection to write its last frames.
const HTTP2_FLUSH: Duration = Duration::from_millis(20);

/// The time for the closing handshake after a signal.
const SIGNAL_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The options of `fdx connect`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Each line of standard input is sent as a text message, each text message received is
printed as a line. At the end of the input the connection is closed with 1000, once the
server has sent its last messages (see --linger).

Exit codes:
  0  closed cleanly with 1000, or without a code
  1  a file is missing or can't be used, or a pipe or terminal failed
  2  wrong usage
  3  no connection: name, network, proxy, TLS, time-out
  4  the server rejected the handshake
  5  the connection was lost: no Close frame, a time-out, a network error
  6  closed with another code, such as 1001 of a server that shuts down
  7  the peer violated the protocol, or exceeded a limit
129, 143  ended by SIGHUP or SIGTERM, after a Close with 1001

Environment:
  SSLKEYLOGFILE  a file to which the TLS keys are appended, for Wireshark")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    /// Send standard input as binary messages, and write received messages unchanged, or with
    /// escapes to a terminal
    #[arg(long, short)]
    binary: bool,
    /// Seconds without a message after which the connection is closed, once the input has
    /// ended
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS", value_parser = values::seconds)]
    linger: f64,
}

/// Connects, and exchanges messages until either side closes.
pub(crate) fn run(args: Args) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(connect(args));
            // A read of the terminal can't be cancelled, and must not delay the exit.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => {
            report!("fdx connect: the runtime can't be started: {error}");
            ConnectOutcome::LocalIo
        }
    };
    ExitCode::from(outcome as u8)
}

async fn connect(args: Args) -> ConnectOutcome {
    let client = match args.client.build_client() {
        Ok(client) => client,
        Err(error) => {
            report!("fdx connect: {}", with_option_names(&error));
            // Errors of the TLS settings are errors of their files.
            let is_of_file = error.kind() == ErrorKind::Tls;
            return if is_of_file { ConnectOutcome::LocalIo } else { ConnectOutcome::Usage };
        }
    };
    let mut terminated = pin!(termination_signal());
    let connected = tokio::select! {
        connected = client.connect(&args.client.url) => connected,
        _ = tokio::signal::ctrl_c() => {
            report!("fdx connect: interrupted before the connection was open");
            return ConnectOutcome::NoConnection;
        }
        signal = &mut terminated => return signal.into(),
    };
    let (websocket, response) = match connected {
        Ok(connected) => connected,
        Err(error) => {
            let outcome = report_connect_error("fdx connect", &error);
            // Sends CONNECTION_CLOSE on HTTP/3, so that the server need not wait for its idle
            // timeout.
            let _ = timeout(CLOSE_IDLE_TIMEOUT, client.close_idle_connections()).await;
            return outcome;
        }
    };
    let interactive = io::stdin().is_terminal();
    if args.client.verbose {
        verbose::negotiated(&websocket, &response);
    }
    if interactive {
        let subprotocol = websocket.subprotocol().map(|name| format!(", subprotocol {name}"));
        let subprotocol = subprotocol.unwrap_or_default();
        let deflate = websocket.deflate().map(|deflate| format!(", {deflate}"));
        let deflate = deflate.unwrap_or_default();
        // Without user and password.
        let url = args.client.url.rsplit_once('@').map_or(&*args.client.url, |(_, rest)| rest);
        let version = response.version();
        report!("connected to {url} by {version:?}{subprotocol}{deflate}; Ctrl-D closes");
    }
    let is_http2 = response.version() == http::Version::HTTP_2;
    let (send, receive) = websocket.split();
    let linger = Duration::from_secs_f64(args.linger);
    let connection =
        InteractiveConnection { binary: args.binary, linger: (!interactive).then_some(linger) };
    let outcome = tokio::select! {
        outcome = connection.run(send.clone(), receive) => outcome,
        signal = terminated => {
            // Received messages are not printed any more; `close` reads up to the peer's Close.
            let _ = timeout(SIGNAL_CLOSE_TIMEOUT, send.close(CloseCode::GOING_AWAY, "")).await;
            signal.into()
        }
    };
    let _ = timeout(CLOSE_IDLE_TIMEOUT, client.close_idle_connections()).await;
    if is_http2 {
        // The connection's own task has yet to write END_STREAM.
        sleep(HTTP2_FLUSH).await;
    }
    outcome
}
