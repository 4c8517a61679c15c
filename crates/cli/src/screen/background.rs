//! What came of work with files, which threads do so that the screen does not wait.

use std::io;
use std::path::PathBuf;

use fullduplex::Message;

/// What came of work in the background.
pub(super) enum Background {
    /// A file was read.
    Read(PathBuf, io::Result<Message>),
    /// A message was written into a file.
    Written(PathBuf, io::Result<usize>),
}
