//! `fdx connect`: its options, and one connection from its start to its end.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args as ClapArgs;
use fullduplex::{Client, ErrorKind, WebSocket};
use http::{Response, Version};
use tokio::time::{sleep, timeout};

use crate::base::escape::printable;
use crate::base::signals::EndSignals;
use crate::base::values;
use crate::client::{ClientArgs, ConnectOutcome, report_connect_error, verbose, with_option_names};
use crate::pipes::{read_actions, write_events};
use crate::session::{self, AtEndOfInput, End, SessionSettings, queue};

/// The time for pooled connections to close, such as for CONNECTION_CLOSE on HTTP/3 to leave.
const CLOSE_IDLE_TIMEOUT: Duration = Duration::from_millis(300);

/// The time for the task of an HTTP/2 connection to write its last frames.
const HTTP2_FLUSH: Duration = Duration::from_millis(20);

/// The options of `fdx connect`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Each line of standard input is sent as a text message, each text message received is
printed as a line. At the end of the input the connection is closed with 1000, once the
server has sent its last messages (see --linger).

Exit codes:
  0  closed cleanly with 1000, or without a code
  1  a file is missing or can't be used, or standard input or output failed
  2  wrong usage
  3  no connection: name, network, proxy, TLS, time-out
  4  the server rejected the handshake
  5  the connection was lost: no Close frame, a time-out, a network error
  6  closed with another code, such as 1001 of a server that shuts down
  7  the peer violated the protocol, or exceeded a limit
129, 143  ended by SIGHUP or SIGTERM, after a Close with 1001
130  ended by Ctrl-C, after a Close with 1000; by a second Ctrl-C at once
141  what read standard output is gone, as other programs end by SIGPIPE

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
    let mut signals = EndSignals::new();
    let connected = tokio::select! {
        connected = client.connect(&args.client.url) => connected,
        signal = signals.next() => return signal.into(),
    };
    let (websocket, response) = match connected {
        Ok(connected) => connected,
        Err(error) => {
            let outcome = report_connect_error("fdx connect", &error);
            // Sends CONNECTION_CLOSE on HTTP/3, so that the server need not wait for its idle
            // timeout.
            close_idle(&client, None, &mut signals).await;
            return outcome;
        }
    };
    if args.client.verbose {
        verbose::negotiated(&websocket, &response);
    }
    let outcome = exchange(&args, websocket, &response, &mut signals).await;
    close_idle(&client, Some(response.version()), &mut signals).await;
    outcome
}

/// Runs the session, with standard input and output as its sides.
async fn exchange(
    args: &Args,
    websocket: WebSocket,
    response: &Response<()>,
    signals: &mut EndSignals,
) -> ConnectOutcome {
    let interactive = io::stdin().is_terminal();
    if interactive {
        report!("{}", opening_line(&args.client.url, &websocket, response));
    }
    let linger = Duration::from_secs_f64(args.linger);
    let settings = SessionSettings {
        at_end_of_input: if interactive {
            AtEndOfInput::Close
        } else {
            AtEndOfInput::Wait(Some(linger))
        },
        messages: None,
        deadline: None,
        details: false,
    };
    let (action_sender, actions) = queue();
    let (event_sender, events) = queue();
    read_actions(args.binary, action_sender);
    let written = write_events(args.binary, events);
    let end = session::run(&settings, websocket.into(), actions, event_sender, signals).await;
    if end.at_once {
        return end.outcome;
    }
    let written = tokio::select! {
        written = written => written,
        signal = signals.next() => return signal.into(),
    };
    // The thread sends what has come of it, unless it panics.
    match written.unwrap_or_else(|_| Err(io::Error::other("the thread that writes it failed"))) {
        Ok(()) => report_end(&end),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ConnectOutcome::BrokenPipe,
        Err(error) => {
            report!("fdx connect: standard output: {error}");
            ConnectOutcome::LocalIo
        }
    }
}

fn report_end(end: &End) -> ConnectOutcome {
    if let Some(line) = end.line() {
        report!("fdx connect: {line}");
    }
    end.outcome
}

/// Returns the line that says what the connection is, at a terminal.
fn opening_line(url: &str, websocket: &WebSocket, response: &Response<()>) -> String {
    let subprotocol = websocket.subprotocol().map(|name| format!(", subprotocol {name}"));
    let subprotocol = subprotocol.unwrap_or_default();
    let deflate = websocket.deflate().map(|deflate| format!(", {deflate}"));
    let deflate = deflate.unwrap_or_default();
    // Without user and password.
    let url = url.rsplit_once('@').map_or(url, |(_, rest)| rest);
    let version = response.version();
    printable(&format!("connected to {url} by {version:?}{subprotocol}{deflate}; Ctrl-D closes"))
}

/// Closes the client's pooled connections, within a short time.
async fn close_idle(client: &Client, version: Option<Version>, signals: &mut EndSignals) {
    let closing = async {
        let _ = timeout(CLOSE_IDLE_TIMEOUT, client.close_idle_connections()).await;
        if version == Some(Version::HTTP_2) {
            // The connection's own task has yet to write END_STREAM.
            sleep(HTTP2_FLUSH).await;
        }
    };
    tokio::select! {
        () = closing => {}
        _ = signals.next() => {}
    }
}
