//! Lines that a separate thread writes, so that a reader that takes none does not stop the program.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::escape::printable;

/// The time for the reader to take a line, and to make room for one. A signal waits as long.
const STALL: Duration = Duration::from_millis(200);

/// The time at the end of the program within which the reader must take something.
const LAST_STALL: Duration = Duration::from_secs(2);

/// The time between two looks at whether all is written.
const CHECK: Duration = Duration::from_millis(5);

/// The bytes that are written at once.
const PIECE: usize = 8 << 10;

/// The wait until all lines are written, or the reader has taken nothing for some time.
struct LastWait<'a> {
    lines: &'a Lines,
    /// How many bytes were written, and since when no more were.
    seen: (u64, Instant),
}

impl LastWait<'_> {
    fn goes_on(&mut self) -> bool {
        let Some(done) = self.lines.pending_since() else { return false };
        if done != self.seen.0 {
            self.seen = (done, Instant::now());
        }
        !self.lines.is_hurried() && self.seen.1.elapsed() < LAST_STALL
    }
}

/// Lines that a thread writes.
pub(crate) struct Lines {
    shared: Arc<Shared>,
    /// The bytes that wait for the reader at most, beside one line that may be longer.
    capacity: usize,
    /// Returns the line about a number of lines that were left out.
    missed_line: fn(u64) -> String,
    /// Whether there is a thread.
    has_writer: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    pending: VecDeque<u8>,
    /// How many bytes were handed over and written.
    pushed: u64,
    written: u64,
    /// The lines that were left out.
    missed: u64,
    /// Whether the reader took nothing when it was waited for.
    is_stalled: bool,
    is_hurried: bool,
}

/// Returns the usual line about lines that were left out.
pub(crate) fn missed_line(missed: u64) -> String {
    format!("fdx: {missed} lines were left out, as they were not read in time")
}

impl Lines {
    /// Begins a thread of this name, which writes to `out`.
    pub(crate) fn new(
        out: impl io::Write + Send + 'static,
        thread_name: &str,
        capacity: usize,
        missed_line: fn(u64) -> String,
    ) -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let writing = shared.clone();
        let thread = thread::Builder::new().name(thread_name.into());
        let has_writer = thread.spawn(move || writing.write(out)).is_ok();
        Self { shared, capacity, missed_line, has_writer }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    /// Hands over a line, and waits a short time if too much waits already. What the reader does
    /// not take is left out, and counted in a later line. Characters that control a terminal are
    /// escaped.
    pub(crate) fn push(&self, text: &str) {
        self.push_within(STALL, text);
    }

    /// Hands over a line as [`push`](Self::push) does, and never waits.
    pub(crate) fn push_at_once(&self, text: &str) {
        self.push_within(Duration::ZERO, text);
    }

    fn push_within(&self, limit: Duration, text: &str) {
        if !self.has_writer {
            // There is nowhere to report a failure.
            let _ = writeln!(io::stderr(), "{}", escaped(text));
            return;
        }
        let mut state = self.lock();
        let has_room = |state: &State| state.pending.len() < self.capacity;
        if !has_room(&state) && !state.is_stalled {
            state = self.shared.wait_while(state, limit, |state| !has_room(state));
        }
        if !has_room(&state) {
            state.is_stalled = true;
            state.missed += 1;
            return;
        }
        if state.missed > 0 {
            let missed = std::mem::take(&mut state.missed);
            state.add(&(self.missed_line)(missed));
        }
        state.add(text);
        self.shared.changed.notify_all();
    }

    /// Waits a short time until all is written.
    pub(crate) fn flush(&self) {
        self.flush_within(STALL);
    }

    fn flush_within(&self, limit: Duration) {
        let state = self.lock();
        if state.is_stalled {
            return;
        }
        let mut state = self.shared.wait_while(state, limit, |state| state.written < state.pushed);
        state.is_stalled = state.written < state.pushed;
    }

