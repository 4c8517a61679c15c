//! Lines on standard error, which a reader that takes none must not stop the program with.

use std::io;
use std::sync::LazyLock;

use super::lines::{Lines, missed_line};

/// The bytes that wait for the reader at most, beside one line that may be longer.
const CAPACITY: usize = 256 << 10;

static STDERR: LazyLock<Lines> =
    LazyLock::new(|| Lines::new(io::stderr(), "stderr", CAPACITY, missed_line));

/// Writes a line, and waits a short time until it is written. Characters that control a terminal
/// are escaped.
pub(crate) fn report_line(text: &str) {
    STDERR.push(text);
    STDERR.flush();
}

/// Hands over a line to be written, and waits a short time if too much waits already. What the
/// reader does not take is left out, and counted in a later line.
pub(crate) fn push_line(text: &str) {
    STDERR.push(text);
}

/// Waits until all is written, or the reader has taken nothing for some time.
pub(crate) async fn written() {
    STDERR.written().await;
}

/// Says that the program is to end soon: nothing waits for a reader that is behind.
pub(crate) fn hurry() {
    STDERR.hurry();
}

/// Waits at the end of the program until all is written, or the reader has taken nothing for some
/// time.
pub(crate) fn finish() {
    STDERR.finish();
}
