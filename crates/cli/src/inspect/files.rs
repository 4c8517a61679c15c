//! The files of `--record` and `--har`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fullduplex_inspect::har::{self, HarMessage, HarSocket};
use fullduplex_inspect::recording::{HEADER, Record, RecordKind, RecordedOpening};

use super::event::{Event, Sink};
use super::redact::Redaction;
use crate::base::stderr;

/// What a message takes in memory besides its content.
const MESSAGE_OVERHEAD: usize = size_of::<HarMessage>();

/// The longest time that lines wait before they are written to the file.
pub(super) const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Writes a recording while it is made.
pub(super) struct Recorder {
    path: PathBuf,
    /// `None` after a failure.
    file: Mutex<Option<BufWriter<File>>>,
    redaction: Redaction,
}

impl Recorder {
    pub(super) fn create(path: &Path, redaction: Redaction) -> io::Result<Self> {
        let mut file = BufWriter::new(create_private(path)?);
        writeln!(file, "{HEADER}")?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(Some(file)), redaction })
    }

    fn write(&self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = file.as_mut()
            && let Err(error) = write(writer)
        {
            *file = None;
            let path = self.path.display();
            stderr::push_line(&format!("fdx inspect: --record {path}: {error}; it ends here"));
        }
    }
}

impl Sink for Recorder {
    fn take(&self, number: u64, at: Duration, event: &Event<'_>) {
        let kind = match event {
            Event::Opened(opening) => RecordKind::Open(Box::new(redacted(opening, self.redaction))),
            Event::Bytes { sender, bytes } => {
                RecordKind::Bytes { sender: *sender, bytes: bytes.to_vec() }
            }
            Event::End { sender, how } => {
                RecordKind::End { sender: *sender, how: (*how).to_owned() }
            }
            _ => return,
        };
        let line = Record { connection: number, at, kind }.to_line();
        self.write(|file| writeln!(file, "{line}"));
    }

    fn flush(&self) {
        self.write(BufWriter::flush);
    }

    fn finish(&self) {
        self.flush();
    }
}

/// Keeps the messages for a HAR file, which is written at the end.
pub(super) struct HarFile {
    path: PathBuf,
    max_memory: usize,
    redaction: Redaction,
    kept: Mutex<KeptMessages>,
}

#[derive(Default)]
struct KeptMessages {
    sockets: BTreeMap<u64, HarSocket>,
    memory: usize,
    missed: u64,
}

impl HarFile {
    /// Creates the file, so that it is known now whether that is possible.
    pub(super) fn create(path: &Path, max_memory: usize, redaction: Redaction) -> io::Result<Self> {
        create_private(path)?;
        Ok(Self { path: path.to_owned(), max_memory, redaction, kept: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, KeptMessages> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for HarFile {
    fn take(&self, number: u64, at: Duration, event: &Event<'_>) {
        match event {
            Event::Opened(opening) => {
                let opening = redacted(opening, self.redaction);
                let memory = 1000 + format!("{opening:?}").len();
                let mut kept = self.lock();
                if kept.memory + memory > self.max_memory {
                    kept.missed += 1;
                    return;
                }
                kept.memory += memory;
                kept.sockets.insert(number, HarSocket { opening, messages: Vec::new() });
            }
            Event::Frame { shown, .. } => {
                let Some(message) = &shown.frame.message else { return };
                let mut kept = self.lock();
                // A list that grows takes up to twice what it holds.
                let memory = message.payload.len() + 2 * MESSAGE_OVERHEAD;
                if kept.memory + memory > self.max_memory {
                    kept.missed += 1;
                    return;
                }
                let Some(socket) = kept.sockets.get_mut(&number) else { return };
                socket.messages.push(HarMessage {
                    sender: shown.sender,
                    time: socket.opening.time.saturating_add(at),
                    kind: message.kind,
                    data: message.payload[..].to_vec(),
                });
                kept.memory += memory;
            }
            _ => {}
        }
    }

    fn finish(&self) {
        let mut kept = self.lock();
        if kept.missed > 0 {
            let missed = kept.missed;
            report!("fdx inspect: --har: {missed} messages are left out (--max-memory)");
        }
        let sockets: Vec<HarSocket> = std::mem::take(&mut kept.sockets).into_values().collect();
        if let Err(error) = std::fs::write(&self.path, har::write(&sockets)) {
            report!("fdx inspect: --har {}: {error}", self.path.display());
        }
    }
}

/// Returns an opening without what `--redact` hides.
fn redacted(opening: &RecordedOpening, redaction: Redaction) -> RecordedOpening {
    RecordedOpening {
        url: redaction.url(&opening.url),
        request: redaction.fields(&opening.request),
        response: redaction.fields(&opening.response),
        ..opening.clone()
    }
}

/// Creates a file that only this user can read, as it has credentials.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
