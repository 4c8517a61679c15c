//! Standard input as the input side of a session.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::thread;

use crate::pipes::{BUFFER_SIZE, stdin};
use crate::session::{Action, QueueSender};

/// The largest binary message that is made of standard input, in bytes.
const CHUNK_SIZE: usize = 64 << 10;

/// Starts to read standard input: lines as text messages or, with `binary`, what is read as binary
/// messages.
pub(crate) fn read_actions(binary: bool, actions: QueueSender<Action>) {
    thread::spawn(move || {
        let read = if binary { read_bytes(&actions) } else { read_lines(&actions) };
        let last = match read {
            Ok(()) => Action::EndOfInput,
            Err(error) => Action::Fail(format!("standard input: {error}")),
        };
        // If the session is over, nothing is read any more.
        let _ = actions.blocking_send(last);
    });
}

fn read_lines(actions: &QueueSender<Action>) -> io::Result<()> {
    let mut input = BufReader::with_capacity(BUFFER_SIZE, stdin()?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let text = std::str::from_utf8(&line).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, "a line is not UTF-8; use --binary")
        })?;
        if actions.blocking_send(Action::Send(text.into())).is_err() {
            return Ok(());
        }
    }
}

fn read_bytes(actions: &QueueSender<Action>) -> io::Result<()> {
    let mut input = stdin()?;
    let mut chunk = vec![0; CHUNK_SIZE];
    loop {
        let len = input.read(&mut chunk)?;
        let is_sent = || actions.blocking_send(Action::Send(chunk[..len].to_vec().into())).is_ok();
        if len == 0 || !is_sent() {
            return Ok(());
        }
    }
}
