//! Standard output as the output side of a session.

use std::hint::black_box;
use std::io::{self, BufWriter, Write as _};
use std::thread;

use tokio::sync::oneshot;

use crate::pipes::format::OutputFormat;
use crate::pipes::write::write_message;
use crate::pipes::{OUTPUT_BUFFER, stdout};
use crate::session::{Event, QueueReceiver};

/// The free memory that the program keeps at most, in bytes: what the queue of events has, and
/// some.
const KEPT_MEMORY: usize = 4 << 20;

/// Starts to write messages to standard output, and notes to standard error, unless `is_quiet`.
/// What is returned is ready when all is written, or writing has failed.
pub(crate) fn write_events(
    format: OutputFormat,
    is_quiet: bool,
    events: QueueReceiver<Event>,
) -> oneshot::Receiver<io::Result<()>> {
    keep_freed_memory();
    let (done, written) = oneshot::channel();
    thread::spawn(move || {
        // After a signal no task waits for it.
        let _ = done.send(write(format, is_quiet, events));
    });
    written
}

/// Lets the allocator keep the memory of the messages in the queue for the next ones. They are
/// freed by another thread than they are allocated by, and glibc would return it to the system and
/// ask for it again for every few messages. What it keeps is twice the largest block that was
/// freed.
fn keep_freed_memory() {
    drop(black_box(Vec::<u8>::with_capacity(KEPT_MEMORY / 2)));
}

fn write(format: OutputFormat, is_quiet: bool, mut events: QueueReceiver<Event>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(OUTPUT_BUFFER, stdout()?);
    loop {
        let event = match events.try_recv() {
            Some(event) => Some(event),
            None if events.is_discarded() => None,
            None => {
                out.flush()?;
                events.blocking_recv()
            }
        };
        match event {
            Some(Event::Message(message)) => write_message(&mut out, &message, format)?,
            Some(Event::Note(text)) if !is_quiet => {
                out.flush()?;
                report!("fdx connect: {text}");
            }
            Some(_) => {}
            None => {
                // What is left in the buffer must not be printed.
                let _ = out.into_parts();
                return Ok(());
            }
        }
    }
}
