//! What the user types, read in a thread.

use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _};
use std::thread;

use tokio::sync::mpsc;

/// The longest line of a terminal that edits lines itself, in bytes, with its newline. Longer ones
/// are cut by it.
const MAX_TERMINAL_LINE: usize = 4_096;

/// What was read.
#[derive(Debug)]
pub(crate) enum Typed {
    /// Bytes of keys.
    Keys(Vec<u8>),
    Line(String),
    /// A line that the terminal has cut.
    CutLine,
    /// The end, as Ctrl-D or a terminal that is closed.
    End,
}

/// Starts to read keys, from a terminal that passes on each.
pub(crate) fn read_keys() -> mpsc::Receiver<Typed> {
    let (sender, receiver) = mpsc::channel(16);
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut bytes = vec![0; 64 << 10];
        loop {
            let typed = match input.read(&mut bytes) {
                Ok(0) => Typed::End,
                Ok(len) => Typed::Keys(bytes[..len].to_vec()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => Typed::End,
            };
            let is_end = matches!(typed, Typed::End);
            if sender.blocking_send(typed).is_err() || is_end {
                return;
            }
        }
    });
    receiver
}

/// Starts to read lines, from a terminal that edits them itself.
pub(crate) fn read_lines() -> mpsc::Receiver<Typed> {
    let (sender, receiver) = mpsc::channel(16);
    thread::spawn(move || {
        let is_terminal = cfg!(unix) && io::stdin().is_terminal();
        let mut input = BufReader::new(io::stdin());
        let mut line = Vec::new();
        loop {
            line.clear();
            let typed = match input.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => Typed::End,
                Ok(len) if is_terminal && len >= MAX_TERMINAL_LINE - 1 => Typed::CutLine,
                Ok(_) => {
                    let text = String::from_utf8_lossy(&line);
                    Typed::Line(text.trim_end_matches(['\r', '\n']).to_owned())
                }
            };
            let is_end = matches!(typed, Typed::End);
            if sender.blocking_send(typed).is_err() || is_end {
                return;
            }
        }
    });
    receiver
}
