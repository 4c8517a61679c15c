//! `fdx connect`: its options, and one connection from its start to its end.

mod args;

use std::future::pending;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use fullduplex::{Client, WebSocket};
use http::{Response, Version};
use tokio::time::{Instant, sleep, sleep_until, timeout};

pub(crate) use self::args::Args;
use crate::base::escape::printable;
use crate::base::secrets::without_credentials;
use crate::base::signals::EndSignals;
use crate::client::{ConnectOutcome, report_connect_error, verbose};
use crate::pipes::{InputFormat, read_actions, write_events};
use crate::session::{self, End, Link, SessionSettings, queue};

/// The time for pooled connections to close, such as for CONNECTION_CLOSE on HTTP/3 to leave.
const CLOSE_IDLE_TIMEOUT: Duration = Duration::from_millis(300);

/// The time for the thread of the output to end after a signal: it may be stuck.
const DISCARD_TIMEOUT: Duration = Duration::from_millis(50);

/// The time for the output to be written, after --timeout.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(1);

/// The time for the task of an HTTP/2 connection to write its last frames.
const HTTP2_FLUSH: Duration = Duration::from_millis(20);

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
    let (client, sides) = match prepare(&args) {
        Ok(prepared) => prepared,
        Err((what, outcome)) => {
            report!("fdx connect: {what}");
            return outcome;
        }
    };
    let mut signals = EndSignals::new();
    if args.reconnect {
        let opening = sides.settings.opening.clone();
        let link = Link::reconnecting(&client, &args.client.url, opening);
        let outcome = exchange(&args, link, &sides, &mut signals).await;
        close_idle(&client, None, &mut signals).await;
        return outcome;
    }
    let connected = tokio::select! {
        connected = client.connect(&args.client.url) => connected,
        signal = signals.next() => return signal.into(),
        () = until(sides.settings.deadline) => {
            report!("fdx connect: no connection within the time of --timeout");
            return ConnectOutcome::NoConnection;
        }
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
    if io::stdin().is_terminal() && !args.quiet {
        report!("{}", opening_line(&args.client.url, &websocket, &response));
    }
    let outcome = exchange(&args, websocket.into(), &sides, &mut signals).await;
    close_idle(&client, Some(response.version()), &mut signals).await;
    outcome
}

/// What a session needs beside the connection.
struct Sides {
    settings: SessionSettings,
    input: InputFormat,
}

/// Returns the client and what the options say, or what is wrong with them and the exit code.
fn prepare(args: &Args) -> Result<(Client, Sides), (String, ConnectOutcome)> {
    let input = args.messages().input_format().map_err(|what| (what, ConnectOutcome::Usage))?;
    let opening =
        args.messages().opening_messages().map_err(|what| (what, ConnectOutcome::LocalIo))?;
    let client =
        args.client.build_client().map_err(|error| (error.to_string(), error.outcome()))?;
    let settings = args.session_settings(opening, Instant::now());
    Ok((client, Sides { settings, input }))
}

/// Runs the session, with standard input and output as its sides.
async fn exchange(
    args: &Args,
    link: Link,
    sides: &Sides,
    signals: &mut EndSignals,
) -> ConnectOutcome {
    let (action_sender, actions) = queue();
    let (event_sender, events) = queue();
    read_actions(sides.input, action_sender);
    let written = write_events(args.messages().output_format(), args.quiet, events);
    let end = session::run(&sides.settings, link, actions, event_sender, signals).await;
    if end.at_once {
        return end.outcome;
    }
    let late = if end.is_discarded {
        Some(Instant::now() + DISCARD_TIMEOUT)
    } else {
        sides.settings.deadline.map(|deadline| deadline.max(Instant::now() + OUTPUT_TIMEOUT))
    };
    let written = tokio::select! {
        written = written => written,
        signal = signals.next() => return signal.into(),
        () = until(late) => Ok(Ok(())),
    };
    // The thread sends what has come of it, unless it panics.
    match written.unwrap_or_else(|_| Err(io::Error::other("the thread that writes it failed"))) {
        Ok(()) => report_end(args, &end),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ConnectOutcome::BrokenPipe,
        Err(error) => {
            report!("fdx connect: standard output: {error}");
            ConnectOutcome::LocalIo
        }
    }
}

/// Prints how the connection ended. A clean end is mentioned at a terminal, or if asked for.
fn report_end(args: &Args, end: &End) -> ConnectOutcome {
    if let Some(error) = &end.connect_error {
        return report_connect_error("fdx connect", error);
    }
    let is_clean = end.outcome == ConnectOutcome::Clean;
    let is_wanted = args.client.verbose || io::stderr().is_terminal();
    if (!is_clean || is_wanted && !args.quiet)
        && let Some(line) = end.line()
    {
        report!("fdx connect: {line}");
    }
    end.outcome
}

/// Waits until this time; for ever without one.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

/// Returns the line that says what the connection is, at a terminal.
fn opening_line(url: &str, websocket: &WebSocket, response: &Response<()>) -> String {
    let subprotocol = websocket.subprotocol().map(|name| format!(", subprotocol {name}"));
    let subprotocol = subprotocol.unwrap_or_default();
    let deflate = websocket.deflate().map(|deflate| format!(", {deflate}"));
    let deflate = deflate.unwrap_or_default();
    let url = without_credentials(url);
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
