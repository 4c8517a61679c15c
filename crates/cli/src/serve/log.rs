//! What `fdx serve` says on standard error.
//!
//! A thread writes it, so that a terminal or a pipe that takes nothing holds up nobody who has
//! something to say. What waits is bounded; what there is no room for is dropped, and counted
//! in a line of its own.

use std::collections::VecDeque;
use std::fmt::{Arguments, Write as _};
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// So many lines may wait.
const LINES: usize = 1024;

/// The most bytes of a line.
const LENGTH: usize = 2048;

/// Says a line. It never waits.
macro_rules! say {
    ($($words:tt)*) => { $crate::serve::log::line(format_args!($($words)*)) };
}
pub(super) use say;

static STANDARD_ERROR: LazyLock<Log> = LazyLock::new(|| Log::new(io::stderr()));

/// Has a line written to standard error.
pub(super) fn line(words: Arguments<'_>) {
    STANDARD_ERROR.say(words);
}

/// Waits until all is written that was said, but no longer than this.
pub(super) fn flush(patience: Duration) {
    STANDARD_ERROR.flush(patience);
}

/// Lines on their way to a writer.
struct Log(Arc<LogShared>);

#[derive(Default)]
struct LogShared {
    waiting: Mutex<LogQueue>,
    changed: Condvar,
}

#[derive(Default)]
struct LogQueue {
    lines: VecDeque<String>,
    /// How many there was no room for since the last ones were taken.
    dropped: u64,
    writing: bool,
}

impl LogShared {
    fn lock(&self) -> MutexGuard<'_, LogQueue> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes until the program ends.
    fn write(&self, mut to: impl Write) {
        loop {
            let mut waiting = self.lock();
            while waiting.lines.is_empty() {
                waiting.writing = false;
                self.changed.notify_all();
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            let lines = mem::take(&mut waiting.lines);
            // They were dropped behind these.
            let dropped = mem::take(&mut waiting.dropped);
            waiting.writing = true;
            drop(waiting);
            for line in lines {
                // That nobody reads it any more is no fault.
                let _ = to.write_all(line.as_bytes());
            }
            if dropped > 0 {
                let _ = writeln!(to, "fdx serve: {dropped} lines dropped: they were not read");
            }
        }
    }
}

impl Log {
    fn new(to: impl Write + Send + 'static) -> Self {
        let shared = Arc::<LogShared>::default();
        let writer = shared.clone();
        let thread = thread::Builder::new().name("log".into());
        // Without the thread nothing is said, and all else goes on.
        let _ = thread.spawn(move || writer.write(to));
        Self(shared)
    }

    fn say(&self, words: Arguments<'_>) {
        let mut waiting = self.0.lock();
        if waiting.lines.len() >= LINES {
            waiting.dropped += 1;
            return;
        }
        let mut text = String::new();
        // A string takes whatever it is given.
        let _ = text.write_fmt(words);
        let end = (0..=LENGTH).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push('\n');
        waiting.lines.push_back(text);
        drop(waiting);
        self.0.changed.notify_all();
    }

    fn flush(&self, patience: Duration) {
        let waiting = self.0.lock();
        let is_busy = |waiting: &mut LogQueue| waiting.writing || !waiting.lines.is_empty();
        // Late lines are no reason to stay.
        drop(self.0.changed.wait_timeout_while(waiting, patience, is_busy));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, PipeReader};

    fn read(lines: usize, from: PipeReader) -> Vec<String> {
        BufReader::new(from).lines().take(lines).map(Result::unwrap).collect()
    }

    #[test]
    fn log_waits_for_no_reader_and_counts_dropped_lines() {
        let (reader, writer) = io::pipe().unwrap();
        let log = Log::new(writer);
        let all = 10_000;
        for i in 0..all {
            log.say(format_args!("{i} {}", "x".repeat(1000)));
        }
        log.flush(Duration::from_millis(1));
        // The pipe holds some, the thread has taken some, and the rest waits or is dropped.
        let mut dropped = 0;
        let mut written = 0;
        for line in BufReader::new(reader).lines() {
            let line = line.unwrap();
            match line.strip_prefix("fdx serve: ") {
                Some(words) => dropped += words.split(' ').next().unwrap().parse::<i32>().unwrap(),
                None => written += 1,
            }
            if dropped + written == all {
                break;
            }
        }
        assert!(dropped > 0 && written >= i32::try_from(LINES).unwrap(), "{written}, {dropped}");
    }

    #[test]
    fn log_is_written_by_the_end_and_cuts_long_lines() {
        let (reader, writer) = io::pipe().unwrap();
        let log = Log::new(writer);
        log.say(format_args!("first"));
        log.say(format_args!("{}", "ü".repeat(LENGTH)));
        log.flush(Duration::from_secs(60));
        let lines = read(2, reader);
        assert_eq!((lines[0].as_str(), lines[1].len()), ("first", LENGTH));
    }
}
