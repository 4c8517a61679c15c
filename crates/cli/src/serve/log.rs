//! The log of the commands that serve, on standard error.
//!
//! A separate thread writes it, so that a terminal or a pipe that is not read blocks no connection.
//! The queue is bounded: lines that do not fit are dropped, and a line reports their number. With
//! `--log` each line begins with the time of day, or is a JSON object.

use std::collections::VecDeque;
use std::fmt::{Arguments, Write as _};
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::utc_time::utc_now;

/// The most lines in the queue.
const MAX_LINES: usize = 1024;

/// The longest line, in bytes; longer ones are cut.
const MAX_LINE_LENGTH: usize = 4096;

/// Writes a line to the log. Never blocks.
macro_rules! log_line {
    ($($message:tt)*) => { $crate::serve::log::line(format_args!($($message)*)) };
}
pub(crate) use log_line;

static STANDARD_ERROR: LazyLock<Log> = LazyLock::new(|| Log::new(io::stderr()));

/// Whether each line is a JSON object. Not set without `--log`.
static IS_JSON: OnceLock<bool> = OnceLock::new();

/// Lets all lines from now on have the time of day, or be JSON objects with it.
pub(crate) fn set_format(is_json: bool) {
    // It is set once.
    let _ = IS_JSON.set(is_json);
}

/// Queues a line for standard error.
pub(crate) fn line(message: Arguments<'_>) {
    match IS_JSON.get() {
        None => STANDARD_ERROR.push(message),
        Some(false) => STANDARD_ERROR.push(format_args!("{} {message}", utc_now())),
        Some(true) => json("note", &[("text", json!(message.to_string()))]),
    }
}

/// Queues a line that is a JSON object, with the time, the event, and those fields that are not
/// null.
pub(super) fn json(event: &str, fields: &[(&str, Value)]) {
    STANDARD_ERROR.push(format_args!("{}", json_line(event, fields)));
}

fn json_line(event: &str, fields: &[(&str, Value)]) -> String {
    let mut line = format!("{{\"time\":\"{}\",\"event\":\"{event}\"", utc_now());
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        // Writing to a string does not fail.
        let _ = write!(line, ",\"{name}\":{value}");
    }
    line.push('}');
    line
}

/// Waits until all queued lines are written, at most for `timeout`.
pub(crate) fn flush(timeout: Duration) {
    STANDARD_ERROR.flush(timeout);
}

/// A queue of lines, and the thread that writes them.
struct Log(Arc<LogShared>);

#[derive(Default)]
struct LogShared {
    queue: Mutex<LogQueue>,
    changed: Condvar,
}

#[derive(Default)]
struct LogQueue {
    lines: VecDeque<String>,
    /// The number of lines dropped since the writer last took the queue.
    dropped: u64,
    writing: bool,
}

impl LogShared {
    fn lock(&self) -> MutexGuard<'_, LogQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes lines as they arrive; never returns.
    fn write(&self, mut to: impl Write) {
        loop {
            let mut queue = self.lock();
            while queue.lines.is_empty() {
                queue.writing = false;
                self.changed.notify_all();
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            let lines = mem::take(&mut queue.lines);
            // The dropped ones came after these lines.
            let dropped = mem::take(&mut queue.dropped);
            queue.writing = true;
            drop(queue);
            for line in lines {
                // A closed standard error does not end the server.
                let _ = to.write_all(line.as_bytes());
            }
            if dropped > 0 {
                let line = if IS_JSON.get() == Some(&true) {
                    json_line("dropped", &[("lines", json!(dropped))])
                } else {
                    format!("fdx: {dropped} lines dropped: they were not read in time")
                };
                let _ = writeln!(to, "{line}");
            }
        }
    }
}

impl Log {
    fn new(to: impl Write + Send + 'static) -> Self {
        let shared = Arc::<LogShared>::default();
        let writer = shared.clone();
        let thread = thread::Builder::new().name("log".into());
        // Without the thread nothing is logged, and the server runs on.
        let _ = thread.spawn(move || writer.write(to));
        Self(shared)
    }

    fn push(&self, message: Arguments<'_>) {
        let mut queue = self.0.lock();
        if queue.lines.len() >= MAX_LINES {
            queue.dropped += 1;
            return;
        }
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = text.write_fmt(message);
        let end = (0..=MAX_LINE_LENGTH).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push('\n');
        queue.lines.push_back(text);
        drop(queue);
        self.0.changed.notify_all();
    }

    fn flush(&self, timeout: Duration) {
        let queue = self.0.lock();
        let is_busy = |queue: &mut LogQueue| queue.writing || !queue.lines.is_empty();
        // Lines that are not written by then are lost.
        drop(self.0.changed.wait_timeout_while(queue, timeout, is_busy));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, PipeReader};

    #[test]
    fn log_line_of_json_leaves_out_nulls() {
        let line = json_line("open", &[("a", json!("\"\n")), ("b", Value::Null)]);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["a"], "\"\n");
        assert!(value.get("b").is_none() && line.starts_with("{\"time\":\"20"), "{line}");
    }

    fn read(lines: usize, from: PipeReader) -> Vec<String> {
        BufReader::new(from).lines().take(lines).map(Result::unwrap).collect()
    }

    #[test]
    fn log_waits_for_no_reader_and_counts_dropped_lines() {
        let (reader, writer) = io::pipe().unwrap();
        let log = Log::new(writer);
        let all = 10_000;
        for i in 0..all {
            log.push(format_args!("{i} {}", "x".repeat(1000)));
        }
        log.flush(Duration::from_millis(1));
        // The pipe holds some, the thread has taken some, and the rest waits or is dropped.
        let mut dropped = 0;
        let mut written = 0;
        for line in BufReader::new(reader).lines() {
            let line = line.unwrap();
            match line.strip_prefix("fdx: ") {
                Some(words) => dropped += words.split(' ').next().unwrap().parse::<i32>().unwrap(),
                None => written += 1,
            }
            if dropped + written == all {
                break;
            }
        }
        assert!(
            dropped > 0 && written >= i32::try_from(MAX_LINES).unwrap(),
            "{written}, {dropped}"
        );
    }

    #[test]
    fn log_is_written_by_the_end_and_cuts_long_lines() {
        let (reader, writer) = io::pipe().unwrap();
        let log = Log::new(writer);
        log.push(format_args!("first"));
        log.push(format_args!("{}", "ü".repeat(MAX_LINE_LENGTH)));
        log.flush(Duration::from_secs(60));
        let lines = read(2, reader);
        assert_eq!((lines[0].as_str(), lines[1].len()), ("first", MAX_LINE_LENGTH));
    }
}
