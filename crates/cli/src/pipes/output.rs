//! Standard output as the output side of a session.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::thread;

use fullduplex::Message;
use tokio::sync::oneshot;

use crate::base::escape::{printable, printable_bytes};
use crate::pipes::{BUFFER_SIZE, stdout};
use crate::session::{Event, QueueReceiver};

/// Starts to write messages to standard output: as lines or, with `binary`, as they are. Notes go
/// to standard error. What is returned is ready when all is written, or writing has failed.
pub(crate) fn write_events(
    binary: bool,
    events: QueueReceiver<Event>,
) -> oneshot::Receiver<io::Result<()>> {
    let (done, written) = oneshot::channel();
    thread::spawn(move || {
        // If nobody waits for it, the session has ended at once.
        let _ = done.send(write(binary, events));
    });
    written
}

fn write(binary: bool, mut events: QueueReceiver<Event>) -> io::Result<()> {
    let to_terminal = io::stdout().is_terminal();
    let mut out = BufWriter::with_capacity(BUFFER_SIZE, stdout()?);
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
            Some(Event::Message(message)) => {
                write_message(&mut out, &message, binary, to_terminal)?;
            }
            Some(Event::Note(text)) => report!("fdx connect: {text}"),
            Some(_) => {}
            None => {
                // What is left in the buffer must not be printed.
                let _ = out.into_parts();
                return Ok(());
            }
        }
    }
}

fn write_message(
    out: &mut impl Write,
    message: &Message,
    binary: bool,
    to_terminal: bool,
) -> io::Result<()> {
    match message {
        _ if binary && to_terminal => {
            out.write_all(printable_bytes(message.as_bytes()).as_bytes())?;
        }
        Message::Text(text) if to_terminal => out.write_all(printable(text.as_str()).as_bytes())?,
        Message::Binary(bytes) if to_terminal => write!(out, "[binary, {} bytes]", bytes.len())?,
        _ => out.write_all(message.as_bytes())?,
    }
    if !binary || to_terminal {
        out.write_all(b"\n")?;
    }
    Ok(())
}
