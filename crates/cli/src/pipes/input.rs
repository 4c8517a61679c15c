//! Standard input as the input side of a session.

use std::io::{self, BufReader};
use std::thread;

use crate::pipes::format::InputFormat;
use crate::pipes::read::MessageReader;
use crate::pipes::{INPUT_BUFFER, stdin};
use crate::session::{Action, QueueSender};

/// Starts to read messages from standard input.
pub(crate) fn read_actions(format: InputFormat, actions: QueueSender<Action>) {
    thread::spawn(move || {
        let last = match read(format, &actions) {
            Ok(()) => Action::EndOfInput,
            Err(error) => Action::Fail(format!("standard input: {error}")),
        };
        // If the session is over, nothing is read any more.
        let _ = actions.blocking_send(last);
    });
}

fn read(format: InputFormat, actions: &QueueSender<Action>) -> io::Result<()> {
    let input = BufReader::with_capacity(INPUT_BUFFER, stdin()?);
    let mut reader = MessageReader::new(input, format);
    while let Some(message) = reader.next()? {
        if actions.blocking_send(Action::Send(message)).is_err() {
            break;
        }
    }
    Ok(())
}
