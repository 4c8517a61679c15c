//! `fdx connect`: its options, and one connection from its start to its end.

mod args;
mod sides;
mod taps;

use std::future::pending;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use fullduplex::Client;
use fullduplex::tap::Tap;
use http::Version;
use tokio::time::{Instant, sleep, sleep_until, timeout};

pub(crate) use self::args::Args;
use self::sides::{Sides, Title};
use self::taps::BothTaps;
use crate::base::escape::printable;
use crate::base::signals::EndSignals;
use crate::base::stderr;
use crate::client::{ConnectOutcome, report_connect_error, report_cut, verbose};
use crate::screen;
use crate::session::{self, End, Link, queue};

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
            let outcome = runtime.block_on(async {
                let mut signals = EndSignals::new();
                let outcome = connect(args, &mut signals).await;
                tokio::select! {
                    () = stderr::written() => {}
                    _ = signals.next() => {}
                }
                outcome
            });
            // A screen may be left at once.
            screen::restore();
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

async fn connect(mut args: Args, signals: &mut EndSignals) -> ConnectOutcome {
    args.client.options.is_quiet = args.quiet;
    let (client, sides) = match prepare(&args) {
        Ok(prepared) => prepared,
        Err((what, outcome)) => {
            report!("fdx connect: {}", printable(&what));
            return outcome;
        }
    };
    if args.reconnect {
        let opening = sides.settings.opening.clone();
        let link = Link::reconnecting(&client, &args.client.url, opening);
        let title = Title::reconnecting(&args.client.url);
        let outcome = exchange(&args, link, &sides, title, signals).await;
        close_idle(&client, None, signals).await;
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
            let outcome = report_connect_error("fdx connect", &args.client.url, &error);
            // Sends CONNECTION_CLOSE on HTTP/3, so that the server need not wait for its idle
            // timeout.
            close_idle(&client, None, signals).await;
            return outcome;
        }
    };
    if args.client.options.verbose {
        verbose::negotiated(&websocket, &response);
    }
    let title = Title::connected(&args.client.url, &websocket, &response);
    let outcome = exchange(&args, websocket.into(), &sides, title, signals).await;
    close_idle(&client, Some(response.version()), signals).await;
    outcome
}

/// Returns the client and what the options say, or what is wrong with them and the exit code.
fn prepare(args: &Args) -> Result<(Client, Sides), (String, ConnectOutcome)> {
    let input = args.messages().input_format().map_err(|what| (what, ConnectOutcome::Usage))?;
    let output = args.messages().output_format();
    let opening =
        args.messages().opening_messages().map_err(|what| (what, ConnectOutcome::LocalIo))?;
    let terminals = Sides::terminals(input, output);
    let frames = Sides::frame_tap(terminals, args.frames);
    let client = args.client.client_builder().and_then(|builder| {
        let frames = frames.clone().map(|tap| Arc::new(tap) as Arc<dyn Tap>);
        let builder = match (frames, args.tap.clone()) {
            (Some(one), Some(other)) => builder.tap(Arc::new(BothTaps(one, other))),
            (Some(tap), None) | (None, Some(tap)) => builder.tap(tap),
            (None, None) => builder,
        };
        Ok(builder.build()?)
    });
    let client = client.map_err(|error| (error.to_string(), error.outcome()))?;
    let mut settings = args.session_settings(opening, Instant::now());
    settings.details = terminals.is_output;
    Ok((client, Sides { settings, input, output, terminals, frames }))
}

/// Runs the session, with standard input and output as its sides, or a screen for those of them
/// that are a terminal.
async fn exchange(
    args: &Args,
    link: Link,
    sides: &Sides,
    title: Title,
    signals: &mut EndSignals,
) -> ConnectOutcome {
    let (action_sender, actions) = queue();
    let (event_sender, events) = queue();
    let screen = sides.screen_settings(args, title, &link, signals);
    if let Some(tap) = &sides.frames {
        tap.output.begin(&event_sender);
    }
    let written = sides.start(args, screen, action_sender, events);
    let end = session::run(&sides.settings, link, actions, event_sender, signals).await;
    if let Some(tap) = &sides.frames {
        tap.output.end();
    }
    if sides.settings.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
        stderr::hurry();
    }
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
        return report_connect_error("fdx connect", &args.client.url, error);
    }
    let is_clean = end.outcome == ConnectOutcome::Clean;
    let is_wanted = args.client.options.verbose || io::stderr().is_terminal();
    if (!is_clean || is_wanted && !args.quiet)
        && let Some(line) = end.line()
    {
        report!("fdx connect: {line}");
        if end.outcome == ConnectOutcome::Lost && line.contains("without a Close frame") {
            report_cut(end.open, end.idle);
        }
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
