//! Files that are read as a whole.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The largest file that is read.
const MAX_FILE: u64 = 1 << 30;

/// The most that is read of what is not a file on a disk, as it may have no end.
const MAX_STREAM: u64 = 64 << 20;

/// Reads a file that becomes a message.
///
/// # Errors
/// It can't be read, or is too long.
pub(crate) fn read_message(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let (max, what) = if metadata.is_file() {
        (MAX_FILE, "it is larger than 1 GiB, the largest message that is sent")
    } else {
        (MAX_STREAM, "it is not a file on a disk, and does not end within 64 MiB")
    };
    let mut bytes = Vec::new();
    if metadata.len() <= max {
        file.take(max + 1).read_to_end(&mut bytes)?;
    }
    if metadata.len().max(bytes.len() as u64) > max {
        return Err(io::Error::other(what));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn files_without_an_end_are_refused() {
        let why = read_message(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(why.contains("does not end within 64 MiB"), "{why}");
        assert_eq!(read_message(Path::new("/dev/null")).unwrap(), b"");
        let file = std::env::temp_dir().join(format!("fdx-read-{}", std::process::id()));
        File::create(&file).unwrap().set_len(MAX_FILE + 1).unwrap();
        let why = read_message(&file).unwrap_err().to_string();
        assert!(why.contains("larger than 1 GiB"), "{why}");
        std::fs::write(&file, "hello").unwrap();
        assert_eq!(read_message(&file).unwrap(), b"hello");
        std::fs::remove_file(&file).unwrap();
    }
}
