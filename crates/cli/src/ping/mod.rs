//! `fdx ping`: round trips of a WebSocket, as ping(8) shows those of a host.

mod summary;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args as ClapArgs, value_parser};
use fullduplex::{CloseCode, Error, KeepaliveConfig, WebSocket};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use self::summary::Summary;
use crate::base::escape::printable;
use crate::base::redact::redact_url;
use crate::base::signals::{EndSignal, EndSignals};
use crate::base::values;
use crate::client::{ClientArgs, ConnectOutcome, SetupError, option_names, report_connect_error};

/// The time for the closing handshake at the end.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(600);

/// The unanswered Pings after which a warning says what that means.
const WARNING_AFTER: u64 = 3;

/// The options of `fdx ping`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Exit codes, as those of ping:
  0  a Pong was received
  1  no Pong was received
  2  no connection, or it was lost; or wrong usage, or standard output failed
141  what read standard output is gone")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    /// Send this many Pings; by default, until Ctrl-C
    #[arg(long, short, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Seconds between two Pings, at least 0.01
    #[arg(long, short, default_value_t = 1.0, value_name = "SECONDS", value_parser = pause)]
    interval: f64,
    /// Seconds to wait for a Pong
    #[arg(long, short = 'W', default_value_t = 10.0, value_name = "SECONDS",
          value_parser = values::seconds)]
    wait: f64,
}

fn pause(text: &str) -> Result<f64, String> {
    let seconds = values::seconds(text)?;
    if seconds < 0.01 { Err("at least 0.01 seconds".into()) } else { Ok(seconds) }
}

/// Why no more Pings are sent.
enum Stop {
    Done,
    Signal(EndSignal),
    Lost(String),
    /// Standard output failed.
    Output(io::Error),
}

/// Sends Pings and prints the time to each Pong.
pub(crate) fn run(args: &Args) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let code = match runtime {
        Ok(runtime) => runtime.block_on(ping(args)),
        Err(error) => {
            report!("fdx ping: the runtime can't be started: {error}");
            2
        }
    };
    ExitCode::from(code)
}

async fn ping(args: &Args) -> u8 {
    let client = match args.client.build_client() {
        // Its own Pings would be among those that are counted.
        Ok(client) => {
            let quiet = KeepaliveConfig::default().interval(None);
            client.to_builder().keepalive(quiet).build().map_err(SetupError::from)
        }
        Err(error) => Err(error),
    };
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            report!("fdx ping: {error}");
            return 2;
        }
    };
    let mut signals = EndSignals::new();
    let connected = tokio::select! {
        connected = client.connect(&args.client.url) => connected,
        signal = signals.next() => return ConnectOutcome::from(signal) as u8,
    };
    let (websocket, response) = match connected {
        Ok(connected) => connected,
        Err(error) => {
            report_connect_error("fdx ping", &args.client.url, &error);
            return 2;
        }
    };
    let url = redact_url(&args.client.url);
    let from = websocket.peer_addr().map_or(String::new(), |address| format!(" ({address})"));
    if let Err(error) = line(&format!("PING {url}{from} by {:?}", response.version())) {
        return output_failed(&error);
    }
    exchange(args, websocket, &url, &mut signals).await
}

async fn exchange(args: &Args, websocket: WebSocket, url: &str, signals: &mut EndSignals) -> u8 {
    let since = Instant::now();
    let mut summary = Summary::default();
    let (send, mut receive) = websocket.split();
    let limit = Duration::from_secs_f64(args.wait);
    let mut ticks = interval(Duration::from_secs_f64(args.interval));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut waiting: JoinSet<(u64, Option<Result<Duration, Error>>)> = JoinSet::new();
    let stop = loop {
        let is_last = args.count.is_some_and(|count| summary.sent == count);
        if is_last && waiting.is_empty() {
            break Stop::Done;
        }
        tokio::select! {
            biased;
            signal = signals.next() => break Stop::Signal(signal),
            Some(answered) = waiting.join_next() => match answered {
                Ok((_, Some(Err(error)))) => break Stop::Lost(error.to_string()),
                Ok((number, Some(Ok(time)))) => {
                    summary.received(time);
                    let time = time.as_secs_f64() * 1e3;
                    if let Err(error) = line(&format!("pong {number}: time={time:.2} ms")) {
                        break Stop::Output(error);
                    }
                }
                Ok((number, None)) => if let Err(error) = unanswered(&summary, number, limit) {
                    break Stop::Output(error);
                },
                Err(_) => {}
            },
            _ = ticks.tick(), if !is_last => {
                summary.sent += 1;
                let number = summary.sent;
                match send.ping(format!("fdx {number}").as_bytes()).await {
                    Ok(pong) => {
                        let answered = async move { (number, timeout(limit, pong).await.ok()) };
                        waiting.spawn(answered);
                    }
                    Err(error) => break Stop::Lost(error.to_string()),
                }
            }
            message = receive.next() => match message {
                Some(Ok(_)) => {}
                Some(Err(error)) => break Stop::Lost(error.to_string()),
                None => {
                    let info = receive.close_info().map(|info| info.to_string());
                    break Stop::Lost(info.unwrap_or_else(|| "the connection is closed".into()));
                }
            },
        }
    };
    if let Stop::Lost(why) = &stop {
        report!("fdx ping: {}", printable(&option_names(why)));
    } else {
        let closing = async {
            let _ = timeout(CLOSE_TIMEOUT, send.close(CloseCode::NORMAL, "")).await;
        };
        tokio::select! {
            () = closing => {}
            _ = signals.next() => {}
        }
    }
    if let Stop::Output(error) = &stop {
        return output_failed(error);
    }
    for text in summary.lines(url, since.elapsed()) {
        if let Err(error) = line(&text) {
            return output_failed(&error);
        }
    }
    match stop {
        Stop::Lost(_) | Stop::Output(_) => 2,
        Stop::Signal(signal @ (EndSignal::Terminate | EndSignal::HangUp)) => {
            ConnectOutcome::from(signal) as u8
        }
        Stop::Done | Stop::Signal(EndSignal::Interrupt) => u8::from(summary.times.is_empty()),
    }
}

/// Says that there was no Pong in time, and once what that means.
fn unanswered(summary: &Summary, number: u64, limit: Duration) -> io::Result<()> {
    line(&format!("no pong {number} in {} s", limit.as_secs_f64()))?;
    if summary.times.is_empty() && number == WARNING_AFTER.min(summary.sent) {
        report!(
            "fdx ping: no Ping was answered so far, though RFC 6455 §5.5.2 requires it: the \
             server's library, or something on the way, drops them, or the server is stuck"
        );
    }
    Ok(())
}

/// Prints a line.
fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// Says that standard output failed, unless its reader has gone, and returns the exit code.
fn output_failed(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return ConnectOutcome::BrokenPipe as u8;
    }
    report!("fdx ping: standard output: {error}");
    2
}
