//! Standard input and output as the two sides of a [session](crate::session), each in a thread of
//! its own, with large buffers.

mod format;
mod input;
mod output;
mod read;
mod write;

use std::fs::File;
use std::io;

pub(crate) use self::format::{Format, InputFormat, OutputFormat};
pub(crate) use self::input::read_actions;
pub(crate) use self::output::write_events;
#[cfg(unix)]
pub(crate) use self::read::message_of;
#[cfg(unix)]
pub(crate) use self::write::write_message;

/// The size of the buffer for reading, in bytes.
const INPUT_BUFFER: usize = 256 << 10;

/// The size of the buffer for writing, in bytes. Messages as large are written without a copy.
const OUTPUT_BUFFER: usize = 32 << 10;

/// Returns standard input without the buffer and lock of the standard library.
fn stdin() -> io::Result<File> {
    #[cfg(unix)]
    let owned = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned();
    #[cfg(windows)]
    let owned = std::os::windows::io::AsHandle::as_handle(&io::stdin()).try_clone_to_owned();
    owned.map(File::from)
}

/// Returns standard output without the buffer and lock of the standard library.
fn stdout() -> io::Result<File> {
    #[cfg(unix)]
    let owned = std::os::fd::AsFd::as_fd(&io::stdout()).try_clone_to_owned();
    #[cfg(windows)]
    let owned = std::os::windows::io::AsHandle::as_handle(&io::stdout()).try_clone_to_owned();
    owned.map(File::from)
}

/// Whether standard input is `/dev/null`, as of programs that are started without one.
pub(crate) fn stdin_is_null() -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;

        let null = std::fs::metadata("/dev/null").map(|null| null.rdev());
        let input = stdin().and_then(|input| input.metadata()).map(|input| input.rdev());
        // Files and pipes have the device 0.
        matches!((null, input), (Ok(null), Ok(input)) if null == input && null != 0)
    }
    #[cfg(not(unix))]
    false
}
