//! `fdx record`: `fdx connect`, with a recording of all bytes.

mod tap;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args as ClapArgs;

use self::tap::RecordTap;
use crate::client::ConnectOutcome;
use crate::connect;
use crate::inspect::RecordingFile;

/// The longest time that records wait before they are written to the file.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// The options of `fdx record`.
#[derive(Debug, ClapArgs)]
// That of fdx connect has its name.
#[group(skip)]
#[command(
    allow_missing_positional = true,
    after_help = "\
fdx record is fdx connect, with its options and its exit codes. FILE has all bytes of the WebSocket
in both directions, with their times. fdx inspect --read FILE shows it, and fdx replay FILE sends it
again."
)]
pub(crate) struct Args {
    #[command(flatten)]
    connect: connect::Args,
    /// The recording, which is written anew
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Hide what looks like a secret in the recording
    ///
    /// These are the values of names such as Cookie, token or password, and payloads that are not
    /// UTF-8. Frames are then made of the messages.
    #[arg(long)]
    redact: bool,
}

/// Connects and records until either side closes.
pub(crate) fn run(args: Args) -> ExitCode {
    let Args { mut connect, file, redact } = args;
    let recording = match RecordingFile::create(&file, redact) {
        Ok(recording) => Arc::new(recording),
        Err(error) => {
            report!("fdx record: {}: {error}", file.display());
            return ExitCode::from(ConnectOutcome::LocalIo as u8);
        }
    };
    connect.tap = Some(Arc::new(RecordTap::new(recording.clone())));
    let flushed = Arc::downgrade(&recording);
    let flushing = thread::Builder::new().name("recording".into()).spawn(move || {
        loop {
            thread::sleep(FLUSH_EVERY);
            let Some(recording) = flushed.upgrade() else { return };
            recording.flush();
        }
    });
    if let Err(error) = flushing {
        report!("fdx record: warning: the recording is written at the end only: {error}");
    }
    let code = connect::run(connect);
    recording.flush();
    code
}