    /// Waits, for as long as it takes, until at most this many bytes are yet to be written.
    pub(crate) fn wait_for_reader(&self, at_most: u64) {
        let mut state = self.lock();
        while self.has_writer && state.pushed - state.written > at_most {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says that the program is to end soon: nothing waits for a reader that is behind.
    pub(crate) fn hurry(&self) {
        self.lock().is_hurried = true;
    }

    /// Waits until all is written, or the reader has taken nothing for some time.
    pub(crate) async fn written(&self) {
        let mut wait = self.last_wait();
        while wait.goes_on() {
            tokio::time::sleep(CHECK).await;
        }
    }

    /// Waits at the end of the program until all is written, or the reader has taken nothing for
    /// some time.
    pub(crate) fn finish(&self) {
        let mut wait = self.last_wait();
        while wait.goes_on() {
            thread::sleep(CHECK);
        }
    }

    fn last_wait(&self) -> LastWait<'_> {
        LastWait { lines: self, seen: self.progress() }
    }

    /// Returns how many bytes are written, and when that was.
    fn progress(&self) -> (u64, Instant) {
        (self.lock().written, Instant::now())
    }

    /// Returns how many bytes are written; `None` if these are all.
    fn pending_since(&self) -> Option<u64> {
        let state = self.lock();
        (state.written < state.pushed).then_some(state.written)
    }

    fn is_hurried(&self) -> bool {
        self.lock().is_hurried
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while<'a>(
        &self,
        state: MutexGuard<'a, State>,
        limit: Duration,
        condition: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout_while(state, limit, condition);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Writes what is handed over, until the program ends.
    fn write(&self, mut out: impl io::Write) {
        loop {
            let mut state = self.lock();
            while state.pending.is_empty() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let len = state.pending.len().min(PIECE);
            let piece: Vec<u8> = state.pending.drain(..len).collect();
            drop(state);
            // There is nowhere to report a failure.
            let _ = out.write_all(&piece).and_then(|()| out.flush());
            let mut state = self.lock();
            state.written += len as u64;
            state.is_stalled = false;
            drop(state);
            self.changed.notify_all();
        }
    }
}

impl State {
    fn add(&mut self, text: &str) {
        let before = self.pending.len();
        self.pending.extend(escaped(text).bytes());
        self.pending.push_back(b'\n');
        self.pushed += (self.pending.len() - before) as u64;
    }
}

/// Returns a text of several lines without characters that control a terminal.
fn escaped(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const CAPACITY: usize = 256 << 10;

    /// A reader that takes nothing until the test allows it.
    struct Blocked(Receiver<()>, Sender<Vec<u8>>);

    impl io::Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // After the test it takes all.
            let _ = self.0.recv();
            let _ = self.1.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_nobody_reads_stop_nothing() {
        let ((go, gone), (sender, received)) = (channel(), channel());
        let lines = Lines::new(Blocked(gone, sender), "lines", CAPACITY, missed_line);
        let begun = Instant::now();
        for _ in 0..100_000 {
            lines.push("x\u{1b}[31m\u{202e}y");
            lines.flush_within(Duration::from_millis(1));
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert!(lines.lock().pending.len() < CAPACITY + 100 && lines.lock().missed > 1000);
        drop(go);
        let wait = Duration::from_secs(20);
        let text = String::from_utf8(received.recv_timeout(wait).unwrap()).unwrap();
        assert!(text.starts_with("x\\u{1b}[31m\\u{202e}y\n"), "{text}");
        let begun = Instant::now();
        while lines.pending_since().is_some() && begun.elapsed() < wait {
            let _ = received.recv_timeout(CHECK);
        }
        lines.wait_for_reader(0);
        assert!(lines.pending_since().is_none());
        lines.push("last");
        let mut rest = Vec::new();
        while !rest.ends_with(b"last\n") {
            rest.extend(received.recv_timeout(wait).unwrap());
        }
        let rest = String::from_utf8_lossy(&rest);
        assert!(
            rest.contains("lines were left out, as they were not read in time\nlast\n"),
            "{rest}"
        );
    }
}
