//! Files that are read as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// The largest file or other input that becomes a message.
pub(crate) const MAX_FILE: u64 = 1 << 30;

/// The most that is read of what is not a file on a disk, as it may have no end.
const MAX_STREAM: u64 = 64 << 20;

/// Returns whether two paths lead to one file that exists, also by links.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    #[cfg(unix)]
    if let (Ok(one), Ok(other)) = (fs::metadata(one), fs::metadata(other)) {
        use std::os::unix::fs::MetadataExt as _;

        return one.is_file() && (one.dev(), one.ino()) == (other.dev(), other.ino());
    }
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

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

/// The most that is read of a file that configures something.
const MAX_SETTINGS: u64 = 1 << 20;

/// Reads a file with fields, a token, options or a command, 1 MiB at most.
///
/// # Errors
/// It can't be read, or is too long.
pub(crate) fn read_settings(path: &Path) -> io::Result<Vec<u8>> {
    read_to_limit(File::open(path)?)
}

/// Reads what has such a file's content to its end, 1 MiB at most.
///
/// # Errors
/// It can't be read, or is too long.
pub(crate) fn read_to_limit(input: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(MAX_SETTINGS + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SETTINGS {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    Ok(bytes)
}

/// Reads a file of options as text, as [`read_settings`] does, but not a pipe, which waits
/// for a program that writes.
///
/// # Errors
/// It can't be read, is too long, not UTF-8, or a pipe.
pub(crate) fn read_config(path: &Path) -> io::Result<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;

        if fs::metadata(path)?.file_type().is_fifo() {
            return Err(io::Error::other("it is a pipe (FIFO), not a file"));
        }
    }
    text(read_settings(path)?)
}

/// Returns bytes of a file as text.
///
/// # Errors
/// They are not UTF-8.
pub(crate) fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"))
}

/// Writes a new file that only this user can read; an old one is removed first.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
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
        let why = read_settings(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(why.contains("longer than 1 MiB"), "{why}");
        assert_eq!(read_config(Path::new("/dev/null")).unwrap(), "");
        let file = std::env::temp_dir().join(format!("fdx-read-{}", std::process::id()));
        File::create(&file).unwrap().set_len(MAX_FILE + 1).unwrap();
        let why = read_message(&file).unwrap_err().to_string();
        assert!(why.contains("larger than 1 GiB"), "{why}");
        fs::write(&file, "hello").unwrap();
        assert_eq!(read_message(&file).unwrap(), b"hello");
        fs::remove_file(&file).unwrap();
    }
}
