//! `fdx replay`: recorded WebSockets again, as their client or their server.

mod args;
mod client;
mod play;
mod report;
mod server;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use fullduplex_inspect::DecoderLimits;
use fullduplex_inspect::replay::{Talk, TalkBuilder};

pub(crate) use self::args::Args;

use self::args::Side;
use self::report::Report;
use crate::base::escape::printable;
use crate::base::records::read_records;
use crate::base::signals::EndSignals;
use crate::client::ConnectOutcome;
use crate::serve::listen::SystemdListeners;
use crate::serve::until_signal::{self, StartError};

/// Replays a file, and returns the exit code.
pub(crate) fn run(args: &Args) -> ExitCode {
    let outcome = check(args)
        .and_then(|talks| until_signal::run(&args.listen, |systemd| replay(args, talks, systemd)));
    let outcome = outcome.unwrap_or_else(|(why, outcome)| {
        report!("fdx replay: {}", printable(&why));
        outcome
    });
    ExitCode::from(outcome as u8)
}

/// Returns what is to be replayed.
fn check(args: &Args) -> Result<Vec<Talk>, StartError> {
    let usage = |why: &str| Err((why.to_owned(), ConnectOutcome::Usage));
    match (args.side, &args.url) {
        (Side::Client, None) => return usage("--as client needs the URL of a server"),
        (Side::Server, Some(_)) => return usage("--as server has no URL; see --listen"),
        _ => {}
    }
    let talks = talks(&args.file, &args.socket, args.max_memory());
    let talks = talks.map_err(|why| (why, ConnectOutcome::LocalIo))?;
    for number in &args.socket {
        if !talks.iter().any(|talk| talk.connection == *number) {
            return usage(&format!("--socket {number}: {} has none", args.file.display()));
        }
    }
    if talks.is_empty() {
        let why = format!("{}: there is no WebSocket", args.file.display());
        return Err((why, ConnectOutcome::LocalIo));
    }
    Ok(talks)
}

/// Reads the WebSockets of these numbers, or all if there are no numbers.
fn talks(path: &Path, numbers: &[u64], max_memory: usize) -> Result<Vec<Talk>, String> {
    let limits = DecoderLimits::default().max_payload(max_memory).max_inflated(max_memory as u64);
    let mut builder = TalkBuilder::new(limits);
    read_records(path, max_memory as u64, |record| {
        if numbers.is_empty() || numbers.contains(&record.connection) {
            builder.push(&record);
        }
        if builder.memory() > max_memory {
            return Err("its messages take more than --max-memory; --socket N takes one".into());
        }
        Ok(())
    })?;
    Ok(builder.finish())
}

async fn replay(
    args: &Args,
    talks: Vec<Talk>,
    mut systemd: SystemdListeners,
) -> Result<ConnectOutcome, StartError> {
    let report = Arc::new(Report::new(args.json, args.diff, args.ignore.clone()));
    let mut signals = EndSignals::new();
    let outcome = match args.side {
        Side::Client => tokio::select! {
            outcome = client::connect(args, talks, report.clone()) => outcome,
            signal = signals.next() => Ok(signal.into()),
        },
        Side::Server => {
            server::serve(args, talks, report.clone(), &mut systemd, &mut signals).await
        }
    };
    Report::finish();
    Ok(match outcome? {
        // A server is mostly ended by a signal.
        ConnectOutcome::Clean
        | ConnectOutcome::Interrupted
        | ConnectOutcome::Terminated
        | ConnectOutcome::HungUp
            if args.diff && report.differs() =>
        {
            ConnectOutcome::Different
        }
        ConnectOutcome::Clean if report.is_incomplete() => ConnectOutcome::Incomplete,
        outcome => outcome,
    })
}
