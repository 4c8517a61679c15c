//! What a recording says, as events of its WebSockets.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fullduplex_inspect::recording::{Record, RecordKind};

use super::event::Sink;
use super::files::Recorder;
use super::observer::{Observer, Sinks};
use super::redacted::Redacted;

/// The observers of the WebSockets of a recording.
pub(super) struct RecordedSockets {
    sinks: Sinks,
    open: HashMap<u64, Observer>,
}

impl RecordedSockets {
    pub(super) fn new(sinks: Sinks) -> Self {
        Self { sinks, open: HashMap::new() }
    }

    /// Tells the sinks of a record.
    pub(super) fn take(&mut self, record: Record) {
        let number = record.connection;
        if let RecordKind::Open(opening) = record.kind {
            let observer = Observer::of_recording(number, self.sinks.clone(), &opening);
            self.open.insert(number, observer);
            return;
        }
        let Some(observer) = self.open.get_mut(&number) else { return };
        observer.set_time(record.at);
        match record.kind {
            RecordKind::Bytes { sender, bytes } => {
                observer.count(sender, bytes.len());
                observer.push(sender, &bytes);
            }
            RecordKind::Lost { sender, bytes } => observer.lose(sender, bytes),
            RecordKind::End { sender, how } => {
                observer.end(sender, &how);
                if observer.has_ended()
                    && let Some(observer) = self.open.remove(&number)
                {
                    observer.close();
                }
            }
            _ => {}
        }
    }

    /// Ends those that are open, with a note that says why.
    pub(super) fn finish(self, note: Option<&str>) {
        let mut open: Vec<_> = self.open.into_iter().collect();
        open.sort_by_key(|(number, _)| *number);
        for (_, observer) in open {
            if let Some(note) = note {
                observer.note(note);
            }
            observer.close();
        }
    }
}

/// A recording that is written while it is made.
pub(crate) struct RecordingFile {
    sockets: Mutex<RecordedSockets>,
    sinks: Sinks,
}

impl fmt::Debug for RecordingFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordingFile")
    }
}

impl RecordingFile {
    /// Creates the file. Without secrets, frames are made anew.
    ///
    /// # Errors
    /// If the file can't be created.
    pub(crate) fn create(path: &Path, is_redacted: bool) -> io::Result<Self> {
        let mut sinks: Vec<Box<dyn Sink>> = vec![Box::new(Recorder::create(path, is_redacted)?)];
        if is_redacted {
            sinks = vec![Box::new(Redacted::new(sinks))];
        }
        let sinks = Sinks::new(sinks, None);
        Ok(Self { sockets: Mutex::new(RecordedSockets::new(sinks.clone())), sinks })
    }

    fn lock(&self) -> MutexGuard<'_, RecordedSockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take(&self, record: Record) {
        self.lock().take(record);
    }

    /// Writes what waits to be written.
    pub(crate) fn flush(&self) {
        for sink in &*self.sinks {
            sink.flush();
        }
    }
}
