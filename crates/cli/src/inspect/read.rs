//! `fdx inspect --read`: a recording or a HAR file as if it passed now.

use std::path::Path;

use tokio::task::spawn_blocking;

use super::args::Args;
use super::output::{line, wait_for_reader};
use super::recorded::RecordedSockets;
use super::session::{flush, sinks};
use crate::base::files::is_same_file;
use crate::base::records::read_records;
use crate::base::signals::EndSignals;
use crate::client::ConnectOutcome;
use crate::serve::until_signal::StartError;

/// The bytes of lines that may wait for their reader.
const MAX_WAITING: u64 = 1 << 20;

/// Shows a file until its end, or a signal; with a page until a signal.
pub(super) async fn show(args: &Args, path: &Path) -> Result<ConnectOutcome, StartError> {
    let of_system = |why: String| (why, ConnectOutcome::LocalIo);
    let is_json = args.shared.json;
    for (option, written) in [("--record", &args.shared.record), ("--har", &args.shared.har)] {
        if written.as_ref().is_some_and(|written| is_same_file(written, path)) {
            let written = format!("{option} {}", path.display());
            return Err(of_system(format!("{written} is what --read reads: write another file")));
        }
    }
    let (sinks, page) = sinks(&args.shared, false).map_err(of_system)?;
    if let Some(url) = &page {
        line(is_json, &format!("page at {url}"));
    }
    let mut signals = EndSignals::new();
    let (path, max_har) = (path.to_owned(), u64::from(args.shared.max_memory) << 20);
    let mut sockets = RecordedSockets::new(sinks.clone());
    let reading = spawn_blocking(move || {
        let read = read_records(&path, max_har, |record| {
            sockets.take(record);
            // Nothing is left out for a reader that takes its time.
            wait_for_reader(is_json, MAX_WAITING);
            Ok(())
        });
        sockets.finish(None);
        wait_for_reader(is_json, 0);
        read
    });
    let mut outcome = tokio::select! {
        signal = signals.next() => Ok(signal.into()),
        never = flush(&sinks) => match never {},
        read = reading => match read {
            Ok(read) => read.map(|()| ConnectOutcome::Clean),
            Err(error) => Err(error.to_string()),
        },
    };
    if page.is_some() && outcome == Ok(ConnectOutcome::Clean) {
        outcome = Ok(signals.next().await.into());
    }
    for sink in &*sinks {
        sink.finish();
    }
    outcome.map_err(of_system)
}
