//! The files of `--record` and `--har`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fullduplex_inspect::har::{self, HarMessage, HarSocket};
use fullduplex_inspect::recording::{HEADER, REDACTED_HEADER, Record, RecordKind};
use fullduplex_inspect::store::Handling;

use super::event::{Event, Sink};
use crate::base::records::create_private;
use crate::base::stderr;

/// What a message takes in memory besides its content.
const MESSAGE_OVERHEAD: usize = size_of::<HarMessage>();

/// The most bytes of a message that a file of messages has.
const MAX_PAYLOAD: usize = 1 << 20;

/// The longest time that lines wait before they are written to the file.
pub(super) const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Writes a recording while it is made.
pub(super) struct Recorder {
    path: PathBuf,
    /// `None` after a failure.
    file: Mutex<Option<BufWriter<File>>>,
    /// Whether the frames that it takes are made, without secrets.
    is_redacted: bool,
}

impl Recorder {
    pub(super) fn create(path: &Path, is_redacted: bool) -> io::Result<Self> {
        let mut file = BufWriter::new(create_private(path)?);
        writeln!(file, "{}", if is_redacted { REDACTED_HEADER } else { HEADER })?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(Some(file)), is_redacted })
    }

    fn write(&self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = file.as_mut()
            && let Err(error) = write(writer)
        {
            *file = None;
            let path = self.path.display();
            stderr::push_line(&format!("fdx: the recording {path}: {error}; it ends here"));
        }
    }
}

impl Sink for Recorder {
    fn take(&self, number: u64, at: Duration, event: &Event<'_>) {
        let kind = match event {
            Event::Opened(opening) => RecordKind::Open(Box::new((*opening).clone())),
            Event::Bytes { sender, bytes } => {
                RecordKind::Bytes { sender: *sender, bytes: bytes.to_vec() }
            }
            Event::Lost { sender, bytes } => RecordKind::Lost { sender: *sender, bytes: *bytes },
            Event::End { sender, how } => {
                RecordKind::End { sender: *sender, how: (*how).to_owned() }
            }
            _ => return,
        };
        let line = Record { connection: number, at, kind }.to_line();
        self.write(|file| writeln!(file, "{line}"));
    }

    fn max_payload(&self) -> usize {
        // Else it has the bytes themselves.
        if self.is_redacted { MAX_PAYLOAD } else { 0 }
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
    pub(super) fn create(path: &Path, max_memory: usize) -> io::Result<Self> {
        create_private(path)?;
        Ok(Self { path: path.to_owned(), max_memory, kept: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, KeptMessages> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for HarFile {
    fn take(&self, number: u64, at: Duration, event: &Event<'_>) {
        match event {
            Event::Opened(opening) => {
                let memory = 1000 + format!("{opening:?}").len();
                let mut kept = self.lock();
                if kept.memory + memory > self.max_memory {
                    kept.missed += 1;
                    return;
                }
                kept.memory += memory;
                kept.sockets.insert(
                    number,
                    HarSocket { opening: (*opening).clone(), messages: Vec::new() },
                );
            }
            // It has what both sides sent.
            Event::Frame { handling: Handling::Injected, .. } => {}
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

    fn max_payload(&self) -> usize {
        MAX_PAYLOAD
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
