//! `fdx inspect --attach`: the WebSockets of a running program, which sends them as a recording.

use std::io;
use std::path::Path;

use fullduplex_inspect::recording::Record;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::UnixStream;

use super::args::Args;
use super::observer::Sinks;
use super::output::line;
use super::recorded::RecordedSockets;
use super::session::{flush, sinks};
use crate::base::escape::printable;
use crate::base::signals::EndSignals;
use crate::client::ConnectOutcome;
use crate::serve::until_signal::StartError;

/// The longest line, in bytes. Most of one is a handshake.
const MAX_LINE: u64 = 4 << 20;

/// Shows what a program sees of its WebSockets until it ends, or a signal.
pub(super) async fn follow(args: &Args, path: &Path) -> Result<ConnectOutcome, StartError> {
    let shown = path.display();
    let mut program = Program::connect(path)
        .await
        .map_err(|why| (format!("--attach unix:{shown}: {why}"), ConnectOutcome::NoConnection))?;
    let (sinks, page) = sinks(&args.shared, false).map_err(|why| (why, ConnectOutcome::LocalIo))?;
    let mut signals = EndSignals::new();
    let print = |text: &str| line(args.shared.json, &printable(text));
    if let Some(url) = &page {
        print(&format!("page at {url}"));
    }
    print(&program.greeting);
    let ended = tokio::select! {
        signal = signals.next() => signal.into(),
        never = flush(&sinks) => match never {},
        ended = program.follow(&sinks) => {
            print(&match ended {
                Ok(()) => "the program ended, or has closed its socket".to_owned(),
                Err(error) => format!("the program: {error}"),
            });
            if page.is_some() {
                // The page goes on.
                tokio::select! {
                    signal = signals.next() => signal.into(),
                    never = flush(&sinks) => match never {},
                }
            } else {
                ConnectOutcome::Clean
            }
        }
    };
    for sink in &*sinks {
        sink.finish();
    }
    Ok(ended)
}

/// A program that is looked into.
struct Program {
    lines: BufReader<UnixStream>,
    /// What it says of itself.
    greeting: String,
}

impl Program {
    async fn connect(path: &Path) -> Result<Self, String> {
        let stream = UnixStream::connect(path).await.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => "no program listens there any more".to_owned(),
            _ => error.to_string(),
        })?;
        let mut this = Self { lines: BufReader::new(stream), greeting: String::new() };
        let first = this.next().await.map_err(|error| error.to_string())?;
        let first = first.ok_or("the program has as many readers as it allows, or is ending")?;
        let first: Value = serde_json::from_str(&first).unwrap_or_default();
        if first["fullduplex-recording"] != 1 {
            return Err("not a program that lets fdx inspect look into it".into());
        }
        let (program, process) = (first["program"].as_str(), first["process"].as_u64());
        let before = match first["unobserved"].as_u64() {
            Some(0) | None => String::new(),
            Some(count) => format!("; {count} WebSockets were opened before, and are not shown"),
        };
        let (program, process) = (program.unwrap_or("a program"), process.unwrap_or_default());
        this.greeting = format!("attached to {program}, process {process}{before}");
        Ok(this)
    }

    /// Returns the next line, or `None` at the end.
    async fn next(&mut self) -> io::Result<Option<String>> {
        let mut bytes = Vec::new();
        (&mut self.lines).take(MAX_LINE).read_until(b'\n', &mut bytes).await?;
        match bytes.pop() {
            None => Ok(None),
            Some(b'\n') => {
                let line = String::from_utf8(bytes);
                line.map(Some).map_err(|_| io::Error::other("a line is not UTF-8"))
            }
            Some(_) if (bytes.len() as u64) < MAX_LINE - 1 => Ok(None),
            Some(_) => Err(io::Error::other("a line is too long")),
        }
    }

    /// Tells the sinks of what comes, until its end.
    async fn follow(&mut self, sinks: &Sinks) -> io::Result<()> {
        let mut sockets = RecordedSockets::new(sinks.clone());
        let ended = self.observe(&mut sockets).await;
        sockets.finish(Some("what follows is not seen, as the program ended"));
        ended
    }

    async fn observe(&mut self, sockets: &mut RecordedSockets) -> io::Result<()> {
        while let Some(line) = self.next().await? {
            match Record::parse(&line).map_err(io::Error::other)? {
                Some(record) => sockets.take(record),
                None => missed(&line),
            }
        }
        Ok(())
    }
}

/// Warns of WebSockets that came and went while too much waited to be read.
fn missed(line: &str) {
    let line: Value = serde_json::from_str(line).unwrap_or_default();
    if let Some(count) = line["missed"]["connections"].as_u64() {
        report!("fdx inspect: {count} WebSockets came and went before they could be shown");
    }
}
